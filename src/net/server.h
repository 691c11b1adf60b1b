/*
 * HTTP server: HTTP/1.1 and HTTP/2 (by ALPN; over plain sockets HTTP/2 with prior knowledge too),
 * plain or TLS, on one libuv loop. All calls on the loop's thread.
 *
 *     static void hello(struct http_req *r, void *ctx)
 *     {
 *         http_reply(r, 200, "text/plain", SLICE("hello\n"));
 *     }
 *     struct http_server_opts o = {.on_request = hello};
 *     struct http_server *s = http_server_new(loop, &o);
 *     http_server_listen(s, "127.0.0.1", 0, NULL, &listener, err);
 *
 * Life of a request: on_request gets it once its whole body is there. It may be answered at once or
 * later. http_req stays valid until on_close has run, which happens exactly once for every request
 * that was handed out: after the last byte was given to the kernel, or when the client went away,
 * or after http_cut(). on_close never runs from inside a function of this header. Whoever works on
 * a request in the background forgets it in on_close. Functions called on a request that is already
 * answered, or whose client is gone but on_close did not run yet, do nothing.
 *
 * Answered by the server itself: malformed requests (400), bodies past the limit (413), headers
 * past the limit (431), an unknown Expect (417). Expect: 100-continue is taken care of.
 */
#ifndef MANTA_NET_SERVER_H
#define MANTA_NET_SERVER_H

#include "base/err.h"
#include "net/http.h"
#include "net/rcbuf.h"
#include "net/tls.h"
#include "net/tunnel.h"
#include "net/websocket.h"

#include "net/loop.h"

struct http_server;
struct http_listener;

struct http_req {
    struct slice method;    /* "GET" */
    struct slice target;    /* as sent: path and query */
    struct slice path;      /* raw: before '?', percent-encoding kept */
    struct slice query;     /* raw: after '?', or empty */
    struct slice authority; /* Host or :authority */
    struct slice body;
    bool http2, tls;
    void *user; /* the handler's */
    struct http_listener *listener;
};

struct http_server_opts {
    void (*on_request)(struct http_req *r, void *ctx);
    void *ctx;
    /* Answer to a well-formed request line with a method that nobody knows; NULL type: 400, as
     * text. */
    int unknown_method;
    const char *unknown_method_type;
    struct slice unknown_method_body; /* lives as long as the server */
    /* Zero means the default in parentheses. Times in milliseconds. */
    size_t body_limit;       /* bytes (3 MiB + 64 KiB: what etcd's limit makes customary) */
    size_t header_limit;     /* bytes of all field names and values (64 KiB) */
    unsigned idle_timeout;   /* keep-alive connection without a request (180 s) */
    unsigned header_timeout; /* accept to whole header, TLS included (10 s) */
    unsigned body_timeout;   /* longest pause within a request's body (30 s) */
    unsigned max_streams;    /* requests at once per HTTP/2 connection (250) */
    unsigned max_conns;      /* more are accepted only as others end (unlimited) */
};

struct http_server *http_server_new(uv_loop_t *loop, const struct http_server_opts *o);

/*
 * Starts listening. host: a literal address, "" for all. tls: NULL for plain; a reference is taken.
 * ret may be NULL. Listeners live until http_listener_close() or http_server_free().
 */
int http_server_listen(struct http_server *s, const char *host, uint16_t port, struct tls *tls,
                       struct http_listener **ret, struct err *err);
/* The same for a socket that listens already (TCP or Unix); fd is the server's on success. */
int http_server_listen_fd(struct http_server *s, int fd, struct tls *tls,
                          struct http_listener **ret, struct err *err);
uint16_t http_listener_port(const struct http_listener *l);
int http_listener_fd(const struct http_listener *l); /* borrowed, for handing on by dup() */
void http_listener_set_tls(struct http_listener *l, struct tls *tls); /* for new connections */
void http_listener_close(struct http_listener *l);                    /* its connections live on */

/*
 * Graceful end: stops listening, sends GOAWAY, ends every streaming answer in its place, closes
 * idle connections, lets requests in work finish. on_done (may be NULL) runs once nothing is
 * open, at the latest after grace_ms, when the rest is cut.
 */
void http_server_drain(struct http_server *s, unsigned grace_ms, void (*on_done)(void *ctx),
                       void *ctx);
/* Cuts everything; every open request's on_close runs within. Handles end in the next loop turn. */
void http_server_free(struct http_server *s);
size_t http_server_conns(const struct http_server *s);

/* ---- the request ---- */

/* The first value of a header (name in lower case); .p is NULL if absent. */
struct slice http_header(const struct http_req *r, const char *name);
size_t http_header_count(const struct http_req *r);
struct http_field http_header_at(const struct http_req *r, size_t i); /* names in lower case */
struct slice http_peer_address(struct http_req *r); /* "127.0.0.1:4711", "@" on Unix sockets */
const struct tls_peer *http_peer_cert(struct http_req *r); /* NULL: no client certificate */

enum http_end_kind {
    HTTP_SENT, /* the whole answer was given to the kernel */
    HTTP_GONE, /* client or connection went away, or the server is being freed */
    HTTP_CUT,  /* after http_cut() */
};
void http_on_close(struct http_req *r,
                   void (*fn)(struct http_req *r, enum http_end_kind how, void *ctx), void *ctx);

/* ---- the answer: once whole ---- */

/*
 * Content-Length, Date and Connection are set here, Content-Type by the caller's fields (at most
 * 64; one whose value holds a line break is left out). Body and fields are copied.
 */
void http_respond(struct http_req *r, int status, const struct http_field *fields, size_t nfields,
                  struct slice body);
/* The same without a copy; a reference to body is taken. body may be NULL. */
void http_respond_rc(struct http_req *r, int status, const struct http_field *fields,
                     size_t nfields, struct rcbuf *body);
/* One content type and a body: most answers. */
void http_reply(struct http_req *r, int status, const char *content_type, struct slice body);

/* ---- the answer: as a stream ---- */

void http_start(struct http_req *r, int status, const struct http_field *fields, size_t nfields);
void http_write(struct http_req *r, struct rcbuf *data);      /* takes a reference of its own */
void http_write_bytes(struct http_req *r, struct slice data); /* copies */
void http_end(struct http_req *r);
/* Bytes written but not yet given to the kernel (exact, both protocols; sockets buffer ≤ 128 KiB).
 */
size_t http_unsent(const struct http_req *r);
/* Ends a request abnormally: RST_STREAM(CANCEL), or the connection closes under HTTP/1.1. */
void http_cut(struct http_req *r);
/* fn runs, from the loop, each time unsent falls from above low to low or less. */
void http_on_drain(struct http_req *r, size_t low, void (*fn)(struct http_req *r, void *ctx),
                   void *ctx);

/* ---- other protocols on the same connection (HTTP/1.1 only) ---- */

bool http_wants_websocket(const struct http_req *r); /* a well-formed RFC 6455 handshake */
/* The first protocol that the client offers and `known` (NULL-terminated) holds; NULL if none. */
const char *http_pick_protocol(const struct http_req *r, const char *const *known);
/*
 * Answers 101 and gives the websocket; protocol may be NULL. The request is over: its slices are
 * gone when this returns and its on_close does not run. NULL (and 400 was answered) if
 * !http_wants_websocket(r).
 */
struct ws *http_accept_websocket(struct http_req *r, const char *protocol,
                                 const struct ws_handler *h);
/* The same for bare bytes: answers 101 (Upgrade) or 200 (CONNECT) with fields. NULL under HTTP/2.
 */
struct tunnel *http_accept_tunnel(struct http_req *r, const struct http_field *fields,
                                  size_t nfields, const struct tunnel_handler *h);

#endif
