/* KAI: the pods' queue. Its pod grouper knows no submitter Job, so such RayJobs are refused. */
#include "ray/sched/sched.h"

#define LABEL_QUEUE "kai.scheduler/queue"

static bool submit(struct sched_parent *x)
{
    if (!x->job || !rayjob_mode_is(x->job, "K8sJobMode"))
        return true;
    return sched_fail(x, "kai-scheduler cannot schedule RayJob %s/%s of submissionMode K8sJobMode",
                      x->c.ns, x->c.name);
}

static bool decorate(struct sched_parent *x, yyjson_mut_val *child, const char *group)
{
    sched_put_name(x, child, group, "kai-scheduler");
    sched_copy_label(x, child, LABEL_QUEUE, LABEL_QUEUE);
    return true;
}

const struct scheduler kai_scheduler = {
    .name = "kai-scheduler", .submit = submit, .decorate = decorate};
