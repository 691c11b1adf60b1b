/*
 * Prometheus metrics under upstream's names, types, labels and help (spec: platform §5), as text
 * 0.0.4. A table of families, series found by their label values.
 *
 *     metrics_add(METRIC_RECONCILE_TOTAL, 1, "raycluster", "success");
 *
 * Output is in order of name, labels in order of theirs, as promhttp has it.
 */
#ifndef MANTA_OPERATOR_METRICS_H
#define MANTA_OPERATOR_METRICS_H

#include "base/buf.h"

/* clang-format off */
enum metric {
    METRIC_CERT_READ_ERRORS,
    METRIC_CERT_READS,
    METRIC_ACTIVE_WORKERS,          /* controller */
    METRIC_CONVERSION_PANICS,
    METRIC_MAX_CONCURRENT,          /* controller */
    METRIC_RECONCILE_ERRORS,        /* controller */
    METRIC_RECONCILE_PANICS,        /* controller */
    METRIC_RECONCILE_SECONDS,       /* controller */
    METRIC_RECONCILE_TIMEOUTS,      /* controller */
    METRIC_RECONCILE_TOTAL,         /* controller, result */
    METRIC_TERMINAL_ERRORS,         /* controller */
    METRIC_WEBHOOK_SECONDS,         /* webhook */
    METRIC_WEBHOOK_PANICS,
    METRIC_WEBHOOK_IN_FLIGHT,       /* webhook */
    METRIC_WEBHOOK_TOTAL,           /* code, webhook */
    METRIC_CLUSTER_PROVISIONED,     /* condition, name, namespace, uid */
    METRIC_CLUSTER_INFO,            /* name, namespace, owner_kind, uid */
    METRIC_CLUSTER_SECONDS,         /* name, namespace, uid */
    METRIC_JOB_STATUS,              /* deployment_status, name, namespace, uid */
    METRIC_JOB_SECONDS,             /* job_deployment_status, name, namespace, retry_count, uid */
    METRIC_JOB_INFO,                /* name, namespace, uid */
    METRIC_SERVICE_READY,           /* condition, name, namespace, uid */
    METRIC_SERVICE_UPGRADING,       /* condition, name, namespace, uid */
    METRIC_SERVICE_INFO,            /* name, namespace, uid */
    METRIC_LEADER,                  /* name */
    METRIC_RATE_LIMITER_SECONDS,    /* host, verb */
    METRIC_REQUEST_SECONDS,         /* host, verb */
    METRIC_REQUEST_RETRIES,         /* code, host, verb */
    METRIC_REQUEST_BYTES,           /* host, verb */
    METRIC_REQUESTS_TOTAL,          /* code, host, method */
    METRIC_RESPONSE_BYTES,          /* host, verb */
    METRIC_QUEUE_ADDS,              /* controller, name */
    METRIC_QUEUE_DEPTH,             /* controller, name, priority */
    METRIC_QUEUE_LONGEST_SECONDS,   /* controller, name */
    METRIC_QUEUE_WAIT_SECONDS,      /* controller, name */
    METRIC_QUEUE_RETRIES,           /* controller, name */
    METRIC_QUEUE_UNFINISHED_SECONDS, /* controller, name */
    METRIC_QUEUE_WORK_SECONDS,      /* controller, name */
    METRIC_COUNT
};
/* clang-format on */

/* As many label values (const char *) as the family has labels, in the order above. */
void metrics_add(enum metric m, double n, ...);         /* counters, gauges */
void metrics_set(enum metric m, double value, ...);     /* gauges */
void metrics_observe(enum metric m, double value, ...); /* histograms */
/* Forgets all series of the family, or those of this object (label name and namespace). */
void metrics_clear(enum metric m);
void metrics_forget(enum metric m, const char *ns, const char *name);

void metrics_write(struct buf *out); /* all families, and process_* */

/* Called before each scrape, in the order given, to set what is only known then. At most 4. */
void metrics_on_scrape(void (*fn)(void *ctx), void *ctx);
void metrics_reset(void); /* forgets all series and callers, for tests */

#endif
