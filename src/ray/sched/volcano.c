/* Volcano: a PodGroup for the cluster, and pods that name it. */
#include "ray/sched/sched.h"

#include "ray/build/edit.h"
#include "ray/sched/sums.h"

#include <string.h>

#define LABEL_QUEUE "volcano.sh/queue-name"

static const char *group_of(struct pass *x)
{
    const char *job = cluster_label(&x->c, LABEL_FROM_CR);
    bool of_job = !strcmp(cluster_creator(&x->c), CRD_RAYJOB);

    return arena_printf(x->a, "ray-%s-pg", of_job && job ? job : x->c.name);
}

static void put_label(struct pass *x, yyjson_mut_val *spec, const char *member, const char *label)
{
    const char *v = cluster_label(&x->c, label);

    if (v && *v)
        json_put_str(x->p->doc, spec, member, v);
}

static void topology(struct pass *x, yyjson_mut_val *spec)
{
    const char *mode = cluster_label(&x->c, "volcano.sh/network-topology-mode");
    const char *tier = cluster_label(&x->c, "volcano.sh/network-topology-highest-tier-allowed");
    yyjson_mut_val *v;
    int64_t n;

    if (!mode || !*mode)
        return;
    v = json_put_obj(x->p->doc, spec, "networkTopology");
    json_put_str(x->p->doc, v, "mode", mode);
    if (tier && slice_int64(slice_of(tier), &n))
        json_put_int(x->p->doc, v, "highestTierAllowed", n);
}

static yyjson_mut_val *pod_group(struct pass *x, const char *name, int32_t members,
                                 yyjson_mut_val *resources)
{
    yyjson_mut_val *o = build_object(x->p, KIND_VOLCANO_PODGROUP, x->c.ns, name), *spec;

    if (yyjson_obj_size(x->c.annotations))
        edit_overlay(x->p->doc, json_ensure(x->p->doc, o, "metadata.annotations"), x->c.annotations,
                     true);
    build_owner(x->p, o, x->c.obj, true);
    spec = json_put_obj(x->p->doc, o, "spec");
    json_put_int(x->p->doc, spec, "minMember", members);
    put_label(x, spec, "queue", LABEL_QUEUE);
    put_label(x, spec, "priorityClassName", LABEL_PRIORITY_CLASS);
    json_put(x->p->doc, spec, "minResources", resources);
    topology(x, spec);
    json_put_str(x->p->doc, json_put_obj(x->p->doc, o, "status"), "phase", "Pending");
    return o;
}

static void resize(struct pass *x, yyjson_val *live, int32_t members, yyjson_mut_val *resources)
{
    yyjson_mut_val *body, *spec;
    struct action *a;

    if (json_int_at(live, "spec.minMember", 0) == members &&
        sum_equal(x->a, json_at(live, "spec.minResources"), resources))
        return;
    body = json_thaw(x->p->doc, live);
    spec = json_ensure(x->p->doc, body, "spec");
    json_put_int(x->p->doc, spec, "minMember", members);
    json_put(x->p->doc, spec, "minResources", resources);
    a = plan_action(x->p, ACT_UPDATE, KIND_VOLCANO_PODGROUP);
    a->ns = x->c.ns;
    a->name = object_name(live);
    a->body = body;
    a->why = "resize the PodGroup";
}

static bool submit(struct pass *x)
{
    static const struct words words = {"PodGroup", NULL, NULL, NULL};
    enum sum which = cluster_autoscaling(&x->c) ? SUM_MIN : SUM_DESIRED;
    yyjson_mut_val *resources;
    yyjson_val *live;
    const char *name;
    int32_t members;

    if (!strcmp(cluster_creator(&x->c), CRD_RAYJOB))
        return true; /* the RayJob has one of its own */
    name = arena_printf(x->a, "ray-%s-pg", x->c.name);
    members = sum_members(&x->c, which) + 1;
    resources = sum_resources(x->p, &x->c, which);
    live = snap_get(x->s, KIND_VOLCANO_PODGROUP, x->c.ns, name);
    if (live)
        resize(x, live, members, resources);
    else
        pass_create(x, KIND_VOLCANO_PODGROUP, pod_group(x, name, members, resources), &words)
            ->ignore_exists = true;
    return true;
}

static void decorate(struct pass *x, yyjson_mut_val *pod, const char *group)
{
    yyjson_mut_doc *doc = x->p->doc;
    yyjson_mut_val *labels = json_ensure(doc, pod, "metadata.labels");
    yyjson_mut_val *annotations = json_ensure(doc, pod, "metadata.annotations");

    put_label(x, labels, LABEL_QUEUE, LABEL_QUEUE);
    put_label(x, labels, LABEL_PRIORITY_CLASS, LABEL_PRIORITY_CLASS);
    json_put_str(doc, annotations, "scheduling.k8s.io/group-name", group_of(x));
    json_put_str(doc, annotations, "volcano.sh/task-spec", group);
    json_put_str(doc, json_ensure(doc, pod, "spec"), "schedulerName", "volcano");
}

const struct scheduler volcano_scheduler = {"volcano", submit, decorate};
