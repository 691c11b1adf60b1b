/*
 * From a host name to a connection that is ready to speak: addresses, TCP, a proxy's CONNECT, TLS.
 * Private to src/net.
 *
 * done runs exactly once, from the loop, unless dial_cancel() came first: with a connection, whose
 * ops and owner the callee sets, or with NULL and the reason. The dial is gone afterwards.
 */
#ifndef MANTA_NET_DIAL_H
#define MANTA_NET_DIAL_H

#include "net/conn.h"
#include "net/url.h"

struct dial;

struct dial_opts {
    struct hub *hub;
    const char *host; /* where to connect: the origin, or the proxy */
    uint16_t port;
    unsigned timeout; /* ms, for everything */
    struct tls *tls;  /* NULL: plain */
    const char *server_name;
    const char *alpn;    /* each name after its length; NULL: none */
    const char *connect; /* a whole CONNECT request for the proxy, or NULL */
    int (*connect_fd)(const char *host, uint16_t port, void *ctx, struct err *err);
    bool (*resolve)(const char *host, uint16_t port, struct sockaddr_storage *ret, void *ctx);
    void *hook_ctx;
    void (*done)(struct conn *c, const char *why, void *ctx);
    void *ctx;
};

/* Strings of o are copied. */
struct dial *dial_start(const struct dial_opts *o);
void dial_cancel(struct dial *d); /* NULL is fine */

#endif
