/* Making a tunnel out of a connection, for server.c and websocket.c. */
#ifndef MANTA_NET_TUNNEL_PRIVATE_H
#define MANTA_NET_TUNNEL_PRIVATE_H

#include "net/conn.h"
#include "net/stream.h"
#include "net/tunnel.h"

struct tunnel {
    struct conn *c;
    struct tunnel_handler h;
    struct stream out;
    struct buf early; /* came with the handshake, not yet handed over */
    bool ended, closing, cut, shut, wrote;
    struct task task;
    struct link link;        /* the maker's list */
    void (*gone)(void *ctx); /* the maker's, after on_close */
    void *gone_ctx;
};

/* Takes c over from its owner, which forgets it. early is copied. */
struct tunnel *tunnel_new(struct conn *c, struct slice early, const struct tunnel_handler *h);

#endif
