/* A server's side of leaving HTTP: websockets and bare tunnels. */
#include "net/server_private.h"

#include "base/mem.h"
#include "net/tunnel_private.h"
#include "net/websocket_private.h"

static struct sreq *of(const struct http_req *r)
{
    return container_of(r, struct sreq, pub);
}

bool http_wants_websocket(const struct http_req *r)
{
    return !r->http2 && slice_is(r->method, "GET") &&
           http_list_has(http_header(r, "upgrade"), "websocket") &&
           http_list_has(http_header(r, "connection"), "upgrade") &&
           slice_is(http_header(r, "sec-websocket-version"), "13") &&
           http_header(r, "sec-websocket-key").n == 24; /* 16 bytes in base64 */
}

const char *http_pick_protocol(const struct http_req *r, const char *const *known)
{
    for (size_t i = 0; i < http_header_count(r); i++) {
        struct http_field f = http_header_at(r, i);
        struct slice part;
        if (!slice_is(f.name, "sec-websocket-protocol"))
            continue;
        while (slice_cut(&f.value, ',', &part))
            for (const char *const *k = known; *k; k++)
                if (slice_is(slice_trim(part), *k))
                    return *k;
    }
    return NULL;
}

static void on_gone(void *ctx)
{
    server_conn_gone(ctx);
}

/* The server still counts the connection and cuts it when it ends. */
static void adopt(struct http_server *s, struct tunnel *t)
{
    list_push_back(&s->tunnels, &t->link);
    t->gone = on_gone;
    t->gone_ctx = s;
}

static bool upgradable(const struct sreq *q)
{
    return q->sc && !q->sc->dead && !q->started && !q->cut && q->sc->proto == &h1_proto;
}

struct ws *http_accept_websocket(struct http_req *r, const char *protocol,
                                 const struct ws_handler *h)
{
    struct sreq *q = of(r);
    struct buf head cleanup(buf_done) = BUF_INIT, early cleanup(buf_done) = BUF_INIT;
    char accept[32];

    if (!upgradable(q) || !http_wants_websocket(r)) {
        http_reply(r, 400, "text/plain", SLICE("a websocket handshake is expected"));
        return NULL;
    }
    struct http_server *s = q->sc->srv;
    ws_accept_key(http_header(r, "sec-websocket-key"), accept);
    buf_printf(&head,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Accept: %s\r\n",
               accept);
    if (protocol)
        buf_printf(&head, "Sec-WebSocket-Protocol: %s\r\n", protocol);
    buf_adds(&head, "\r\n");
    struct ws *ws = ws_new(s->hub, h);
    struct conn *c = h1_upgrade(q, &early);
    struct tunnel *t = ws_start(ws, c, buf_slice(&early), protocol, false);
    adopt(s, t);
    tunnel_write(t, buf_slice(&head));
    return ws;
}

struct tunnel *http_accept_tunnel(struct http_req *r, const struct http_field *fields, size_t n,
                                  const struct tunnel_handler *h)
{
    struct sreq *q = of(r);
    struct buf head cleanup(buf_done) = BUF_INIT, early cleanup(buf_done) = BUF_INIT;

    if (!upgradable(q))
        return NULL;
    struct http_server *s = q->sc->srv;
    buf_adds(&head, slice_is(r->method, "CONNECT") ? "HTTP/1.1 200 Connection established\r\n"
                                                   : "HTTP/1.1 101 Switching Protocols\r\n"
                                                     "Connection: Upgrade\r\n");
    for (size_t i = 0; i < n; i++)
        if (http_field_valid(fields[i].name, fields[i].value))
            buf_printf(&head, "%.*s: %.*s\r\n", SLICE_FMT(fields[i].name),
                       SLICE_FMT(fields[i].value));
    buf_adds(&head, "\r\n");
    struct conn *c = h1_upgrade(q, &early);
    struct tunnel *t = tunnel_new(c, buf_slice(&early), h);
    adopt(s, t);
    tunnel_write(t, buf_slice(&head));
    return t;
}
