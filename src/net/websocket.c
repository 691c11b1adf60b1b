/* WebSocket: wslay's frames over a tunnel, and the handshakes of both ends. */
#include "net/websocket.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/client_private.h"
#include "net/ssl.h"
#include "net/tunnel_private.h"
#include "net/websocket_private.h"

#include <stdio.h>
#include <wslay/wslay.h>

#define CLOSE_MS 2000 /* for the peer's half of the closing handshake */
#define MESSAGE_DEFAULT ((size_t)1 << 20)

struct ws {
    struct hub *hub;
    struct tunnel *t; /* NULL while a client is connecting */
    wslay_event_context_ptr w;
    struct ws_handler h;
    struct buf in; /* not yet parsed */
    char *protocol;
    bool paused, closing, busy, dead;
    uint16_t peer_code;
    char reason[128];
    size_t reason_n;
    struct timer timer;
    struct task task;
    struct ws_dial *dialing;
};

/* ---- the end ---- */

static void ws_free(struct ws *ws)
{
    hub_timer_stop(ws->hub, &ws->timer);
    hub_unpost(&ws->task);
    wslay_event_context_free(ws->w);
    buf_done(&ws->in);
    free(ws->protocol);
    hub_put(ws->hub);
    free(ws);
}

static int close_code(struct ws *ws)
{
    if (!ws->w)
        return WS_ABNORMAL;
    if (wslay_event_get_close_received(ws->w))
        return wslay_event_get_status_code_received(ws->w);
    if (wslay_event_get_close_sent(ws->w) && !ws->closing)
        return wslay_event_get_status_code_sent(ws->w); /* the peer broke the rules */
    return WS_ABNORMAL;
}

static void ws_ended(struct ws *ws, const char *why, int status)
{
    struct slice reason = ws->reason_n ? (struct slice){ws->reason, ws->reason_n} : slice_of(why);

    ws->dead = true;
    ws->t = NULL;
    if (ws->h.on_close)
        ws->h.on_close(ws, close_code(ws), reason, status, ws->h.ctx);
    if (!ws->busy)
        ws_free(ws);
}

/* ---- frames ---- */

static ssize_t recv_cb(wslay_event_context_ptr w, uint8_t *dst, size_t max, unused int flags,
                       void *user)
{
    struct ws *ws = user;
    size_t n = MIN(max, ws->in.len);

    if (ws->dead || ws->paused || !n) {
        wslay_event_set_error(w, ws->dead ? WSLAY_ERR_CALLBACK_FAILURE : WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(dst, ws->in.data, n);
    buf_consume(&ws->in, n);
    return (ssize_t)n;
}

static ssize_t send_cb(unused wslay_event_context_ptr w, const uint8_t *p, size_t n,
                       unused int flags, void *user)
{
    struct ws *ws = user;

    if (ws->t)
        tunnel_write(ws->t, (struct slice){(const char *)p, n});
    return (ssize_t)n;
}

static int mask_cb(unused wslay_event_context_ptr w, uint8_t *p, size_t n, unused void *user)
{
    rand_bytes(p, n);
    return 0;
}

static void message_cb(unused wslay_event_context_ptr w,
                       const struct wslay_event_on_msg_recv_arg *m, void *user)
{
    struct ws *ws = user;

    if (ws->dead)
        return;
    if (m->opcode == WSLAY_TEXT_FRAME || m->opcode == WSLAY_BINARY_FRAME) {
        if (!ws->closing && ws->h.on_message)
            ws->h.on_message(ws, m->opcode == WSLAY_TEXT_FRAME ? WS_TEXT : WS_BINARY,
                             (struct slice){(const char *)m->msg, m->msg_length}, ws->h.ctx);
    } else if (m->opcode == WSLAY_CONNECTION_CLOSE && m->msg_length > 2) {
        ws->reason_n = MIN(m->msg_length - 2, sizeof ws->reason);
        memcpy(ws->reason, m->msg + 2, ws->reason_n);
    }
}

static const struct wslay_event_callbacks callbacks = {
    .recv_callback = recv_cb,
    .send_callback = send_cb,
    .genmask_callback = mask_cb,
    .on_msg_recv_callback = message_cb,
};

static void flush(struct ws *ws)
{
    if (!ws->w || ws->dead || !ws->t)
        return;
    if (wslay_event_send(ws->w) != 0)
        tunnel_cut(ws->t);
    else if (!wslay_event_want_read(ws->w) && !wslay_event_want_write(ws->w))
        tunnel_close(ws->t);
}

static void process(struct ws *ws)
{
    if (ws->busy || !ws->w)
        return;
    ws->busy = true;
    int rc = wslay_event_recv(ws->w);
    if (!ws->dead) {
        flush(ws);
        if (rc != 0 && ws->t)
            tunnel_close(ws->t);
    }
    ws->busy = false;
    if (ws->dead)
        ws_free(ws);
}

/* ---- the tunnel's side ---- */

static void on_data(unused struct tunnel *t, struct slice data, void *ctx)
{
    struct ws *ws = ctx;

    buf_add_slice(&ws->in, data);
    process(ws);
}

static void on_drain(unused struct tunnel *t, void *ctx)
{
    struct ws *ws = ctx;

    if (ws->h.on_drain && !ws->closing)
        ws->h.on_drain(ws, ws->h.ctx);
}

static void on_close(unused struct tunnel *t, const char *why, void *ctx)
{
    ws_ended(ctx, why, 0);
}

static void on_timer(struct timer *t)
{
    struct ws *ws = container_of(t, struct ws, timer);

    if (ws->t)
        tunnel_cut(ws->t);
}

/* After unpausing; or a client that gives up while connecting. */
static void on_task(struct task *t)
{
    struct ws *ws = container_of(t, struct ws, task);

    if (ws->t) {
        process(ws);
    } else {
        ws_dial_cancel(take(ws->dialing));
        ws_ended(ws, "closed before it was open", 0);
    }
}

struct ws *ws_new(struct hub *hub, const struct ws_handler *h)
{
    struct ws *ws = xnew(struct ws);

    ws->hub = hub;
    hub->refs++;
    ws->h = *h;
    ws->timer.fn = on_timer;
    ws->task.fn = on_task;
    return ws;
}

struct tunnel *ws_start(struct ws *ws, struct conn *c, struct slice early, const char *protocol,
                        bool client)
{
    struct tunnel_handler th = {
        .on_data = on_data, .on_drain = on_drain, .on_close = on_close, .ctx = ws};
    int rc = client ? wslay_event_context_client_init(&ws->w, &callbacks, ws)
                    : wslay_event_context_server_init(&ws->w, &callbacks, ws);

    if (rc != 0)
        abort(); /* out of memory */
    wslay_event_config_set_max_recv_msg_length(ws->w, ws->h.max_message ? ws->h.max_message
                                                                        : MESSAGE_DEFAULT);
    ws->protocol = xstrdup(protocol);
    ws->dialing = NULL;
    ws->t = tunnel_new(c, early, &th);
    return ws->t;
}

void ws_set_dial(struct ws *ws, struct ws_dial *d)
{
    ws->dialing = d;
}

void ws_opened(struct ws *ws)
{
    if (ws->h.on_open)
        ws->h.on_open(ws, ws->h.ctx);
}

void ws_failed(struct ws *ws, const char *why, int status)
{
    ws->dialing = NULL;
    ws_ended(ws, why, status);
}

/* ---- what users call ---- */

static bool sendable(const struct ws *ws)
{
    return ws->t && !ws->dead && !ws->closing;
}

void ws_send(struct ws *ws, enum ws_kind kind, struct slice data)
{
    struct wslay_event_msg m = {.opcode = kind == WS_TEXT ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME,
                                .msg = (const uint8_t *)data.p,
                                .msg_length = data.n};

    if (!sendable(ws))
        return;
    wslay_event_queue_msg(ws->w, &m);
    flush(ws);
}

void ws_send_channel(struct ws *ws, uint8_t channel, struct slice data)
{
    autofree char *copy = xmalloc(data.n + 1);

    copy[0] = (char)channel;
    if (data.n)
        memcpy(copy + 1, data.p, data.n);
    ws_send(ws, WS_BINARY, (struct slice){copy, data.n + 1});
}

size_t ws_unsent(const struct ws *ws)
{
    return ws->t ? tunnel_unsent(ws->t) : 0;
}

void ws_pause(struct ws *ws, bool pause)
{
    if (!ws->t || ws->paused == pause)
        return;
    ws->paused = pause;
    tunnel_pause(ws->t, pause);
    if (!pause)
        hub_post(ws->hub, &ws->task);
}

void ws_close(struct ws *ws, int code, struct slice reason)
{
    if (ws->dead || ws->closing)
        return;
    if (!ws->t) {
        hub_post(ws->hub, &ws->task);
        return;
    }
    wslay_event_queue_close(ws->w, (uint16_t)code, (const uint8_t *)reason.p,
                            MIN(reason.n, (size_t)122));
    ws_pause(ws, false); /* to see the peer's answer */
    flush(ws);
    ws->closing = true;
    hub_timer_set(ws->hub, &ws->timer, CLOSE_MS);
}

void ws_cut(struct ws *ws)
{
    if (ws->dead)
        return;
    if (ws->t)
        tunnel_cut(ws->t);
    else
        hub_post(ws->hub, &ws->task);
}

struct slice ws_protocol(const struct ws *ws)
{
    return slice_of(ws->protocol);
}

/* ---- Sec-WebSocket-Accept (RFC 6455, 4.2.2) ---- */

void ws_accept_key(struct slice key, char out[32])
{
    char text[128];
    unsigned char sha[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    snprintf(text, sizeof text, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
             (int)MIN(key.n, (size_t)64), key.p);
    EVP_Digest(text, strlen(text), sha, &n, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)out, sha, (int)n);
}
