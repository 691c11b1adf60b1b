/* The scheduler plugins' coscheduling: a PodGroup that is made once. */
#include "ray/sched/sched.h"

#include "ray/sched/sums.h"

static bool submit(struct pass *x)
{
    static const struct words words = {"PodGroup", NULL, NULL, NULL};
    yyjson_mut_val *o, *spec;

    if (!cluster_label(&x->c, LABEL_GANG) || snap_get(x->s, KIND_SIG_PODGROUP, x->c.ns, x->c.name))
        return true;
    o = build_object(x->p, KIND_SIG_PODGROUP, x->c.ns, x->c.name);
    build_owner(x->p, o, x->c.obj, false);
    spec = json_put_obj(x->p->doc, o, "spec");
    json_put_int(x->p->doc, spec, "minMember", sum_members(&x->c, SUM_DESIRED) + 1);
    json_put(x->p->doc, spec, "minResources", sum_resources(x->p, &x->c, SUM_DESIRED));
    pass_create(x, KIND_SIG_PODGROUP, o, &words)->ignore_exists = true;
    return true;
}

static void decorate(struct pass *x, yyjson_mut_val *pod, const char *group)
{
    yyjson_mut_doc *doc = x->p->doc;

    (void)group;
    if (cluster_label(&x->c, LABEL_GANG))
        json_put_str(doc, json_ensure(doc, pod, "metadata.labels"), "scheduling.x-k8s.io/pod-group",
                     x->c.name);
    json_put_str(doc, json_ensure(doc, pod, "spec"), "schedulerName",
                 "scheduler-plugins-scheduler");
}

const struct scheduler plugins_scheduler = {"scheduler-plugins", submit, decorate};
