#include "operator/dash.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/reach.h"
#include "net/client.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define TIMEOUT_MS 2000
#define PROXY_TIMEOUT_MS 10000
#define IDLE_MS 30000
#define SWEEP_MS 60000
#define ANSWER_MAX ((size_t)16 << 20)

struct dash {
    struct dash_opts o;
    struct map hosts; /* "host:port" → struct host */
    uv_timer_t sweep;
    bool freed;
};

/* One dashboard. */
struct host {
    struct dash *dash;
    char *name, *service, *ns; /* of "service.ns.svc…"; service NULL when the name is no such */
    struct http_client *http;
    bool from_store; /* the machine does not know the name */
    unsigned open;   /* requests under way */
    bool used;       /* since the last sweep */
};

struct exchange {
    struct dash *dash;
    struct host *host;
    struct dash_request r;
    char *path, *job_id, *body, *authorization;
    bool again; /* the second try, by the store's address */
};

static const struct {
    const char *method, *path, *tail;
} requests[] = {
    [DASH_GET_JOB] = {"GET", "/api/jobs/", ""},
    [DASH_GET_SERVE] = {"GET", "/api/serve/applications/?api_type=declarative", NULL},
    [DASH_POST_JOB] = {"POST", "/api/jobs/", NULL},
    [DASH_POST_STOP] = {"POST", "/api/jobs/", "/stop"},
    [DASH_PUT_SERVE] = {"PUT", "/api/serve/applications/", NULL},
};

/* ---- addresses ---- */

static yyjson_val *head_pod_of(struct host *h, struct arena *a, const char *cluster)
{
    struct world *w = &h->dash->o.world;
    size_t n;
    yyjson_val **pods = w->list(w->ctx, a, KIND_POD, h->ns, "ray.io/cluster", cluster, &n);

    for (size_t i = 0; i < n; i++)
        if (!strcmp(json_get_str(json_at(pods[i], "metadata.labels"), "ray.io/node-type", ""),
                    "head"))
            return pods[i];
    return NULL;
}

/* The address of the head behind the Service, from the store; false when nothing is known. */
static bool store_address(struct host *h, char out[64])
{
    struct world *w = &h->dash->o.world;
    struct arena a cleanup(arena_done) = {0};
    yyjson_val *service = h->service ? w->get(w->ctx, KIND_SERVICE, h->ns, h->service) : NULL;
    const char *ip = json_str_at(service, "spec.clusterIP", "");

    if (!*ip || !strcmp(ip, "None")) {
        const char *cluster = json_get_str(json_at(service, "spec.selector"), "ray.io/cluster", "");
        ip = json_str_at(head_pod_of(h, &a, cluster), "status.podIP", "");
    }
    snprintf(out, 64, "%s", ip);
    return *ip != '\0';
}

static int connect_host(unused const char *name, uint16_t port, void *ctx, struct err *err)
{
    struct host *h = ctx;
    char ip[64];

    if (!store_address(h, ip))
        return err_set(err, ERR_NOT_FOUND, "no address of %s in the store", h->name);
    return reach_connect(NULL, ip, port, err);
}

static void open_client(struct host *h)
{
    autofree char *url = xasprintf("http://%s", h->name);
    struct http_client_opts o = {.url = url,
                                 .user_agent = "Go-http-client/1.1",
                                 .http1_only = true,
                                 .connect_timeout = TIMEOUT_MS,
                                 .idle_timeout = IDLE_MS,
                                 .proxy = h->from_store ? "" : NULL,
                                 .connect_fd = h->from_store ? connect_host : NULL,
                                 .ctx = h};

    http_client_free(h->http);
    h->http = http_client_new(h->dash->o.loop, &o, NULL);
}

static struct host *host_new(struct dash *d, const char *name)
{
    struct host *h = xnew(struct host);
    struct slice rest = slice_of(name), service, ns, svc;

    h->dash = d;
    h->name = xstrdup(name);
    if (slice_cut(&rest, '.', &service) && slice_cut(&rest, '.', &ns) &&
        slice_cut(&rest, '.', &svc) && slice_is(svc, "svc")) {
        h->service = xstrndup(service.p, service.n);
        h->ns = xstrndup(ns.p, ns.n);
    }
    h->from_store = h->service && getenv(REACH_ENV);
    open_client(h);
    return h;
}

static void host_free(struct host *h)
{
    http_client_free(h->http);
    free(h->name);
    free(h->service);
    free(h->ns);
    free(h);
}

static struct host *find_host(struct dash *d, const char *name)
{
    struct host *h = map_get(&d->hosts, name);

    if (!h) {
        h = host_new(d, name);
        map_put(&d->hosts, name, h);
    }
    h->used = true;
    return h;
}

/* Hosts that nobody asked since the last sweep go. */
static void on_sweep(uv_timer_t *t)
{
    struct dash *d = container_of(t, struct dash, sweep);

    for (struct map_item *i = map_next(&d->hosts, NULL); i; i = map_next(&d->hosts, i)) {
        struct host *h = i->value;
        bool idle = !h->used && !h->open;
        h->used = false;
        if (idle) {
            map_remove(&d->hosts, h->name);
            host_free(h);
        }
    }
}

/* ---- one exchange ---- */

static void finish(struct exchange *x, enum dash_state state, yyjson_val *body, const char *error)
{
    struct dash_answer answer = {state, body, error};

    if (!x->dash->freed)
        x->r.on_done(x->r.ctx, &answer);
    free(x->path);
    free(x->job_id);
    free(x->body);
    free(x->authorization);
    free(x);
}

static bool is_ok(int status)
{
    return status >= 200 && status < 300;
}

/* Upstream decodes into typed fields: a value of another kind makes the whole answer a failure. */
static bool decodes(yyjson_val *job)
{
    static const char *const strings[] = {"status",        "message",    "job_id",
                                          "submission_id", "entrypoint", "error_type"};

    for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
        yyjson_val *v = json_get(job, strings[i]);
        if (v && !yyjson_is_str(v) && !yyjson_is_null(v))
            return false;
    }
    json_each_member(json_get(job, "metadata"), key, value)
        if (!key || !yyjson_is_str(value))
            return false;
    return yyjson_is_obj(job);
}

/* What an answer means, by the rule of each request. */
static void judge(struct exchange *x, int status, struct slice text)
{
    autojson struct json *j = NULL;
    char why[256];
    bool parsed = json_parse(text, &j, NULL) == 0, good = is_ok(status);

    if (x->r.what == DASH_GET_JOB && status == 404) {
        finish(x, DASH_NOT_FOUND, NULL, NULL);
        return;
    }
    if (x->r.what == DASH_GET_JOB)
        good = parsed && decodes(json_root(j));
    else if (x->r.what == DASH_POST_JOB)
        good = good && parsed && json_get(json_root(j), "job_id");
    else if (x->r.what == DASH_GET_SERVE)
        good = good && parsed;
    snprintf(why, sizeof why, "HTTP %d: %.*s", status, (int)MIN(text.n, (size_t)200), text.p);
    finish(x, good ? DASH_OK : DASH_FAILED, json_root(j), good ? NULL : why);
}

static void send_direct(struct exchange *x);

static void on_direct(unused struct http_call *call, const struct http_result *r, void *ctx)
{
    struct exchange *x = ctx;
    struct host *h = x->host;

    h->open--;
    if (r->outcome == HTTP_CALL_DONE) {
        judge(x, r->status, r->body);
        return;
    }
    if (r->outcome == HTTP_CALL_REFUSED && !x->again && !h->from_store && h->service &&
        !x->dash->freed) {
        char ip[64];
        x->again = true;
        if (store_address(h, ip) && h->open == 0) {
            h->from_store = true;
            open_client(h);
            send_direct(x);
            return;
        }
    }
    finish(x, DASH_FAILED, NULL, *r->error ? r->error : http_outcome_name(r->outcome));
}

static void send_direct(struct exchange *x)
{
    struct http_field fields[2];
    size_t n = 0;

    if (x->body || x->r.what != DASH_GET_JOB)
        fields[n++] = (struct http_field)HTTP_FIELD("Content-Type", "application/json");
    if (x->authorization)
        fields[n++] = (struct http_field)HTTP_FIELD("X-Ray-Authorization", x->authorization);
    x->host->open++;
    http_client_send(x->host->http, &(struct http_call_opts){.method = requests[x->r.what].method,
                                                             .path = x->path,
                                                             .fields = fields,
                                                             .nfields = n,
                                                             .body = slice_of(x->body),
                                                             .timeout = TIMEOUT_MS,
                                                             .body_limit = ANSWER_MAX,
                                                             .on_done = on_direct,
                                                             .ctx = x});
}

static void on_proxied(void *ctx, int code, struct json *answer, struct err *err)
{
    struct exchange *x = ctx;

    if (code == ERR_NOT_FOUND && x->r.what == DASH_GET_JOB)
        finish(x, DASH_NOT_FOUND, NULL, NULL);
    else if (code < 0)
        finish(x, DASH_FAILED, NULL, err->msg);
    else
        finish(x, DASH_OK, json_root(answer), NULL);
}

static void send_proxied(struct exchange *x)
{
    static const enum kube_verb verbs[] = {[DASH_GET_JOB] = KUBE_GET,
                                           [DASH_GET_SERVE] = KUBE_GET,
                                           [DASH_POST_JOB] = KUBE_CREATE,
                                           [DASH_POST_STOP] = KUBE_CREATE,
                                           [DASH_PUT_SERVE] = KUBE_UPDATE};
    autofree char *path = xasprintf("/api/v1/namespaces/%s/services/%s:dashboard/proxy%s",
                                    x->r.target.cluster_ns, x->r.target.service, x->path);

    kube_call(x->dash->o.kube, &(struct kube_call){.verb = verbs[x->r.what],
                                                   .path = path,
                                                   .body = slice_of(x->body),
                                                   .timeout_ms = PROXY_TIMEOUT_MS,
                                                   .on_done = on_proxied,
                                                   .ctx = x});
}

void dash_send(struct dash *d, const struct dash_request *r)
{
    struct exchange *x = xnew(struct exchange);
    const char *tail = requests[r->what].tail;

    x->dash = d;
    x->r = *r;
    x->path = tail ? xasprintf("%s%s%s", requests[r->what].path, r->job_id, tail)
                   : xstrdup(requests[r->what].path);
    x->body = r->body.n ? xstrndup(r->body.p, r->body.n) : NULL;
    x->authorization = r->target.token ? xasprintf("Bearer %s", r->target.token) : NULL;
    if (d->o.proxy && r->target.service) {
        send_proxied(x);
        return;
    }
    x->host = find_host(d, r->target.url);
    send_direct(x);
}

struct dash *dash_new(const struct dash_opts *o)
{
    struct dash *d = xnew(struct dash);

    d->o = *o;
    uv_timer_init(o->loop, &d->sweep);
    uv_timer_start(&d->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    uv_unref((uv_handle_t *)&d->sweep);
    return d;
}

static void sweep_closed(uv_handle_t *h)
{
    free(container_of((uv_timer_t *)h, struct dash, sweep));
}

void dash_free(struct dash *d)
{
    if (!d)
        return;
    d->freed = true;
    for (struct map_item *i = map_next(&d->hosts, NULL); i; i = map_next(&d->hosts, i))
        host_free(i->value);
    map_done(&d->hosts);
    uv_close((uv_handle_t *)&d->sweep, sweep_closed);
}
