/* A client's websocket handshake (RFC 6455, 4.1), on a connection of its own. */
#include "net/client_private.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/ssl.h"
#include "net/websocket_private.h"

#include <stdio.h>

#define REPLY_MAX 65536

struct ws_dial {
    struct ws *ws;
    struct dial *dial; /* until there is a connection */
    struct conn *c;
    struct buf request, field, value, protocol;
    bool value_next, accepted, written;
    char key[32], accept[32];
    unsigned timeout;
    size_t got;
    llhttp_t parser;
};

static void ws_dial_free(struct ws_dial *d)
{
    buf_done(&d->request);
    buf_done(&d->field);
    buf_done(&d->value);
    buf_done(&d->protocol);
    free(d);
}

void ws_dial_cancel(struct ws_dial *d)
{
    if (!d)
        return;
    dial_cancel(d->dial);
    if (d->c) {
        d->c->owner = NULL;
        conn_kill(d->c, "");
    }
    ws_dial_free(d);
}

static void fail(struct ws_dial *d, const char *why, int status)
{
    struct ws *ws = d->ws;
    char copy[256];

    snprintf(copy, sizeof copy, "%s", why);
    ws_dial_cancel(d);
    ws_failed(ws, copy, status);
}

/* ---- the server's answer ---- */

static int on_field(llhttp_t *p, const char *at, size_t n)
{
    struct ws_dial *d = p->data;

    if (d->value_next) {
        buf_reset(&d->field);
        buf_reset(&d->value);
        d->value_next = false;
    }
    buf_add(&d->field, at, n);
    return 0;
}

static int on_value(llhttp_t *p, const char *at, size_t n)
{
    struct ws_dial *d = p->data;

    buf_add(&d->value, at, n);
    return 0;
}

static int on_value_complete(llhttp_t *p)
{
    struct ws_dial *d = p->data;
    struct slice name = buf_slice(&d->field), value = slice_trim(buf_slice(&d->value));

    if (slice_ieq(name, SLICE("sec-websocket-accept")))
        d->accepted = slice_is(value, d->accept);
    else if (slice_ieq(name, SLICE("sec-websocket-protocol")))
        buf_add_slice(&d->protocol, value);
    d->value_next = true;
    return 0;
}

static int on_headers_complete(llhttp_t *p)
{
    return p->status_code == 101 ? 0 : -1; /* the status says enough; no body is read */
}

static const llhttp_settings_t settings = {
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
};

static void open_ws(struct ws_dial *d, struct slice early)
{
    struct ws *ws = d->ws;
    struct conn *c = take(d->c);

    c->owner = NULL;
    ws_start(ws, c, early, d->protocol.len ? buf_str(&d->protocol) : NULL, true);
    ws_dial_free(d);
    ws_opened(ws);
}

static void on_data(struct conn *c, struct slice bytes)
{
    struct ws_dial *d = c->owner;
    char why[64];

    if (!d)
        return;
    d->got += bytes.n;
    llhttp_errno_t e = llhttp_execute(&d->parser, bytes.p, bytes.n);
    if (e == HPE_PAUSED_UPGRADE && d->accepted) {
        const char *rest = llhttp_get_error_pos(&d->parser);
        open_ws(d, (struct slice){rest, (size_t)(bytes.p + bytes.n - rest)});
    } else if (e != HPE_OK || d->got > REPLY_MAX) {
        snprintf(why, sizeof why, "websocket handshake refused: status %d", d->parser.status_code);
        fail(d, why, d->parser.status_code == 101 ? 0 : d->parser.status_code);
    }
}

static void on_pull(struct conn *c, struct buf *out, unused size_t max)
{
    struct ws_dial *d = c->owner;

    if (!d || d->written)
        return;
    d->written = true;
    buf_add_slice(out, buf_slice(&d->request));
}

static void on_dead(struct conn *c, const char *why)
{
    struct ws_dial *d = c->owner;

    if (!d)
        return;
    d->c = NULL;
    fail(d, why, 0);
}

static void on_eof(struct conn *c)
{
    conn_kill(c, "connection closed in the websocket handshake");
}

static void on_timeout(struct conn *c)
{
    conn_kill(c, "websocket handshake: timeout");
}

static const struct conn_ops ops = {
    .data = on_data,
    .eof = on_eof,
    .pull = on_pull,
    .timeout = on_timeout,
    .dead = on_dead,
};

static void on_dialed(struct conn *c, const char *why, void *ctx)
{
    struct ws_dial *d = ctx;

    d->dial = NULL;
    if (!c) {
        fail(d, why, 0);
        return;
    }
    d->c = c;
    c->ops = &ops;
    c->owner = d;
    conn_timer(c, d->timeout);
    conn_dirty(c);
}

static void make_key(struct ws_dial *d)
{
    unsigned char random[16];

    rand_bytes(random, sizeof random);
    EVP_EncodeBlock((unsigned char *)d->key, random, sizeof random);
    ws_accept_key(slice_of(d->key), d->accept);
}

static void write_request(struct http_client *cl, struct ws_dial *d, const char *path,
                          const struct http_field *fields, size_t n, const char *const *protocols)
{
    struct buf *b = &d->request;
    struct buf target cleanup(buf_done) = BUF_INIT;

    buf_adds(&target, cl->url.prefix);
    add_target(&target, path);
    h1_request_head(cl, b, SLICE("GET"), buf_slice(&target), false);
    buf_printf(b,
               "User-Agent: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n",
               cl->user_agent, d->key);
    for (size_t i = 0; protocols && protocols[i]; i++)
        buf_printf(b, "%s%s", i ? ", " : "Sec-WebSocket-Protocol: ", protocols[i]);
    if (protocols && protocols[0])
        buf_adds(b, "\r\n");
    for (size_t i = 0; i < n; i++)
        if (http_field_valid(fields[i].name, fields[i].value))
            buf_printf(b, "%.*s: %.*s\r\n", SLICE_FMT(fields[i].name), SLICE_FMT(fields[i].value));
    buf_adds(b, "\r\n");
}

struct ws *http_client_websocket(struct http_client *cl, const char *path,
                                 const struct http_field *fields, size_t nfields,
                                 const char *const *protocols, const struct ws_handler *h)
{
    struct ws_dial *d = xnew(struct ws_dial);

    make_key(d);
    write_request(cl, d, path, fields, nfields, protocols);
    llhttp_init(&d->parser, HTTP_RESPONSE, &settings);
    d->parser.data = d;
    d->timeout = cl->o.connect_timeout;
    d->ws = ws_new(cl->hub, h);
    ws_set_dial(d->ws, d);
    d->dial = client_dial(cl, true, true, on_dialed, d);
    return d->ws;
}
