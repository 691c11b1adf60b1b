/*
 * The operator's own HTTP: /healthz and /readyz on the probe address (plain pings), /metrics on the
 * metrics address (spec: platform §2.1, §2.2). Both listen as soon as the process runs, leader or
 * not.
 */
#ifndef MANTA_OPERATOR_HEALTH_H
#define MANTA_OPERATOR_HEALTH_H

#include "net/loop.h"
#include "operator/options.h"

struct health;

int health_start(uv_loop_t *loop, const struct operator_options *o, struct health **ret,
                 struct err *err);
void health_stop(struct health *h);

#endif
