/*
 * What a Job needs next: a pure function from the Job, its pods and the time to a plan. The
 * controller (job.c) carries it out and asks again when something changed.
 *
 * A finished pod is counted in three steps, so that a crash between them counts it exactly once:
 * its UID goes into status.uncountedTerminatedPods; its finalizer goes; the UID moves into the
 * counters. Rules: Kubernetes' documentation of Jobs and pkg/controller/job.
 */
#ifndef MANTA_APISERVER_CONTROLLERS_JOBPLAN_H
#define MANTA_APISERVER_CONTROLLERS_JOBPLAN_H

#include "base/vec.h"
#include "data/json.h"

#define JOB_FINALIZER "batch.kubernetes.io/job-tracking"

struct job_input {
    yyjson_val *job;
    yyjson_val *const *pods; /* those that the Job controls */
    size_t n_pods;
    int64_t now; /* ns since 1970 */
};

struct job_plan {
    yyjson_mut_doc *doc;
    yyjson_mut_val *status;    /* the whole new status; NULL when it stays */
    size_t create;             /* new pods */
    VEC(yyjson_val *) remove;  /* pods to delete */
    VEC(yyjson_val *) release; /* pods whose finalizer goes */
    int64_t again_ns;          /* look again after so long; 0: when something changes */
    /* For an event about the Job, when status says something new; NULL: none. */
    const char *event_type, *event_reason, *event_message;
};

void job_plan_init(struct job_plan *p);
void job_plan_done(struct job_plan *p);
void job_plan(const struct job_input *in, struct job_plan *p);

bool job_is_finished(yyjson_val *job, yyjson_val **ret_condition); /* Complete or Failed */

#endif
