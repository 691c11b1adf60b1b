/* Pods: suspension, recreation, then head and workers (spec: raycluster §6). */
#include "ray/plan/pass.h"

#include "ray/sched/sched.h"

#include <string.h>

static const struct words all_words = {"all Pods", "DeletedPod", "FailedToDeletePodCollection",
                                       "FailedDeleteAllPods"};

static void delete_all(struct pass *x)
{
    pass_delete_all(x, pass_pods(x, NULL, NULL),
                    arena_printf(x->a, "%s=%s", LABEL_CLUSTER, x->c.name), &all_words);
}

/* §6.2; true: the cluster is suspended in some way, no pod is made. */
static bool suspended(struct pass *x)
{
    const char *status = cluster_suspend_status(&x->c);
    bool two_phases = ray_feature(x->s->options, FEATURE_STATUS_CONDITIONS);

    if (!strcmp(status, "RayClusterSuspending") || (!two_phases && cluster_suspend(&x->c))) {
        delete_all(x);
        return true;
    }
    return !strcmp(status, "RayClusterSuspended") || cluster_suspend(&x->c);
}

static void adopt_head(struct pass *x, yyjson_val *head)
{
    struct action *a = plan_action(x->p, ACT_MERGE, KIND_POD);
    yyjson_mut_val *annotations;

    a->ns = x->c.ns;
    a->name = object_name(head);
    a->body = build_object(x->p, KIND_POD, a->ns, a->name);
    a->best_effort = true;
    a->why = "the head was made by another version of the operator: take over its hash";
    annotations = json_ensure(x->p->doc, a->body, "metadata.annotations");
    json_put_str(x->p->doc, annotations, ANN_RECREATE_HASH, pass_hash(x));
    json_put_str(x->p->doc, annotations, ANN_VERSION, KUBERAY_VERSION);
}

/* §6.3; true: everything is deleted in this pass. */
static bool recreated(struct pass *x)
{
    struct pods heads = pass_pods(x, LABEL_NODE_TYPE, NODE_HEAD);
    yyjson_val *annotations;
    const char *version, *hash;

    if (strcmp(json_str_at(x->c.spec, "upgradeStrategy.type", ""), "Recreate") != 0 || !heads.n)
        return false;
    annotations = json_at(heads.v[0], "metadata.annotations");
    version = json_get_str(annotations, ANN_VERSION, "");
    hash = json_get_str(annotations, ANN_RECREATE_HASH, "");
    if (*version && strcmp(version, KUBERAY_VERSION) != 0) {
        adopt_head(x, heads.v[0]);
        return false;
    }
    if (!*hash || !strcmp(hash, pass_hash(x)))
        return false;
    delete_all(x);
    return true;
}

bool step_pods(struct pass *x)
{
    struct sched_parent parent = sched_cluster(x);

    if (suspended(x) || recreated(x))
        return true;
    return sched_submit(&parent) && step_head(x) && step_workers(x);
}
