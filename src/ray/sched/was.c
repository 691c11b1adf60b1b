/*
 * Kubernetes' own workload-aware scheduling (scheduling.k8s.io/v1alpha2): a Workload and its
 * PodGroup, both immutable in what counts, so a stale one is deleted and made again.
 */
#include "ray/sched/sched.h"

#include "ray/build/edit.h"
#include "ray/sched/sums.h"

#include <string.h>

#define PROTECTION "scheduling.k8s.io/podgroup-protection"
#define TEMPLATE_NAME "cluster"

static bool wanted(struct pass *x)
{
    return is_true(cluster_label(&x->c, LABEL_GANG)) && !cluster_autoscaling(&x->c);
}

static const char *group_name_of(struct pass *x)
{
    return arena_printf(x->a, "%s-cluster", x->c.name);
}

static void put_gang(struct pass *x, yyjson_mut_val *obj)
{
    yyjson_mut_val *gang = json_ensure(x->p->doc, obj, "schedulingPolicy.gang");

    json_put_int(x->p->doc, gang, "minCount", sum_members(&x->c, SUM_DESIRED) + 1);
}

static yyjson_mut_val *workload(struct pass *x)
{
    yyjson_mut_val *o = build_object(x->p, KIND_WAS_WORKLOAD, x->c.ns, x->c.name), *spec, *ref, *t;

    build_labels(x->p, o, &x->c);
    build_owner(x->p, o, x->c.obj, true);
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

static yyjson_mut_val *pod_group(struct pass *x)
{
    yyjson_mut_val *o = build_object(x->p, KIND_WAS_PODGROUP, x->c.ns, group_name_of(x)), *spec;
    yyjson_mut_val *ref;

    build_labels(x->p, o, &x->c);
    build_owner(x->p, o, x->c.obj, true);
    spec = json_put_obj(x->p->doc, o, "spec");
    ref = json_ensure(x->p->doc, spec, "podGroupTemplateRef.workload");
    json_put_str(x->p->doc, ref, "workloadName", x->c.name);
    json_put_str(x->p->doc, ref, "podGroupTemplateName", TEMPLATE_NAME);
    put_gang(x, spec);
    return o;
}

/* The protection finalizer would keep it until its pods are gone, which wait for the new one. */
static void strip_and_delete(struct pass *x, enum ray_kind kind, yyjson_val *live)
{
    struct action *a;
    yyjson_mut_val *left;
    bool protected = false;

    left = yyjson_mut_arr(x->p->doc);
    json_each(json_at(live, "metadata.finalizers"), f, i, n) {
        if (!strcmp(json_str(f, ""), PROTECTION))
        protected = true;
        else edit_append_str(x->p->doc, left, json_str(f, ""));
    }
    if (protected) {
        a = plan_action(x->p, ACT_MERGE, kind);
        a->ns = x->c.ns;
        a->name = object_name(live);
        a->body = build_object(x->p, kind, x->c.ns, a->name);
        json_put(x->p->doc, json_mut_get(a->body, "metadata"), "finalizers", left);
        a->ignore_not_found = true;
        a->why = "drop the protection of a stale object";
    }
    if (object_deleting(live))
        return;
    a = plan_action(x->p, ACT_DELETE, kind);
    a->ns = x->c.ns;
    a->name = object_name(live);
    a->ignore_not_found = true;
    a->why = "stale or not wanted any more";
}

/* Creates, keeps, or deletes; false: a stale one has to go first. */
static bool sync(struct pass *x, enum ray_kind kind, yyjson_val *live, yyjson_mut_val *want,
                 const char *path)
{
    static const struct words words = {"scheduling object", NULL, NULL, NULL};

    if (!live) {
        pass_create(x, kind, want, &words)->ignore_exists = true;
        return true;
    }
    if (object_controlled_by(live, x->c.uid) && !object_deleting(live) &&
        json_int_at(live, path, -1) == sum_members(&x->c, SUM_DESIRED) + 1)
        return true;
    strip_and_delete(x, kind, live);
    return pass_fail(x, "%s %s/%s is stale and being made again", kind_name(kind), x->c.ns,
                     object_name(live));
}

static bool submit(struct pass *x)
{
    yyjson_val *w = snap_get(x->s, KIND_WAS_WORKLOAD, x->c.ns, x->c.name);
    yyjson_val *g = snap_get(x->s, KIND_WAS_PODGROUP, x->c.ns, group_name_of(x));

    if (!wanted(x)) {
        if (g && object_controlled_by(g, x->c.uid))
            strip_and_delete(x, KIND_WAS_PODGROUP, g);
        if (w && object_controlled_by(w, x->c.uid))
            strip_and_delete(x, KIND_WAS_WORKLOAD, w);
        return true;
    }
    return sync(x, KIND_WAS_WORKLOAD, w, workload(x),
                "spec.podGroupTemplates.0.schedulingPolicy.gang.minCount") &&
           sync(x, KIND_WAS_PODGROUP, g, pod_group(x), "spec.schedulingPolicy.gang.minCount");
}

static void decorate(struct pass *x, yyjson_mut_val *pod, const char *group)
{
    yyjson_mut_doc *doc = x->p->doc;
    yyjson_mut_val *spec = json_ensure(doc, pod, "spec");

    (void)group;
    if (!wanted(x))
        return;
    json_put_str(doc, spec, "schedulerName", "default-scheduler");
    json_put_str(doc, json_put_obj(doc, spec, "schedulingGroup"), "podGroupName", group_name_of(x));
}

const struct scheduler was_scheduler = {"kubernetes-was", submit, decorate};
