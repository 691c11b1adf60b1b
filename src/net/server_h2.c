/* HTTP/2 on a server's connection, by nghttp2. */
#include "net/server_private.h"

#include "base/mem.h"
#include "net/h2.h"

#include <stdio.h>

#define STREAM_WINDOW (1024 * 1024) /* 64 KiB would make a body of megabytes slow */
#define CONN_WINDOW (4 * 1024 * 1024)
#define MAX_FIELDS 64 /* of an answer */

static struct sconn *of(struct conn *c)
{
    return c->owner;
}

static struct sreq *req_of(nghttp2_session *h2, int32_t id)
{
    return nghttp2_session_get_stream_user_data(h2, id);
}

/* ---- nghttp2's callbacks: a request comes in ---- */

static int on_begin_headers(nghttp2_session *h2, const nghttp2_frame *f, void *user)
{
    struct sconn *sc = user;

    if (sc->dead)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (f->hd.type != NGHTTP2_HEADERS || f->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct sreq *q = sreq_new(sc);
    q->id = f->hd.stream_id;
    sc->incomplete++;
    nghttp2_session_set_stream_user_data(h2, q->id, q);
    return 0;
}

static struct span *pseudo(struct sreq *q, struct slice name)
{
    if (slice_is(name, ":method"))
        return &q->method;
    if (slice_is(name, ":path"))
        return &q->target;
    return slice_is(name, ":authority") ? &q->authority : NULL;
}

static void add_field(struct sreq *q, struct slice name, struct slice value)
{
    struct field_pos f = {0};

    q->counted += FIELD_COST;
    if (sreq_add(q, &f.name, name.p, name.n, false) &&
        sreq_add(q, &f.value, value.p, value.n, false))
        vec_push(&q->fields, f);
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *f, const uint8_t *name,
                     size_t namelen, const uint8_t *value, size_t valuelen, unused uint8_t flags,
                     void *user)
{
    struct sconn *sc = user;
    struct sreq *q = req_of(h2, f->hd.stream_id);
    struct slice n = {(const char *)name, namelen}, v = {(const char *)value, valuelen};

    if (sc->dead)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (!q || q->headers_done || q->counted > sc->srv->o.header_limit)
        return 0; /* trailers; or too much, which is answered when the headers end */
    if (n.n && n.p[0] != ':') {
        add_field(q, n, v);
        return 0;
    }
    struct span *at = pseudo(q, n);
    q->counted += FIELD_COST;
    if (at)
        sreq_add(q, at, v.p, v.n, false);
    return 0;
}

static void send_continue(struct sreq *q)
{
    nghttp2_nv nv = {(uint8_t *)":status", (uint8_t *)"100", 7, 3, NGHTTP2_NV_FLAG_NONE};

    nghttp2_submit_headers(q->sc->h2, NGHTTP2_FLAG_NONE, q->id, NULL, &nv, 1, NULL);
    conn_dirty(q->sc->c);
}

static void headers_end(struct sconn *sc, struct sreq *q)
{
    const struct http_server_opts *o = &sc->srv->o;
    struct slice expect;

    if (q->counted > o->header_limit) {
        sreq_refuse(q, 431);
    } else if (!sreq_finish_headers(q)) {
        sreq_refuse(q, 400);
    } else if (sreq_content_length(q) > (int64_t)o->body_limit) {
        sreq_refuse(q, 413);
    } else if ((expect = http_header(&q->pub, "expect")).p) {
        if (slice_ieq(expect, SLICE("100-continue")))
            send_continue(q);
        else
            sreq_refuse(q, 417);
    }
}

static int on_frame_recv(nghttp2_session *h2, const nghttp2_frame *f, void *user)
{
    struct sconn *sc = user;
    struct sreq *q;

    if (sc->dead)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (f->hd.type != NGHTTP2_HEADERS && f->hd.type != NGHTTP2_DATA)
        return 0;
    q = req_of(h2, f->hd.stream_id);
    if (!q)
        return 0;
    if (f->hd.type == NGHTTP2_HEADERS && !q->headers_done)
        headers_end(sc, q);
    if (!(f->hd.flags & NGHTTP2_FLAG_END_STREAM) || q->complete)
        return 0;
    q->complete = true;
    sc->incomplete--;
    if (!q->started)
        sreq_deliver(q);
    return sc->dead ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_data_chunk(nghttp2_session *h2, unused uint8_t flags, int32_t id, const uint8_t *p,
                         size_t n, void *user)
{
    struct sconn *sc = user;
    struct sreq *q = req_of(h2, id);

    if (sc->dead)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (q && !q->started && !sreq_add_body(q, (const char *)p, n))
        sreq_refuse(q, 413);
    return 0;
}

/* ---- nghttp2's callbacks: an answer goes out ---- */

static int on_frame_send(nghttp2_session *h2, const nghttp2_frame *f, void *user)
{
    struct sconn *sc = user;
    struct sreq *q;

    if (sc->dead || !(f->hd.flags & NGHTTP2_FLAG_END_STREAM) ||
        (f->hd.type != NGHTTP2_HEADERS && f->hd.type != NGHTTP2_DATA))
        return 0;
    q = req_of(h2, f->hd.stream_id);
    if (!q)
        return 0;
    q->fin = true;
    if (!q->complete) /* refused early: the client need not send the rest (RFC 9113, 8.1) */
        nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, q->id, NGHTTP2_NO_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *h2, int32_t id, unused uint32_t code, void *user)
{
    struct sconn *sc = user;
    struct sreq *q = req_of(h2, id);

    if (!q || sc->dead)
        return 0;
    nghttp2_session_set_stream_user_data(h2, id, NULL);
    if (!q->complete)
        sc->incomplete--;
    sreq_closed(q, q->fin ? HTTP_SENT : HTTP_GONE);
    if (sc->dead)
        sreq_free(q);
    else
        sreq_recycle(q, sc->srv);
    if (!sc->nreqs)
        sc->idle_since = uv_now(sc->c->hub->loop);
    return 0;
}

static ssize_t read_body(unused nghttp2_session *h2, unused int32_t id, uint8_t *dst, size_t max,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct sconn *sc = user;
    struct sreq *q = source->ptr;

    if (sc->dead) /* and q freed: an on_close in this very turn freed the server */
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    size_t n = sreq_pull(q, dst, max);
    if (q->ended && !q->out.unsent) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    } else if (!n) {
        q->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)n;
}

void h2_server_init(struct http_server *s)
{
    nghttp2_session_callbacks *cb;

    nghttp2_session_callbacks_new(&cb);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    s->h2_callbacks = cb;
    nghttp2_option_new(&s->h2_option);
    nghttp2_option_set_no_closed_streams(s->h2_option, 1);
    /* The default ends a connection at its 1,001st cancelled watch. */
    nghttp2_option_set_stream_reset_rate_limit(s->h2_option, 10000, 1000);
}

/* ---- the connection ---- */

static void check_end(struct sconn *sc)
{
    if (!nghttp2_session_want_read(sc->h2) && !nghttp2_session_want_write(sc->h2))
        conn_finish(sc->c);
}

static void on_data(struct conn *c, struct slice bytes)
{
    struct sconn *sc = of(c);
    ssize_t n = nghttp2_session_mem_recv(sc->h2, (const uint8_t *)bytes.p, bytes.n);

    if (sc->dead)
        return;
    if (n == NGHTTP2_ERR_BAD_CLIENT_MAGIC)
        nghttp2_session_terminate_session(sc->h2, NGHTTP2_PROTOCOL_ERROR);
    else if (n < 0) {
        conn_kill(c, nghttp2_strerror((int)n));
        return;
    }
    conn_dirty(c);
}

static void on_eof(struct conn *c)
{
    conn_kill(c, "");
}

static void on_pull(struct conn *c, struct buf *out, size_t max)
{
    h2_pull(of(c)->h2, c, out, max);
}

static void on_flushed(struct conn *c)
{
    check_end(of(c));
}

static void on_timeout(struct conn *c)
{
    struct sconn *sc = of(c);
    const struct http_server_opts *o = &sc->srv->o;
    uint64_t now = uv_now(c->hub->loop);

    if (sc->incomplete && now - c->last_read >= o->body_timeout) {
        conn_kill(c, "timeout");
        return;
    }
    if (!sc->nreqs && now - sc->idle_since >= o->idle_timeout) {
        nghttp2_session_terminate_session(sc->h2, NGHTTP2_NO_ERROR);
        conn_finish(c);
    }
    conn_timer(c, MIN(o->body_timeout, o->idle_timeout));
}

static void on_dead(struct conn *c, unused const char *why)
{
    struct sconn *sc = of(c);
    struct http_server *s = sc->srv;

    sc->dead = true;
    list_remove(&sc->link);
    for (struct link *l; (l = list_first(&sc->reqs));) {
        struct sreq *q = container_of(l, struct sreq, link);
        sreq_closed(q, HTTP_GONE);
        sreq_free(q);
    }
    server_conn_gone(s);
}

static void on_free(struct conn *c)
{
    sconn_free(of(c));
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

/* ---- the answer ---- */

/* Fields that HTTP/2 forbids (RFC 9113, 8.2.2), and the one that is ours. */
static bool is_framing(struct slice name)
{
    static const char *const names[] = {"connection",        "keep-alive", "proxy-connection",
                                        "transfer-encoding", "upgrade",    "content-length"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (slice_ieq(name, slice_of(names[i])))
            return true;
    return false;
}

static nghttp2_nv nv_of(struct slice name, struct slice value)
{
    return (nghttp2_nv){(uint8_t *)name.p, (uint8_t *)value.p, name.n, value.n,
                        NGHTTP2_NV_FLAG_NONE};
}

static void h2_start(struct sreq *q, int status, const struct http_field *fields, size_t n,
                     int64_t content_length)
{
    struct sconn *sc = q->sc;
    nghttp2_nv nv[MAX_FIELDS + 3];
    char code[12], length[24];
    size_t nnv = 0;
    bool empty = q->no_body || (q->ended && !q->out.unsent) || content_length == -2;

    snprintf(code, sizeof code, "%d", status);
    nv[nnv++] = nv_of(SLICE(":status"), slice_of(code));
    for (size_t i = 0; i < n && nnv <= MAX_FIELDS; i++)
        if (!is_framing(fields[i].name) && http_field_valid(fields[i].name, fields[i].value))
            nv[nnv++] = nv_of(fields[i].name, fields[i].value);
    nv[nnv++] = nv_of(SLICE("date"), slice_of(server_date(sc->srv)));
    if (content_length >= 0) {
        snprintf(length, sizeof length, "%lld", (long long)content_length);
        nv[nnv++] = nv_of(SLICE("content-length"), slice_of(length));
    }
    nghttp2_data_provider body = {.source.ptr = q, .read_callback = read_body};
    if (nghttp2_submit_response(sc->h2, q->id, nv, nnv, empty ? NULL : &body) != 0)
        http_cut(&q->pub);
}

static void h2_wake(struct sreq *q)
{
    if (q->deferred) {
        q->deferred = false;
        nghttp2_session_resume_data(q->sc->h2, q->id);
    }
    conn_dirty(q->sc->c);
}

static void h2_cut(struct sreq *q)
{
    nghttp2_submit_rst_stream(q->sc->h2, NGHTTP2_FLAG_NONE, q->id, NGHTTP2_CANCEL);
    conn_dirty(q->sc->c);
}

static void h2_drain(struct sconn *sc)
{
    sc->draining = true;
    nghttp2_submit_goaway(sc->h2, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(sc->h2), NGHTTP2_NO_ERROR, NULL,
                          0);
    for (struct link *l = sc->reqs.next; l != &sc->reqs; l = l->next) {
        struct sreq *q = container_of(l, struct sreq, link);
        if (q->started && !q->ended)
            http_end(&q->pub);
    }
    conn_dirty(sc->c);
}

const struct sproto h2_proto = {
    .start = h2_start,
    .wake = h2_wake,
    .cut = h2_cut,
    .drain = h2_drain,
};

bool h2_open(struct sconn *sc)
{
    const struct http_server_opts *o = &sc->srv->o;
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, o->max_streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)o->header_limit},
    };

    if (nghttp2_session_server_new2(&sc->h2, sc->srv->h2_callbacks, sc, sc->srv->h2_option) != 0)
        return false;
    nghttp2_submit_settings(sc->h2, NGHTTP2_FLAG_NONE, settings, ARRAY_SIZE(settings));
    nghttp2_session_set_local_window_size(sc->h2, NGHTTP2_FLAG_NONE, 0, CONN_WINDOW);
    sc->proto = &h2_proto;
    sc->c->ops = &ops;
    sc->idle_since = uv_now(sc->c->hub->loop);
    conn_timer(sc->c, MIN(o->body_timeout, o->idle_timeout));
    conn_dirty(sc->c);
    if (sc->draining)
        h2_drain(sc);
    return true;
}
