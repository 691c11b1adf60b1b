/* HTTP/1.1 on a client's connection: one call at a time. */
#include "net/client_private.h"

#include "base/mem.h"

static struct cconn *of(struct conn *c)
{
    return c->owner;
}

/* ---- parser callbacks; each may find its call gone ---- */

static int on_header_field(llhttp_t *p, const char *at, size_t n)
{
    struct cconn *cc = p->data;
    struct http_call *call = cc->call;

    if (!call || call->headers_told) /* a trailer */
        return call ? 0 : -1;
    if (cc->value_done || !call->resp.n) {
        vec_push(&call->resp, (struct span){0});
        vec_push(&call->resp, (struct span){0});
        cc->value_done = false;
    }
    return call_add_header(call, &call->resp.v[call->resp.n - 2], at, n) ? 0 : -1;
}

static int on_header_value(llhttp_t *p, const char *at, size_t n)
{
    struct cconn *cc = p->data;
    struct http_call *call = cc->call;

    if (!call || call->headers_told || !call->resp.n)
        return call ? 0 : -1;
    return call_add_header(call, &call->resp.v[call->resp.n - 1], at, n) ? 0 : -1;
}

static int on_header_value_complete(llhttp_t *p)
{
    struct cconn *cc = p->data;

    cc->value_done = true;
    return 0;
}

static void trim_values(struct http_call *call)
{
    for (size_t i = 1; i < call->resp.n; i += 2) {
        struct span *v = &call->resp.v[i];
        while (v->len && strchr(" \t", call->raw.data[v->off + v->len - 1]))
            v->len--;
    }
}

static int on_headers_complete(llhttp_t *p)
{
    struct cconn *cc = p->data;
    struct http_call *call = cc->call;

    if (!call || p->http_major != 1 || p->status_code == 101)
        return -1;
    cc->value_done = false;
    if (p->status_code < 200)
        return 0;
    trim_values(call);
    bool head = slice_is(call_slice(call, call->method), "HEAD");
    call_headers(call, p->status_code);
    return head ? 1 : 0;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
    struct cconn *cc = p->data;

    if (!cc->call)
        return -1;
    call_data(cc->call, (struct slice){at, n});
    return cc->call ? 0 : -1;
}

static int on_message_complete(llhttp_t *p)
{
    struct cconn *cc = p->data;
    struct http_call *call = cc->call;

    if (!call)
        return -1;
    if (p->status_code < 200) { /* 100, 103: the answer is still to come */
        call->resp.n = 0;
        buf_reset(&call->raw);
        return 0;
    }
    cc->keep_alive = llhttp_should_keep_alive(p);
    call->complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* ---- a call's end on this connection ---- */

static bool all_sent(const struct cconn *cc, const struct http_call *call)
{
    return cc->head_off == cc->head.len && !conn_pending(cc->c) &&
           (!call->body || call->body_off == call->body->len);
}

/* The response is whole: the connection waits for the next call, or closes. */
static void finish_call(struct cconn *cc, bool reusable)
{
    struct http_call *call = take(cc->call);

    call->complete = false;
    reusable = reusable && cc->keep_alive && all_sent(cc, call) && !cc->c->eof;
    cc->used = true;
    if (reusable) {
        conn_pause(cc->c, false);
        conn_timer(cc->c, cc->cl->o.idle_timeout);
        list_remove(&cc->link); /* the last one used is the first one taken */
        list_push_front(&cc->cl->conns, &cc->link);
    } else {
        cc->draining = true;
    }
    call_complete(call);
    if (!reusable && !cc->dead)
        conn_kill(cc->c, "");
}

static bool is_safe(const struct http_call *call)
{
    struct slice m = call_slice(call, call->method);

    return slice_is(m, "GET") || slice_is(m, "HEAD");
}

/*
 * The connection broke under a call. Nothing written: nobody processed it. A kept connection that
 * the server had closed before it saw the request is the common case; it is repeated for methods
 * that change nothing, as Go's client does.
 */
static void lose_call(struct cconn *cc, const char *why)
{
    struct http_call *call = take(cc->call);

    if (!call)
        return;
    call->complete = false;
    if (cc->c->bytes_out == cc->out_at_start || (cc->used && !cc->got_bytes && is_safe(call)))
        call_requeue(call, why);
    else
        call_done(call, HTTP_CALL_LOST, *why ? why : "connection closed");
}

/* ---- the connection ---- */

static void on_data(struct conn *c, struct slice bytes)
{
    struct cconn *cc = of(c);
    llhttp_errno_t e;

    if (!cc->call) { /* nobody asked */
        conn_kill(c, "unexpected data");
        return;
    }
    cc->got_bytes = true;
    e = llhttp_execute(&cc->parser, bytes.p, bytes.n);
    if (cc->dead || e == HPE_OK)
        return;
    if (e == HPE_PAUSED && cc->call && cc->call->complete) {
        bool rest = llhttp_get_error_pos(&cc->parser) != bytes.p + bytes.n;
        llhttp_resume(&cc->parser);
        finish_call(cc, !rest);
    } else {
        conn_kill(c, "malformed response");
    }
}

static void on_eof(struct conn *c)
{
    struct cconn *cc = of(c);

    /* a body without a length ends with the connection, if TLS says that this is the end */
    if (cc->call && cc->call->headers_told && !c->unclean_eof &&
        llhttp_message_needs_eof(&cc->parser)) {
        llhttp_finish(&cc->parser);
        if (cc->dead)
            return;
        if (cc->call && cc->call->complete) {
            finish_call(cc, false);
            return;
        }
    }
    conn_kill(c, "connection closed by the server");
}

static void on_pull(struct conn *c, struct buf *out, size_t max)
{
    struct cconn *cc = of(c);
    struct http_call *call = cc->call;

    if (!call)
        return;
    buf_add(out, cc->head.data + cc->head_off, cc->head.len - cc->head_off);
    cc->head_off = cc->head.len;
    if (call->body && out->len < max) {
        size_t n = MIN(call->body->len - call->body_off, max - out->len);
        buf_add(out, call->body->data + call->body_off, n);
        call->body_off += n;
    }
}

static void on_timeout(struct conn *c)
{
    if (!of(c)->call)
        conn_kill(c, "");
}

static void on_dead(struct conn *c, const char *why)
{
    struct cconn *cc = of(c);
    struct http_client *cl = cc->cl;

    cl->refs++;
    cconn_gone(cc);
    lose_call(cc, why);
    client_release(cl);
}

static void on_free(struct conn *c)
{
    cconn_free(of(c));
}

static const struct conn_ops ops = {
    .data = on_data,
    .eof = on_eof,
    .pull = on_pull,
    .timeout = on_timeout,
    .dead = on_dead,
    .free = on_free,
};

/* ---- calls ---- */

void h1_request_head(struct http_client *cl, struct buf *out, struct slice method,
                     struct slice path, bool absolute)
{
    buf_add_slice(out, method);
    buf_addc(out, ' ');
    if (absolute)
        buf_printf(out, "http://%s", cl->authority);
    buf_add_slice(out, path);
    buf_printf(out, " HTTP/1.1\r\nHost: %s\r\n", cl->authority);
}

bool call_has_field(const struct http_call *call, const char *name)
{
    for (size_t i = 0; i < call->fields.n; i += 2)
        if (slice_ieq(call_slice(call, call->fields.v[i]), slice_of(name)))
            return true;
    return false;
}

static bool is_framing(struct slice name)
{
    return slice_ieq(name, SLICE("host")) || slice_ieq(name, SLICE("content-length")) ||
           slice_ieq(name, SLICE("transfer-encoding")) || slice_ieq(name, SLICE("connection"));
}

static void write_head(struct cconn *cc, struct http_call *call)
{
    struct http_client *cl = cc->cl;
    struct buf *b = &cc->head;
    struct slice method = call_slice(call, call->method);

    buf_reset(b);
    cc->head_off = 0;
    h1_request_head(cl, b, method, call_slice(call, call->path), cl->use_proxy && !cl->tunnel);
    if (!call_has_field(call, "user-agent"))
        buf_printf(b, "User-Agent: %s\r\n", cl->user_agent);
    if (cl->use_proxy && !cl->tunnel)
        add_proxy_auth(b, cl->proxy.userinfo);
    for (size_t i = 0; i + 1 < call->fields.n; i += 2) {
        struct slice name = call_slice(call, call->fields.v[i]);
        if (is_framing(name))
            continue;
        buf_add_slice(b, name);
        buf_add(b, ": ", 2);
        buf_add_slice(b, call_slice(call, call->fields.v[i + 1]));
        buf_add(b, "\r\n", 2);
    }
    if (call->body || slice_is(method, "POST") || slice_is(method, "PUT") ||
        slice_is(method, "PATCH"))
        buf_printf(b, "Content-Length: %zu\r\n", call->body ? call->body->len : 0);
    buf_add(b, "\r\n", 2);
}

static void c1_submit(struct cconn *cc, struct http_call *call)
{
    cc->call = call;
    cc->got_bytes = cc->value_done = false;
    cc->out_at_start = cc->c->bytes_out;
    llhttp_init(&cc->parser, HTTP_RESPONSE, &settings);
    cc->parser.data = cc;
    write_head(cc, call);
    conn_timer_stop(cc->c);
    if (call->paused)
        conn_pause(cc->c, true);
    conn_dirty(cc->c);
}

static void c1_abandon(struct cconn *cc, unused struct http_call *call)
{
    cc->call = NULL;
    conn_kill(cc->c, "");
}

static void c1_pause(struct cconn *cc, unused struct http_call *call, bool paused)
{
    conn_pause(cc->c, paused);
}

static void c1_consumed(unused struct cconn *cc, unused struct http_call *call, unused size_t n)
{
}

const struct cproto c1_proto = {
    .submit = c1_submit,
    .abandon = c1_abandon,
    .pause = c1_pause,
    .consumed = c1_consumed,
};

void c1_open(struct cconn *cc)
{
    cc->c->ops = &ops;
    conn_timer(cc->c, cc->cl->o.idle_timeout);
}
