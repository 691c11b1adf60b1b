/* The status of a pod, as a Kubernetes kubelet writes it. */
#include "base/clock.h"
#include "base/mem.h"
#include "kubelet/pod.h"

#include <stdio.h>
#include <string.h>

const char *pod_phase(const struct pod *p)
{
    const char *policy = json_get_str(pod_spec(p), "restartPolicy", "Always");
    int waiting = 0, running = 0, stopped = 0, good = 0;

    if (p->failed)
        return "Failed";
    for (size_t i = 0; i < p->ctrs.n; i++) {
        const struct ctr *c = p->ctrs.v[i];
        if (c->init && !c->sidecar && !(c->phase == CTR_EXITED && c->end.code == 0)) {
            bool final = c->phase == CTR_EXITED && strcmp(policy, "Never") == 0;
            return final ? "Failed" : "Pending";
        }
        if (c->init)
            continue;
        running += c->phase == CTR_RUNNING;
        stopped += c->phase == CTR_EXITED || (c->phase != CTR_RUNNING && c->before.set);
        waiting += c->phase != CTR_RUNNING && c->phase != CTR_EXITED && !c->before.set;
        good += c->phase == CTR_EXITED && c->end.code == 0;
    }
    if (waiting && p->stage < POD_ENDING)
        return "Pending";
    if (running)
        return "Running";
    if (p->deleting && p->stage == POD_ENDED)
        return good == stopped && stopped ? "Succeeded" : "Failed";
    if (stopped && strcmp(policy, "Always") != 0 && good == stopped)
        return "Succeeded";
    return stopped && strcmp(policy, "Never") == 0 ? "Failed" : stopped ? "Running" : "Pending";
}

static void put_end(yyjson_mut_doc *doc, yyjson_mut_val *state, const struct ctr *c,
                    const struct ctr_end *end)
{
    yyjson_mut_val *t = json_put_obj(doc, state, "terminated");
    autofree char *id = xasprintf("manta://%s/%s/%d", c->pod->uid, c->name, end->attempt);

    json_put_int(doc, t, "exitCode", end->code);
    if (end->signal && end->code != 128 + end->signal)
        json_put_int(doc, t, "signal", end->signal);
    json_put_str(doc, t, "reason", end->reason);
    if (end->message)
        json_put_str(doc, t, "message", end->message);
    json_put_str(doc, t, "startedAt", end->started);
    json_put_str(doc, t, "finishedAt", end->finished);
    json_put_str(doc, t, "containerID", id);
}

static const char *waiting_reason(const struct ctr *c)
{
    if (*c->wait_reason)
        return c->wait_reason;
    for (size_t i = 0; !c->init && i < c->pod->ctrs.n; i++) {
        const struct ctr *o = c->pod->ctrs.v[i];
        if (o->init && (o->sidecar ? !o->started : o->phase != CTR_EXITED || o->end.code != 0))
            return "PodInitializing";
    }
    if (c->init && c != c->pod->ctrs.v[0])
        return "PodInitializing";
    return "ContainerCreating";
}

static void put_state(yyjson_mut_doc *doc, yyjson_mut_val *state, const struct ctr *c)
{
    if (c->phase == CTR_RUNNING) {
        json_put_str(doc, json_put_obj(doc, state, "running"), "startedAt", c->started_at);
    } else if (c->phase == CTR_EXITED) {
        put_end(doc, state, c, &c->end);
    } else {
        yyjson_mut_val *w = json_put_obj(doc, state, "waiting");
        json_put_str(doc, w, "reason", waiting_reason(c));
        if (*c->wait_message)
            json_put_str(doc, w, "message", c->wait_message);
    }
}

static void put_container(yyjson_mut_doc *doc, yyjson_mut_val *arr, const struct ctr *c)
{
    yyjson_mut_val *s = yyjson_mut_arr_add_obj(doc, arr);
    bool done_init = c->init && !c->sidecar && c->phase == CTR_EXITED && c->end.code == 0;

    json_put_str(doc, s, "name", c->name);
    put_state(doc, json_put_obj(doc, s, "state"), c);
    yyjson_mut_val *last = json_put_obj(doc, s, "lastState");
    if (c->before.set)
        put_end(doc, last, c, &c->before);
    json_put_bool(doc, s, "ready", c->ready || done_init);
    json_put_int(doc, s, "restartCount", MAX(c->attempt, 0));
    json_put_str(doc, s, "image", json_get_str(c->spec, "image", ""));
    json_put_str(doc, s, "imageID", c->image_path ? c->image_path : "");
    if (c->attempt >= 0) {
        autofree char *id = xasprintf("manta://%s/%s/%d", c->pod->uid, c->name, c->attempt);
        json_put_str(doc, s, "containerID", id);
    }
    json_put_bool(doc, s, "started", c->started);
}

/* ---- conditions ---- */

struct conditions {
    const struct pod *p;
    yyjson_mut_doc *doc;
    yyjson_mut_val *arr;
};

static yyjson_val *old_condition(const struct pod *p, const char *type)
{
    yyjson_val *from = p->status ? json_root(p->status) : json_get(json_root(p->object), "status");

    json_each(json_get(from, "conditions"), item, i, n)
        if (strcmp(json_get_str(item, "type", ""), type) == 0)
            return item;
    return NULL;
}

static void put_condition(struct conditions *s, const char *type, bool ok, const char *reason,
                          const char *message)
{
    yyjson_val *old = old_condition(s->p, type);
    yyjson_mut_val *c = yyjson_mut_arr_add_obj(s->doc, s->arr);
    const char *status = ok ? "True" : "False";
    char now[TIME_TEXT];

    time_rfc3339(clock_wall_ns(), now);
    bool same = old && strcmp(json_get_str(old, "status", ""), status) == 0;
    json_put_str(s->doc, c, "type", type);
    json_put_str(s->doc, c, "status", status);
    json_put(s->doc, c, "lastProbeTime", yyjson_mut_null(s->doc));
    json_put_str(s->doc, c, "lastTransitionTime",
                 same ? json_get_str(old, "lastTransitionTime", now) : now);
    if (reason && *reason)
        json_put_str(s->doc, c, "reason", reason);
    if (message && *message)
        json_put_str(s->doc, c, "message", message);
}

/* Names of containers that are not as far as they should be: "[a b]"; "" if there are none. */
static char *unready(const struct pod *p, bool init)
{
    struct buf b = BUF_INIT;

    for (size_t i = 0; i < p->ctrs.n; i++) {
        const struct ctr *c = p->ctrs.v[i];
        bool fine = init ? (c->sidecar ? c->started : c->phase == CTR_EXITED && c->end.code == 0)
                         : c->ready;
        if (init ? !c->init : c->init && !c->sidecar)
            continue;
        if (!fine)
            buf_printf(&b, "%s%s", b.len ? " " : "[", c->name);
    }
    if (b.len)
        buf_addc(&b, ']');
    char *s = buf_take(&b);
    return s ? s : xstrdup("");
}

static void put_readiness(struct conditions *s, const char *phase)
{
    static const char *const types[] = {"Ready", "ContainersReady"};
    autofree char *names = unready(s->p, false);
    autofree char *message = xasprintf("containers with unready status: %s", names);
    bool over = strcmp(phase, "Succeeded") == 0, failed = strcmp(phase, "Failed") == 0;

    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        put_condition(s, types[i], !*names && !over && !failed,
                      over     ? "PodCompleted"
                      : failed ? "PodFailed"
                      : *names ? "ContainersNotReady"
                               : NULL,
                      *names && !over && !failed ? message : NULL);
}

/* Conditions that others wrote (the scheduler's, readiness gates) stay as they are. */
static void keep_others(struct conditions *s)
{
    static const char *const ours[] = {"PodReadyToStartContainers", "Initialized", "Ready",
                                       "ContainersReady"};

    json_each(json_at(json_root(s->p->object), "status.conditions"), item, i, n) {
        bool mine = false;
        for (size_t k = 0; k < ARRAY_SIZE(ours); k++)
            mine |= strcmp(json_get_str(item, "type", ""), ours[k]) == 0;
        if (!mine)
            yyjson_mut_arr_append(s->arr, json_thaw(s->doc, item));
    }
}

static void put_conditions(const struct pod *p, yyjson_mut_doc *doc, yyjson_mut_val *status,
                           const char *phase)
{
    struct conditions s = {p, doc, json_put_arr(doc, status, "conditions")};
    autofree char *names = unready(p, true);
    autofree char *message = xasprintf("containers with incomplete status: %s", names);
    bool over = strcmp(phase, "Succeeded") == 0;

    put_condition(&s, "PodReadyToStartContainers", p->stage == POD_UP || p->stage == POD_ENDING,
                  NULL, NULL);
    put_condition(&s, "Initialized", !*names || over,
                  over     ? "PodCompleted"
                  : *names ? "ContainersNotInitialized"
                           : NULL,
                  *names && !over ? message : NULL);
    put_readiness(&s, phase);
    keep_others(&s);
}

static void put_ips(yyjson_mut_doc *doc, yyjson_mut_val *status, const char *one, const char *all,
                    const char *ip)
{
    json_put_str(doc, status, one, ip);
    json_put_str(doc, yyjson_mut_arr_add_obj(doc, json_put_arr(doc, status, all)), "ip", ip);
}

static void put_containers(const struct pod *p, yyjson_mut_doc *doc, yyjson_mut_val *status,
                           bool init)
{
    yyjson_mut_val *arr = NULL;

    for (size_t i = 0; i < p->ctrs.n; i++) {
        if (p->ctrs.v[i]->init != init)
            continue;
        if (!arr)
            arr = json_put_arr(doc, status, init ? "initContainerStatuses" : "containerStatuses");
        put_container(doc, arr, p->ctrs.v[i]);
    }
}

struct json *pod_status_build(const struct pod *p)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *status = yyjson_mut_obj(doc);
    const char *phase = pod_phase(p);

    json_put_str(doc, status, "phase", phase);
    put_conditions(p, doc, status, phase);
    if (*p->reason)
        json_put_str(doc, status, "reason", p->reason);
    if (*p->message)
        json_put_str(doc, status, "message", p->message);
    put_ips(doc, status, "hostIP", "hostIPs", p->host->host_ip);
    if (p->stage != POD_NEW)
        put_ips(doc, status, "podIP", "podIPs", p->ip);
    json_put_str(doc, status, "startTime", p->start_time);
    put_containers(p, doc, status, true);
    put_containers(p, doc, status, false);
    return json_freeze(status);
}
