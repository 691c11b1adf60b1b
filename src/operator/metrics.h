/*
 * Prometheus metrics under upstream's names (spec: platform §5), as text 0.0.4: a table of families in
 * metrics.c, series found by their label values.
 *
 *     metrics_add(METRIC_RECONCILE_TOTAL, 1, "raycluster", "success");
 */
#ifndef MANTA_OPERATOR_METRICS_H
#define MANTA_OPERATOR_METRICS_H

#include "base/buf.h"

enum metric {
    METRIC_REQUESTS_TOTAL,     /* code, method, host */
    METRIC_REQUEST_SECONDS,    /* verb, host */
    METRIC_RECONCILE_TOTAL,    /* controller, result */
    METRIC_RECONCILE_ERRORS,   /* controller */
    METRIC_RECONCILE_SECONDS,  /* controller */
    METRIC_MAX_CONCURRENT,     /* controller */
    METRIC_ACTIVE_WORKERS,     /* controller */
    METRIC_QUEUE_ADDS,         /* name, controller */
    METRIC_LEADER,             /* name */
    METRIC_COUNT
};

/* As many label values (const char *) as the family has labels. */
void metrics_add(enum metric m, double n, ...);     /* counters */
void metrics_set(enum metric m, double value, ...); /* gauges */
void metrics_observe(enum metric m, double value, ...); /* histograms */

void metrics_write(struct buf *out); /* all families, and process_* */

/* More text at each scrape: the collectors over custom resources. NULL: none. */
void metrics_collector(void (*fn)(void *ctx, struct buf *out), void *ctx);
void metrics_reset(void); /* forgets all series, for tests */

#endif
