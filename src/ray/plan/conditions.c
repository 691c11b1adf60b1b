/* Conditions of a RayCluster (spec: raycluster §17.4); the order of calls is the order on a fresh
 * object. */
#include "ray/plan/pass.h"

#include "base/timefmt.h"
#include "ray/build/edit.h"

#include <string.h>

#define FAILURE "ReplicaFailure"
#define HEAD_READY "HeadPodReady"
#define PROVISIONED "RayClusterProvisioned"
#define SUSPENDED "RayClusterSuspended"
#define SUSPENDING "RayClusterSuspending"

const char *cluster_suspend_status(const struct cluster *c)
{
    json_each(json_get(c->status, "conditions"), cond, i, n) {
        const char *type = json_get_str(cond, "type", "");

        if ((!strcmp(type, SUSPENDED) || !strcmp(type, SUSPENDING)) &&
            !strcmp(json_get_str(cond, "status", ""), "True"))
            return type;
    }
    return "";
}

static yyjson_mut_val *find(yyjson_mut_val *list, const char *type)
{
    yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(list);
    yyjson_mut_val *cond;

    while ((cond = yyjson_mut_arr_iter_next(&it)))
        if (!strcmp(json_mut_str_at(cond, "type", ""), type))
            return cond;
    return NULL;
}

/* The time changes with the status only (meta.SetStatusCondition). */
static void set(struct pass *x, yyjson_mut_val *list, const char *type, const char *status,
                const char *reason, const char *message)
{
    yyjson_mut_doc *doc = x->p->doc;
    yyjson_mut_val *cond = find(list, type);
    char now[TIME_TEXT];

    if (!cond) {
        cond = yyjson_mut_arr_add_obj(doc, list);
        json_put_str(doc, cond, "type", type);
    }
    if (strcmp(json_mut_str_at(cond, "status", ""), status) != 0)
        json_put_str(doc, cond, "lastTransitionTime", time_rfc3339(x->s->now_ns, now));
    json_put_str(doc, cond, "status", status);
    json_put_str(doc, cond, "reason", reason);
    json_put_str(doc, cond, "message", message);
}

static void remove_type(yyjson_mut_val *list, const char *type)
{
    yyjson_mut_val *cond;
    size_t i, n;

    yyjson_mut_arr_foreach(list, i, n, cond) {
        if (!strcmp(json_mut_str_at(cond, "type", ""), type)) {
            yyjson_mut_arr_remove(list, i);
            return;
        }
    }
}

/* A pod says only that containers are not ready; the container says why. */
static void first_not_ready(struct pass *x, yyjson_val *pod, const char **reason,
                            const char **message)
{
    json_each(json_at(pod, "status.containerStatuses"), c, i, n) {
        yyjson_val *state = json_at(c, "state.waiting");

        if (!yyjson_is_obj(state))
            state = json_at(c, "state.terminated");
        if (!yyjson_is_obj(state))
            continue;
        *reason = json_get_str(state, "reason", "");
        *message = arena_printf(x->a, "%s%s%s: %s", *message, **message ? "; " : "",
                                json_get_str(c, "name", ""), json_get_str(state, "message", ""));
        return;
    }
}

static void head_ready(struct pass *x, yyjson_mut_val *list, struct pods heads)
{
    yyjson_val *ready = heads.n ? pod_ready_condition(heads.v[0]) : NULL;
    const char *status = json_get_str(ready, "status", "False");
    const char *reason = json_get_str(ready, "reason", "");
    const char *message = json_get_str(ready, "message", "");

    if (!heads.n) {
        set(x, list, HEAD_READY, "False", "HeadPodNotFound", "Head Pod not found");
        return;
    }
    if (!strcmp(reason, "ContainersNotReady"))
        first_not_ready(x, heads.v[0], &reason, &message);
    if (!*reason)
        reason = !strcmp(status, "True") ? "HeadPodRunningAndReady" : "Unknown";
    set(x, list, HEAD_READY, status, reason, message);
}

static void provisioned(struct pass *x, yyjson_mut_val *list, const char *suspend)
{
    yyjson_mut_val *cond = find(list, PROVISIONED);

    if (!strcmp(json_mut_str_at(cond, "status", ""), "True") || !strcmp(suspend, SUSPENDED))
        return;
    if (pods_all_running(pass_pods(x, NULL, NULL)))
        set(x, list, PROVISIONED, "True", "AllPodRunningAndReadyFirstTime",
            "All Ray Pods are ready for the first time");
    else
        set(x, list, PROVISIONED, "False", "RayClusterPodsProvisioning",
            "RayCluster Pods are being provisioned for first time");
}

/* none → Suspending → (no pods are left) Suspended → (spec.suspend is false) none */
static void suspension(struct pass *x, yyjson_mut_val *list, const char *suspend)
{
    yyjson_val *wish = json_get(x->c.spec, "suspend");

    if (!strcmp(suspend, SUSPENDING)) {
        if (x->n_pods)
            return;
        set(x, list, PROVISIONED, "False", "RayClusterPodsProvisioning",
            "RayCluster has been suspended");
        set(x, list, SUSPENDING, "False", SUSPENDING, "");
        set(x, list, SUSPENDED, "True", SUSPENDED, "");
    } else if (!strcmp(suspend, SUSPENDED)) {
        if (yyjson_is_false(wish))
            set(x, list, SUSPENDED, "False", SUSPENDED, "");
    } else {
        set(x, list, SUSPENDED, "False", SUSPENDED, "");
        set(x, list, SUSPENDING, yyjson_is_true(wish) ? "True" : "False", SUSPENDING, "");
    }
}

const char *status_conditions(struct pass *x, yyjson_mut_val *status, struct pods heads,
                              const char *marker, const char *error)
{
    yyjson_mut_val *list = edit_list(x->p->doc, status, "conditions");
    const char *suspend = cluster_suspend_status(&x->c);

    if (marker)
        set(x, list, FAILURE, "True", marker, error ? error : "");
    else if (!error)
        remove_type(list, FAILURE);
    if (heads.n > 1)
        return "more than one head Pod found";
    head_ready(x, list, heads);
    provisioned(x, list, suspend);
    suspension(x, list, suspend);
    return NULL;
}
