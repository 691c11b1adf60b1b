/*
 * One connection: a socket, TLS on it or not, read with a budget and written by pulling. Private to
 * src/net. The protocol above is a table of callbacks, which may be swapped (an upgrade).
 *
 * OpenSSL works on the socket itself. So what is unsent is what the protocol above holds, plus at
 * most one scratch of 64 KiB here (conn_pending()).
 *
 * Life: conn_kill() calls ops->dead at once, exactly once, and ops->free from the loop when
 * libuv has let go of the handle; conn and owner stay readable in between, so a callback deep in
 * a parser may kill its own connection: whoever calls out checks conn_dead() afterwards.
 */
#ifndef MANTA_NET_CONN_H
#define MANTA_NET_CONN_H

#include "base/err.h"
#include "net/hub.h"
#include "net/ssl.h"
#include "net/tls.h"

#include <sys/socket.h>

struct conn;

/* NULL where there is nothing to do: opened, flushed, timeout, free. */
struct conn_ops {
    void (*opened)(struct conn *c); /* connected, and TLS done where it was asked for */
    void (*data)(struct conn *c, struct slice bytes);
    void (*eof)(struct conn *c); /* the peer sends no more */
    /* Appends about max bytes to out, nothing if there is nothing to send. */
    void (*pull)(struct conn *c, struct buf *out, size_t max);
    void (*flushed)(struct conn *c); /* all that was pulled was given to the kernel */
    void (*timeout)(struct conn *c); /* c->timer is due */
    void (*dead)(struct conn *c, const char *why);
    void (*free)(struct conn *c); /* frees the owner */
};

enum conn_state { CONN_CONNECTING, CONN_HANDSHAKE, CONN_OPEN, CONN_LINGER, CONN_DEAD };

struct conn {
    struct hub *hub;
    const struct conn_ops *ops;
    void *owner;
    SSL *ssl; /* NULL: plain */
    struct timer timer;
    uint64_t last_read;    /* uv_now() of the last byte */
    uint64_t bytes_out;    /* given to the kernel, plain text bytes */
    enum conn_state state; /* read-only outside */
    bool eof, unclean_eof; /* unclean: TLS without close_notify */

    /* private */
    int fd, events;
    bool paused, want_write, ssl_wants_write, finish;
    size_t lingered;
    struct buf pend;
    size_t pend_off;
    struct task flush_task, read_task;
    uv_poll_t poll;
};

/*
 * Takes fd (non-blocking) over, which may still be connecting. host: for SNI and the check of the
 * server's certificate, NULL on the accepting side. Callbacks come from the loop only.
 */
struct conn *conn_new(struct hub *h, int fd, bool connecting, const struct conn_ops *ops,
                      void *owner);
/* From now on TLS; ops->opened is called once the handshake is done. Not before CONN_OPEN, or at
 * once after conn_new() for accepted sockets. */
int conn_start_tls(struct conn *c, struct tls *tls, const char *host, const char *alpn,
                   struct err *err);

void conn_dirty(struct conn *c);  /* there is something to pull */
void conn_finish(struct conn *c); /* sends what is left, then closes without cutting the peer off */
void conn_kill(struct conn *c, const char *why); /* closes now; why "" for a normal end */
void conn_pause(struct conn *c, bool paused);    /* stops reading */
void conn_shutdown_write(struct conn *c); /* after flushed: the peer sees the end of our bytes */
size_t conn_pending(const struct conn *c);
static inline bool conn_dead(const struct conn *c)
{
    return c->state == CONN_DEAD;
}
static inline void conn_timer(struct conn *c, uint64_t ms)
{
    hub_timer_set(c->hub, &c->timer, ms);
}
static inline void conn_timer_stop(struct conn *c)
{
    hub_timer_stop(c->hub, &c->timer);
}

void fd_tune(int fd, bool server); /* TCP_NODELAY, keep-alive, dead peer after 60 or 30 s */

#endif
