/*
 * The work queue of a controller, with controller-runtime's rules: a key is queued once however
 * often it is added; it is never run twice at the same time (an add while it runs makes it run
 * again after); of two due times the earlier wins; keys of the first list come after live ones;
 * failures back off 5 ms · 2ⁿ up to 1,000 s a key.
 *
 *     queue_add(q, "ns/name");             run(ctx, "ns/name") comes from the loop
 *     … later …  queue_done(q, "ns/name", QUEUE_FORGET, 0);
 */
#ifndef MANTA_KUBE_QUEUE_H
#define MANTA_KUBE_QUEUE_H

#include "base/macro.h"

#include "net/loop.h"

struct queue;

struct queue_opts {
    unsigned concurrency;                    /* keys that run at once; 0: 1 */
    void (*run)(void *ctx, const char *key); /* must end in one queue_done(), now or later */
    void *ctx;
};

struct queue *queue_new(uv_loop_t *loop, const struct queue_opts *opts);
void queue_free(struct queue *q); /* the loop must run once more for its timer to close */

void queue_add(struct queue *q, const char *key);
void queue_add_low(struct queue *q, const char *key); /* of a first list: after all others */
void queue_add_after(struct queue *q, const char *key, int64_t ns); /* ns ≤ 0: now */

enum queue_result {
    QUEUE_FORGET, /* success: back-off reset; again after after_ns if > 0 */
    QUEUE_RETRY,  /* failure: again after the back-off; after_ns is ignored */
    QUEUE_AGAIN,  /* neither: again at once, back-off untouched */
};
void queue_done(struct queue *q, const char *key, enum queue_result result, int64_t after_ns);

/* A running key that waits for somebody slow gives its place to another meanwhile: -1, and takes it
 * back with +1. */
void queue_lend(struct queue *q, int places);

void queue_pause(struct queue *q, bool paused); /* paused: adds are kept, nothing is started */
size_t queue_depth(const struct queue *q);      /* ready, not running */
uint64_t queue_adds(const struct queue *q);     /* keys that became ready since the start */
uint64_t queue_retries(const struct queue *q);  /* keys that were given a delay since the start */
size_t queue_depth_low(const struct queue *q);  /* of them, those of a first list */
int64_t queue_waited_ns(const struct queue *q, const char *key); /* how long it was ready before it
                                                                    ran; 0: it does not run */
size_t queue_running(const struct queue *q);
size_t queue_delayed(const struct queue *q);
unsigned queue_failures(const struct queue *q, const char *key); /* in a row */
int64_t queue_backoff_ns(unsigned failures); /* 5 ms · 2^failures, at most 1,000 s */

#endif
