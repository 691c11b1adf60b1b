/*
 * The log and the state of one Ray job, from the dashboard of its cluster: the log streams by
 * websocket as it is written, the state is asked for four times a second, and when Ray says that
 * the job has ended, the rest of the log is fetched, so that nothing is missing and nobody waits.
 */
#ifndef MANTA_CLI_JOBLOG_H
#define MANTA_CLI_JOBLOG_H

#include "base/slice.h"
#include "net/loop.h"

struct joblog;

struct joblog_opts {
    uv_loop_t *loop;
    const char *reach; /* reach.sock of the kubelet; NULL: ordinary sockets */
    const char *ip;    /* of the head pod */
    unsigned port;     /* of its dashboard */
    const char *job_id;
    const char *token;                            /* NULL: none */
    void (*on_log)(void *ctx, struct slice text); /* in order, each byte once */
    /* Ray's word for the job, whenever it changes; for an end, after the whole log. */
    void (*on_state)(void *ctx, const char *state, bool ended);
    /* The head lost the job, and it runs again from its beginning: so does the log. */
    void (*on_anew)(void *ctx);
    void *ctx;
};

struct joblog *joblog_new(const struct joblog_opts *o); /* strings are copied */
/* The RayJob has ended as `state`, whatever Ray still says: fetches what it can of the rest of the
 * log, then on_state with `ended`. */
void joblog_finish(struct joblog *l, const char *state);
void joblog_free(
    struct joblog *l); /* no callback after it; the loop must run for handles to close */

#endif
