#include "kubelet/pod.h"
#include "base/clock.h"
#include "base/file.h"
#include "kube/meta.h"
#include "kubelet/fallback.h"

#include <stdio.h>

yyjson_val *pod_spec(const struct pod *p)
{
    return json_get(json_root(p->object), "spec");
}

const char *pod_ns(const struct pod *p)
{
    return meta_namespace(json_root(p->object));
}

const char *pod_name(const struct pod *p)
{
    return meta_name(json_root(p->object));
}

/* ---- life ---- */

static void add_containers(struct pod *p, const char *member, bool init)
{
    json_each(json_get(pod_spec(p), member), item, i, n) {
        struct ctr *c = xnew(struct ctr);
        c->pod = p;
        c->spec = item;
        c->name = json_get_str(item, "name", "");
        c->init = init;
        c->sidecar = init && strcmp(json_get_str(item, "restartPolicy", ""), "Always") == 0;
        c->attempt = -1;
        vec_push(&p->ctrs, c);
    }
}

static void pod_sync(uv_timer_t *t);
static void open_watch(struct pod *p);

static void take_deletion(struct pod *p)
{
    yyjson_val *obj = json_root(p->object);
    const char *when = json_str_at(obj, "metadata.deletionTimestamp", NULL);
    int64_t grace = json_int_at(obj, "metadata.deletionGracePeriodSeconds", 30) * SECOND_NS;
    int64_t due;

    if (!when)
        return;
    /* After a restart of the kubelet only what is left of the grace counts. */
    int64_t left = time_parse(slice_of(when), &due) ? due + SECOND_NS - clock_wall_ns() : grace;
    left = MIN(MAX(left, 0), grace);
    int64_t deadline = clock_mono_ns() + left;
    p->deadline = p->deleting ? MIN(p->deadline, deadline) : deadline;
    p->deleting = true;
}

struct pod *pod_new(const struct pod_host *host, struct json *object, const char *ip)
{
    struct pod *p = xnew(struct pod);

    p->host = host;
    p->object = json_ref(object);
    p->uid = xstrdup(meta_uid(json_root(object)));
    p->dir = xasprintf("%s/pods/%s", host->state_dir, p->uid);
    snprintf(p->ip, sizeof p->ip, "%s", ip);
    snprintf(p->start_time, sizeof p->start_time, "%s",
             json_str_at(json_root(object), "status.startTime", ""));
    if (!*p->start_time)
        time_rfc3339(clock_wall_ns(), p->start_time);
    add_containers(p, "initContainers", true);
    add_containers(p, "containers", false);
    uv_timer_init(host->loop, &p->timer);
    p->timer.data = p;
    take_deletion(p);
    pod_recover(p);
    if (p->stage == POD_UP)
        open_watch(p);
    pod_poke(p);
    return p;
}

static void ctr_free(struct ctr *c)
{
    for (int k = 0; k < PROBE_KINDS; k++)
        probe_stop(c->probes[k]);
    shim_call_cancel(c->starting);
    shim_call_cancel(c->prestop);
    free(c->end.message);
    free(c->before.message);
    free(c->image_path);
    free(c);
}

static void timer_closed(uv_handle_t *h)
{
    free(h->data);
}

void pod_free(struct pod *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->ctrs.n; i++)
        ctr_free(p->ctrs.v[i]);
    vec_done(&p->ctrs);
    shim_watch_free(p->watch);
    shim_call_cancel(p->stopping);
    json_unref(p->object);
    json_unref(p->status);
    free(p->uid);
    free(p->dir);
    uv_close((uv_handle_t *)&p->timer, timer_closed);
}

/* The containers of a pod never change but in their images: specs are found again by name. */
static yyjson_val *find_spec(const struct pod *p, const struct ctr *c)
{
    json_each(json_get(pod_spec(p), c->init ? "initContainers" : "containers"), item, i, n)
        if (strcmp(json_get_str(item, "name", ""), c->name) == 0)
            return item;
    return c->spec;
}

void pod_update(struct pod *p, struct json *object)
{
    struct json *old = p->object;

    p->object = json_ref(object);
    for (size_t i = 0; i < p->ctrs.n; i++) {
        struct ctr *c = p->ctrs.v[i];
        c->spec = find_spec(p, c);
        c->name = json_get_str(c->spec, "name", "");
    }
    json_unref(old);
    take_deletion(p);
    pod_poke(p);
}

void pod_removed(struct pod *p)
{
    p->orphan = p->deleting = true;
    p->deadline = clock_mono_ns();
    pod_poke(p);
}

void pod_poke(struct pod *p)
{
    uv_timer_start(&p->timer, pod_sync, 0, 0);
}

/* ---- the shim's words ---- */

static void on_state(void *ctx, yyjson_val *state)
{
    struct pod *p = ctx;

    for (size_t i = 0; i < p->ctrs.n; i++)
        if (strcmp(p->ctrs.v[i]->name, json_get_str(state, "container", "")) == 0)
            ctr_shim_state(p->ctrs.v[i], state);
    pod_poke(p);
}

static void on_gone(void *ctx)
{
    struct pod *p = ctx;

    shim_watch_free(take(p->watch));
    if (p->stage == POD_STOPPING || p->stage == POD_ENDED)
        return;
    for (size_t i = 0; i < p->ctrs.n; i++)
        ctr_lost(p->ctrs.v[i]);
    if (p->stage == POD_UP) {
        p->stage = POD_NEW;
        p->host->event(p->host->ctx, p, NULL, false, "SandboxChanged",
                       "Pod sandbox changed, it will be killed and re-created.");
    }
    pod_poke(p);
}

static void open_watch(struct pod *p)
{
    struct shim_watch_opts o = {p->dir, on_state, on_gone, p};

    if (shim_watch_new(p->host->loop, &o, &p->watch, NULL) < 0)
        on_gone(p);
}

/* ---- steps ---- */

bool pod_is_over(const struct pod *p)
{
    if (p->failed)
        return true;
    for (size_t i = 0; i < p->ctrs.n; i++) {
        const struct ctr *c = p->ctrs.v[i];
        if (c->sidecar)
            continue;
        if (c->init && ctr_done(c) && c->end.code != 0)
            return true;
        if (!ctr_done(c))
            return false;
    }
    return true;
}

static void tell_once(struct pod *p, const char *reason, const char *message)
{
    if (strcmp(p->told, message) == 0)
        return;
    snprintf(p->told, sizeof p->told, "%s", message);
    p->host->event(p->host->ctx, p, NULL, true, reason, message);
}

static void make_sandbox(struct pod *p)
{
    struct err err = {0};
    int r = pod_sandbox(p, &err);

    p->retry_ns = 0;
    if (r == 0) {
        p->stage = POD_UP;
        open_watch(p);
        return;
    }
    if (r == ERR_UNAVAILABLE)
        return; /* poked when it is there */
    p->retry_ns = clock_mono_ns() + 2 * SECOND_NS;
    if (r == ERR_NOT_FOUND || r == ERR_INVALID)
        tell_once(p, "FailedMount", err.msg);
    else
        tell_once(p, "FailedCreatePodSandBox", err.msg);
}

/* Init containers one after the other; sidecars need to have started. True when all is done. */
static bool run_init(struct pod *p)
{
    for (size_t i = 0; i < p->ctrs.n && p->ctrs.v[i]->init; i++) {
        struct ctr *c = p->ctrs.v[i];
        if (!c->sidecar && c->phase == CTR_EXITED && c->end.code == 0)
            continue;
        if (c->phase == CTR_WAITING || (c->phase == CTR_EXITED && ctr_restarts(c)))
            ctr_try_start(c);
        if (!c->sidecar || !c->started)
            return false;
    }
    return true;
}

static void run_containers(struct pod *p)
{
    if (!run_init(p))
        return;
    for (size_t i = 0; i < p->ctrs.n; i++) {
        struct ctr *c = p->ctrs.v[i];
        if (!c->init && (c->phase == CTR_WAITING || (c->phase == CTR_EXITED && ctr_restarts(c))))
            ctr_try_start(c);
    }
}

static bool any_runs(const struct pod *p, bool sidecars)
{
    for (size_t i = 0; i < p->ctrs.n; i++) {
        const struct ctr *c = p->ctrs.v[i];
        if ((c->phase == CTR_RUNNING || c->phase == CTR_STARTING) && c->sidecar == sidecars)
            return true;
    }
    return false;
}

static int64_t grace_left(const struct pod *p)
{
    int64_t grace = json_int_at(pod_spec(p), "terminationGracePeriodSeconds", 30) * SECOND_NS;
    return p->deleting ? MAX(p->deadline - clock_mono_ns(), 0) : grace;
}

/* Ends what runs, sidecars last. True when nothing runs any more. */
static bool end_containers(struct pod *p)
{
    bool mains = any_runs(p, false);

    for (size_t i = 0; i < p->ctrs.n; i++) {
        struct ctr *c = p->ctrs.v[i];
        if (!c->sidecar || !mains)
            ctr_kill(c, grace_left(p), NULL);
    }
    return !mains && !any_runs(p, true);
}

static void forget_files(struct pod *p)
{
    char temp[40];

    fallback_temp_dir(p->ip, temp);
    if (!p->host->namespaces)
        (void)file_remove_tree(temp, NULL);
    (void)file_remove_tree(p->dir, NULL);
}

static void finish(struct pod *p)
{
    p->stage = POD_ENDED;
    if (p->deleting)
        forget_files(p);
}

static void shim_stopped(void *ctx, unused int code, unused yyjson_val *answer,
                         unused struct err *err)
{
    struct pod *p = ctx;

    p->stopping = NULL;
    finish(p);
    pod_poke(p);
}

static void stop_shim(struct pod *p)
{
    if (!pod_dir_alive(p->dir)) {
        finish(p);
        return;
    }
    p->stage = POD_STOPPING;
    p->stopping =
        shim_call(p->host->loop, p->dir, SLICE("{\"op\":\"stop\"}"), NULL, 0, shim_stopped, p);
}

static void report(struct pod *p)
{
    struct json *status = p->orphan ? NULL : pod_status_build(p);

    if (!status)
        return;
    if (p->status && json_equal(json_root(status), json_root(p->status))) {
        json_unref(status);
        return;
    }
    json_unref(p->status);
    p->status = status;
    p->host->status(p->host->ctx, p, json_root(status));
}

static void next_timer(struct pod *p)
{
    int64_t next = p->stage == POD_NEW ? p->retry_ns : 0, now = clock_mono_ns();

    for (size_t i = 0; i < p->ctrs.n; i++) {
        int64_t t = ctr_next_ns(p->ctrs.v[i]);
        if (t && (!next || t < next))
            next = t;
    }
    if (next && !uv_is_active((uv_handle_t *)&p->timer))
        uv_timer_start(&p->timer, pod_sync, (uint64_t)(MAX(next - now, 0) / 1000000 + 1), 0);
}

static void step(struct pod *p)
{
    if ((p->stage == POD_NEW || p->stage == POD_UP) && (p->deleting || pod_is_over(p)))
        p->stage = POD_ENDING;
    if (p->stage == POD_NEW)
        make_sandbox(p);
    if (p->stage == POD_UP)
        run_containers(p);
    if (p->stage == POD_ENDING && end_containers(p))
        stop_shim(p);
    for (size_t i = 0; i < p->ctrs.n; i++)
        ctr_kill_step(p->ctrs.v[i]);
}

static void pod_sync(uv_timer_t *t)
{
    struct pod *p = t->data;

    uv_timer_stop(&p->timer);
    step(p);
    if (p->stage == POD_ENDED && p->deleting)
        forget_files(p);
    report(p);
    if (p->stage == POD_ENDED && p->deleting) {
        p->host->ended(p->host->ctx, p);
        return;
    }
    next_timer(p);
}
