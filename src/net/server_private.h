/*
 * The server's inside: a connection (sconn) speaks one of two protocols, a request (sreq) is the
 * same under both. request.c owns what a request and its answer are; server_h1.c and server_h2.c
 * bring bytes into it and take bytes out of it.
 */
#ifndef MANTA_NET_SERVER_PRIVATE_H
#define MANTA_NET_SERVER_PRIVATE_H

#include "base/vec.h"
#include "net/conn.h"
#include "net/server.h"
#include "net/stream.h"

#include <llhttp.h>
#include <nghttp2/nghttp2.h>
#include <time.h>

struct span {
    uint32_t off, len; /* in sreq.raw */
};

struct field_pos {
    struct span name, value;
};

struct sreq {
    struct http_req pub;
    struct sconn *sc;
    struct link link; /* in sc->reqs */
    int32_t id;       /* stream, HTTP/2 */

    /* the request, as it arrives */
    struct buf raw; /* all names and values */
    VEC(struct field_pos) fields;
    struct span method, target, authority;
    size_t counted; /* bytes of headers by RFC 9113's measure: 32 more a field */
    struct buf body;
    bool next_field; /* HTTP/1.1: the last field has its value */
    bool headers_done, complete, delivered, no_body, http10;

    /* the answer */
    struct buf head; /* HTTP/1.1: status line and fields */
    size_t head_off;
    struct stream out;
    bool started, ended, chunked, close; /* close: the connection ends with this answer */
    bool deferred;                       /* HTTP/2: nghttp2 waits for resume_data */
    bool fin;                            /* the last byte left the queue */
    bool cut;

    void (*on_close)(struct http_req *, enum http_end_kind, void *);
    void *on_close_ctx;
    void (*on_drain)(struct http_req *, void *);
    void *on_drain_ctx;
    size_t drain_low;
    bool above;
    struct task drain_task;
};

/* What the two protocols do differently with an answer. */
struct sproto {
    /* content_length: -1 for a stream. Called once, before any bytes of out are taken. */
    void (*start)(struct sreq *q, int status, const struct http_field *fields, size_t n,
                  int64_t content_length);
    void (*wake)(struct sreq *q); /* out has more bytes, or has ended */
    void (*cut)(struct sreq *q);
    void (*drain)(struct sconn *sc); /* the server is ending */
};
extern const struct sproto h1_proto, h2_proto;

enum h1_phase { H1_IDLE, H1_HEADERS, H1_BODY, H1_ANSWER };

struct sconn {
    struct conn *c;
    struct http_server *srv;
    struct http_listener *listener;
    const struct sproto *proto; /* NULL until known */
    struct link link;           /* in srv->conns */
    struct link reqs;
    size_t nreqs;
    struct tls_peer *peer;
    bool peer_known, draining, dead;
    char addr[64];
    struct buf hold; /* bytes that wait: for the protocol to be known, or for the answer before */

    /* HTTP/1.1 */
    llhttp_t parser;
    struct sreq *req;
    enum h1_phase phase;
    bool paused, keep_alive, drop_input, in_handler, upgraded;
    bool send_continue;
    int refuse; /* status for a request that the parser's callbacks turned down */
    uint64_t out_seen;

    /* HTTP/2 */
    nghttp2_session *h2;
    size_t incomplete; /* requests whose body is not there yet */
    uint64_t idle_since;
};

struct http_listener {
    struct http_server *srv;
    struct link link;
    struct tls *tls;
    uv_poll_t poll;
    int fd;
    bool listening, closing;
    size_t refs; /* connections that name it, and the server's list */
};

struct http_server {
    struct hub *hub;
    struct http_server_opts o;
    struct link listeners, conns, tunnels;
    size_t nconns;
    bool draining;
    void (*on_drained)(void *ctx);
    void *drained_ctx;
    struct timer timer;    /* end of a drain; or accept again after EMFILE */
    struct task done_task; /* the drain is over */
    nghttp2_session_callbacks *h2_callbacks;
    nghttp2_option *h2_option;
    struct link pool; /* requests to use again */
    size_t npool;
    time_t date_at;
    char date[32];
};

#define FIELD_COST 32 /* RFC 9113, 6.5.2: what a field costs beside its bytes */

/* server.c */
const char *server_date(struct http_server *s); /* for a Date field */
void server_conn_gone(struct http_server *s);   /* one of nconns ended */
struct http_listener *listener_ref(struct http_listener *l);
void listener_unref(struct http_listener *l);

/* request.c */
struct sreq *sreq_new(struct sconn *sc);
void sreq_free(struct sreq *q);
void sreq_recycle(struct sreq *q, struct http_server *s); /* frees, or keeps for the next one */
/* Appends to raw; false once the header limit is passed. */
bool sreq_add(struct sreq *q, struct span *at, const char *p, size_t n, bool lower);
bool sreq_add_body(struct sreq *q, const char *p, size_t n); /* false past the body limit */
struct slice sreq_slice(const struct sreq *q, struct span s);
int64_t sreq_content_length(const struct sreq *q); /* -1 if there is none */
bool sreq_finish_headers(struct sreq *q);          /* fills pub; false: malformed */
void sreq_deliver(struct sreq *q);
void sreq_refuse(struct sreq *q, int status); /* answers a request that nobody was given */
void sreq_closed(struct sreq *q, enum http_end_kind how); /* unlinks, tells, but does not free */
size_t sreq_pull(struct sreq *q, void *dst, size_t max);  /* from out, with the drain notice */
void sconn_free(struct sconn *sc);

/* server_h1.c, server_h2.c */
/* Ends HTTP on the request's connection and gives it up; early gets the bytes that came already. */
struct conn *h1_upgrade(struct sreq *q, struct buf *early);
void h1_open(struct sconn *sc);
bool h2_open(struct sconn *sc);
void h2_server_init(struct http_server *s);

#endif
