/*
 * The executor: the only code that acts on a plan. A pass is one reconcile of one object as
 * ray/plan.h has it: plan, perhaps ask the dashboard and plan again, actions in order, finish.
 *
 * One pass a key is under way at a time (the queue sees to that); passes of different keys take
 * turns on the one thread, so a dashboard that hangs or a cluster of 500 workers holds up nobody
 * else.
 */
#ifndef MANTA_OPERATOR_ACT_H
#define MANTA_OPERATOR_ACT_H

#include "kube/events.h"
#include "operator/dash.h"
#include "operator/guard.h"
#include "operator/observe.h"

/* What passes share; owned by the process. */
struct actor {
    uv_loop_t *loop;
    struct kube *kube;
    struct observe *observe;
    struct dash *dash;
    struct recorder *recorder;
    struct guard *guard; /* NULL: no supervisor */
    const struct ray_options *options;
    unsigned concurrency; /* --reconcile-concurrency */
    uint32_t attempts;    /* salt of generated names, differs each time */
    int64_t (*now)(void); /* wall clock */
    /* A status was written; was and now are the whole objects. NULL: nobody asks. */
    void (*on_status)(enum ray_kind kind, yyjson_val *was, yyjson_val *now, int64_t now_ns);
    /* A controller's kinds were not there in time; kind is one that is missing. May be NULL. */
    void (*on_unsynced)(void *ctx, const char *controller, const char *kind);
    void *ctx;
    bool stopping; /* the process ends: passes under way are abandoned as their answers come in */

    struct pass *deleting; /* private: those that wait for the answer to a DELETE */
};

enum pass_result {
    PASS_DONE,      /* again after the delay, if there is one */
    PASS_FAILED,    /* again after the back-off */
    PASS_WAITING,   /* a kind has to fill first: again when it has */
    PASS_ABANDONED, /* the process ends */
};

/* Runs a pass over ns/name. on_end comes once, perhaps before the function returns. */
/* on_wait (may be NULL) tells when the pass begins (-1) and ends (+1) to be one that others need
 * not wait for: it waits for a dashboard, or its plan is long. */
struct act_watcher {
    void (*on_end)(void *ctx, enum pass_result result, int64_t again_ns);
    void (*on_wait)(void *ctx, int places);
    void *ctx;
};
void act_run(struct actor *a, const struct planner *planner, const char *ns, const char *name,
             const struct act_watcher *watcher);

#endif
