/*
 * Kubernetes' own workload-aware scheduling (scheduling.k8s.io/v1alpha2): a Workload and its
 * PodGroup, both immutable in what counts, so stale ones are deleted and made again: the PodGroup
 * first, since it points to the Workload. Until both are right no pod is made.
 */
#include "ray/sched/sched.h"

#include "ray/build/edit.h"
#include "ray/sched/sums.h"

#include <string.h>

#define PROTECTION "scheduling.k8s.io/podgroup-protection"
#define TEMPLATE_NAME "cluster"

static bool wanted(struct sched_parent *x)
{
    return !x->job && is_true(cluster_label(&x->c, LABEL_GANG)) && !cluster_autoscaling(&x->c);
}

static const char *group_name_of(struct sched_parent *x)
{
    return arena_printf(&x->p->arena, "%s-cluster", x->c.name);
}

static int32_t count_of(struct sched_parent *x)
{
    return sum_members(&x->c, SUM_DESIRED) + 1;
}

static void put_gang(struct sched_parent *x, yyjson_mut_val *obj)
{
    yyjson_mut_val *gang = json_ensure(x->p->doc, obj, "schedulingPolicy.gang");

    json_put_int(x->p->doc, gang, "minCount", count_of(x));
}

static yyjson_mut_val *owned_object(struct sched_parent *x, enum ray_kind kind, const char *name)
{
    yyjson_mut_val *o = build_object(x->p, kind, x->c.ns, name);

    json_put_str(x->p->doc, json_ensure(x->p->doc, o, "metadata.labels"), LABEL_CLUSTER, x->c.name);
    build_owner(x->p, o, x->c.obj, true);
    return o;
}

static yyjson_mut_val *workload(struct sched_parent *x)
{
    yyjson_mut_val *o = owned_object(x, KIND_WAS_WORKLOAD, x->c.name), *spec, *ref, *t;

    spec = json_put_obj(x->p->doc, o, "spec");
    ref = json_put_obj(x->p->doc, spec, "controllerRef");
    json_put_str(x->p->doc, ref, "apiGroup", "ray.io");
    json_put_str(x->p->doc, ref, "kind", CRD_RAYCLUSTER);
    json_put_str(x->p->doc, ref, "name", x->c.name);
    t = yyjson_mut_arr_add_obj(x->p->doc, edit_list(x->p->doc, spec, "podGroupTemplates"));
    json_put_str(x->p->doc, t, "name", TEMPLATE_NAME);
    put_gang(x, t);
    return o;
}

static yyjson_mut_val *pod_group(struct sched_parent *x)
{
    yyjson_mut_val *o = owned_object(x, KIND_WAS_PODGROUP, group_name_of(x)), *spec, *ref;

    spec = json_put_obj(x->p->doc, o, "spec");
    ref = json_ensure(x->p->doc, spec, "podGroupTemplateRef.workload");
    json_put_str(x->p->doc, ref, "workloadName", x->c.name);
    json_put_str(x->p->doc, ref, "podGroupTemplateName", TEMPLATE_NAME);
    put_gang(x, spec);
    return o;
}

/* The protection finalizer would keep it until its pods are gone, which wait for the new one. */
static void strip(struct sched_parent *x, enum ray_kind kind, yyjson_val *live)
{
    yyjson_mut_val *left = yyjson_mut_arr(x->p->doc);
    bool guarded = false;
    struct action *a;

    json_each(json_at(live, "metadata.finalizers"), f, i, n) {
        bool is_guard = !strcmp(json_str(f, ""), PROTECTION);

        guarded |= is_guard;
        if (!is_guard)
            edit_append_str(x->p->doc, left, json_str(f, ""));
    }
    if (!guarded)
        return;
    a = plan_action(x->p, ACT_MERGE, kind);
    a->ns = x->c.ns;
    a->name = object_name(live);
    a->body = build_object(x->p, kind, x->c.ns, a->name);
    json_put(x->p->doc, json_mut_get(a->body, "metadata"), "finalizers", left);
    a->ignore_not_found = true;
    a->why = "drop the protection of a scheduling object";
}

static void drop(struct sched_parent *x, enum ray_kind kind, yyjson_val *live)
{
    struct action *a;

    strip(x, kind, live);
    if (object_deleting(live))
        return;
    a = plan_action(x->p, ACT_DELETE, kind);
    a->ns = x->c.ns;
    a->name = object_name(live);
    a->uid = json_str_at(live, "metadata.uid", NULL);
    a->ignore_not_found = true;
    a->why = "a scheduling object is stale or not wanted any more";
}

static bool is_ours(struct sched_parent *x, yyjson_val *live)
{
    return live && object_controlled_by(live, x->c.uid);
}

static bool is_foreign(struct sched_parent *x, enum ray_kind kind, yyjson_val *live)
{
    if (!live || is_ours(x, live))
        return false;
    sched_fail(x, "%s %s/%s already exists and is not owned by this RayCluster", kind_name(kind),
               x->c.ns, object_name(live));
    return true;
}

static bool is_stale(struct sched_parent *x, yyjson_val *live, const char *path)
{
    return live && (object_deleting(live) || json_int_at(live, path, -1) != count_of(x));
}

static bool replace(struct sched_parent *x, enum ray_kind kind, yyjson_val *live)
{
    drop(x, kind, live);
    return sched_fail(x, "%s %s/%s is stale and is being deleted; will retry", kind_name(kind),
                      x->c.ns, object_name(live));
}

static bool submit(struct sched_parent *x)
{
    yyjson_val *w, *g;
    bool old_w, old_g;

    if (x->job)
        return true;
    w = snap_get(x->s, KIND_WAS_WORKLOAD, x->c.ns, x->c.name);
    g = snap_get(x->s, KIND_WAS_PODGROUP, x->c.ns, group_name_of(x));
    if (!wanted(x)) {
        if (is_ours(x, g))
            drop(x, KIND_WAS_PODGROUP, g);
        if (is_ours(x, w))
            drop(x, KIND_WAS_WORKLOAD, w);
        return true;
    }
    if (is_foreign(x, KIND_WAS_WORKLOAD, w) || is_foreign(x, KIND_WAS_PODGROUP, g))
        return false;
    old_w = is_stale(x, w, "spec.podGroupTemplates.0.schedulingPolicy.gang.minCount");
    old_g = is_stale(x, g, "spec.schedulingPolicy.gang.minCount");
    if (g && (old_w || old_g))
        return replace(x, KIND_WAS_PODGROUP, g);
    if (old_w)
        return replace(x, KIND_WAS_WORKLOAD, w);
    if (!w)
        sched_create(x, KIND_WAS_WORKLOAD, workload(x));
    if (!g)
        sched_create(x, KIND_WAS_PODGROUP, pod_group(x));
    return true;
}

static bool decorate(struct sched_parent *x, yyjson_mut_val *child, unused const char *group)
{
    yyjson_mut_doc *doc = x->p->doc;
    yyjson_mut_val *spec;

    if (!wanted(x))
        return true;
    spec = json_ensure(doc, child, "spec");
    json_put_str(doc, spec, "schedulerName", "default-scheduler");
    json_put_str(doc, json_put_obj(doc, spec, "schedulingGroup"), "podGroupName", group_name_of(x));
    return true;
}

static const enum ray_kind owned[] = {KIND_WAS_WORKLOAD, KIND_WAS_PODGROUP};

const struct scheduler was_scheduler = {.name = "kubernetes-was",
                                        .submit = submit,
                                        .decorate = decorate,
                                        .owns = owned,
                                        .n_owns = ARRAY_SIZE(owned)};
