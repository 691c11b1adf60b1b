/* Shared by single-host and multi-host worker groups. */
#ifndef MANTA_RAY_PLAN_WORKERS_H
#define MANTA_RAY_PLAN_WORKERS_H

#include "ray/plan/pass.h"

struct worker_group {
    yyjson_val *group;
    yyjson_mut_val *template; /* a worker of it, built when the first is needed */
};

extern const struct words worker_delete_words;

void worker_template(struct pass *x, struct worker_group *g);
/* How many of the wanted pods may still be made in this pass. */
size_t worker_room(struct pass *x, int64_t wanted);
/* The ordinal salts the name. */
void worker_create(struct pass *x, const struct worker_group *g, const struct replica *replica,
                   int ordinal);
int32_t worker_index(yyjson_val *pod); /* LABEL_REPLICA_INDEX; -1: none */
bool may_scale_down(struct pass *x);   /* §6.5.9: with an autoscaler only by env */
/* §6.7 */
bool multi_host(struct pass *x, struct worker_group *g, struct pods pods);

#endif
