/* The status of a RayCluster (spec: raycluster §17). */
#include "ray/plan/pass.h"

#include "base/timefmt.h"
#include "ray/build/edit.h"
#include "ray/resources.h"

#include <string.h>

yyjson_val *pod_ready_condition(yyjson_val *pod)
{
    json_each(json_at(pod, "status.conditions"), cond, i, n)
        if (!strcmp(json_get_str(cond, "type", ""), "Ready"))
            return cond;
    return NULL;
}

static bool running(yyjson_val *pod)
{
    return !strcmp(json_str_at(pod, "status.phase", ""), "Running");
}

/* A pod without a Ready condition passes. */
bool pods_all_running(struct pods pods)
{
    for (size_t i = 0; i < pods.n; i++)
        if (!running(pods.v[i]) ||
            strcmp(json_get_str(pod_ready_condition(pods.v[i]), "status", "True"), "True") != 0)
            return false;
    return pods.n > 0;
}

/* Sums wrap as Go's int32 does; max saturates. */
static void put_counts(struct pass *x, yyjson_mut_val *status, uint32_t *ret_desired)
{
    struct pods workers = pass_pods(x, LABEL_NODE_TYPE, NODE_WORKER);
    uint32_t desired = 0, min = 0;
    int64_t ready = 0, available = 0, max = 0;

    for (size_t i = 0; i < workers.n; i++) {
        const char *is = json_get_str(pod_ready_condition(workers.v[i]), "status", "");

        available += running(workers.v[i]);
        ready += running(workers.v[i]) && !strcmp(is, "True");
    }
    json_each(x->c.groups, group, k, n) {
        uint32_t hosts = (uint32_t)group_hosts(group);

        desired += (uint32_t)group_desired(group);
        if (group_suspended(group))
            continue;
        min += (uint32_t)json_int_at(group, "minReplicas", 0) * hosts;
        max += json_int_at(group, "maxReplicas", INT32_MAX) * (int64_t)(int32_t)hosts;
    }
    json_put_int(x->p->doc, status, "readyWorkerReplicas", ready);
    json_put_int(x->p->doc, status, "availableWorkerReplicas", available);
    json_put_int(x->p->doc, status, "desiredWorkerReplicas", (int32_t)desired);
    json_put_int(x->p->doc, status, "minWorkerReplicas", (int32_t)min);
    json_put_int(x->p->doc, status, "maxWorkerReplicas", MAX(MIN(max, INT32_MAX), INT32_MIN));
    *ret_desired = desired;
}

static void put_amount(struct pass *x, yyjson_mut_val *status, const char *member,
                       const struct resources *r, const char *name)
{
    json_put_str(x->p->doc, status, member, resource_text(x->a, resources_get(r, name)));
}

static void put_gpus(struct pass *x, yyjson_mut_val *status, const struct resources *r)
{
    struct quantity sum = {0};

    for (size_t i = 0; i < r->list.n; i++)
        if (resource_is_gpu(r->list.v[i].name))
            quantity_add(&sum, &r->list.v[i].amount);
    json_put_str(x->p->doc, status, "desiredGPU", resource_text(x->a, &sum));
}

/* Replicas as written: not clamped, unlike the counts. */
static void put_sums(struct pass *x, yyjson_mut_val *status)
{
    struct resources r = {0};

    resources_add_pod(&r, x->a, group_pod_spec(x->c.head), NULL);
    json_each(x->c.groups, group, i, n) {
        int64_t times = (int64_t)group_hosts(group) * json_int_at(group, "replicas", 0);

        if (!group_suspended(group))
            resources_add_pod(&r, x->a, group_pod_spec(group), &times);
    }
    put_amount(x, status, "desiredCPU", &r, "cpu");
    put_amount(x, status, "desiredMemory", &r, "memory");
    put_gpus(x, status, &r);
    put_amount(x, status, "desiredTPU", &r, "google.com/tpu");
    resources_done(&r);
}

static const char *endpoint(struct pass *x, yyjson_val *port)
{
    int64_t node = json_int_at(port, "nodePort", 0), target = json_int_at(port, "targetPort", 0);
    const char *text = json_get_str(port, "targetPort", "");

    if (node || target)
        return arena_printf(x->a, "%lld", (long long)(node ? node : target));
    return *text ? text : NULL;
}

/* Keys that are there stay, though their port may be gone. */
static void put_endpoints(struct pass *x, yyjson_mut_val *status, yyjson_val *service)
{
    json_each(json_at(service, "spec.ports"), port, i, n) {
        const char *name = json_get_str(port, "name", ""), *v = endpoint(x, port);

        if (*name && v)
            json_put_str(x->p->doc, json_ensure(x->p->doc, status, "endpoints"), name, v);
    }
}

static const char *put_head(struct pass *x, yyjson_mut_val *status, struct pods heads)
{
    struct pods services = pass_head_services(x);
    yyjson_mut_val *head = json_put_obj(x->p->doc, status, "head");
    const char *pod_ip = heads.n ? json_str_at(heads.v[0], "status.podIP", "") : "";
    const char *ip;

    if (!services.n)
        return "unable to find head service";
    if (services.n > 1)
        return "more than one head service found";
    ip = json_str_at(services.v[0], "spec.clusterIP", "");
    if (!*ip)
        return "the head service has no cluster IP yet";
    put_endpoints(x, status, services.v[0]);
    json_put_str(x->p->doc, head, "podIP", pod_ip);
    json_put_str(x->p->doc, head, "serviceIP", !strcmp(ip, "None") ? pod_ip : ip);
    json_put_str(x->p->doc, head, "podName", heads.n ? object_name(heads.v[0]) : "");
    json_put_str(x->p->doc, head, "serviceName", object_name(services.v[0]));
    return NULL;
}

static void put_state(struct pass *x, yyjson_mut_val *status, uint32_t desired, const char *error)
{
    struct pods all = pass_pods(x, NULL, NULL);
    const char *before = json_get_str(x->c.status, "state", ""), *state = before;
    char now[TIME_TEXT];

    time_rfc3339(x->s->now_ns, now);
    if (!error && (uint32_t)all.n == desired + 1 && pods_all_running(all)) {
        state = "ready";
        json_put_str(x->p->doc, status, "reason", "");
    }
    if (cluster_suspend(&x->c) && !all.n)
        state = "suspended";
    json_put_str(x->p->doc, status, "state", state);
    if (strcmp(state, before) != 0)
        json_put_str(x->p->doc, json_ensure(x->p->doc, status, "stateTransitionTimes"), state, now);
    json_put_str(x->p->doc, status, "lastUpdateTime", now);
}

const char *status_calculate(struct pass *x, const char *marker, const char *error,
                             yyjson_mut_val **ret)
{
    yyjson_mut_val *status = json_thaw(x->p->doc, x->c.status);
    struct pods heads = pass_pods(x, LABEL_NODE_TYPE, NODE_HEAD);
    uint32_t desired;
    const char *why;

    if (!yyjson_mut_is_obj(status))
        status = yyjson_mut_obj(x->p->doc);
    json_put_int(x->p->doc, status, "observedGeneration",
                 json_int_at(x->c.obj, "metadata.generation", 0));
    put_counts(x, status, &desired);
    put_sums(x, status);
    put_state(x, status, desired, error);
    why = put_head(x, status, heads);
    if (!why && ray_feature(x->s->options, FEATURE_STATUS_CONDITIONS))
        why = status_conditions(x, status, heads, marker, error);
    else if (!why && heads.n > 1)
        why = "more than one head Pod found";
    *ret = status;
    return why;
}

static bool same_strings(yyjson_val *a, yyjson_val *b, const char *const *members, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(json_get_str(a, members[i], ""), json_get_str(b, members[i], "")) != 0)
            return false;
    return true;
}

static bool same_conditions(yyjson_val *a, yyjson_val *b)
{
    static const char *const members[] = {"type", "status", "reason", "message",
                                          "lastTransitionTime"};

    if (yyjson_arr_size(a) != yyjson_arr_size(b))
        return false;
    json_each(a, cond, i, n)
        if (!same_strings(cond, yyjson_arr_get(b, i), members, ARRAY_SIZE(members)))
            return false;
    return true;
}

/* What does not count here is written only together with what does. */
bool status_differs(struct pass *x, yyjson_mut_val *status)
{
    static const char *const texts[] = {"state", "reason"};
    static const char *const head[] = {"podIP", "serviceIP", "podName", "serviceName"};
    static const char *const counts[] = {"readyWorkerReplicas", "availableWorkerReplicas",
                                         "desiredWorkerReplicas", "minWorkerReplicas",
                                         "maxWorkerReplicas"};
    struct json *frozen autojson = json_freeze(status);
    yyjson_val *new = json_root(frozen), *old = x->c.status;

    for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
        if (json_int_at(new, counts[i], 0) != json_int_at(old, counts[i], 0))
            return true;
    return !same_strings(new, old, texts, ARRAY_SIZE(texts)) ||
           !same_strings(json_get(new, "head"), json_get(old, "head"), head, ARRAY_SIZE(head)) ||
           !json_equal(json_get(new, "endpoints"), json_get(old, "endpoints")) ||
           !same_conditions(json_get(new, "conditions"), json_get(old, "conditions"));
}
