/*
 * What `manta up`, `run` and `status` do first: open the instance, join or find its host, and have
 * a client of its API server.
 */
#ifndef MANTA_CLI_SESSION_H
#define MANTA_CLI_SESSION_H

#include "cli/instance.h"
#include "kube/client.h"

struct session {
    struct instance i;
    uv_loop_t loop;
    struct kube_config *config;
    struct kube *kube;
    int gate; /* the connection, -1: none */
    bool ephemeral, loop_open, guarded;
    uv_poll_t guard;
    void (*on_down)(void *ctx, const char *why);
    void *ctx;
};

enum session_how { SESSION_FIND, SESSION_START, SESSION_START_EPHEMERAL };

/* 0, or a negative code with what to do about it; session_done() in either case. */
int session_open(struct session *s, const char *name, enum session_how how, struct err *err);
/*
 * Watches the host while the loop runs. One that was killed is replaced: its pods live on. on_down
 * comes when somebody took the instance down, or no new host can be had.
 */
void session_guard(struct session *s, void (*on_down)(void *ctx, const char *why), void *ctx);
/* Closes the client, sends word ("leave", "down") through the gate and waits for its end; NULL:
 * just closes it. */
int session_leave(struct session *s, const char *word, struct err *err);
void session_done(struct session *s);

#endif
