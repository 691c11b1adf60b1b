/* The scheduler plugins' coscheduling: a PodGroup that is made once. It knows no RayJob. */
#include "ray/sched/sched.h"

#include "ray/sched/sums.h"

static bool submit(struct sched_parent *x)
{
    yyjson_mut_val *o, *spec;

    if (x->job)
        return sched_fail(x, "scheduler-plugins schedules RayClusters only, not RayJob %s/%s",
                          x->c.ns, x->c.name);
    if (!cluster_label(&x->c, LABEL_GANG) || snap_get(x->s, KIND_SIG_PODGROUP, x->c.ns, x->c.name))
        return true;
    o = build_object(x->p, KIND_SIG_PODGROUP, x->c.ns, x->c.name);
    build_owner(x->p, o, x->c.obj, false);
    spec = json_put_obj(x->p->doc, o, "spec");
    json_put_int(x->p->doc, spec, "minMember", sum_members(&x->c, SUM_DESIRED) + 1);
    json_put(x->p->doc, spec, "minResources", sum_resources(x->p, &x->c, SUM_DESIRED, NULL));
    sched_create(x, KIND_SIG_PODGROUP, o);
    return true;
}

static bool decorate(struct sched_parent *x, yyjson_mut_val *child, const char *group)
{
    if (cluster_label(&x->c, LABEL_GANG))
        json_put_str(x->p->doc, json_ensure(x->p->doc, child, "metadata.labels"),
                     "scheduling.x-k8s.io/pod-group", x->c.name);
    sched_put_name(x, child, group, "scheduler-plugins-scheduler");
    return true;
}

const struct scheduler plugins_scheduler = {
    .name = "scheduler-plugins", .submit = submit, .decorate = decorate};
