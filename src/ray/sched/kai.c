/* KAI: the pods' queue. */
#include "ray/sched/sched.h"

static void decorate(struct pass *x, yyjson_mut_val *pod, const char *group)
{
    const char *queue = cluster_label(&x->c, "kai.scheduler/queue");
    yyjson_mut_doc *doc = x->p->doc;

    (void)group;
    json_put_str(doc, json_ensure(doc, pod, "spec"), "schedulerName", "kai-scheduler");
    if (queue && *queue)
        json_put_str(doc, json_ensure(doc, pod, "metadata.labels"), "kai.scheduler/queue", queue);
}

const struct scheduler kai_scheduler = {"kai-scheduler", NULL, decorate};
