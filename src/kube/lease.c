#include "kube/lease.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/timefmt.h"

struct lease {
    struct kube *k;
    struct lease_opts opts;
    char *ns, *name, *identity;
    uv_timer_t *timer;
    struct kube_request *request;
    struct json *seen;  /* the Lease as last read or answered; NULL: none yet */
    char *holder;       /* its holder when last told */
    int64_t seen_ns;    /* when it last changed, by our clock */
    int64_t sent_ns;    /* when the write under way was sent */
    int64_t renewed_ns; /* when our last success was sent: others count from later on */
    bool held, stopping, freed;
    bool release; /* once stopped */
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

static void step(struct lease *l);

/* ---- time ---- */

static void on_timer(uv_timer_t *t)
{
    struct lease *l = t->data;

    if (!l->request && !l->stopping)
        step(l);
}

static void again(struct lease *l, int64_t ns)
{
    uv_update_time(kube_loop(l->k));
    uv_timer_start(l->timer, on_timer, (uint64_t)ns / 1000000, 0);
}

/* Waiting for somebody else's lease is jittered as client-go does it: 1 to 2.2 periods. */
static void retry_acquire(struct lease *l)
{
    again(l, l->opts.retry_ns + l->opts.retry_ns / 1000 * rand_below(1200));
}

/* ---- what we know ---- */

static void note(struct lease *l, struct json *now)
{
    const char *holder = json_str_at(json_root(now), "spec.holderIdentity", "");

    if (!json_equal(json_at(json_root(now), "spec"), json_at(json_root(l->seen), "spec")))
        l->seen_ns = clock_mono_ns();
    json_unref(l->seen);
    l->seen = json_ref(now);
    if (l->holder && strcmp(holder, l->holder) == 0)
        return;
    free(l->holder);
    l->holder = xstrdup(holder);
    if (l->opts.on_leader && *holder)
        l->opts.on_leader(l->opts.ctx, holder);
}

static bool ours(const struct lease *l)
{
    return strcmp(json_str_at(json_root(l->seen), "spec.holderIdentity", ""), l->identity) == 0;
}

/* Held by somebody who may be alive: within the duration since the last change that we saw. */
static bool taken(const struct lease *l)
{
    return l->seen && !ours(l) && *json_str_at(json_root(l->seen), "spec.holderIdentity", "") &&
           clock_mono_ns() - l->seen_ns < l->opts.duration_ns;
}

static void lose(struct lease *l)
{
    l->held = false;
    l->stopping = true;
    if (l->opts.on_lost)
        l->opts.on_lost(l->opts.ctx);
}

static void won(struct lease *l)
{
    bool first = !l->held;

    l->held = true;
    l->renewed_ns = l->sent_ns;
    again(l, l->opts.retry_ns);
    if (first && l->opts.on_started)
        l->opts.on_started(l->opts.ctx);
}

static void failed(struct lease *l)
{
    if (!l->held)
        retry_acquire(l);
    else if (clock_mono_ns() - l->renewed_ns >= l->opts.deadline_ns)
        lose(l);
    else
        again(l, MIN(l->opts.retry_ns, l->renewed_ns + l->opts.deadline_ns - clock_mono_ns()));
}

/* ---- requests ---- */

static void write_lease(struct lease *l, bool release);

/* Half the deadline a request, as client-go has it; of a leader's none outlasts the deadline
 * itself. */
static uint64_t request_ms(const struct lease *l)
{
    int64_t ns = l->opts.deadline_ns / 2;

    if (l->held)
        ns = MIN(ns, l->renewed_ns + l->opts.deadline_ns - clock_mono_ns());
    return (uint64_t)MAX(ns / 1000000, INT64_C(1));
}

/* The last step after lease_stop(): gives the lease back if that was asked for, then tells. */
static void stop_now(struct lease *l)
{
    void (*fn)(void *) = l->stopped;

    if (l->release) {
        l->release = false;
        write_lease(l, true);
        return;
    }

    l->stopped = NULL;
    if (fn)
        fn(l->stopped_ctx);
}

static void on_written(void *ctx, int code, struct json *answer, unused struct err *err)
{
    struct lease *l = ctx;

    l->request = NULL;
    if (l->freed)
        return;
    if (code == 0 && answer)
        note(l, answer);
    if (l->stopping) {
        stop_now(l);
        return;
    }
    if (code == 0)
        won(l);
    else if (code == ERR_CONFLICT || code == ERR_ALREADY_EXISTS || code == ERR_NOT_FOUND) {
        json_unref(l->seen); /* look again before the next try */
        l->seen = NULL;
        failed(l);
    } else {
        failed(l);
    }
}

static void put_time(yyjson_mut_doc *doc, yyjson_mut_val *spec, const char *key, int64_t ns)
{
    char text[TIME_TEXT];

    json_put_str(doc, spec, key, time_rfc3339_micro(ns, text));
}

static yyjson_mut_val *body_of(struct lease *l, yyjson_mut_doc *doc, bool release)
{
    yyjson_val *was = json_root(l->seen);
    yyjson_mut_val *root = was ? json_thaw(doc, was) : yyjson_mut_obj(doc);
    int64_t transitions = json_int_at(was, "spec.leaseTransitions", 0), now = clock_wall_ns();
    const char *acquired = json_str_at(was, "spec.acquireTime", NULL);

    json_put_str(doc, root, "apiVersion", "coordination.k8s.io/v1");
    json_put_str(doc, root, "kind", "Lease");
    yyjson_mut_val *meta = json_ensure(doc, root, "metadata");
    json_put_str(doc, meta, "name", l->name);
    json_put_str(doc, meta, "namespace", l->ns);
    json_remove(meta, "managedFields");
    yyjson_mut_val *spec = json_put_obj(doc, root, "spec");
    json_put_str(doc, spec, "holderIdentity", release ? "" : l->identity);
    json_put_int(doc, spec, "leaseDurationSeconds", release ? 1 : l->opts.duration_ns / SECOND_NS);
    if (was && ours(l) && acquired && !release)
        json_put_str(doc, spec, "acquireTime", acquired);
    else
        put_time(doc, spec, "acquireTime", now);
    put_time(doc, spec, "renewTime", now);
    json_put_int(doc, spec, "leaseTransitions", was && !ours(l) ? transitions + 1 : transitions);
    return root;
}

/* The server gives up when we do: half of the deadline. */
#define QUERY_TEXT 48
static const char *query_of(const struct lease *l, char out[QUERY_TEXT])
{
    int64_t ms = MAX(l->opts.deadline_ns / 2000000, INT64_C(1));

    if (ms % 1000)
        snprintf(out, QUERY_TEXT, "timeout=%lldms", (long long)ms);
    else
        snprintf(out, QUERY_TEXT, "timeout=%llds", (long long)(ms / 1000));
    return out;
}

static void write_lease(struct lease *l, bool release)
{
    char query[QUERY_TEXT];
    automut yyjson_mut_doc *doc = json_mut_new();
    struct buf body cleanup(buf_done) = BUF_INIT;

    json_mut_write(&body, body_of(l, doc, release));
    l->sent_ns = clock_mono_ns();
    l->request = kube_call(l->k, &(struct kube_call){
                                     .verb = l->seen ? KUBE_UPDATE : KUBE_CREATE,
                                     .gvr = &gvr_leases,
                                     .ns = l->ns,
                                     .name = l->seen ? l->name : NULL,
                                     .body = buf_slice(&body),
                                     .query = query_of(l, query),
                                     .timeout_ms = request_ms(l),
                                     .on_done = on_written,
                                     .ctx = l,
                                 });
}

static void on_read(void *ctx, int code, struct json *answer, unused struct err *err)
{
    struct lease *l = ctx;

    l->request = NULL;
    if (l->freed)
        return;
    if (l->stopping) {
        stop_now(l);
        return;
    }
    if (code == ERR_NOT_FOUND) {
        json_unref(l->seen);
        l->seen = NULL;
        write_lease(l, false);
    } else if (code < 0 || !answer) {
        failed(l);
    } else {
        note(l, answer);
        if (!taken(l))
            write_lease(l, false);
        else if (l->held)
            lose(l);
        else
            retry_acquire(l);
    }
}

/* The holder renews what it last saw; anybody else looks first. */
static void step(struct lease *l)
{
    char query[QUERY_TEXT];

    if (l->held && l->seen && ours(l)) {
        write_lease(l, false);
        return;
    }
    l->request = kube_call(l->k, &(struct kube_call){
                                     .verb = KUBE_GET,
                                     .gvr = &gvr_leases,
                                     .ns = l->ns,
                                     .name = l->name,
                                     .query = query_of(l, query),
                                     .timeout_ms = request_ms(l),
                                     .on_done = on_read,
                                     .ctx = l,
                                 });
}

/* ---- the Event ---- */

static void put_involved(yyjson_mut_doc *doc, yyjson_mut_val *root, yyjson_val *lease)
{
    static const char *const fields[] = {"namespace", "name", "uid", "resourceVersion"};
    yyjson_mut_val *to = json_put_obj(doc, root, "involvedObject");

    json_put_str(doc, to, "kind", "Lease");
    json_put_str(doc, to, "apiVersion", "coordination.k8s.io/v1");
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        json_put_str(doc, to, fields[i], json_get_str(json_get(lease, "metadata"), fields[i], ""));
}

void lease_announce(struct lease *l)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    struct buf body cleanup(buf_done) = BUF_INIT;
    int64_t now = clock_wall_ns();
    autofree char *name = xasprintf("%s.%llx", l->name, (unsigned long long)now);
    autofree char *message = xasprintf("%s became leader", l->identity);
    char text[TIME_TEXT];

    json_put_str(doc, root, "apiVersion", "v1");
    json_put_str(doc, root, "kind", "Event");
    yyjson_mut_val *meta = json_put_obj(doc, root, "metadata");
    json_put_str(doc, meta, "name", name);
    json_put_str(doc, meta, "namespace", l->ns);
    put_involved(doc, root, json_root(l->seen));
    json_put_str(doc, root, "reason", "LeaderElection");
    json_put_str(doc, root, "message", message);
    json_put_str(doc, json_put_obj(doc, root, "source"), "component", l->identity);
    json_put_str(doc, root, "firstTimestamp", time_rfc3339(now, text));
    json_put_str(doc, root, "lastTimestamp", text);
    json_put_int(doc, root, "count", 1);
    json_put_str(doc, root, "type", "Normal");
    json_mut_write(&body, root);
    kube_call(l->k, &(struct kube_call){.verb = KUBE_CREATE,
                                        .gvr = &gvr_core_events,
                                        .ns = l->ns,
                                        .body = buf_slice(&body)});
}

/* ---- the outside ---- */

int lease_new(uv_loop_t *loop, const struct kube_config *config, const struct lease_opts *opts,
              struct lease **ret, struct err *err)
{
    struct kube *k = NULL;
    const char *agent = opts->user_agent ? opts->user_agent : "manta/leader-election";

    if (kube_new(loop, config, &(struct kube_opts){.user_agent = agent}, &k, err) < 0)
        return err_wrap(err, "leader election");
    struct lease *l = xnew(struct lease);
    l->k = k;
    l->opts = *opts;
    l->opts.duration_ns = opts->duration_ns ? opts->duration_ns : 15 * SECOND_NS;
    l->opts.deadline_ns = opts->deadline_ns ? opts->deadline_ns : 10 * SECOND_NS;
    l->opts.retry_ns = opts->retry_ns ? opts->retry_ns : 2 * SECOND_NS;
    l->ns = xstrdup(opts->ns);
    l->name = xstrdup(opts->name);
    l->identity = xstrdup(opts->identity);
    l->timer = xnew(uv_timer_t);
    uv_timer_init(loop, l->timer);
    l->timer->data = l;
    step(l);
    *ret = l;
    return 0;
}

void lease_stop(struct lease *l, void (*done)(void *ctx), void *ctx)
{
    l->release = l->held && l->opts.release_on_stop && !l->stopping && ours(l);
    l->stopping = true;
    l->held = false;
    l->stopped = done;
    l->stopped_ctx = ctx;
    uv_timer_stop(l->timer);
    if (l->request)
        kube_call_cancel(l->request);
    else
        stop_now(l);
}

static void free_handle(uv_handle_t *h)
{
    free(h);
}

void lease_free(struct lease *l)
{
    if (!l)
        return;
    l->freed = true;
    uv_timer_stop(l->timer);
    uv_close((uv_handle_t *)l->timer, free_handle);
    kube_free(l->k);
    json_unref(l->seen);
    free(l->holder);
    free(l->ns);
    free(l->name);
    free(l->identity);
    free(l);
}

bool lease_held(const struct lease *l)
{
    /* After a pause (a stopped process, a suspended machine) the clock knows before the timer does.
     */
    return l->held && clock_mono_ns() - l->renewed_ns < l->opts.duration_ns;
}
