/*
 * The scheduler of one node: a pending pod is bound if its requests fit into what the bound pods
 * leave of CPU, memory and places; otherwise it is told why in the scheduler's words.
 */
#include "base/clock.h"
#include "base/log.h"
#include "data/quantity.h"
#include "kubelet/kubelet_int.h"

#include <stdio.h>

struct demand {
    int64_t cpu_milli, memory, pods;
};

static int64_t request(yyjson_val *container, const char *resource, bool milli)
{
    const char *text = json_get_str(json_at(container, "resources.requests"), resource, NULL);
    struct quantity q;

    if (!text)
        text = json_get_str(json_at(container, "resources.limits"), resource, NULL);
    if (!text || quantity_parse(slice_of(text), &q, NULL) < 0)
        return 0;
    return milli ? quantity_milli(&q) : quantity_value(&q);
}

/* A pod needs what its containers need together, or what its largest init container needs beside
 * the sidecars that run by then. */
static int64_t pod_request(yyjson_val *pod, const char *resource, bool milli)
{
    int64_t sum = 0, sidecars = 0, init = 0;

    json_each(json_at(pod, "spec.containers"), c, i, n)
        sum += request(c, resource, milli);
    json_each(json_at(pod, "spec.initContainers"), ic, k, count) {
        int64_t r = request(ic, resource, milli);
        if (strcmp(json_get_str(ic, "restartPolicy", ""), "Always") == 0) {
            sidecars += r;
            r = 0;
        }
        init = MAX(init, sidecars + r);
    }
    return MAX(sum + sidecars, init);
}

static struct demand pod_demand(yyjson_val *pod)
{
    return (struct demand){pod_request(pod, "cpu", true), pod_request(pod, "memory", false), 1};
}

static void used(struct kubelet *k, struct demand *sum)
{
    for (struct map_item *i = map_next(&k->pods, NULL); i; i = map_next(&k->pods, i)) {
        struct kpod *p = i->value;
        const char *phase = pod_phase(p->pod);
        if (p->ended || strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0)
            continue;
        struct demand d = pod_demand(json_root(p->pod->object));
        sum->cpu_milli += d.cpu_milli;
        sum->memory += d.memory;
        sum->pods++;
    }
    for (struct map_item *i = map_next(&k->unbound, NULL); i; i = map_next(&k->unbound, i)) {
        struct unbound *u = i->value;
        struct demand d = pod_demand(json_root(u->object));
        if (!u->binding)
            continue;
        sum->cpu_milli += d.cpu_milli;
        sum->memory += d.memory;
        sum->pods++;
    }
}

static bool selector_matches(struct kubelet *k, yyjson_val *pod)
{
    json_each_member(json_at(pod, "spec.nodeSelector"), key, value) {
        const char *has = meta_label(json_root(k->node), yyjson_get_str(key));
        if (!has || strcmp(has, json_str(value, "")) != 0)
            return false;
    }
    return true;
}

/* Resources that no node here has (GPUs, TPUs …): the name of the first one; NULL if there is none.
 */
static const char *unknown_resource(yyjson_val *pod)
{
    json_each(json_at(pod, "spec.containers"), c, i, n)
        json_each_member(json_at(c, "resources.limits"), key, value)
            if (strchr(yyjson_get_str(key), '/') && strcmp(json_str(value, "0"), "0") != 0)
                return yyjson_get_str(key);
    return NULL;
}

/* "" if the pod fits, else the scheduler's sentence. */
static void why_not(struct kubelet *k, yyjson_val *pod, char *out, size_t room)
{
    struct demand d = pod_demand(pod), sum = {0};
    const char *other = unknown_resource(pod);
    struct buf b cleanup(buf_done) = BUF_INIT;

    used(k, &sum);
    if (json_bool_at(json_root(k->node), "spec.unschedulable", false))
        buf_adds(&b, ", 1 node(s) were unschedulable");
    else if (!selector_matches(k, pod))
        buf_adds(&b, ", 1 node(s) didn't match Pod's node affinity/selector");
    if (d.cpu_milli && sum.cpu_milli + d.cpu_milli > k->host.cpu_milli)
        buf_adds(&b, ", 1 Insufficient cpu");
    if (d.memory && sum.memory + d.memory > k->host.memory)
        buf_adds(&b, ", 1 Insufficient memory");
    if (sum.pods + 1 > 110)
        buf_adds(&b, ", 1 Too many pods");
    if (other)
        buf_printf(&b, ", 1 Insufficient %s", other);
    out[0] = '\0';
    if (b.len)
        snprintf(out, room, "0/1 nodes are available: %s.", buf_str(&b) + 2);
}

static void tell(struct kubelet *k, struct unbound *u, const char *why)
{
    yyjson_val *pod = json_root(u->object);
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *obj = yyjson_mut_obj(doc);
    struct buf b cleanup(buf_done) = BUF_INIT;
    char now[TIME_TEXT];

    if (strcmp(u->told, why) == 0)
        return;
    snprintf(u->told, sizeof u->told, "%s", why);
    kevents_emit(k->events, &(struct kevent){.object = pod,
                                             .warning = true,
                                             .reason = "FailedScheduling",
                                             .message = why,
                                             .component = "default-scheduler"});
    json_put_str(doc, json_put_obj(doc, obj, "metadata"), "uid", meta_uid(pod));
    yyjson_mut_val *arr = json_put_arr(doc, json_put_obj(doc, obj, "status"), "conditions");
    yyjson_mut_val *c = yyjson_mut_arr_add_obj(doc, arr);
    json_put_str(doc, c, "type", "PodScheduled");
    json_put_str(doc, c, "status", "False");
    json_put(doc, c, "lastProbeTime", yyjson_mut_null(doc));
    json_put_str(doc, c, "lastTransitionTime", time_rfc3339(clock_wall_ns(), now));
    json_put_str(doc, c, "reason", "Unschedulable");
    json_put_str(doc, c, "message", why);
    json_mut_write(&b, obj);
    kube_call(k->kube, &(struct kube_call){.verb = KUBE_PATCH,
                                           .gvr = &gvr_pods,
                                           .ns = meta_namespace(pod),
                                           .name = meta_name(pod),
                                           .subresource = "status",
                                           .body = buf_slice(&b),
                                           .content_type = KUBE_MERGE_PATCH});
}

struct binding {
    struct kubelet *k;
    struct json *pod;
};

static void bound(void *ctx, int code, unused struct json *answer, struct err *err)
{
    struct binding *b = ctx;
    struct kubelet *k = b->k;
    struct unbound *u = map_get(&k->unbound, meta_uid(json_root(b->pod)));
    char text[640];

    if (code == 0) {
        snprintf(text, sizeof text, "Successfully assigned %s/%s to %s",
                 meta_namespace(json_root(b->pod)), meta_name(json_root(b->pod)), k->node_name);
        kevents_emit(k->events, &(struct kevent){.object = json_root(b->pod),
                                                 .reason = "Scheduled",
                                                 .message = text,
                                                 .component = "default-scheduler"});
    } else if (code != ERR_CANCELLED) {
        log_warn("binding a pod", "pod", meta_name(json_root(b->pod)), "error", err->msg, NULL);
        if (u)
            u->binding = false;
    }
    json_unref(b->pod);
    free(b);
}

static void bind_pod(struct kubelet *k, struct unbound *u)
{
    yyjson_val *pod = json_root(u->object);
    struct binding *b = xnew(struct binding);
    autofree char *body = xasprintf(
        "{\"apiVersion\":\"v1\",\"kind\":\"Binding\",\"metadata\":{\"name\":\"%s\",\"namespace\":"
        "\"%s\","
        "\"uid\":\"%s\"},\"target\":{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":\"%s\"}}",
        meta_name(pod), meta_namespace(pod), meta_uid(pod), k->node_name);

    b->k = k;
    b->pod = json_ref(u->object);
    u->binding = true;
    kube_call(k->kube, &(struct kube_call){.verb = KUBE_CREATE,
                                           .gvr = &gvr_pods,
                                           .ns = meta_namespace(pod),
                                           .name = meta_name(pod),
                                           .subresource = "binding",
                                           .body = slice_of(body),
                                           .on_done = bound,
                                           .ctx = b});
}

/* Pods of other schedulers, and gated ones, are not this one's business. */
static bool ours(yyjson_val *pod)
{
    const char *scheduler = json_str_at(pod, "spec.schedulerName", "");

    return (!*scheduler || strcmp(scheduler, "default-scheduler") == 0) &&
           json_is_empty(json_at(pod, "spec.schedulingGates")) && !meta_deleting(pod);
}

static void try_bind(struct kubelet *k, struct unbound *u)
{
    char why[256];

    if (u->binding || !k->node || !k->synced)
        return;
    why_not(k, json_root(u->object), why, sizeof why);
    if (*why)
        tell(k, u, why);
    else
        bind_pod(k, u);
}

void sched_forget(struct kubelet *k, const char *uid)
{
    struct unbound *u = map_remove(&k->unbound, uid);

    if (!u)
        return;
    json_unref(u->object);
    free(u);
}

void sched_pod(struct kubelet *k, struct json *object)
{
    const char *uid = meta_uid(json_root(object));
    struct unbound *u = map_get(&k->unbound, uid);

    if (!ours(json_root(object))) {
        sched_forget(k, uid);
        return;
    }
    if (!u) {
        u = xnew(struct unbound);
        map_put(&k->unbound, uid, u);
    }
    json_unref(u->object);
    u->object = json_ref(object);
    u->marked = true;
    try_bind(k, u);
}

/* Oldest first is not kept: what fits is bound, as the scheduler's queue ends up doing. */
void sched_run(struct kubelet *k)
{
    for (struct map_item *i = map_next(&k->unbound, NULL); i; i = map_next(&k->unbound, i))
        try_bind(k, i->value);
}

void sched_free(struct kubelet *k)
{
    for (struct map_item *i = map_next(&k->unbound, NULL); i; i = map_next(&k->unbound, i)) {
        struct unbound *u = i->value;
        json_unref(u->object);
        free(u);
    }
    map_done(&k->unbound);
}
