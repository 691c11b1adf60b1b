/*
 * The gate of an instance: a unix socket that `manta up` listens on. Who is connected uses the
 * instance; a connection that ends, even by kill -9, is somebody who left. One line each way:
 *
 *     up → user     "ready\n" once everything runs, or "failed TEXT\n"
 *     user → up     "leave\n"  I am done: the connection is closed when all is settled, which for
 *                              the last user of an instance that `manta run` started means stopped
 *                   "stay\n"   last, though `manta run` started the instance
 *                   "down\n"   stop the instance; the connection is closed when it is gone
 */
#ifndef MANTA_CLI_GATE_H
#define MANTA_CLI_GATE_H

#include "base/err.h"
#include "net/loop.h"

/* ---- the side of manta up ---- */
struct gate;

struct gate_events {
    void (*on_down)(void *ctx); /* somebody asked to stop */
    /* The last user left; not called before the first came. True: the instance ends now. */
    bool (*on_empty)(void *ctx);
    void (*on_stay)(void *ctx); /* somebody wants it to outlast its users */
    void *ctx;
};

int gate_listen(uv_loop_t *loop, const char *path, const struct gate_events *events,
                struct gate **ret, struct err *err);
void gate_ready(struct gate *g); /* tells all who wait, and all who come */
void gate_failed(struct gate *g, const char *text);
/* Nobody else comes in; those who are in stay. */
void gate_shut(struct gate *g);
/* Unlinks the socket and closes every connection: who waited for the end sees it. */
void gate_free(struct gate *g);

/* ---- the side of a user: blocking ---- */
/* A connection, or ERR_NOT_FOUND when nobody listens. */
int gate_connect(const char *path, struct err *err);
int gate_wait_ready(int fd, struct err *err);
/* Says "stay"; does not wait. */
void gate_stay(int fd);
/* Sends word ("leave" or "down") and waits until the other side closes. */
int gate_say(int fd, const char *word, struct err *err);

#endif
