/* The head pod, and what decides about pods one by one (spec: raycluster §§6.4, 6.6, 12.4). */
#include "ray/plan/pass.h"

#include "ray/names.h"
#include "ray/sched/sched.h"

#include <string.h>

static const struct words create_words = {"head Pod", "CreatedHeadPod", "FailedToCreateHeadPod",
                                          "FailedCreateHeadPod"};
static const struct words delete_words = {"head Pod", "DeletedHeadPod", "FailedToDeleteHeadPod",
                                          "FailedDeleteHeadPod"};

/* The status of the Ray container's termination, or NULL. */
static yyjson_val *ray_terminated(yyjson_val *pod)
{
    const char *name = json_str_at(pod, "spec.containers.0.name", "");

    return json_at(list_named(json_at(pod, "status.containerStatuses"), name), "state.terminated");
}

bool pod_should_go(struct pass *x, yyjson_val *pod, const char **ret_why)
{
    const char *phase = json_str_at(pod, "status.phase", "");
    const char *policy = json_str_at(pod, "spec.restartPolicy", "");
    yyjson_val *terminated = ray_terminated(pod);
    bool ended = !strcmp(phase, "Failed") || !strcmp(phase, "Succeeded");
    bool stopped = !strcmp(phase, "Running") && yyjson_is_obj(terminated);

    if (!ended && !(stopped && !strcmp(policy, "Never")))
        return false;
    *ret_why = arena_printf(
        x->a,
        "Pod status: %s; Pod restart policy: %s; Ray container terminated "
        "status: %s",
        phase, policy, yyjson_is_obj(terminated) ? json_get_str(terminated, "reason", "") : "nil");
    return true;
}

static bool certificate_ready(struct pass *x, const char *type)
{
    yyjson_val *cert = snap_get(x->s, KIND_CERTIFICATE, x->c.ns,
                                arena_printf(x->a, "ray-%s-cert-%s", type, x->c.name));

    json_each(json_at(cert, "status.conditions"), cond, i, n)
        if (!strcmp(json_get_str(cond, "type", ""), "Ready"))
            return !strcmp(json_get_str(cond, "status", ""), "True") &&
                   json_int_at(cond, "observedGeneration", 0) ==
                       json_int_at(cert, "metadata.generation", 0);
    return false;
}

static bool secret_ready(struct pass *x, const char *type)
{
    static const char *const keys[] = {"tls.crt", "tls.key", "ca.crt"};
    yyjson_val *secret = snap_get(x->s, KIND_SECRET, x->c.ns,
                                  arena_printf(x->a, "ray-%s-secret-%s", type, x->c.name));

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (!json_get(json_get(secret, "data"), keys[i]))
            return false;
    return true;
}

bool tls_ready(struct pass *x)
{
    if (!cluster_tls(&x->c))
        return true;
    if (certificate_ready(x, NODE_HEAD) && certificate_ready(x, NODE_WORKER) &&
        secret_ready(x, NODE_HEAD) && secret_ready(x, NODE_WORKER))
        return true;
    return pass_fail(x, "mTLS secrets not ready for RayCluster %s/%s", x->c.ns, x->c.name);
}

static bool provisioned(const struct cluster *c)
{
    json_each(json_get(c->status, "conditions"), cond, i, n)
        if (!strcmp(json_get_str(cond, "type", ""), "RayClusterProvisioned"))
            return !strcmp(json_get_str(cond, "status", ""), "True");
    return false;
}

static bool create_head(struct pass *x)
{
    const char *restart = cluster_annotation(&x->c, ANN_NO_HEAD_RESTART);
    const char *base = name_pod(x->a, x->c.name, NODE_HEAD, true);
    struct sched_parent parent = sched_cluster(x);
    yyjson_mut_val *pod;

    if (restart && !strcmp(restart, "true") && provisioned(&x->c))
        return false;
    if (!tls_ready(x))
        return false;
    pod = build_head_pod(x->p, &x->c, pass_hash(x), pass_name(x, base, HEAD_GROUP, 0));
    if (!sched_decorate(&parent, pod, HEAD_GROUP))
        return false;
    pass_create(x, KIND_POD, pod, &create_words);
    return true;
}

static bool too_many(struct pass *x, struct pods heads)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    for (size_t i = 0; i < heads.n; i++)
        buf_printf(&b, "%s%s", i ? ", " : "", object_name(heads.v[i]));
    return pass_fail(x, "%zu head Pods found: %s", heads.n, buf_str(&b));
}

bool step_head(struct pass *x)
{
    struct pods heads = pass_pods(x, LABEL_NODE_TYPE, NODE_HEAD);
    const char *why;

    if (heads.n > 1)
        return too_many(x, heads);
    if (!heads.n)
        return create_head(x);
    /* One that is on its way out for this reason is waited for, as upstream's expectation does. */
    if (!pod_should_go(x, heads.v[0], &why) || object_deleting(heads.v[0]))
        return true;
    pass_delete_pod(x, heads.v[0], &delete_words, why);
    return pass_fail(x, "head Pod %s/%s deleted; %s", x->c.ns, object_name(heads.v[0]), why);
}
