/*
 * The operator's view of the API server: a store and a watch for each kind, started when first
 * needed, trimmed to what planners read. Planners see it as a `struct world`; answers to our own
 * writes enter it at once (observe_answer).
 *
 * With --watch-namespace each namespace has stores of its own.
 */
#ifndef MANTA_OPERATOR_OBSERVE_H
#define MANTA_OPERATOR_OBSERVE_H

#include "kube/watch.h"
#include "ray/plan.h"

struct observe;

struct observe_opts {
    struct kube *kube;
    const char *const *namespaces; /* n 0: all */
    size_t n;
    /* After each change of the store; was and now are NULL for added and removed. */
    void (*on_change)(void *ctx, enum ray_kind kind, yyjson_val *was, yyjson_val *now,
                      bool first_list);
    /* A kind's first list is complete (all its namespaces). */
    void (*on_filled)(void *ctx, enum ray_kind kind);
    void *ctx;
};

struct observe *observe_new(const struct observe_opts *o); /* strings are borrowed */
void observe_free(struct observe *o);

void observe_need(struct observe *o, enum ray_kind kind); /* starts its watch, if there is none */
void observe_rest(
    struct observe *o); /* nothing that observe_world() gave out is looked at any more */
bool observe_filled(const struct observe *o, enum ray_kind kind);
struct world observe_world(struct observe *o);
/* Visits all objects of the kind, in no order. */
void observe_each(struct observe *o, enum ray_kind kind, void (*fn)(void *ctx, yyjson_val *object),
                  void *ctx);

/* A world whose answers stay valid until pins_done(), however the store moves on meanwhile: plans
 * point into them while their actions are under way. */
struct pins {
    struct observe *o;
    VEC(struct json *) docs;
};
struct world observe_pinned(struct observe *o, struct pins *pins);
void pins_done(struct pins *pins);

/* The answer to a create, update or delete of an object of that kind. */
void observe_answer(struct observe *o, enum ray_kind kind, yyjson_val *object);
void observe_deleted(struct observe *o, enum ray_kind kind, const char *ns, const char *name,
                     yyjson_val *answer);

const struct gvr *kind_gvr(enum ray_kind kind);

#endif
