/*
 * HTTP client for one origin (scheme, host, port) on one libuv loop. HTTPS speaks HTTP/2 when the
 * server does (one multiplexed connection, PING, GOAWAY: new connection while the old one drains),
 * else HTTP/1.1 with a pool of kept connections; plain HTTP is HTTP/1.1. All calls on the loop's
 * thread. An idle client costs a few hundred bytes; watches deserve a client of their own, since a
 * kube-apiserver ends busy watches that share a connection with a flood of writes.
 *
 *     c = http_client_new(loop, &(struct http_client_opts){.url = "https://10.0.0.1:6443"}, err);
 *     http_client_send(c, &(struct http_call_opts){.method = "GET", .path = "/healthz",
 *                                                  .on_done = done, .ctx = me});
 *
 * on_done runs exactly once for every call and the call is gone when it returns. http_client_send()
 * runs no callback from within; http_call_cancel() and http_client_free() run on_done
 * (HTTP_CALL_CANCELLED) before they return. Callbacks may send, cancel and free.
 *
 * What happened is told exactly, because a POST that is sent twice makes two objects: REFUSED says
 * that the server processed nothing (safe to repeat with any verb), LOST that it may have. The
 * client repeats on its own only what was refused by HTTP/2 (REFUSED_STREAM, GOAWAY), and a GET or
 * HEAD whose reused HTTP/1.1 connection turned out closed.
 */
#ifndef MANTA_NET_CLIENT_H
#define MANTA_NET_CLIENT_H

#include "base/err.h"
#include "net/http.h"
#include "net/rcbuf.h"
#include "net/tls.h"
#include "net/tunnel.h"
#include "net/websocket.h"

#include <sys/socket.h>
#include "net/loop.h"

struct http_client;
struct http_call;

struct http_client_opts {
    const char *url;         /* "https://host[:port][/prefix]"; the prefix goes before every path */
    struct tls *tls;         /* a reference is taken; NULL with https: system CAs, no certificate */
    const char *server_name; /* for SNI and the check of the certificate; NULL: the URL's host */
    const char *user_agent;  /* NULL: "manta" */
    /*
     * Proxy: a URL, "" for none, NULL for the environment: HTTPS_PROXY, HTTP_PROXY, NO_PROXY and
     * their lower-case forms by the rules of Go's net/http (localhost and loopback are never
     * proxied).
     */
    const char *proxy;
    bool http1_only;
    /* Zero means the default in parentheses. Times in milliseconds. */
    unsigned connect_timeout; /* DNS, TCP, proxy and TLS together (10 s) */
    unsigned ping_interval;   /* HTTP/2, nothing read for this long: PING (15 s) */
    unsigned ping_timeout;    /* no answer: the connection is dead (10 s) */
    unsigned idle_timeout;    /* a connection without a call closes (90 s) */
    unsigned max_in_flight;   /* further calls wait in order (unlimited; servers limit streams) */
    unsigned
        max_conns; /* connections at once (64): HTTP/1.1, or HTTP/2 whose streams are used up */
    /*
     * Gives a connected or connecting non-blocking socket in place of DNS and connect(2): a way
     * into another network namespace. A negative ERR_… fails the call as REFUSED.
     */
    int (*connect_fd)(const char *host, uint16_t port, void *ctx, struct err *err);
    /* Overrides DNS: true and *ret filled (with port) for names it knows. */
    bool (*resolve)(const char *host, uint16_t port, struct sockaddr_storage *ret, void *ctx);
    void *ctx; /* of the two above */
};

struct http_client *http_client_new(uv_loop_t *loop, const struct http_client_opts *o,
                                    struct err *err);
void http_client_free(struct http_client *c); /* open calls end as CANCELLED within */

enum http_outcome {
    HTTP_CALL_DONE,      /* a whole response, whatever its status */
    HTTP_CALL_REFUSED,   /* not processed: no connection, or refused before the server looked */
    HTTP_CALL_LOST,      /* the connection broke: processed or not, nobody knows */
    HTTP_CALL_TIMEOUT,   /* opts.timeout passed: nobody knows either */
    HTTP_CALL_CANCELLED, /* by http_call_cancel() or http_client_free() */
    HTTP_CALL_TOO_LARGE, /* the collected body passed body_limit */
};
const char *http_outcome_name(enum http_outcome o); /* "done", "refused", … for logs */

struct http_result {
    enum http_outcome outcome;
    int status;        /* 0 if no header arrived */
    struct slice body; /* collected, when the call had no on_data */
    const char *error; /* for a person; "" when DONE */
};

struct http_call_opts {
    const char *method; /* NULL: GET */
    const char *path;   /* with query, percent-encoded; after the URL's prefix */
    const struct http_field *fields;
    size_t nfields;
    struct slice body;     /* copied */
    struct rcbuf *body_rc; /* instead of body: a reference is taken */
    unsigned timeout;      /* milliseconds for the whole call; 0: none */
    size_t body_limit;     /* of the collected response body (64 MiB) */
    void (*on_headers)(struct http_call *call, int status, void *ctx); /* may be NULL */
    /* Pieces as they arrive (a watch). NULL: the body is collected into http_result.body. */
    void (*on_data)(struct http_call *call, struct slice data, void *ctx);
    void (*on_done)(struct http_call *call, const struct http_result *res, void *ctx);
    void *ctx;
};

/* Everything that o points to is copied. The handle is valid until on_done returns. */
struct http_call *http_client_send(struct http_client *c, const struct http_call_opts *o);
void http_call_cancel(struct http_call *call); /* RST_STREAM, or the connection closes */
/* Stops and resumes on_data: flow control holds the server back; other calls go on. */
void http_call_pause(struct http_call *call);
void http_call_resume(struct http_call *call);
/* A response header, from on_headers on; name in lower case; .p is NULL if absent. */
struct slice http_call_header(const struct http_call *call, const char *name);

/*
 * WebSocket handshake on a connection of its own. protocols: NULL-terminated offer, or NULL.
 * h->on_open tells success; failure comes as on_close with the HTTP status, from the loop.
 */
struct ws *http_client_websocket(struct http_client *c, const char *path,
                                 const struct http_field *fields, size_t nfields,
                                 const char *const *protocols, const struct ws_handler *h);

#endif
