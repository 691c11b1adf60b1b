/*
 * Ray's dashboard over HTTP, as upstream's client speaks to it (spec: rayjob §13.1): one client an
 * address, 2 s a request (10 s through the API server's proxy), never in anybody's way.
 *
 * Names like "svc.ns.svc.cluster.local" are resolved by the machine; where that fails, or where
 * pods live in a network of their own (MANTA_REACH), from the store: the Service's cluster IP, or
 * for a headless one the head pod's.
 */
#ifndef MANTA_OPERATOR_DASH_H
#define MANTA_OPERATOR_DASH_H

#include "kube/client.h"
#include "ray/plan.h"

struct dash;

struct dash_opts {
    uv_loop_t *loop;
    struct kube *kube;
    bool proxy; /* --use-kubernetes-proxy */
    struct world world;
};

struct dash *dash_new(const struct dash_opts *o);
void dash_free(struct dash *d);

struct dash_request {
    enum { DASH_GET_JOB, DASH_GET_SERVE, DASH_POST_JOB, DASH_POST_STOP, DASH_PUT_SERVE } what;
    struct dash_target target; /* copied */
    const char *job_id;
    struct slice body;
    /* state as planners see it; body borrowed; error NULL unless DASH_FAILED. Once, from the loop.
     */
    void (*on_done)(void *ctx, const struct dash_answer *answer);
    void *ctx;
};
void dash_send(struct dash *d, const struct dash_request *r);

#endif
