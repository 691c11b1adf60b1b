#include "operator/metrics.h"
#include "operator/process_stats.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "data/gofmt.h"

#include <stdarg.h>

enum type { COUNTER, GAUGE, HISTOGRAM };
static const char *const type_words[] = {"counter", "gauge", "histogram"};

static const double request_buckets[] = {.005, .025, .1, .25, .5, 1, 2, 4, 8, 15, 30, 60};
static const double size_buckets[] = {64,    256,    512,     1024,    4096,    16384,
                                      65536, 262144, 1048576, 4194304, 16777216};
static const double queue_buckets[] = {1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3,
                                       1e-2, 1e-1, 1,    10,   100,  1000};
static const double reconcile_buckets[] = {
    .005, .01, .025, .05, .1,  .15, .2,  .25, .3, .35, .4, .45, .5, .6, .7, .8, .9, 1,  1.25, 1.5,
    1.75, 2,   2.5,  3,   3.5, 4,   4.5, 5,   6,  7,   8,  9,   10, 15, 20, 25, 30, 40, 50,   60};

#define MAX_LABELS 5
#define BUCKETS(list) list, ARRAY_SIZE(list)

/* clang-format off */
static const struct family {
    const char *name;
    enum type type;
    const char *labels[MAX_LABELS + 1]; /* in order of name */
    const char *help;
    const double *buckets;
    size_t n_buckets;
} families[METRIC_COUNT] = {
    [METRIC_CERT_READ_ERRORS] = {"certwatcher_read_certificate_errors_total", COUNTER, {NULL},
               "Total number of certificate read errors"},
    [METRIC_CERT_READS] = {"certwatcher_read_certificate_total", COUNTER, {NULL},
               "Total number of certificate reads"},
    [METRIC_ACTIVE_WORKERS] = {"controller_runtime_active_workers", GAUGE, {"controller"},
               "Number of currently used workers per controller"},
    [METRIC_CONVERSION_PANICS] = {"controller_runtime_conversion_webhook_panics_total", COUNTER, {NULL},
               "Total number of conversion webhook panics"},
    [METRIC_MAX_CONCURRENT] = {"controller_runtime_max_concurrent_reconciles", GAUGE, {"controller"},
               "Maximum number of concurrent reconciles per controller"},
    [METRIC_RECONCILE_ERRORS] = {"controller_runtime_reconcile_errors_total", COUNTER, {"controller"},
               "Total number of reconciliation errors per controller"},
    [METRIC_RECONCILE_PANICS] = {"controller_runtime_reconcile_panics_total", COUNTER, {"controller"},
               "Total number of reconciliation panics per controller"},
    [METRIC_RECONCILE_SECONDS] = {"controller_runtime_reconcile_time_seconds", HISTOGRAM, {"controller"},
               "Length of time per reconciliation per controller", BUCKETS(reconcile_buckets)},
    [METRIC_RECONCILE_TIMEOUTS] = {"controller_runtime_reconcile_timeouts_total", COUNTER, {"controller"},
               "Total number of reconciliation timeouts per controller"},
    [METRIC_RECONCILE_TOTAL] = {"controller_runtime_reconcile_total", COUNTER, {"controller", "result"},
               "Total number of reconciliations per controller"},
    [METRIC_TERMINAL_ERRORS] = {"controller_runtime_terminal_reconcile_errors_total", COUNTER, {"controller"},
               "Total number of terminal reconciliation errors per controller"},
    [METRIC_WEBHOOK_SECONDS] = {"controller_runtime_webhook_latency_seconds", HISTOGRAM, {"webhook"},
               "Histogram of the latency of processing admission requests", BUCKETS(reconcile_buckets)},
    [METRIC_WEBHOOK_PANICS] = {"controller_runtime_webhook_panics_total", COUNTER, {NULL},
               "Total number of webhook panics"},
    [METRIC_WEBHOOK_IN_FLIGHT] = {"controller_runtime_webhook_requests_in_flight", GAUGE, {"webhook"},
               "Current number of admission requests being served."},
    [METRIC_WEBHOOK_TOTAL] = {"controller_runtime_webhook_requests_total", COUNTER, {"code", "webhook"},
               "Total number of admission requests by HTTP status code."},
    [METRIC_CLUSTER_PROVISIONED] = {"kuberay_cluster_condition_provisioned", GAUGE, {"condition", "name", "namespace", "uid"},
               "Indicates whether the RayCluster is provisioned"},
    [METRIC_CLUSTER_INFO] = {"kuberay_cluster_info", GAUGE, {"name", "namespace", "owner_kind", "uid"},
               "Metadata information about RayCluster custom resources"},
    [METRIC_CLUSTER_SECONDS] = {"kuberay_cluster_provisioned_duration_seconds", GAUGE, {"name", "namespace", "uid"},
               "The time, in seconds, when a RayCluster's `RayClusterProvisioned` status "
               "transitions from false (or unset) to true"},
    [METRIC_JOB_STATUS] = {"kuberay_job_deployment_status", GAUGE, {"deployment_status", "name", "namespace", "uid"},
               "Describes current state of the RayJob"},
    [METRIC_JOB_SECONDS] = {"kuberay_job_execution_duration_seconds", GAUGE, {"job_deployment_status", "name", "namespace", "retry_count", "uid"},
               "Duration from when the RayJob CR’s JobDeploymentStatus transitions from "
               "Initializing to either the Retrying state or a terminal state, such as "
               "Complete or Failed. The Retrying state indicates that the CR previously "
               "failed and that spec.backoffLimit is enabled."},
    [METRIC_JOB_INFO] = {"kuberay_job_info", GAUGE, {"name", "namespace", "uid"},
               "Metadata information about RayJob custom resources"},
    [METRIC_SERVICE_READY] = {"kuberay_service_condition_ready", GAUGE, {"condition", "name", "namespace", "uid"},
               "Describes whether the RayService is ready. Ready means users can send "
               "requests to the underlying cluster and the number of serve endpoints is "
               "greater than 0."},
    [METRIC_SERVICE_UPGRADING] = {"kuberay_service_condition_upgrade_in_progress", GAUGE, {"condition", "name", "namespace", "uid"},
               "Describes whether the RayService is performing a zero-downtime upgrade."},
    [METRIC_SERVICE_INFO] = {"kuberay_service_info", GAUGE, {"name", "namespace", "uid"},
               "Metadata information about RayService custom resources"},
    [METRIC_LEADER] = {"leader_election_master_status", GAUGE, {"name"},
               "Gauge of if the reporting system is master of the relevant lease, 0 "
               "indicates backup, 1 indicates master. 'name' is the string used to identify "
               "the lease. Please make sure to group by name."},
    [METRIC_RATE_LIMITER_SECONDS] = {"rest_client_rate_limiter_duration_seconds", HISTOGRAM, {"host", "verb"},
               "Client side rate limiter latency in seconds. Broken down by verb, and host.", BUCKETS(request_buckets)},
    [METRIC_REQUEST_SECONDS] = {"rest_client_request_duration_seconds", HISTOGRAM, {"host", "verb"},
               "Request latency in seconds. Broken down by verb, and host.", BUCKETS(request_buckets)},
    [METRIC_REQUEST_RETRIES] = {"rest_client_request_retries_total", COUNTER, {"code", "host", "verb"},
               "Number of request retries, partitioned by status code, verb, and host."},
    [METRIC_REQUEST_BYTES] = {"rest_client_request_size_bytes", HISTOGRAM, {"host", "verb"},
               "Request size in bytes. Broken down by verb and host.", BUCKETS(size_buckets)},
    [METRIC_REQUESTS_TOTAL] = {"rest_client_requests_total", COUNTER, {"code", "host", "method"},
               "Number of HTTP requests, partitioned by status code, method, and host."},
    [METRIC_RESPONSE_BYTES] = {"rest_client_response_size_bytes", HISTOGRAM, {"host", "verb"},
               "Response size in bytes. Broken down by verb and host.", BUCKETS(size_buckets)},
    [METRIC_QUEUE_ADDS] = {"workqueue_adds_total", COUNTER, {"controller", "name"},
               "Total number of adds handled by workqueue"},
    [METRIC_QUEUE_DEPTH] = {"workqueue_depth", GAUGE, {"controller", "name", "priority"},
               "Current depth of workqueue by workqueue and priority"},
    [METRIC_QUEUE_LONGEST_SECONDS] = {"workqueue_longest_running_processor_seconds", GAUGE, {"controller", "name"},
               "How many seconds has the longest running processor for workqueue been "
               "running."},
    [METRIC_QUEUE_WAIT_SECONDS] = {"workqueue_queue_duration_seconds", HISTOGRAM, {"controller", "name"},
               "How long in seconds an item stays in workqueue before being requested", BUCKETS(queue_buckets)},
    [METRIC_QUEUE_RETRIES] = {"workqueue_retries_total", COUNTER, {"controller", "name"},
               "Total number of retries handled by workqueue"},
    [METRIC_QUEUE_UNFINISHED_SECONDS] = {"workqueue_unfinished_work_seconds", GAUGE, {"controller", "name"},
               "How many seconds of work has been done that is in progress and hasn't been "
               "observed by work_duration. Large values indicate stuck threads. One can "
               "deduce the number of stuck threads by observing the rate at which this "
               "increases."},
    [METRIC_QUEUE_WORK_SECONDS] = {"workqueue_work_duration_seconds", HISTOGRAM, {"controller", "name"},
               "How long in seconds processing an item from workqueue takes.", BUCKETS(queue_buckets)},
};
/* clang-format on */

/* One series: its labels as text, its value, and for histograms the counts. */
struct series {
    double value; /* of a histogram: the sum */
    uint64_t count;
    uint64_t *counts; /* by bucket, each alone */
};

static struct map all[METRIC_COUNT]; /* label text → struct series */
static struct {
    void (*fn)(void *ctx);
    void *ctx;
} on_scrape[4];

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

static void add_number(struct buf *out, double v)
{
    char text[GO_FLOAT_TEXT];

    buf_adds(out, go_float(v, text));
}

/* One line: name and suffix, labels (and le for a bucket), value. */
static void write_sample(struct buf *out, const char *name, const char *suffix, const char *labels,
                         const char *le, double value)
{
    buf_printf(out, "%s%s", name, suffix);
    if (*labels || le)
        buf_printf(out, "{%s%s", labels, *labels && le ? "," : "");
    if (le)
        buf_printf(out, "le=\"%s\"", le);
    if (*labels || le)
        buf_addc(out, '}');
    buf_addc(out, ' ');
    add_number(out, value);
    buf_addc(out, '\n');
}

static void write_histogram(struct buf *out, const struct family *f, const char *labels,
                            const struct series *s)
{
    char le[GO_FLOAT_TEXT];
    uint64_t sum = 0;

    for (size_t i = 0; i < f->n_buckets; i++) {
        sum += s->counts[i];
        write_sample(out, f->name, "_bucket", labels, go_float(f->buckets[i], le), (double)sum);
    }
    write_sample(out, f->name, "_bucket", labels, "+Inf", (double)s->count);
    write_sample(out, f->name, "_sum", labels, NULL, s->value);
    write_sample(out, f->name, "_count", labels, NULL, (double)s->count);
}

static int by_labels(const void *a, const void *b)
{
    return strcmp((*(struct map_item *const *)a)->key, (*(struct map_item *const *)b)->key);
}

static void write_family(struct buf *out, enum metric m)
{
    const struct family *f = &families[m];
    VEC(struct map_item *) list = {0};

    if (!all[m].n)
        return;
    for (struct map_item *i = map_next(&all[m], NULL); i; i = map_next(&all[m], i))
        vec_push(&list, i);
    qsort(list.v, list.n, sizeof *list.v, by_labels);
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, type_words[f->type]);
    for (size_t i = 0; i < list.n; i++) {
        if (f->type == HISTOGRAM)
            write_histogram(out, f, list.v[i]->key, list.v[i]->value);
        else
            write_sample(out, f->name, "", list.v[i]->key, NULL,
                         ((struct series *)list.v[i]->value)->value);
    }
    vec_done(&list);
}

/* Those without labels are there from the start. */
static void prepare(void)
{
    for (int m = 0; m < METRIC_COUNT; m++)
        if (!families[m].labels[0])
            metrics_add((enum metric)m, 0);
}

void metrics_write(struct buf *out)
{
    bool process = false;

    prepare();
    for (size_t i = 0; i < ARRAY_SIZE(on_scrape) && on_scrape[i].fn; i++)
        on_scrape[i].fn(on_scrape[i].ctx);
    for (int m = 0; m < METRIC_COUNT; m++) {
        if (!process && strcmp(families[m].name, "process") > 0) {
            process_stats_write(out);
            process = true;
        }
        write_family(out, (enum metric)m);
    }
}

void metrics_on_scrape(void (*fn)(void *ctx), void *ctx)
{
    for (size_t i = 0; i < ARRAY_SIZE(on_scrape); i++)
        if (!on_scrape[i].fn) {
            on_scrape[i].fn = fn;
            on_scrape[i].ctx = ctx;
            return;
        }
}

static void drop(enum metric m, const char *key)
{
    struct series *s = map_remove(&all[m], key);

    if (s)
        free(s->counts);
    free(s);
}

void metrics_clear(enum metric m)
{
    for (struct map_item *i = map_next(&all[m], NULL); i; i = map_next(&all[m], i)) {
        struct series *s = i->value;
        free(s->counts);
        free(s);
    }
    map_done(&all[m]);
}

void metrics_forget(enum metric m, const char *ns, const char *name)
{
    struct buf want cleanup(buf_done) = BUF_INIT;
    VEC(char *) gone = {0};

    buf_printf(&want, "name=\"%s\",namespace=\"%s\"", name, ns);
    for (struct map_item *i = map_next(&all[m], NULL); i; i = map_next(&all[m], i)) {
        const char *at = strstr(i->key, buf_str(&want));
        if (at && (at == i->key || at[-1] == ','))
            vec_push(&gone, xstrdup(i->key));
    }
    for (size_t i = 0; i < gone.n; i++) {
        drop(m, gone.v[i]);
        free(gone.v[i]);
    }
    vec_done(&gone);
}

void metrics_reset(void)
{
    for (int m = 0; m < METRIC_COUNT; m++)
        metrics_clear((enum metric)m);
    memset(on_scrape, 0, sizeof on_scrape);
}
