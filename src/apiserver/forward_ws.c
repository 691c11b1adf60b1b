/* A WebSocket whose other end is elsewhere: first that one is opened, then our client's. */
#include "apiserver/forward.h"
#include "apiserver/server.h"

#define UNSENT_HIGH (512u << 10) /* then the other side is held back */
#define PROTOCOLS_MAX 8

struct pair {
    struct request *req; /* until the answer */
    struct http_client *client;
    int (*connect)(const char *target, struct err *err);
    char *target, *what;
    struct ws *near, *far; /* our client's, the other side's; NULL once it has ended */
    bool near_held, far_held;
};

static void pair_free(struct pair *p)
{
    http_client_free(p->client);
    free(p->target);
    free(p->what);
    free(p);
}

static int on_connect(const char *host, uint16_t port, void *ctx, struct err *err)
{
    struct pair *p = ctx;

    (void)host;
    (void)port;
    return p->connect(p->target, err);
}

/* Hands a message on; whoever sends faster than it is taken waits. */
static void pass(struct ws *from, struct ws *to, enum ws_kind kind, struct slice data, bool *held)
{
    if (!to)
        return;
    ws_send(to, kind, data);
    if (ws_unsent(to) > UNSENT_HIGH) {
        *held = true;
        ws_pause(from, true);
    }
}

static void go_on(struct ws *ws, bool *held)
{
    if (*held && ws)
        ws_pause(ws, false);
    *held = false;
}

/* ---- our client ---- */

static void near_message(struct ws *ws, enum ws_kind kind, struct slice data, void *ctx)
{
    struct pair *p = ctx;
    pass(ws, p->far, kind, data, &p->near_held);
}

static void near_drain(struct ws *ws, void *ctx)
{
    struct pair *p = ctx;

    (void)ws;
    go_on(p->far, &p->far_held);
}

static void near_close(struct ws *ws, int code, struct slice reason, int status, void *ctx)
{
    struct pair *p = ctx;

    (void)ws;
    (void)status;
    p->near = NULL;
    if (p->far)
        ws_close(p->far, code == WS_ABNORMAL ? WS_GOING_AWAY : code, reason);
    else
        pair_free(p);
}

/* ---- the other side ---- */

static void far_open(struct ws *ws, void *ctx)
{
    struct pair *p = ctx;
    struct request *req = take(p->req);
    struct slice protocol = ws_protocol(ws);
    autofree char *name = protocol.n ? xstrndup(protocol.p, protocol.n) : NULL;
    struct ws_handler h = {
        .on_message = near_message, .on_drain = near_drain, .on_close = near_close, .ctx = p};

    if (req->http)
        p->near = http_accept_websocket(req->http, name, &h);
    req->http = NULL;
    request_free(req);
    if (!p->near)
        ws_cut(ws); /* the client went away meanwhile */
}

static void far_message(struct ws *ws, enum ws_kind kind, struct slice data, void *ctx)
{
    struct pair *p = ctx;
    pass(ws, p->near, kind, data, &p->far_held);
}

static void far_drain(struct ws *ws, void *ctx)
{
    struct pair *p = ctx;

    (void)ws;
    go_on(p->near, &p->near_held);
}

static void refused(struct pair *p, struct slice reason, int status)
{
    struct request *req = take(p->req);
    int code = status == 404 ? ERR_NOT_FOUND : status == 400 ? ERR_BAD_REQUEST : ERR_UNAVAILABLE;

    request_status(req,
                   status_new(&req->arena, code, "%s refuses: %.*s", p->what, SLICE_FMT(reason)));
}

static void far_close(struct ws *ws, int code, struct slice reason, int status, void *ctx)
{
    struct pair *p = ctx;

    (void)ws;
    p->far = NULL;
    if (p->req)
        refused(p, reason, status);
    if (p->near)
        ws_close(p->near, code == WS_ABNORMAL ? WS_INTERNAL : code, reason);
    else
        pair_free(p);
}

/* The subprotocols that our client offers, as a list that ends with NULL. */
static void offered(struct request *req, const char *out[PROTOCOLS_MAX + 1])
{
    struct slice rest = http_header(req->http, "sec-websocket-protocol"), one;
    size_t n = 0;

    while (n < PROTOCOLS_MAX && slice_cut(&rest, ',', &one)) {
        one = slice_trim(one);
        if (one.n)
            out[n++] = arena_strndup(&req->arena, one.p, one.n);
    }
    out[n] = NULL;
}

void forward_websocket(struct request *req, const struct forward *f)
{
    struct pair *p = xnew(struct pair);
    const char *protocols[PROTOCOLS_MAX + 1];
    struct ws_handler h = {.on_open = far_open,
                           .on_message = far_message,
                           .on_drain = far_drain,
                           .on_close = far_close,
                           .ctx = p};
    struct http_client_opts o = {.url = "http://manta",
                                 .proxy = "",
                                 .connect_fd = on_connect,
                                 .ctx = p,
                                 .http1_only = true,
                                 .max_conns = 1};
    struct err err = {0};

    *p = (struct pair){
        .req = req, .connect = f->connect, .target = xstrdup(f->target), .what = xstrdup(f->what)};
    p->client = http_client_new(req->api->loop, &o, &err);
    if (!p->client) {
        request_status(req, status_from_err(&req->arena, &err));
        pair_free(p);
        return;
    }
    offered(req, protocols);
    p->far = http_client_websocket(p->client, f->path, NULL, 0, *protocols ? protocols : NULL, &h);
}
