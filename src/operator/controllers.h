/*
 * The controllers: which planner looks at which kind, what wakes it (spec: platform §3.1), its
 * queue.
 */
#ifndef MANTA_OPERATOR_CONTROLLERS_H
#define MANTA_OPERATOR_CONTROLLERS_H

#include "operator/act.h"

struct controllers;

/* The actor must outlive it; its observe is made by observe_new() with the two callbacks below. */
struct controllers *controllers_new(struct actor *a);
void controllers_start(struct controllers *c); /* watches, then passes */
void controllers_free(struct controllers *c);

/* For struct observe_opts: ctx is the struct controllers. */
void controllers_changed(void *ctx, enum ray_kind kind, yyjson_val *was, yyjson_val *now,
                         bool first_list);
void controllers_filled(void *ctx, enum ray_kind kind);

#endif
