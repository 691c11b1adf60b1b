/*
 * Batch schedulers behind one table (spec: raycluster §13). A row is a name and two hooks, either
 * of which may be absent; the row of no scheduler has none.
 */
#ifndef MANTA_RAY_SCHED_H
#define MANTA_RAY_SCHED_H

#include "ray/plan/pass.h"

struct scheduler {
    const char *name;
    /* Before pods are made. False: the pass ends (its error is set). */
    bool (*submit)(struct pass *x);
    /* A pod that is about to be created, of this group; edited in place. */
    void (*decorate)(struct pass *x, yyjson_mut_val *pod, const char *group);
};

/* The one that the options name; never NULL. */
const struct scheduler *scheduler_of(const struct ray_options *o);
bool scheduler_known(const char *name); /* for the operator's own start-up check */

extern const struct scheduler volcano_scheduler, yunikorn_scheduler, kai_scheduler,
    plugins_scheduler, was_scheduler;

#endif
