/*
 * A connection that speaks HTTP no more: bytes both ways after an upgrade or a CONNECT.
 * Made by http_accept_tunnel().
 *
 * on_close runs exactly once, always from the loop, never from inside a function of this header;
 * the tunnel is gone when it returns.
 */
#ifndef MANTA_NET_TUNNEL_H
#define MANTA_NET_TUNNEL_H

#include "base/err.h"
#include "net/rcbuf.h"

struct tunnel;

struct tunnel_handler {
    void (*on_data)(struct tunnel *t, struct slice data, void *ctx);
    void (*on_eof)(struct tunnel *t, void *ctx);   /* the peer sends no more; may be NULL */
    void (*on_drain)(struct tunnel *t, void *ctx); /* unsent fell to nothing; may be NULL */
    void (*on_close)(struct tunnel *t, const char *why, void *ctx); /* why is "" for a normal end */
    void *ctx;
};

void tunnel_write(struct tunnel *t, struct slice data); /* copies */
void tunnel_write_rc(struct tunnel *t, struct rcbuf *data);
size_t tunnel_unsent(const struct tunnel *t);    /* bytes not yet given to the kernel */
void tunnel_pause(struct tunnel *t, bool pause); /* stops reading: pressure back on the peer */
void tunnel_end(struct tunnel *t); /* no more writes; closes once all is sent and the peer ended */
void tunnel_close(struct tunnel *t); /* closes once all is sent */
void tunnel_cut(struct tunnel *t);   /* closes now, dropping what is unsent */

#endif
