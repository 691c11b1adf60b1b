#include "kube/client.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "base/vec.h"
#include "kube/bucket.h"
#include "kube/exec.h"
#include "kube/status.h"
#include "net/client.h"

#include <stdio.h>

#define RETRIES_AFTER 10 /* 429 and 5xx that name a Retry-After; client-go's number */
#define RETRIES_LOST 3   /* a GET whose connection died */
#define MS INT64_C(1000000)

enum place { WAITING, FLYING, DELAYED, ENDED };

struct kube_request {
    struct kube *k;
    enum place place;
    struct lane *lane;
    struct kube_request *prev, *next; /* in the list of its place */
    struct kube_call call;            /* gvr and strings are not kept: see path */
    char *path, *accept, *content_type;
    struct http_call *http;
    int64_t due_ns;               /* DELAYED */
    int64_t deadline_ns;          /* 0: none */
    int64_t asked_ns, started_ns; /* since when it waits to be sent; when it was */
    unsigned after, lost;         /* retries so far, by reason */
    int status;                   /* of the answer that is coming in */
    bool data_seen, cancelled;
    struct buf refusal; /* a stream's answer that is no 2xx */
};

struct requests {
    struct kube_request *first, *last;
};

/* Requests about one resource share a token bucket, as in controller-runtime, which makes a client
 * with a bucket of its own for each kind. Streams and plain paths have a lane each. */
struct lane {
    char *name; /* "batch/v1/jobs"; "" for streams, "/" for paths */
    struct bucket_limit limit;
    struct requests waiting;
};

struct kube {
    uv_loop_t *loop;
    uv_timer_t *timer;
    struct kube_config *config;
    struct http_client *requests, *streams;
    double qps;
    int burst;
    VEC(struct lane *) lanes;
    struct requests at[ENDED + 1];     /* WAITING: see lanes */
    unsigned max_in_flight, in_flight; /* streams are not counted */
    void (*on_request)(void *ctx, const struct kube_seen *seen);
    void *on_request_ctx;
    bool (*may_write)(void *ctx);
    void *may_write_ctx;
    size_t turn;
    struct renewal *renewal; /* of the exec plugin's credential, under way; NULL: none */
    int64_t renew_after_ns;  /* not before: it has just failed */
    bool pumping, closing;
};

/* The exec plugin on a thread of the pool. Outlives the client that asked. */
struct renewal {
    uv_work_t work;
    struct kube *k; /* NULL: gone meanwhile */
    struct kube_exec *exec;
    struct exec_credential got;
    struct err err;
    int code;
};

static void pump(struct kube *k);
static void schedule(struct kube *k, int64_t wait_ns);

/* ---- lists of requests by where they stand ---- */

static void list_remove(struct requests *l, struct kube_request *r)
{
    *(r->prev ? &r->prev->next : &l->first) = r->next;
    *(r->next ? &r->next->prev : &l->last) = r->prev;
    r->prev = r->next = NULL;
}

static void list_add(struct requests *l, struct kube_request *r)
{
    r->prev = l->last;
    *(l->last ? &l->last->next : &l->first) = r;
    l->last = r;
}

static struct requests *list_of(struct kube_request *r)
{
    return r->place == WAITING ? &r->lane->waiting : &r->k->at[r->place];
}

static void move(struct kube_request *r, enum place to)
{
    list_remove(list_of(r), r);
    r->place = to;
    list_add(list_of(r), r);
}

static void request_free(struct kube_request *r)
{
    free((char *)(uintptr_t)r->call.body.p);
    buf_done(&r->refusal);
    free(r->path);
    free(r->accept);
    free(r->content_type);
    free(r);
}

/* Takes r out and tells its owner. r is gone after. */
static void finish(struct kube_request *r, int code, struct json *answer, struct err *err)
{
    list_remove(list_of(r), r);
    if (r->call.on_done)
        r->call.on_done(r->call.ctx, code, answer, err);
    request_free(r);
}

/* ---- answers ---- */

static void retry_in(struct kube_request *r, int64_t ns)
{
    r->due_ns = clock_mono_ns() + ns;
    move(r, DELAYED);
    schedule(r->k, 0);
}

/* The server asks for patience: 429 or 5xx with Retry-After. */
static bool retry_after(struct kube_request *r, struct http_call *http, int status)
{
    int64_t seconds;

    if ((status != 429 && status < 500) || r->after >= RETRIES_AFTER || r->data_seen)
        return false;
    if (!slice_int64(slice_trim(http_call_header(http, "retry-after")), &seconds) || seconds < 0)
        return false;
    if (r->deadline_ns && clock_mono_ns() + seconds * SECOND_NS > r->deadline_ns)
        return false;
    r->after++;
    retry_in(r, MAX(seconds * SECOND_NS, 10 * MS));
    return true;
}

static bool retry_lost(struct kube_request *r, enum http_outcome outcome)
{
    if (r->call.verb != KUBE_GET || outcome != HTTP_CALL_LOST || r->data_seen ||
        r->lost >= RETRIES_LOST)
        return false;
    r->lost++;
    retry_in(r, (int64_t)r->lost * 50 * MS);
    return true;
}

/* A read that got no answer changed nothing; of a write nobody knows. */
static int outcome_code(enum http_outcome outcome, bool read)
{
    switch (outcome) {
    case HTTP_CALL_REFUSED:
        return ERR_IO;
    case HTTP_CALL_CANCELLED:
        return ERR_CANCELLED;
    case HTTP_CALL_TOO_LARGE:
        return ERR_TOO_LARGE;
    case HTTP_CALL_TIMEOUT:
        return read ? ERR_TIMEOUT : ERR_LOST;
    default:
        return read ? ERR_IO : ERR_LOST;
    }
}

static const char *method_of(enum kube_verb verb)
{
    static const char *const names[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

    return names[verb];
}

static void report(struct kube_request *r, const struct http_result *res)
{
    struct kube *k = r->k;
    bool stream = r->call.on_data;

    if (k->on_request)
        k->on_request(k->on_request_ctx,
                      &(struct kube_seen){
                          .method = method_of(r->call.verb),
                          .http = res->status,
                          .seconds = (double)(clock_mono_ns() - r->started_ns) / 1e9,
                          .waited = (double)(r->started_ns - r->asked_ns) / 1e9,
                          .sent = r->call.body.n,
                          .received = stream ? 0 : res->body.n,
                          .stream = stream,
                          .again = r->after || r->lost,
                      });
}

static void deliver(struct kube_request *r, const struct http_result *res)
{
    autojson struct json *answer = NULL;
    struct err err = {0};
    int code = 0;

    if (res->outcome != HTTP_CALL_DONE) {
        code = err_set(&err, outcome_code(res->outcome, r->call.verb == KUBE_GET), "%s %s: %s",
                       method_of(r->call.verb), r->path, res->error);
    } else {
        struct slice body = r->call.on_data ? buf_slice(&r->refusal) : res->body;
        if (body.n && *body.p == '{')
            code = json_parse(body, &answer, &err);
        if (res->status >= 300)
            code = status_error(json_root(answer), res->status, body, &err);
    }
    finish(r, code, answer, &err);
}

static void on_http_done(struct http_call *http, const struct http_result *res, void *ctx)
{
    struct kube_request *r = ctx;
    struct kube *k = r->k;

    r->http = NULL;
    if (!r->call.on_data)
        k->in_flight--;
    if (r->cancelled && !k->closing)
        return;
    report(r, res);
    if (res->status == 401)
        kube_config_refused(k->config);
    if (!k->closing && res->outcome == HTTP_CALL_DONE && retry_after(r, http, res->status))
        return;
    if (!k->closing && retry_lost(r, res->outcome))
        return;
    deliver(r, res);
    if (!k->closing)
        schedule(k, 0);
}

static void on_http_headers(unused struct http_call *http, int status, void *ctx)
{
    struct kube_request *r = ctx;

    r->status = status;
    buf_reset(&r->refusal);
}

static void on_http_data(struct http_call *http, struct slice data, void *ctx)
{
    struct kube_request *r = ctx;

    if (r->status >= 300) {
        buf_add_slice(&r->refusal, data);
        return;
    }
    r->data_seen = true;
    if (!r->call.on_data(r->call.ctx, data))
        http_call_pause(http);
}

/* ---- sending ---- */

static int may_not(struct kube_request *r, struct err *err)
{
    struct kube *k = r->k;

    if (r->call.verb == KUBE_GET || !k->may_write || k->may_write(k->may_write_ctx))
        return 0;
    return err_set(err, ERR_CANCELLED, "no longer the leader: nothing is written");
}

static int authorize(struct kube_request *r, struct buf *value, struct err *err)
{
    return kube_config_authorization(r->k->config, value, err);
}

static void send_request(struct kube_request *r)
{
    struct buf auth cleanup(buf_done) = BUF_INIT;
    struct err err;
    struct http_field fields[3] = {HTTP_FIELD("accept", r->accept)};
    size_t n = 1;
    int64_t now = clock_mono_ns();

    if (may_not(r, &err) < 0 || authorize(r, &auth, &err) < 0) {
        finish(r, err.code, NULL, &err);
        return;
    }
    if (auth.len)
        fields[n++] = (struct http_field){SLICE("authorization"), buf_slice(&auth)};
    if (r->call.body.n)
        fields[n++] = (struct http_field){SLICE("content-type"), slice_of(r->content_type)};
    move(r, FLYING);
    if (!r->call.on_data)
        r->k->in_flight++;
    r->started_ns = now;
    r->http = http_client_send(
        r->call.on_data ? r->k->streams : r->k->requests,
        &(struct http_call_opts){
            .method = method_of(r->call.verb),
            .path = r->path,
            .fields = fields,
            .nfields = n,
            .body = r->call.body,
            .timeout = r->deadline_ns ? (unsigned)(MAX(r->deadline_ns - now, MS) / MS) : 0,
            .on_headers = on_http_headers,
            .on_data = r->call.on_data ? on_http_data : NULL,
            .on_done = on_http_done,
            .ctx = r,
        });
}

/* ---- what is due: cancelled ones, delayed ones, then the waiting as the bucket allows ---- */

static void end_cancelled(struct kube *k)
{
    struct err err = {0};

    for (struct kube_request *r; (r = k->at[ENDED].first);) {
        err_set(&err, ERR_CANCELLED, "cancelled");
        finish(r, ERR_CANCELLED, NULL, &err);
    }
}

/* Moves what is due to the front of the waiting; gives the time to the next, or -1. */
static int64_t wake_delayed(struct kube *k)
{
    int64_t now = clock_mono_ns(), next = -1;

    for (struct kube_request *r = k->at[DELAYED].first, *after; r; r = after) {
        after = r->next;
        if (r->due_ns <= now) {
            r->asked_ns = now;
            move(r, WAITING);
        } else if (next < 0 || r->due_ns - now < next) {
            next = r->due_ns - now;
        }
    }
    return next;
}

/* Sends what the lane's bucket and the limit in flight allow; gives the wait for a token, or -1. */
static int64_t drain_lane(struct kube *k, struct lane *l)
{
    for (struct kube_request *r; (r = l->waiting.first);) {
        if (!r->call.on_data && k->in_flight >= k->max_in_flight)
            return -1; /* the next answer wakes us */
        int64_t wait = bucket_take(&l->limit, clock_mono_ns());
        if (wait > 0)
            return wait;
        send_request(r);
    }
    return -1;
}

/* ---- exec plugins: asked beside the loop, so that nothing else waits for them ---- */

static void run_plugin(uv_work_t *work)
{
    struct renewal *r = work->data;

    r->code = kube_exec_run(r->exec, &r->got, &r->err);
}

/* Everybody who waits now hears why there is no credential; who asks again then waits anew. */
static void fail_waiting(struct kube *k, const struct err *err)
{
    VEC(struct kube_request *) all = {0};

    for (size_t i = 0; i < k->lanes.n; i++)
        for (struct kube_request *r = k->lanes.v[i]->waiting.first; r; r = r->next)
            vec_push(&all, r);
    for (size_t i = 0; i < all.n; i++) {
        struct err copy = *err;
        finish(all.v[i], copy.code, NULL, &copy);
    }
    vec_done(&all);
}

static void on_renewed(uv_work_t *work, unused int status)
{
    struct renewal *r = work->data;
    struct kube *k = r->k;

    if (r->code == 0)
        kube_exec_take(r->exec, &r->got);
    if (k) {
        k->renewal = NULL;
        k->renew_after_ns = r->code < 0 ? clock_mono_ns() + SECOND_NS : 0;
        k->pumping = true;
        if (r->code < 0 && kube_config_renewal(k->config) == KUBE_RENEW_FIRST)
            fail_waiting(k, &r->err);
        k->pumping = false;
        schedule(k, 0);
    }
    exec_credential_done(&r->got);
    kube_exec_unref(r->exec);
    free(r);
}

static void renew(struct kube *k)
{
    struct renewal *r = xnew(struct renewal);

    r->k = k;
    r->exec = kube_exec_ref(k->config->exec);
    r->work.data = r;
    k->renewal = r;
    uv_queue_work(k->loop, &r->work, run_plugin, on_renewed);
}

/* Whether requests may leave now; if not, *next is when to ask again, -1 when the plugin's end will
 * wake us. */
static bool has_credential(struct kube *k, int64_t *next)
{
    enum kube_renewal what = kube_config_renewal(k->config);
    int64_t wait = k->renew_after_ns - clock_mono_ns();

    if (what == KUBE_RENEW_NOT)
        return true;
    if (!k->renewal && wait <= 0)
        renew(k);
    if (what == KUBE_RENEW_SOON)
        return true;
    if (!k->renewal && (*next < 0 || wait < *next))
        *next = wait;
    return false;
}

static void pump(struct kube *k)
{
    k->pumping = true;
    end_cancelled(k);
    int64_t next = wake_delayed(k);
    size_t n = has_credential(k, &next) ? k->lanes.n : 0;
    k->turn++; /* another lane is first each time: none starves at the limit in flight */
    for (size_t i = 0; i < n; i++) {
        int64_t wait = drain_lane(k, k->lanes.v[(k->turn + i) % n]);
        if (wait >= 0 && (next < 0 || wait < next))
            next = wait;
    }
    k->pumping = false;
    if (k->at[ENDED].first || (n && k->lanes.n > n))
        next = 0;
    if (next >= 0)
        schedule(k, next);
}

static void on_timer(uv_timer_t *t)
{
    pump(t->data);
}

/* The timer is set to the earlier of its time and this one. Rounded up, so that none fires early.
 */
static void schedule(struct kube *k, int64_t wait_ns)
{
    uint64_t ms = (uint64_t)(wait_ns + MS - 1) / (uint64_t)MS;

    if (k->pumping)
        return;
    uv_update_time(k->loop);
    if (uv_is_active((uv_handle_t *)k->timer) && uv_timer_get_due_in(k->timer) <= ms)
        return;
    uv_timer_start(k->timer, on_timer, ms, 0);
}

/* ---- the outside ---- */

static struct http_client *connect_to(struct kube *k, struct tls *tls, const struct kube_opts *o,
                                      struct err *err)
{
    return http_client_new(k->loop,
                           &(struct http_client_opts){
                               .url = k->config->server,
                               .tls = tls,
                               .server_name = k->config->tls_server_name,
                               .user_agent = o->user_agent,
                               .proxy = k->config->proxy_url,
                           },
                           err);
}

static int make_tls(const struct kube_config *c, struct tls **ret, struct err *err)
{
    if (strncmp(c->server, "https:", 6) != 0)
        return 0;
    return tls_client_new(&(struct tls_client_opts){.ca = slice_of(c->ca_pem),
                                                    .cert = slice_of(c->cert_pem),
                                                    .key = slice_of(c->key_pem),
                                                    .insecure = c->insecure},
                          ret, err);
}

int kube_new(uv_loop_t *loop, const struct kube_config *config, const struct kube_opts *opts,
             struct kube **ret, struct err *err)
{
    static const struct kube_opts none;
    struct tls *tls cleanup(tls_unref_p) = NULL;

    opts = opts ? opts : &none;
    if (make_tls(config, &tls, err) < 0)
        return err_wrap(err, "TLS for %s", config->server);
    struct kube *k = xnew(struct kube);
    k->loop = loop;
    k->config = kube_config_copy(config);
    k->max_in_flight = opts->max_in_flight ? opts->max_in_flight : 64;
    k->qps = opts->qps;
    k->burst = opts->burst;
    k->timer = xnew(uv_timer_t);
    uv_timer_init(loop, k->timer);
    k->timer->data = k;
    if (!(k->requests = connect_to(k, tls, opts, err)) ||
        !(k->streams = connect_to(k, tls, opts, err))) {
        kube_free(k);
        return err ? err->code : ERR_BAD_REQUEST;
    }
    *ret = k;
    return 0;
}

static void free_handle(uv_handle_t *h)
{
    free(h);
}

void kube_free(struct kube *k)
{
    struct err err = {0};

    if (!k)
        return;
    k->closing = true;
    if (k->renewal)
        k->renewal->k = NULL;
    http_client_free(k->requests);
    http_client_free(k->streams);
    err_set(&err, ERR_CANCELLED, "the client was closed");
    for (struct kube_request *r; (r = k->at[DELAYED].first) || (r = k->at[ENDED].first);)
        finish(r, ERR_CANCELLED, NULL, &err);
    for (size_t i = 0; i < k->lanes.n; i++) {
        for (struct kube_request *r; (r = k->lanes.v[i]->waiting.first);)
            finish(r, ERR_CANCELLED, NULL, &err);
        free(k->lanes.v[i]->name);
        free(k->lanes.v[i]);
    }
    vec_done(&k->lanes);
    uv_timer_stop(k->timer);
    uv_close((uv_handle_t *)k->timer, free_handle);
    kube_config_free(k->config);
    free(k);
}

static char *path_of(const struct kube_call *c)
{
    struct buf b = BUF_INIT;

    if (c->path)
        buf_adds(&b, c->path);
    else
        gvr_path(&b, c->gvr, c->ns, c->name, c->subresource);
    if (c->query && *c->query)
        buf_printf(&b, "%c%s", strchr(b.data, '?') ? '&' : '?', c->query);
    return buf_take(&b);
}

static struct lane *lane_of(struct kube *k, const struct kube_call *c)
{
    char name[256] = "";

    if (!c->on_data)
        snprintf(name, sizeof name, "%s/%s", c->path ? "" : c->gvr->api_version,
                 c->path ? "" : c->gvr->plural);
    for (size_t i = 0; i < k->lanes.n; i++)
        if (strcmp(k->lanes.v[i]->name, name) == 0)
            return k->lanes.v[i];
    struct lane *l = xnew(struct lane);
    l->name = xstrdup(name);
    bucket_init(&l->limit, c->on_data ? 0 : k->qps, k->burst, clock_mono_ns());
    vec_push(&k->lanes, l);
    return l;
}

struct kube_request *kube_call(struct kube *k, const struct kube_call *c)
{
    struct kube_request *r = xnew(struct kube_request);
    uint64_t timeout = c->timeout_ms ? c->timeout_ms : c->on_data ? 0 : 60000;

    r->k = k;
    r->call = *c;
    r->path = path_of(c);
    r->accept = xstrdup(c->accept ? c->accept : "application/json");
    r->content_type = xstrdup(c->content_type ? c->content_type : "application/json");
    r->call.body.p = c->body.n ? xstrndup(c->body.p, c->body.n) : NULL;
    r->refusal.max = 1 << 20;
    r->call.gvr = NULL;
    r->call.ns = r->call.name = r->call.subresource = r->call.path = r->call.query = NULL;
    r->deadline_ns = timeout ? clock_mono_ns() + (int64_t)timeout * MS : 0;
    r->asked_ns = clock_mono_ns();
    r->lane = lane_of(k, c);
    list_add(list_of(r), r);
    schedule(k, 0);
    return r;
}

void kube_call_cancel(struct kube_request *r)
{
    struct kube *k = r->k;

    if (r->place == ENDED || k->closing)
        return;
    r->cancelled = true;
    if (r->http) /* on_http_done() runs within and leaves the rest to us */
        http_call_cancel(r->http);
    move(r, ENDED);
    schedule(k, 0);
}

void kube_call_resume(struct kube_request *r)
{
    if (r->http)
        http_call_resume(r->http);
}

struct waiter {
    bool done;
    int code;
    struct json **ret;
    struct err *err;
};

static void wake(void *ctx, int code, struct json *answer, struct err *err)
{
    struct waiter *w = ctx;

    w->done = true;
    w->code = code;
    if (w->err && err)
        *w->err = *err;
    if (w->ret)
        *w->ret = json_ref(answer);
}

int kube_do(struct kube *k, const struct kube_call *c, struct json **ret_answer, struct err *err)
{
    struct kube_call call = *c;
    struct waiter w = {.ret = ret_answer, .err = err};

    if (ret_answer)
        *ret_answer = NULL;
    call.on_done = wake;
    call.ctx = &w;
    kube_call(k, &call);
    while (!w.done)
        uv_run(k->loop, UV_RUN_ONCE);
    return w.code;
}

uv_loop_t *kube_loop(struct kube *k)
{
    return k->loop;
}

const struct kube_config *kube_config_of(const struct kube *k)
{
    return k->config;
}

void kube_fence(struct kube *k, bool (*may_write)(void *ctx), void *ctx)
{
    k->may_write = may_write;
    k->may_write_ctx = ctx;
}

void kube_on_request(struct kube *k, void (*fn)(void *ctx, const struct kube_seen *seen), void *ctx)
{
    k->on_request = fn;
    k->on_request_ctx = ctx;
}
