/*
 * The client's inside. A call waits in http_client.waiting until a connection (cconn) takes it; the
 * connection's protocol (client_h1.c, client_h2.c) fills in the response through the call_…()
 * functions of client.c and says how it ended. Whoever runs a callback of the user's must not touch
 * the call afterwards, and must look at cconn.dead before going on.
 */
#ifndef MANTA_NET_CLIENT_PRIVATE_H
#define MANTA_NET_CLIENT_PRIVATE_H

#include "base/vec.h"
#include "net/client.h"
#include "net/conn.h"
#include "net/dial.h"

#include <llhttp.h>
#include <nghttp2/nghttp2.h>

struct span {
    uint32_t off, len; /* in a buf */
};

struct http_call {
    struct http_client *c;
    struct cconn *cc; /* NULL: waiting, or the response is here but paused */
    struct link link; /* in c->waiting, cc->calls or c->ending */
    int32_t id;       /* stream, HTTP/2 */
    struct timer timer;
    struct task task; /* hands over what was held while paused */
    unsigned tries;

    /* the request */
    struct buf req; /* method, path and fields */
    struct span method, path;
    VEC(struct span) fields; /* name, value, name, value … */
    struct rcbuf *body;
    size_t body_off;
    bool sent; /* HTTP/2: the headers left; before, nobody can have processed anything */

    /* the response */
    int status;
    struct buf raw;
    VEC(struct span) resp; /* name, value, … */
    struct buf body_in;    /* collected */
    size_t body_limit;
    bool headers_told, complete, ended; /* ended: on_done runs or ran */
    bool paused;
    struct buf held; /* arrived while paused */

    void (*on_headers)(struct http_call *, int, void *);
    void (*on_data)(struct http_call *, struct slice, void *);
    void (*on_done)(struct http_call *, const struct http_result *, void *);
    void *ctx;
    bool *gone; /* set when the call is freed while somebody is still looking at it */
};

struct cproto {
    void (*submit)(struct cconn *cc, struct http_call *call);
    /* The call leaves the connection unfinished; it is not touched afterwards. */
    void (*abandon)(struct cconn *cc, struct http_call *call);
    void (*pause)(struct cconn *cc, struct http_call *call, bool paused);
    void (*consumed)(struct cconn *cc, struct http_call *call,
                     size_t n); /* held bytes handed over */
};
extern const struct cproto c1_proto, c2_proto;

struct cconn {
    struct conn *c;
    struct http_client *cl; /* NULL once dead */
    const struct cproto *proto;
    struct link link; /* in cl->conns */
    struct link calls;
    size_t ncalls;
    bool dead, draining;

    /* HTTP/1.1 */
    llhttp_t parser;
    struct http_call *call;
    struct buf head;
    size_t head_off;
    bool value_done, keep_alive, used; /* used: it answered a call before */
    uint64_t out_at_start;             /* c->bytes_out when the call began */
    bool got_bytes;

    /* HTTP/2 */
    nghttp2_session *h2;
    uint64_t ping_at; /* 0: none under way */
    uint64_t idle_since;
};

struct cdial {
    struct http_client *cl;
    struct dial *d;
    struct link link; /* in cl->dials */
};

struct http_client {
    struct hub *hub;
    struct http_client_opts o; /* its pointers are not used after http_client_new */
    struct url url, proxy;
    bool use_proxy, tunnel; /* tunnel: by CONNECT; else absolute targets */
    char *authority, *server_name, *user_agent, *connect;
    struct tls *tls;
    struct link waiting, conns, dials, ending;
    size_t nwaiting, in_flight, nconns, ndials;
    const struct cproto *proto; /* NULL until the first connection tells */
    struct cconn *h2;           /* takes new calls */
    struct timer spill;         /* set while calls wait and no connection has a stream to spare */
    bool spilling;
    struct task pump_task;
    nghttp2_session_callbacks *h2_callbacks;
    nghttp2_option *h2_option;
    struct link pool; /* calls to use again */
    size_t npool;
    unsigned refs; /* the owner's, and one while a callback runs */
    bool freeing;
};

/* client.c */
void client_release(struct http_client *cl);                /* takes one off cl->refs */
void add_proxy_auth(struct buf *out, const char *userinfo); /* userinfo may be NULL */
void add_target(struct buf *b, const char *path);           /* what follows the URL's prefix */
bool call_has_field(const struct http_call *call, const char *name);
struct slice call_slice(const struct http_call *call, struct span s);
void call_done(struct http_call *call, enum http_outcome outcome, const char *error); /* frees it */
/* The connection did not get it through and nobody processed it: another one may. */
void call_requeue(struct http_call *call, const char *why);
bool call_add_header(struct http_call *call, struct span *at, const char *p, size_t n);
/* These run callbacks: the call may be gone when they return. */
void call_headers(struct http_call *call, int status);
void call_data(struct http_call *call, struct slice bytes);
void call_complete(struct http_call *call); /* the whole response is here */
void client_pump(struct http_client *cl);   /* soon */
void cconn_take(struct cconn *cc, struct http_call *call);
void cconn_gone(struct cconn *cc); /* unlinks; its calls were seen to */
void cconn_free(struct cconn *cc);

/* client_h1.c, client_h2.c */
void c1_open(struct cconn *cc);
bool c2_open(struct cconn *cc);
void c2_client_init(struct http_client *cl);
size_t c2_room(struct cconn *cc); /* calls that fit now */

/* for websocket.c: a dial to the client's origin for HTTP/1.1 of its own */
struct dial *client_dial(struct http_client *cl, bool http1_only, bool tunnel,
                         void (*done)(struct conn *c, const char *why, void *ctx), void *ctx);
void h1_request_head(struct http_client *cl, struct buf *out, struct slice method,
                     struct slice path, bool absolute);

#endif
