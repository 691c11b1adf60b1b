/* HTTP/1.1 on a server's connection: llhttp reads, chunk framing is made while pulling. */
#include "net/server_private.h"

#include "base/mem.h"

#include <stdio.h>

#define HOLD_MAX (64 * 1024) /* of pipelined bytes behind a request in work */
#define STALL_MS 60000       /* a whole answer that makes no progress */

static struct sconn *of(struct conn *c)
{
    return c->owner;
}

static void set_phase(struct sconn *sc, enum h1_phase phase)
{
    const struct http_server_opts *o = &sc->srv->o;
    unsigned ms[] = {o->idle_timeout, o->header_timeout, o->body_timeout, STALL_MS};

    sc->phase = phase;
    sc->out_seen = sc->c->bytes_out;
    conn_timer(sc->c, ms[phase]);
}

/* ---- parser callbacks ---- */

static int refuse(struct sconn *sc, int status)
{
    sc->refuse = status;
    return -1;
}

static int on_message_begin(llhttp_t *p)
{
    struct sconn *sc = p->data;

    if (!sc->req)
        sc->req = sreq_new(sc);
    set_phase(sc, H1_HEADERS);
    return 0;
}

static int on_url(llhttp_t *p, const char *at, size_t n)
{
    struct sconn *sc = p->data;

    return sreq_add(sc->req, &sc->req->target, at, n, false) ? 0 : refuse(sc, 431);
}

/* The field being received: a new one when the last one has its value. */
static struct field_pos *current_field(struct sreq *q, bool next)
{
    if (next || !q->fields.n) {
        q->counted += FIELD_COST;
        return vec_add(&q->fields);
    }
    return &q->fields.v[q->fields.n - 1];
}

static int on_header_field(llhttp_t *p, const char *at, size_t n)
{
    struct sconn *sc = p->data;
    struct sreq *q = sc->req;

    if (q->headers_done) { /* a trailer: counted, else ignored */
        q->counted += n;
        return q->counted > sc->srv->o.header_limit ? refuse(sc, 431) : 0;
    }
    struct field_pos *f = current_field(q, q->next_field);
    q->next_field = false;
    return sreq_add(q, &f->name, at, n, true) ? 0 : refuse(sc, 431);
}

static int on_header_value(llhttp_t *p, const char *at, size_t n)
{
    struct sconn *sc = p->data;
    struct sreq *q = sc->req;

    if (q->headers_done) {
        q->counted += n;
        return q->counted > sc->srv->o.header_limit ? refuse(sc, 431) : 0;
    }
    struct field_pos *f = current_field(q, false);
    return sreq_add(q, &f->value, at, n, false) ? 0 : refuse(sc, 431);
}

static int on_header_value_complete(llhttp_t *p)
{
    struct sconn *sc = p->data;

    sc->req->next_field = true;
    return 0;
}

static size_t count_fields(const struct sreq *q, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < q->fields.n; i++)
        n += slice_is(sreq_slice(q, q->fields.v[i].name), name);
    return n;
}

/* What llhttp lets through and we do not: the status to refuse it with, or 0. */
static int check_headers(struct sconn *sc, struct sreq *q)
{
    struct slice te = http_header(&q->pub, "transfer-encoding");
    struct slice expect = http_header(&q->pub, "expect");
    size_t hosts = count_fields(q, "host");

    if (sc->parser.http_major != 1)
        return 505;
    if (hosts > 1 || (!hosts && !q->http10))
        return 400;
    if (te.p &&
        (!slice_ieq(te, SLICE("chunked")) || q->http10 || count_fields(q, "transfer-encoding") > 1))
        return 501;
    if (expect.p && !slice_ieq(expect, SLICE("100-continue")))
        return 417;
    if (sreq_content_length(q) > (int64_t)sc->srv->o.body_limit)
        return 413;
    return 0;
}

static int on_headers_complete(llhttp_t *p)
{
    struct sconn *sc = p->data;
    struct sreq *q = sc->req;
    const char *method = llhttp_method_name(p->method);

    q->http10 = p->http_minor == 0;
    sreq_add(q, &q->method, method, strlen(method), false);
    for (size_t i = 0; i < q->fields.n; i++) {
        struct span *v = &q->fields.v[i].value;
        while (v->len && strchr(" \t", q->raw.data[v->off + v->len - 1]))
            v->len--;
    }
    if (!sreq_finish_headers(q))
        return refuse(sc, 400);
    int status = check_headers(sc, q);
    if (status)
        return refuse(sc, status);
    if (http_header(&q->pub, "expect").p && !q->http10) {
        sc->send_continue = true;
        conn_dirty(sc->c);
    }
    set_phase(sc, H1_BODY);
    return 0;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
    struct sconn *sc = p->data;

    conn_timer(sc->c, sc->srv->o.body_timeout);
    return sreq_add_body(sc->req, at, n) ? 0 : refuse(sc, 413);
}

static int on_message_complete(llhttp_t *p)
{
    struct sconn *sc = p->data;

    sc->req->complete = true;
    sc->keep_alive = llhttp_should_keep_alive(p);
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* ---- bytes in ---- */

/* Answers what the parser did not like, and closes; the rest of the input is dropped. */
static void answer_refused(struct sconn *sc)
{
    if (!sc->req)
        sc->req = sreq_new(sc);
    sc->drop_input = true;
    sc->keep_alive = false;
    set_phase(sc, H1_ANSWER);
    sreq_refuse(sc->req, sc->refuse ? sc->refuse : 400);
}

/* "FROB /path HTTP/1.1", of which llhttp only says that it does not know the method. */
static bool is_request_line(struct slice s)
{
    struct slice line, method, target;

    if (!slice_cut(&s, '\n', &line) || !slice_cut(&line, ' ', &method) ||
        !slice_cut(&line, ' ', &target))
        return false;
    for (size_t i = 0; i < method.n; i++)
        if (method.p[i] < 'A' || method.p[i] > 'Z')
            return false;
    return method.n && target.n && *target.p == '/' && slice_starts(line, SLICE("HTTP/1."));
}

static void answer_parse_error(struct sconn *sc, llhttp_errno_t e, struct slice bytes)
{
    const struct http_server_opts *o = &sc->srv->o;

    if (e == HPE_INVALID_VERSION && !sc->refuse && sc->parser.http_major != 1)
        sc->refuse = 505;
    if (e != HPE_INVALID_METHOD || !o->unknown_method_type || !is_request_line(bytes)) {
        answer_refused(sc);
        return;
    }
    if (!sc->req)
        sc->req = sreq_new(sc);
    sc->drop_input = true;
    sc->keep_alive = false;
    set_phase(sc, H1_ANSWER);
    sc->req->close = true;
    sc->req->headers_done = true;
    http_reply(&sc->req->pub, o->unknown_method, o->unknown_method_type, o->unknown_method_body);
}

static void deliver(struct sconn *sc)
{
    struct sreq *q = sc->req;

    set_phase(sc, H1_ANSWER);
    conn_timer_stop(sc->c); /* how long an answer takes is the handler's business */
    sc->send_continue = false;
    sc->in_handler = true;
    sreq_deliver(q);
    sc->in_handler = false;
    if (sc->upgraded)
        sconn_free(sc);
}

/* Parses until a request is whole; what follows it is held. */
static void feed(struct sconn *sc, const char *p, size_t n)
{
    const char *end = p + n;

    while (p < end && !sc->drop_input) {
        if (sc->paused) {
            sc->paused = false;
            llhttp_resume(&sc->parser);
        }
        llhttp_errno_t e = llhttp_execute(&sc->parser, p, (size_t)(end - p));
        if (sc->dead || e == HPE_OK)
            return;
        if (e == HPE_PAUSED_UPGRADE) {
            /* nobody took the upgrade: the bytes behind it are HTTP */
            p = llhttp_get_error_pos(&sc->parser);
            llhttp_resume_after_upgrade(&sc->parser);
        } else if (e == HPE_PAUSED) {
            p = llhttp_get_error_pos(&sc->parser);
            sc->paused = true;
            buf_add(&sc->hold, p, (size_t)(end - p));
            deliver(sc);
            return;
        } else {
            answer_parse_error(sc, e, (struct slice){p, (size_t)(end - p)});
        }
    }
}

static void on_data(struct conn *c, struct slice bytes)
{
    struct sconn *sc = of(c);

    if (sc->drop_input)
        return;
    if (sc->req && sc->req->complete) {
        buf_add_slice(&sc->hold, bytes);
        if (sc->hold.len > HOLD_MAX)
            conn_pause(c, true);
        return;
    }
    feed(sc, bytes.p, bytes.n);
}

static void on_eof(struct conn *c)
{
    struct sconn *sc = of(c);

    if (sc->req && sc->req->ended) /* half-closed: it still gets its answer */
        sc->keep_alive = false;
    else
        conn_kill(c, "");
}

/* ---- bytes out ---- */

static void pull_chunk(struct sreq *q, struct buf *out, size_t max)
{
    size_t n = MIN(q->out.unsent, max);

    if (q->chunked)
        buf_printf(out, "%zx\r\n", n);
    buf_reserve(out, n + 2);
    out->len += sreq_pull(q, out->data + out->len, n);
    if (q->chunked)
        buf_add(out, "\r\n", 2);
}

static void on_pull(struct conn *c, struct buf *out, size_t max)
{
    struct sconn *sc = of(c);
    struct sreq *q = sc->req;

    if (sc->send_continue) {
        sc->send_continue = false;
        buf_adds(out, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    if (!q || !q->started || q->fin)
        return;
    if (q->head_off < q->head.len) {
        buf_add(out, q->head.data + q->head_off, q->head.len - q->head_off);
        q->head_off = q->head.len;
    }
    if (q->out.unsent && out->len < max)
        pull_chunk(q, out, max - out->len);
    if (q->ended && !q->out.unsent) {
        if (q->chunked)
            buf_adds(out, "0\r\n\r\n");
        q->fin = true;
    }
}

/* The next request may begin, perhaps with bytes that are here already. */
static void next_request(struct sconn *sc)
{
    sreq_recycle(take(sc->req), sc->srv);
    set_phase(sc, H1_IDLE);
    if (!sc->hold.len) {
        buf_done(&sc->hold);
        return;
    }
    struct buf mine cleanup(buf_done) = sc->hold;
    sc->hold = (struct buf)BUF_INIT;
    conn_pause(sc->c, false);
    feed(sc, mine.data, mine.len);
}

static void on_flushed(struct conn *c)
{
    struct sconn *sc = of(c);
    struct sreq *q = sc->req;
    bool close;

    if (!q || !q->fin)
        return;
    close = q->close || !sc->keep_alive || sc->draining;
    sreq_closed(q, HTTP_SENT);
    if (sc->dead)
        return;
    if (close) {
        sreq_free(take(sc->req));
        sc->drop_input = true;
        conn_finish(c);
    } else {
        next_request(sc);
    }
}

static void on_timeout(struct conn *c)
{
    struct sconn *sc = of(c);

    if (sc->phase == H1_ANSWER && sc->out_seen != c->bytes_out) {
        set_phase(sc, H1_ANSWER); /* slow, but it moves */
        return;
    }
    conn_kill(c, "timeout");
}

static void on_dead(struct conn *c, unused const char *why)
{
    struct sconn *sc = of(c);
    struct http_server *s = sc->srv;

    sc->dead = true;
    list_remove(&sc->link);
    if (sc->req && sc->req->sc)
        sreq_closed(sc->req, HTTP_GONE);
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

/* Fields that frame a message are ours to set. */
static bool is_framing(struct slice name)
{
    return slice_ieq(name, SLICE("content-length")) ||
           slice_ieq(name, SLICE("transfer-encoding")) || slice_ieq(name, SLICE("connection")) ||
           slice_ieq(name, SLICE("keep-alive"));
}

static void add_field(struct buf *b, struct slice name, struct slice value)
{
    if (!http_field_valid(name, value))
        return; /* never lets a value end a line */
    buf_add_slice(b, name);
    buf_add(b, ": ", 2);
    buf_add_slice(b, value);
    buf_add(b, "\r\n", 2);
}

static void h1_start(struct sreq *q, int status, const struct http_field *fields, size_t n,
                     int64_t content_length)
{
    struct sconn *sc = q->sc;
    struct buf *b = &q->head;

    buf_printf(b, "HTTP/1.1 %d %s\r\n", status, http_status_text(status));
    for (size_t i = 0; i < n; i++)
        if (!is_framing(fields[i].name))
            add_field(b, fields[i].name, fields[i].value);
    add_field(b, SLICE("Date"), slice_of(server_date(sc->srv)));
    if (content_length >= 0)
        buf_printf(b, "Content-Length: %lld\r\n", (long long)content_length);
    if (content_length == -1 && !q->http10) {
        q->chunked = !q->no_body;
        buf_adds(b, "Transfer-Encoding: chunked\r\n");
    }
    if (content_length == -1 && q->http10)
        q->close = true; /* the end of the connection is the end of the body */
    if (q->close || !sc->keep_alive || sc->draining) {
        q->close = true;
        buf_adds(b, "Connection: close\r\n");
    } else if (q->http10) {
        buf_adds(b, "Connection: keep-alive\r\n");
    }
    buf_add(b, "\r\n", 2);
    if (q->ended)
        set_phase(sc, H1_ANSWER);
}

static void h1_wake(struct sreq *q)
{
    if (q->ended)
        set_phase(q->sc, H1_ANSWER);
    conn_dirty(q->sc->c);
}

static void cut_task(struct task *t)
{
    struct sreq *q = container_of(t, struct sreq, drain_task);

    conn_kill(q->sc->c, "cut");
}

static void h1_cut(struct sreq *q)
{
    hub_unpost(&q->drain_task);
    q->drain_task.fn = cut_task;
    hub_post(q->sc->srv->hub, &q->drain_task);
}

static void h1_drain(struct sconn *sc)
{
    sc->draining = true;
    if (!sc->req || !sc->req->delivered) {
        if (!sc->drop_input) {
            sc->drop_input = true;
            conn_finish(sc->c);
        }
    } else if (sc->req->started && !sc->req->ended) {
        http_end(&sc->req->pub);
    }
}

struct conn *h1_upgrade(struct sreq *q, struct buf *early)
{
    struct sconn *sc = q->sc;
    struct conn *c = sc->c;

    *early = sc->hold;
    sc->hold = (struct buf)BUF_INIT;
    q->on_close = NULL;
    sreq_closed(q, HTTP_SENT);
    list_remove(&sc->link);
    sc->dead = true; /* nothing of HTTP happens here any more */
    sc->upgraded = true;
    conn_pause(c, false);
    if (!sc->in_handler)
        sconn_free(sc);
    return c;
}

const struct sproto h1_proto = {
    .start = h1_start,
    .wake = h1_wake,
    .cut = h1_cut,
    .drain = h1_drain,
};

void h1_open(struct sconn *sc)
{
    llhttp_init(&sc->parser, HTTP_REQUEST, &settings);
    sc->parser.data = sc;
    sc->proto = &h1_proto;
    sc->c->ops = &ops;
    if (sc->draining)
        h1_drain(sc);
    set_phase(sc, H1_HEADERS); /* the first request is due as soon as the connection is */
}
