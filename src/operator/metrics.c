#include "operator/metrics.h"
#include "operator/process_stats.h"
#include "base/map.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

enum type { COUNTER, GAUGE, HISTOGRAM };
static const char *const type_words[] = {"counter", "gauge", "histogram"};

static const double request_buckets[] = {.005, .025, .1, .25, .5, 1, 2, 4, 8, 15, 30, 60};
static const double reconcile_buckets[] = {
    .005, .01, .025, .05, .1, .15, .2, .25, .3, .35, .4, .45, .5,  .6,  .7, .8, .9, 1,  1.25, 1.5, 1.75,
    2,    2.5, 3,    3.5, 4,  4.5, 5,  6,   7,  8,   9,  10,  15, 20, 25, 30, 40, 50, 60};

#define MAX_LABELS 3

static const struct family {
    const char *name;
    enum type type;
    const char *labels[MAX_LABELS + 1];
    const char *help;
    const double *buckets;
    size_t n_buckets;
} families[METRIC_COUNT] = {
    [METRIC_REQUESTS_TOTAL] = {"rest_client_requests_total",
                               COUNTER,
                               {"code", "method", "host"},
                               "Number of HTTP requests, partitioned by status code, method, and host.",
                               NULL,
                               0},
    [METRIC_REQUEST_SECONDS] = {"rest_client_request_duration_seconds",
                                HISTOGRAM,
                                {"verb", "host"},
                                "Request latency in seconds. Broken down by verb, and host.",
                                request_buckets,
                                ARRAY_SIZE(request_buckets)},
    [METRIC_RECONCILE_TOTAL] = {"controller_runtime_reconcile_total",
                                COUNTER,
                                {"controller", "result"},
                                "Total number of reconciliations per controller",
                                NULL,
                                0},
    [METRIC_RECONCILE_ERRORS] = {"controller_runtime_reconcile_errors_total",
                                 COUNTER,
                                 {"controller"},
                                 "Total number of reconciliation errors per controller",
                                 NULL,
                                 0},
    [METRIC_RECONCILE_SECONDS] = {"controller_runtime_reconcile_time_seconds",
                                  HISTOGRAM,
                                  {"controller"},
                                  "Length of time per reconciliation per controller",
                                  reconcile_buckets,
                                  ARRAY_SIZE(reconcile_buckets)},
    [METRIC_MAX_CONCURRENT] = {"controller_runtime_max_concurrent_reconciles",
                               GAUGE,
                               {"controller"},
                               "Maximum number of concurrent reconciles per controller",
                               NULL,
                               0},
    [METRIC_ACTIVE_WORKERS] = {"controller_runtime_active_workers",
                               GAUGE,
                               {"controller"},
                               "Number of currently used workers per controller",
                               NULL,
                               0},
    [METRIC_QUEUE_ADDS] = {"workqueue_adds_total",
                           COUNTER,
                           {"name", "controller"},
                           "Total number of adds handled by workqueue",
                           NULL,
                           0},
    [METRIC_LEADER] = {"leader_election_master_status",
                       GAUGE,
                       {"name"},
                       "Gauge of if the reporting system is master of the relevant lease, 0 indicates "
                       "backup, 1 indicates master. 'name' is the string used to identify the lease. "
                       "Please make sure to group by name.",
                       NULL,
                       0},
};

/* One series: its labels as text, its value, and for histograms the counts. */
struct series {
    double value; /* of a histogram: the sum */
    uint64_t count;
    uint64_t *counts; /* by bucket, each alone */
};

static struct map all[METRIC_COUNT]; /* label text → struct series */
static void (*collector)(void *ctx, struct buf *out);
static void *collector_ctx;

static void add_label_value(struct buf *b, const char *s)
{
    for (; *s; s++) {
        if (*s == '\\' || *s == '"')
            buf_addc(b, '\\');
        if (*s == '\n')
            buf_adds(b, "\\n");
        else
            buf_addc(b, *s);
    }
}

static struct series *find(enum metric m, va_list ap)
{
    struct buf key cleanup(buf_done) = BUF_INIT;
    struct series *s;

    for (size_t i = 0; families[m].labels[i]; i++) {
        buf_adds(&key, i ? "," : "");
        buf_adds(&key, families[m].labels[i]);
        buf_adds(&key, "=\"");
        add_label_value(&key, va_arg(ap, const char *));
        buf_addc(&key, '"');
    }
    s = map_get(&all[m], buf_str(&key));
    if (!s) {
        s = xnew(struct series);
        s->counts = xcalloc(families[m].n_buckets, sizeof *s->counts);
        map_put(&all[m], buf_str(&key), s);
    }
    return s;
}

void metrics_add(enum metric m, double n, ...)
{
    va_list ap;

    va_start(ap, n);
    find(m, ap)->value += n;
    va_end(ap);
}

void metrics_set(enum metric m, double value, ...)
{
    va_list ap;

    va_start(ap, value);
    find(m, ap)->value = value;
    va_end(ap);
}

void metrics_observe(enum metric m, double value, ...)
{
    struct series *s;
    va_list ap;

    va_start(ap, value);
    s = find(m, ap);
    va_end(ap);
    s->value += value;
    s->count++;
    for (size_t i = 0; i < families[m].n_buckets; i++)
        if (value <= families[m].buckets[i]) {
            s->counts[i]++;
            break;
        }
}

static void write_histogram(struct buf *out, const struct family *f, const char *labels,
                            const struct series *s)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < f->n_buckets; i++) {
        sum += s->counts[i];
        buf_printf(out, "%s_bucket{%s,le=\"%g\"} %llu\n", f->name, labels, f->buckets[i],
                   (unsigned long long)sum);
    }
    buf_printf(out, "%s_bucket{%s,le=\"+Inf\"} %llu\n%s_sum{%s} %.17g\n%s_count{%s} %llu\n", f->name, labels,
               (unsigned long long)s->count, f->name, labels, s->value, f->name, labels,
               (unsigned long long)s->count);
}

static void write_family(struct buf *out, enum metric m)
{
    const struct family *f = &families[m];

    if (!all[m].n)
        return;
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, type_words[f->type]);
    for (struct map_item *i = map_next(&all[m], NULL); i; i = map_next(&all[m], i)) {
        const struct series *s = i->value;
        if (f->type == HISTOGRAM)
            write_histogram(out, f, i->key, s);
        else
            buf_printf(out, "%s{%s} %.17g\n", f->name, i->key, s->value);
    }
}

void metrics_write(struct buf *out)
{
    for (int m = 0; m < METRIC_COUNT; m++)
        write_family(out, (enum metric)m);
    if (collector)
        collector(collector_ctx, out);
    process_stats_write(out);
}

void metrics_collector(void (*fn)(void *ctx, struct buf *out), void *ctx)
{
    collector = fn;
    collector_ctx = ctx;
}

void metrics_reset(void)
{
    for (int m = 0; m < METRIC_COUNT; m++) {
        for (struct map_item *i = map_next(&all[m], NULL); i; i = map_next(&all[m], i)) {
            struct series *s = i->value;
            free(s->counts);
            free(s);
        }
        map_done(&all[m]);
    }
}
