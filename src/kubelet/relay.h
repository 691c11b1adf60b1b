/*
 * A listener whose connections are carried, byte by byte, to a target that is chosen anew for each:
 * service addresses and the API server's address, as pods see them. Reading from one side stops
 * while the other side takes nothing.
 */
#ifndef MANTA_KUBELET_RELAY_H
#define MANTA_KUBELET_RELAY_H

#include "base/err.h"
#include "net/loop.h"

struct relay;

struct relay_opts {
    int fd; /* listening, non-blocking; taken over */
    /* A connected or connecting non-blocking socket, or a negative code (the client is cut off). */
    int (*connect)(void *ctx, struct err *err);
    void *ctx;
};

struct relay *relay_new(uv_loop_t *loop, const struct relay_opts *o);
void relay_free(struct relay *r); /* stops listening; its connections live on */

#endif
