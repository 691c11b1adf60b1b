/*
 * The planner of network policies (spec: raycluster §11). Upstream posts every policy on each pass
 * and lives on AlreadyExists; here the store is asked first.
 */
#include "ray/build/security.h"
#include "ray/plan/pass.h"

#include "data/typed.h"

#include <string.h>

static const struct words create_words = {"network policy", "CreatedNetworkPolicy",
                                          "FailedToCreateNetworkPolicy", NULL};

static struct note note_of(struct pass *x, bool warning, const char *reason, const char *action,
                           const char *what, const char *name)
{
    return (struct note){.warning = warning,
                         .reason = reason,
                         .action = action,
                         .text = arena_printf(x->a, "%s network policy %s/%s", what, x->c.ns, name),
                         .append_error = warning};
}

static void update(struct pass *x, yyjson_val *live, yyjson_mut_val *want)
{
    struct json *wanted autojson = json_freeze(want);
    yyjson_mut_val *body = json_thaw(x->p->doc, live);
    struct json *now autojson = json_freeze(build_typed(x->p, KIND_NETWORKPOLICY, body));
    struct action *a;

    if (json_equal(json_get(json_root(now), "spec"), json_get(json_root(wanted), "spec")) &&
        json_equal(json_at(json_root(now), "metadata.labels"),
                   json_at(json_root(wanted), "metadata.labels")))
        return;
    json_put(x->p->doc, json_mut_get(body, "metadata"), "labels",
             json_dup(x->p->doc, json_mut_at(want, "metadata.labels")));
    json_put(x->p->doc, body, "spec", json_dup(x->p->doc, json_mut_get(want, "spec")));
    a = plan_action(x->p, ACT_UPDATE, KIND_NETWORKPOLICY);
    a->ns = x->c.ns;
    a->name = object_name(live);
    a->body = build_typed(x->p, KIND_NETWORKPOLICY, body);
    a->why = "update network policy";
    a->ok = note_of(x, false, "UpdatedNetworkPolicy", "Update", "Updated", a->name);
    a->failed =
        note_of(x, true, "FailedToUpdateNetworkPolicy", "Update", "Failed to update", a->name);
}

static bool create_or_update(struct pass *x, yyjson_mut_val *want)
{
    const char *name = json_mut_str_at(want, "metadata.name", "");
    yyjson_val *live = snap_get(x->s, KIND_NETWORKPOLICY, x->c.ns, name);

    if (!live) {
        pass_create(x, KIND_NETWORKPOLICY, want, &create_words);
        return true;
    }
    if (object_controlled_by(live, x->c.uid)) {
        update(x, live, want);
        return true;
    }
    plan_event(x->p, true, "NetworkPolicyNameCollision", "Validate",
               "Network policy %s/%s exists and belongs to somebody else", x->c.ns, name);
    return pass_fail(x, "network policy %s/%s is not controlled by RayCluster %s", x->c.ns, name,
                     x->c.name);
}

static bool wanted(struct pass *x, const char *name)
{
    if (!yyjson_is_obj(json_get(x->c.spec, "networkPolicy")))
        return false;
    if (!strcmp(name, arena_printf(x->a, "%s-head", x->c.name)))
        return true;
    json_each(x->c.groups, group, i, n)
        if (!strcmp(name, arena_printf(x->a, "%s-workers-%s", x->c.name, group_name(group))))
            return true;
    return false;
}

static void delete_stale(struct pass *x)
{
    size_t n;
    yyjson_val **all =
        snap_list(x->s, x->a, KIND_NETWORKPOLICY, x->c.ns, LABEL_CLUSTER, x->c.name, &n);

    for (size_t i = 0; i < n; i++) {
        struct action *a;

        if (wanted(x, object_name(all[i])) || !object_controlled_by(all[i], x->c.uid))
            continue;
        a = plan_action(x->p, ACT_DELETE, KIND_NETWORKPOLICY);
        a->ns = x->c.ns;
        a->name = object_name(all[i]);
        a->ignore_not_found = true;
        a->why = "not wanted any more";
        a->ok = note_of(x, false, "DeletedNetworkPolicy", "Delete", "Deleted", a->name);
        a->failed =
            note_of(x, true, "FailedToDeleteNetworkPolicy", "Delete", "Failed to delete", a->name);
    }
}

static void plan_policies(struct snapshot *s, struct plan *p)
{
    struct pass x = {.s = s, .p = p, .a = &p->arena, .c = cluster_view(s->object, s->options)};

    p->done = true;
    if (cluster_deleting(&x.c) || cluster_external(&x.c))
        return;
    if (yyjson_is_obj(json_get(x.c.spec, "networkPolicy"))) {
        if (!create_or_update(&x, build_head_policy(p, &x.c)))
            return;
        json_each(x.c.groups, group, i, n)
            if (!create_or_update(&x, build_worker_policy(p, &x.c, group)))
                return;
    }
    delete_stale(&x);
}

const struct planner networkpolicy_planner = {
    .kind = KIND_RAYCLUSTER,
    .controller = "networkpolicy-controller",
    .plan = plan_policies,
};
