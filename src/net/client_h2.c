/* HTTP/2 on a client's connection: many calls at once, PING, GOAWAY and refused streams. */
#include "net/client_private.h"

#include "base/mem.h"
#include "net/h2.h"

#include <stdio.h>

#define STREAM_WINDOW (1024 * 1024) /* also bounds what a paused call holds */
#define CONN_WINDOW (16 * 1024 * 1024)
#define MAX_FIELDS 64
#define MAX_STREAMS 1000 /* when the server sets no limit */

static struct cconn *of(struct conn *c)
{
    return c->owner;
}

/* NULL when the call has ended but its stream has not. */
static struct http_call *call_of(nghttp2_session *h2, int32_t id)
{
    return nghttp2_session_get_stream_user_data(h2, id);
}

/* ---- nghttp2's callbacks ---- */

static int on_header(nghttp2_session *h2, const nghttp2_frame *f, const uint8_t *name,
                     size_t namelen, const uint8_t *value, size_t valuelen, unused uint8_t flags,
                     void *user)
{
    struct cconn *cc = user;
    struct slice n = {(const char *)name, namelen}, v = {(const char *)value, valuelen};
    struct span key = {0}, val = {0};
    int64_t status;

    if (cc->dead)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    struct http_call *call = call_of(h2, f->hd.stream_id);
    if (!call || call->headers_told) /* trailers */
        return 0;
    if (slice_is(n, ":status")) {
        if (slice_int64(v, &status))
            call->status = (int)status;
        return 0;
    }
    if (!call_add_header(call, &key, n.p, n.n) || !call_add_header(call, &val, v.p, v.n))
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    vec_push(&call->resp, key);
    vec_push(&call->resp, val);
    return 0;
}

static void on_response_headers(nghttp2_session *h2, int32_t id)
{
    struct http_call *call = call_of(h2, id);

    if (!call || call->headers_told)
        return;
    if (call->status >= 200) {
        call_headers(call, call->status);
        return;
    }
    call->resp.n = 0; /* 100, 103: the answer is still to come */
    buf_reset(&call->raw);
}

/* The stream may live a little longer than the call that it carried. */
static void detach(struct cconn *cc, struct http_call *call, uint32_t reset_code)
{
    nghttp2_session_set_stream_user_data(cc->h2, call->id, NULL);
    nghttp2_submit_rst_stream(cc->h2, NGHTTP2_FLAG_NONE, call->id, reset_code);
    conn_dirty(cc->c);
}

static void on_response_end(struct cconn *cc, int32_t id)
{
    struct http_call *call = call_of(cc->h2, id);

    if (!call)
        return;
    if (nghttp2_session_get_stream_local_close(cc->h2, id) == 0)
        detach(cc, call, NGHTTP2_NO_ERROR); /* answered before it had all of the request */
    else
        nghttp2_session_set_stream_user_data(cc->h2, id, NULL);
    call_complete(call);
}

static void on_goaway(struct cconn *cc)
{
    cc->draining = true;
    if (cc->cl && cc->cl->h2 == cc)
        cc->cl->h2 = NULL;
}

static int on_frame_recv(nghttp2_session *h2, const nghttp2_frame *f, void *user)
{
    struct cconn *cc = user;

    if (cc->dead)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    switch (f->hd.type) {
    case NGHTTP2_HEADERS:
        on_response_headers(h2, f->hd.stream_id);
        break;
    case NGHTTP2_DATA:
        break;
    case NGHTTP2_GOAWAY:
        on_goaway(cc);
        return 0;
    case NGHTTP2_SETTINGS:
        client_pump(cc->cl); /* more streams, perhaps */
        return 0;
    default:
        return 0;
    }
    if (!cc->dead && f->hd.flags & NGHTTP2_FLAG_END_STREAM)
        on_response_end(cc, f->hd.stream_id);
    return cc->dead ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_data_chunk(nghttp2_session *h2, unused uint8_t flags, int32_t id, const uint8_t *p,
                         size_t n, void *user)
{
    struct cconn *cc = user;

    if (cc->dead)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    struct http_call *call = call_of(h2, id);
    nghttp2_session_consume_connection(h2, n);
    if (call && call->paused) { /* the stream's window stays shut, the others' do not */
        call_data(call, (struct slice){(const char *)p, n});
        return 0;
    }
    nghttp2_session_consume_stream(h2, id, n);
    if (call)
        call_data(call, (struct slice){(const char *)p, n});
    return cc->dead ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_frame_send(nghttp2_session *h2, const nghttp2_frame *f, void *user)
{
    struct cconn *cc = user;
    struct http_call *call;

    if (cc->dead || f->hd.type != NGHTTP2_HEADERS)
        return 0;
    call = call_of(h2, f->hd.stream_id);
    if (call)
        call->sent = true;
    return 0;
}

static int on_stream_close(nghttp2_session *h2, int32_t id, uint32_t code, void *user)
{
    struct cconn *cc = user;
    char why[80];

    if (cc->dead)
        return 0;
    struct http_call *call = call_of(h2, id);
    client_pump(cc->cl);
    if (!call)
        return 0;
    nghttp2_session_set_stream_user_data(h2, id, NULL);
    snprintf(why, sizeof why, "stream closed: %s", nghttp2_http2_strerror(code));
    if (code == NGHTTP2_REFUSED_STREAM && !call->headers_told)
        call_requeue(call, why);
    else
        call_done(call, HTTP_CALL_LOST, why);
    return 0;
}

static ssize_t read_body(nghttp2_session *h2, int32_t id, uint8_t *dst, size_t max, uint32_t *flags,
                         unused nghttp2_data_source *source, void *user)
{
    struct cconn *cc = user;
    struct http_call *call = cc->dead ? NULL : call_of(h2, id);

    if (!call)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t n = MIN(call->body->len - call->body_off, max);
    memcpy(dst, call->body->data + call->body_off, n);
    call->body_off += n;
    if (call->body_off == call->body->len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

void c2_client_init(struct http_client *cl)
{
    nghttp2_session_callbacks *cb;

    nghttp2_session_callbacks_new(&cb);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    cl->h2_callbacks = cb;
    nghttp2_option_new(&cl->h2_option);
    nghttp2_option_set_no_auto_window_update(cl->h2_option, 1);
    nghttp2_option_set_no_closed_streams(cl->h2_option, 1);
}

/* ---- the connection ---- */

static void on_data(struct conn *c, struct slice bytes)
{
    struct cconn *cc = of(c);
    ssize_t n = nghttp2_session_mem_recv(cc->h2, (const uint8_t *)bytes.p, bytes.n);

    if (cc->dead)
        return;
    if (n < 0)
        conn_kill(c, nghttp2_strerror((int)n));
    else
        conn_dirty(c);
}

static void on_eof(struct conn *c)
{
    conn_kill(c, "connection closed by the server");
}

static void on_pull(struct conn *c, struct buf *out, size_t max)
{
    h2_pull(of(c)->h2, c, out, max);
}

static void on_flushed(struct conn *c)
{
    struct cconn *cc = of(c);

    if (!nghttp2_session_want_read(cc->h2) && !nghttp2_session_want_write(cc->h2))
        conn_kill(c, "connection closed");
}

static void close_idle(struct cconn *cc)
{
    on_goaway(cc);
    nghttp2_session_terminate_session(cc->h2, NGHTTP2_NO_ERROR);
    conn_dirty(cc->c); /* on_flushed closes */
}

/* Beats every ping_interval, or when an answer to PING is due. */
static void on_timeout(struct conn *c)
{
    struct cconn *cc = of(c);
    const struct http_client_opts *o = &cc->cl->o;
    uint64_t now = uv_now(c->hub->loop), quiet = now - c->last_read;

    if (cc->ping_at && c->last_read < cc->ping_at) {
        conn_kill(c, "no answer to PING");
        return;
    }
    cc->ping_at = 0;
    if (cc->ncalls)
        cc->idle_since = now;
    if (now - cc->idle_since >= o->idle_timeout) {
        close_idle(cc);
        conn_timer(c, o->ping_timeout);
    } else if (quiet >= o->ping_interval) {
        nghttp2_submit_ping(cc->h2, NGHTTP2_FLAG_NONE, NULL);
        cc->ping_at = now;
        conn_dirty(c);
        conn_timer(c, o->ping_timeout);
    } else {
        conn_timer(c, o->ping_interval - quiet);
    }
}

static void on_dead(struct conn *c, const char *why)
{
    struct cconn *cc = of(c);
    struct http_client *cl = cc->cl;

    cl->refs++;
    cconn_gone(cc);
    for (struct link *l; (l = list_first(&cc->calls));) {
        struct http_call *call = container_of(l, struct http_call, link);
        if (!call->sent)
            call_requeue(call, why);
        else
            call_done(call, cl->freeing ? HTTP_CALL_CANCELLED : HTTP_CALL_LOST,
                      *why ? why : "connection closed");
    }
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
    .flushed = on_flushed,
    .timeout = on_timeout,
    .dead = on_dead,
    .free = on_free,
};

bool c2_open(struct cconn *cc)
{
    struct http_client *cl = cc->cl;
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
    };

    cc->c->ops = &ops;
    if (nghttp2_session_client_new2(&cc->h2, cl->h2_callbacks, cc, cl->h2_option) != 0)
        return false;
    nghttp2_submit_settings(cc->h2, NGHTTP2_FLAG_NONE, settings, ARRAY_SIZE(settings));
    nghttp2_session_set_local_window_size(cc->h2, NGHTTP2_FLAG_NONE, 0, CONN_WINDOW);
    cc->idle_since = uv_now(cl->hub->loop);
    conn_timer(cc->c, cl->o.ping_interval);
    conn_dirty(cc->c);
    return true;
}

size_t c2_room(struct cconn *cc)
{
    uint32_t max =
        nghttp2_session_get_remote_settings(cc->h2, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);

    if (cc->draining || !nghttp2_session_check_request_allowed(cc->h2)) {
        on_goaway(cc);
        return 0;
    }
    max = MIN(max, MAX_STREAMS);
    return cc->ncalls < max ? max - cc->ncalls : 0;
}

/* ---- calls ---- */

static nghttp2_nv nv_of(struct slice name, struct slice value)
{
    return (nghttp2_nv){(uint8_t *)name.p, (uint8_t *)value.p, name.n, value.n,
                        NGHTTP2_NV_FLAG_NONE};
}

/* Fields that HTTP/2 forbids or that we set. */
static bool is_framing(struct slice name)
{
    static const char *const names[] = {"connection",    "keep-alive", "proxy-connection",
                                        "host",          "upgrade",    "transfer-encoding",
                                        "content-length"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (slice_ieq(name, slice_of(names[i])))
            return true;
    return false;
}

static void c2_submit(struct cconn *cc, struct http_call *call)
{
    struct http_client *cl = cc->cl;
    nghttp2_nv nv[MAX_FIELDS + 6];
    nghttp2_data_provider body = {.read_callback = read_body};
    char length[24];
    size_t n = 0;

    nv[n++] = nv_of(SLICE(":method"), call_slice(call, call->method));
    nv[n++] = nv_of(SLICE(":scheme"), SLICE("https"));
    nv[n++] = nv_of(SLICE(":authority"), slice_of(cl->authority));
    nv[n++] = nv_of(SLICE(":path"), call_slice(call, call->path));
    if (!call_has_field(call, "user-agent"))
        nv[n++] = nv_of(SLICE("user-agent"), slice_of(cl->user_agent));
    for (size_t i = 0; i + 1 < call->fields.n && n < MAX_FIELDS + 5; i += 2)
        if (!is_framing(call_slice(call, call->fields.v[i])))
            nv[n++] =
                nv_of(call_slice(call, call->fields.v[i]), call_slice(call, call->fields.v[i + 1]));
    if (call->body) {
        snprintf(length, sizeof length, "%zu", call->body->len);
        nv[n++] = nv_of(SLICE("content-length"), slice_of(length));
    }
    call->id = nghttp2_submit_request(cc->h2, NULL, nv, n, call->body ? &body : NULL, call);
    if (call->id < 0) {
        on_goaway(cc); /* stream numbers are used up */
        call_requeue(call, "no stream to be had");
        return;
    }
    conn_dirty(cc->c);
}

static void c2_abandon(struct cconn *cc, struct http_call *call)
{
    if (!cc->dead)
        detach(cc, call, NGHTTP2_CANCEL);
}

static void c2_pause(unused struct cconn *cc, unused struct http_call *call, unused bool paused)
{
}

static void c2_consumed(struct cconn *cc, struct http_call *call, size_t n)
{
    nghttp2_session_consume_stream(cc->h2, call->id, n);
    conn_dirty(cc->c);
}

const struct cproto c2_proto = {
    .submit = c2_submit,
    .abandon = c2_abandon,
    .pause = c2_pause,
    .consumed = c2_consumed,
};
