/*
 * Load on one API server, for bench/api.py: connections of their own that create, get or watch
 * ConfigMaps of 2 KB, and what it cost the server's processes. Prints one line of JSON.
 *
 *     api_load KUBECONFIG create|get CONNECTIONS SECONDS 1|2 NAMESPACE [PID…]
 *     api_load KUBECONFIG watch WATCHES EVENTS 1|2 NAMESPACE [PID…]
 *
 * 1 and 2 are the version of HTTP. "watch" opens so many watches of one kind, makes events one at a
 * time and measures until every watch has seen each. Then once more beside a watch that never reads
 * and has large events of its own, until long after the server has cut it off.
 */
#include "base/mem.h"
#include "kube/config.h"
#include "net/client.h"

#include <stdio.h>
#include <unistd.h>

#define PAYLOAD 1800 /* with names and braces about 2 KB */
#define LARGE (200 * 1024)
#define PIDS_MAX 16

struct bench {
    uv_loop_t loop;
    const char *verb, *ns;
    char **pids;
    int n_pids;
    struct http_client_opts to;
    int connections, opened;
    long done, failed, open;
    uint64_t begin, end; /* uv_hrtime */
    double cpu;
    unsigned long serial;
    /* watches */
    struct watcher *watchers;
    struct http_client *writer, *flooder;
    long ready, seen, wanted;
    uint64_t sent, slowest, sum;
    bool flood, cut;
    long events, rounds;
};

struct watcher {
    struct bench *b;
    struct http_client *client;
    struct http_call *call;
    bool stuck;
};

/* ---- what the server's processes used ---- */

static double cpu_of(const struct bench *b)
{
    double ticks = 0;

    for (int i = 0; i < b->n_pids; i++) {
        unsigned long user = 0, system = 0;
        char path[64];

        snprintf(path, sizeof path, "/proc/%.20s/stat", b->pids[i]);
        FILE *f = fopen(path, "r");
        if (f && fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                        &user, &system) == 2)
            ticks += (double)(user + system);
        if (f)
            fclose(f);
    }
    return ticks / (double)sysconf(_SC_CLK_TCK);
}

/* Proportional set size in KB. */
static long pss_of(const struct bench *b)
{
    long sum = 0;

    for (int i = 0; i < b->n_pids; i++) {
        char path[64], line[128];
        long kb;

        snprintf(path, sizeof path, "/proc/%.20s/smaps_rollup", b->pids[i]);
        FILE *f = fopen(path, "r");
        while (f && fgets(line, sizeof line, f))
            if (sscanf(line, "Pss: %ld", &kb) == 1)
                sum += kb;
        if (f)
            fclose(f);
    }
    return sum;
}

/* ---- requests ---- */

static void body_of(struct bench *b, size_t payload, struct buf *out)
{
    const char *app = payload == LARGE ? "large" : "bench";

    buf_printf(
        out,
        "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"b%lu\",\"labels\":{"
        "\"app\":\"%s\"}},\"data\":{\"text\":\"",
        b->serial++, app);
    for (size_t i = 0; i < payload; i++)
        buf_addc(out, (char)('a' + i % 26));
    buf_adds(out, "\"}}");
}

static void post(struct bench *b, struct http_client *c, size_t payload,
                 void (*done)(struct http_call *, const struct http_result *, void *), void *ctx)
{
    struct buf body cleanup(buf_done) = BUF_INIT;
    char path[128];

    const struct http_field json_type[] = {HTTP_FIELD("Content-Type", "application/json")};

    snprintf(path, sizeof path, "/api/v1/namespaces/%s/configmaps", b->ns);
    body_of(b, payload, &body);
    http_client_send(c, &(struct http_call_opts){.method = "POST",
                                                 .path = path,
                                                 .fields = json_type,
                                                 .nfields = 1,
                                                 .body = buf_slice(&body),
                                                 .on_done = done,
                                                 .ctx = ctx});
}

struct asked {
    struct bench *b;
    struct http_client *c;
};

static void ask(struct bench *b, struct http_client *c);

static void on_answer(unused struct http_call *call, const struct http_result *res, void *ctx)
{
    struct asked *a = ctx;
    struct bench *b = a->b;

    b->open--;
    b->done++;
    if (res->status / 100 != 2 && !b->failed++)
        fprintf(stderr, "%s %d %s %.*s\n", http_outcome_name(res->outcome), res->status, res->error,
                (int)MIN(res->body.n, 300), res->body.p);
    if (uv_hrtime() < b->end)
        ask(b, a->c);
    if (!b->open)
        uv_stop(&b->loop);
    free(a);
}

static void ask(struct bench *b, struct http_client *c)
{
    struct asked *a = xnew(struct asked);
    char path[160];

    *a = (struct asked){b, c};
    b->open++;
    if (*b->verb == 'c') {
        post(b, c, PAYLOAD, on_answer, a);
        return;
    }
    snprintf(path, sizeof path, "/api/v1/namespaces/%s/configmaps/b%lu", b->ns, b->serial++ % 64);
    http_client_send(c, &(struct http_call_opts){.path = path, .on_done = on_answer, .ctx = a});
}

static void run_requests(struct bench *b, double seconds)
{
    struct http_client **clients = xcalloc((size_t)b->connections, sizeof *clients);

    /* connections first: handshakes are not what is measured */
    b->end = 0;
    const char *verb = b->verb;
    for (int i = 0; i < b->connections; i++)
        clients[i] = http_client_new(&b->loop, &b->to, NULL);
    b->verb = "create"; /* the objects that gets will ask for */
    for (int i = 0; i < b->connections; i++)
        ask(b, clients[i]);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    b->verb = verb;
    b->done = 0;
    b->begin = uv_hrtime();
    b->end = b->begin + (uint64_t)(seconds * 1e9);
    b->cpu = cpu_of(b);
    for (int i = 0; i < b->connections; i++)
        ask(b, clients[i]);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    double wall = (double)(uv_hrtime() - b->begin) / 1e9, cpu = cpu_of(b) - b->cpu;
    printf("{\"verb\":\"%s\",\"http\":%d,\"connections\":%d,\"requests\":%ld,\"failed\":%ld,"
           "\"seconds\":%.2f,\"server_cpu_s\":%.2f,\"per_second\":%.0f,\"per_cpu_second\":%.0f}\n",
           verb, b->to.http1_only ? 1 : 2, b->connections, b->done, b->failed, wall, cpu,
           (double)b->done / wall, cpu > 0 ? (double)b->done / cpu : 0);
    for (int i = 0; i < b->connections; i++)
        http_client_free(clients[i]);
    free(clients);
}

/* ---- watches ---- */

static void next_event(struct bench *b);

static void on_watch_end(unused struct http_call *call, const struct http_result *res, void *ctx)
{
    struct watcher *w = ctx;

    w->call = NULL;
    if (!w->stuck) {
        fprintf(stderr, "a watch ended: %s %d %s\n", http_outcome_name(res->outcome), res->status,
                res->error);
        _exit(1);
    }
    w->b->cut = true;
}

static void open_watch(struct bench *b, struct watcher *w, bool stuck);

/* A few at a time: a thousand handshakes at once are not what is measured. */
static void on_watch_open(struct http_call *call, int status, void *ctx)
{
    struct watcher *w = ctx;

    if (status != 200)
        w->b->failed++;
    if (w->stuck)
        http_call_pause(call);
    struct bench *b = w->b;
    if (++b->ready == b->connections + 1)
        uv_stop(&b->loop);
    else if (b->opened < b->connections)
        open_watch(b, &b->watchers[b->opened++], false);
}

/* One line an event; the writer goes on when all have seen it. */
static void on_event(unused struct http_call *call, struct slice data, void *ctx)
{
    struct bench *b = ((struct watcher *)ctx)->b;

    for (size_t i = 0; i < data.n; i++)
        b->seen += data.p[i] == '\n';
    if (b->seen < b->wanted)
        return;
    uint64_t took = uv_hrtime() - b->sent;
    b->slowest = MAX(b->slowest, took);
    b->sum += took;
    if (++b->rounds == b->events)
        uv_stop(&b->loop);
    else
        next_event(b);
}

static void on_written(unused struct http_call *call, const struct http_result *res, void *ctx)
{
    struct bench *b = ctx;

    if (res->status != 201)
        b->failed++;
}

static void next_event(struct bench *b)
{
    b->wanted += b->connections;
    b->sent = uv_hrtime();
    post(b, b->writer, 100, on_written, b);
    if (b->flood) /* two at once: one client has one connection, and must not wait for these */
        post(b, b->flooder, LARGE, on_written, b);
}

static void open_watch(struct bench *b, struct watcher *w, bool stuck)
{
    char path[160];

    *w =
        (struct watcher){.b = b, .client = http_client_new(&b->loop, &b->to, NULL), .stuck = stuck};
    snprintf(path, sizeof path,
             "/api/v1/namespaces/%s/configmaps?watch=1&labelSelector=app%%3D%s&timeoutSeconds=3600",
             b->ns, stuck ? "large" : "bench");
    w->call = http_client_send(w->client, &(struct http_call_opts){.path = path,
                                                                   .on_headers = on_watch_open,
                                                                   .on_data = on_event,
                                                                   .on_done = on_watch_end,
                                                                   .ctx = w});
}

static void run_events(struct bench *b, long events, bool flood, double *ret_ms, double *ret_worst)
{
    b->flood = flood;
    b->rounds = 0;
    b->events = events;
    b->slowest = b->sum = 0;
    next_event(b);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    *ret_ms = (double)b->sum / (double)events / 1e6;
    *ret_worst = (double)b->slowest / 1e6;
}

static void run_watches(struct bench *b, long events)
{
    double mean, worst, mean_beside, worst_beside;
    long before, after;

    b->watchers = xcalloc((size_t)b->connections + 1, sizeof *b->watchers);
    b->writer = http_client_new(&b->loop, &b->to, NULL);
    b->flooder = http_client_new(&b->loop, &b->to, NULL);
    before = pss_of(b);
    b->ready = 1; /* the stuck one comes later */
    for (b->opened = 0; b->opened < MIN(b->connections, 32);)
        open_watch(b, &b->watchers[b->opened++], false);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    after = pss_of(b);
    run_events(b, events, false, &mean, &worst);
    b->ready = b->connections;
    open_watch(b, &b->watchers[b->connections], true);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    /* at least 10 MB to the one that does not read: above any limit and socket buffers */
    run_events(b, MAX(events, 50), true, &mean_beside, &worst_beside);
    long later = pss_of(b);
    if (b->watchers[b->connections].call)
        http_call_resume(b->watchers[b->connections].call);
    uint64_t deadline = uv_hrtime() + 3000000000u;
    while (!b->cut && uv_hrtime() < deadline)
        uv_run(&b->loop, UV_RUN_NOWAIT);
    printf("{\"verb\":\"watch\",\"http\":%d,\"watches\":%d,\"failed\":%ld,\"kb_per_watch\":%.1f,"
           "\"event_to_all_ms\":%.1f,\"worst_ms\":%.1f,\"beside_a_stuck_one_ms\":%.1f,\"beside_"
           "worst_ms\":%.1f,"
           "\"stuck_was_cut\":%s,\"pss_kb_after\":%ld}\n",
           b->to.http1_only ? 1 : 2, b->connections, b->failed,
           (double)(after - before) / b->connections, mean, worst, mean_beside, worst_beside,
           b->cut ? "true" : "false", later);
}

int main(int argc, char **argv)
{
    struct kube_config *config cleanup(kube_config_free_p) = NULL;
    struct bench b = {.n_pids = 0};
    struct tls *tls;
    struct err err;
    int64_t count, amount;

    if (argc < 7 || !slice_int64(slice_of(argv[3]), &count) ||
        !slice_int64(slice_of(argv[4]), &amount)) {
        fprintf(stderr, "api_load KUBECONFIG create|get|watch CONNECTIONS SECONDS|EVENTS 1|2 "
                        "NAMESPACE [PID...]\n");
        return 2;
    }
    if (kube_config_load(&(struct kube_config_opts){.path = argv[1]}, &config, &err) < 0 ||
        tls_client_new(&(struct tls_client_opts){.ca = slice_of(config->ca_pem),
                                                 .cert = slice_of(config->cert_pem),
                                                 .key = slice_of(config->key_pem)},
                       &tls, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    b.verb = argv[2];
    b.connections = (int)count;
    b.ns = argv[6];
    b.pids = argv + 7;
    b.n_pids = MIN(argc - 7, PIDS_MAX);
    b.to = (struct http_client_opts){.url = config->server,
                                     .tls = tls,
                                     .proxy = "",
                                     .http1_only = *argv[5] == '1',
                                     .max_conns = 1,
                                     .connect_timeout = 60000,
                                     .ping_interval = 600000};
    uv_loop_init(&b.loop);
    if (*b.verb == 'w')
        run_watches(&b, amount);
    else
        run_requests(&b, (double)amount);
    fflush(stdout);
    _exit(b.failed != 0);
}
