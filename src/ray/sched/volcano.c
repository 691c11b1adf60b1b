/*
 * Volcano: a PodGroup for the cluster, or for the RayJob that has the cluster made, and pods that
 * name it. When a RayJob has ended, its PodGroup shrinks to what is left.
 */
#include "ray/sched/sched.h"

#include "ray/build/edit.h"
#include "ray/build/submitter.h"
#include "ray/sched/sums.h"

#include <string.h>

#define LABEL_QUEUE "volcano.sh/queue-name"
#define LABEL_TOPOLOGY "volcano.sh/network-topology-mode"
#define LABEL_TIER "volcano.sh/network-topology-highest-tier-allowed"

/* How big the group has to be. */
struct gang {
    int32_t members;
    yyjson_mut_val *resources;
};

/* ray-JOB-pg for whatever belongs to a RayJob. */
static const char *name_of(struct sched_parent *x)
{
    const char *job = cluster_label(&x->c, LABEL_FROM_CR);
    bool of_job = !x->job && !strcmp(cluster_creator(&x->c), CRD_RAYJOB);

    return arena_printf(&x->p->arena, "ray-%s-pg", of_job && job ? job : x->c.name);
}

static struct gang gang_of(struct plan *p, const struct cluster *c, yyjson_val *submitter)
{
    enum sum which = cluster_autoscaling(c) ? SUM_MIN : SUM_DESIRED;

    return (struct gang){sum_members(c, which) + 1, sum_resources(p, c, which, submitter)};
}

static void put_label(struct sched_parent *x, yyjson_mut_val *spec, const char *member,
                      const char *label)
{
    const char *v = cluster_label(&x->c, label);

    if (v && *v)
        json_put_str(x->p->doc, spec, member, v);
}

static bool put_topology(struct sched_parent *x, yyjson_mut_val *spec)
{
    const char *mode = cluster_label(&x->c, LABEL_TOPOLOGY);
    const char *tier = cluster_label(&x->c, LABEL_TIER);
    yyjson_mut_val *v;
    int64_t n;

    if (!mode || !*mode)
        return true;
    v = json_put_obj(x->p->doc, spec, "networkTopology");
    json_put_str(x->p->doc, v, "mode", mode);
    if (!tier || !*tier)
        return true;
    if (!slice_int64(slice_of(tier), &n))
        return sched_fail(x, "label " LABEL_TIER " must be a whole number, not %s", tier);
    json_put_int(x->p->doc, v, "highestTierAllowed", n);
    return true;
}

/* NULL: a label makes no sense; the error says so. */
static yyjson_mut_val *pod_group(struct sched_parent *x, const char *name, const struct gang *g)
{
    yyjson_mut_val *o = build_object(x->p, KIND_VOLCANO_PODGROUP, x->c.ns, name), *spec;

    if (yyjson_obj_size(x->c.annotations))
        edit_overlay(x->p->doc, json_ensure(x->p->doc, o, "metadata.annotations"), x->c.annotations,
                     true);
    build_owner(x->p, o, x->c.obj, true);
    spec = json_put_obj(x->p->doc, o, "spec");
    json_put_int(x->p->doc, spec, "minMember", g->members);
    put_label(x, spec, "queue", LABEL_QUEUE);
    put_label(x, spec, "priorityClassName", LABEL_PRIORITY_CLASS);
    json_put(x->p->doc, spec, "minResources", g->resources);
    if (!put_topology(x, spec))
        return NULL;
    json_put_str(x->p->doc, json_put_obj(x->p->doc, o, "status"), "phase", "Pending");
    return o;
}

static struct action *resize(struct sched_parent *x, yyjson_val *live, const struct gang *g)
{
    yyjson_mut_val *body, *spec;
    struct action *a;

    if (json_int_at(live, "spec.minMember", 0) == g->members &&
        sum_equal(&x->p->arena, json_at(live, "spec.minResources"), g->resources))
        return NULL;
    body = json_thaw(x->p->doc, live);
    spec = json_ensure(x->p->doc, body, "spec");
    json_put_int(x->p->doc, spec, "minMember", g->members);
    json_put(x->p->doc, spec, "minResources", g->resources);
    a = plan_action(x->p, ACT_UPDATE, KIND_VOLCANO_PODGROUP);
    a->ns = x->c.ns;
    a->name = object_name(live);
    a->body = body;
    a->why = "resize the PodGroup";
    return a;
}

/* Makes the group or makes it fit; *ret is the action, NULL if none is needed. */
static bool sync(struct sched_parent *x, const struct gang *g, struct action **ret)
{
    const char *name = name_of(x);
    yyjson_val *live = snap_get(x->s, KIND_VOLCANO_PODGROUP, x->c.ns, name);
    yyjson_mut_val *body;

    *ret = NULL;
    if (live) {
        *ret = resize(x, live, g);
        return true;
    }
    body = pod_group(x, name, g);
    if (!body)
        return false;
    *ret = sched_create(x, KIND_VOLCANO_PODGROUP, body);
    return true;
}

static bool submit(struct sched_parent *x)
{
    struct json *submitter autojson = NULL;
    struct action *unused_action;
    struct gang g;

    if (!x->job && !strcmp(cluster_creator(&x->c), CRD_RAYJOB))
        return true; /* the RayJob has one of its own */
    if (!x->c.spec)
        return sched_fail(
            x, "gang scheduling does not support RayJob %s/%s referencing an existing RayCluster",
            x->c.ns, x->c.name);
    if (x->job)
        submitter = submitter_plain_spec(x->job, x->c.spec);
    g = gang_of(x->p, &x->c, json_root(submitter));
    return sync(x, &g, &unused_action);
}

static bool decorate(struct sched_parent *x, yyjson_mut_val *child, const char *group)
{
    sched_copy_label(x, child, LABEL_QUEUE, LABEL_QUEUE);
    sched_copy_label(x, child, LABEL_PRIORITY_CLASS, LABEL_PRIORITY_CLASS);
    sched_put_annotation(x, child, "scheduling.k8s.io/group-name", name_of(x));
    sched_put_annotation(x, child, "volcano.sh/task-spec", group);
    sched_put_name(x, child, group, "volcano");
    return true;
}

/* What is left of the RayJob's cluster: nothing, or what its spec says now. */
static struct gang left_over(struct sched_parent *x, const char *cluster_name)
{
    yyjson_val *live = snap_get(x->s, KIND_RAYCLUSTER, x->c.ns, cluster_name);
    struct cluster c;

    if (!live || object_deleting(live))
        return (struct gang){0, yyjson_mut_obj(x->p->doc)};
    c = cluster_view(live, x->s->options);
    return gang_of(x->p, &c, NULL);
}

static bool clean_up(struct sched_parent *x, bool must_work)
{
    const char *cluster = rayjob_next(x->job, "rayClusterName");
    struct action *a;
    struct gang g;

    if (rayjob_has_selector(x->job) || !*cluster)
        return true;
    g = left_over(x, cluster);
    if (!sync(x, &g, &a))
        return !must_work;
    if (!a)
        return true;
    a->best_effort = !must_work;
    a->ok = (struct note){.reason = "BatchSchedulerCleanedUp",
                          .action = "Cleanup",
                          .text = arena_printf(&x->p->arena, "Resized PodGroup %s/%s of RayJob %s",
                                               a->ns, a->name, x->c.name)};
    a->failed = (struct note){
        .warning = true,
        .reason = "FailedToCleanupBatchScheduler",
        .action = "Cleanup",
        .append_error = true,
        .text = arena_printf(&x->p->arena, "Failed to resize PodGroup %s/%s", a->ns, a->name)};
    return true;
}

static const enum ray_kind owned[] = {KIND_VOLCANO_PODGROUP};

const struct scheduler volcano_scheduler = {.name = "volcano",
                                            .submit = submit,
                                            .decorate = decorate,
                                            .clean_up = clean_up,
                                            .owns = owned,
                                            .n_owns = ARRAY_SIZE(owned)};
