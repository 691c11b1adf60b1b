/* How many pods, and what they ask for together (spec: raycluster §13 by §17). */
#ifndef MANTA_RAY_SCHED_SUMS_H
#define MANTA_RAY_SCHED_SUMS_H

#include "ray/build/build.h"
#include "ray/resources.h"

enum sum {
    SUM_DESIRED, /* replicas: clamped for members, as written for resources */
    SUM_MIN,     /* minReplicas */
};

int32_t sum_members(const struct cluster *c, enum sum which); /* workers only */
/* {name: quantity} of the head, these workers, and the pod of this spec unless it is NULL. */
yyjson_mut_val *sum_resources(struct plan *p, const struct cluster *c, enum sum which,
                              yyjson_val *also);
/* The same for one pod of the group. */
yyjson_mut_val *sum_pod(struct plan *p, yyjson_val *pod_spec);
/* Whether the live object's member holds the same quantities or number as want. */
bool sum_equal(struct arena *a, yyjson_val *live, yyjson_mut_val *want);

#endif
