/* What a request and its answer are under both protocols. */
#include "net/server_private.h"

#include "base/mem.h"
#include "net/tls_private.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#define POOL_MAX 64           /* requests kept for use again */
#define KEEP_BODY (64 * 1024) /* a bigger body's memory is given back after the request */
#define BODY_RESERVE ((size_t)256 * 1024)

static struct sreq *of(const struct http_req *r)
{
    return container_of(r, struct sreq, pub);
}

/* ---- life ---- */

static void drain_due(struct task *t)
{
    struct sreq *q = container_of(t, struct sreq, drain_task);

    if (q->on_drain && q->sc)
        q->on_drain(&q->pub, q->on_drain_ctx);
}

struct sreq *sreq_new(struct sconn *sc)
{
    struct http_server *s = sc->srv;
    struct link *used = list_first(&s->pool);
    struct sreq *q;

    if (used) {
        q = container_of(used, struct sreq, link);
        list_remove(used);
        s->npool--;
    } else {
        q = xnew(struct sreq);
        q->drain_task.fn = drain_due;
    }
    q->sc = sc;
    list_push_back(&sc->reqs, &q->link);
    sc->nreqs++;
    return q;
}

static void sreq_clear(struct sreq *q)
{
    struct sreq old = *q;

    stream_reset(&old.out);
    buf_reset(&old.raw);
    if (old.body.cap > KEEP_BODY)
        buf_done(&old.body);
    else
        buf_reset(&old.body);
    if (old.head.cap > KEEP_BODY)
        buf_done(&old.head);
    else
        buf_reset(&old.head);
    *q = (struct sreq){.sc = old.sc,
                       .link = old.link,
                       .raw = old.raw,
                       .body = old.body,
                       .head = old.head,
                       .out = old.out,
                       .drain_task.fn = drain_due};
    q->fields.v = old.fields.v;
    q->fields.cap = old.fields.cap;
}

void sreq_free(struct sreq *q)
{
    if (!q)
        return;
    hub_unpost(&q->drain_task);
    list_remove(&q->link);
    stream_done(&q->out);
    buf_done(&q->raw);
    buf_done(&q->body);
    buf_done(&q->head);
    vec_done(&q->fields);
    free(q);
}

void sreq_recycle(struct sreq *q, struct http_server *s)
{
    if (s->npool >= POOL_MAX) {
        sreq_free(q);
        return;
    }
    sreq_clear(q);
    list_push_back(&s->pool, &q->link);
    s->npool++;
}

void sreq_closed(struct sreq *q, enum http_end_kind how)
{
    struct sconn *sc = q->sc;

    hub_unpost(&q->drain_task);
    list_remove(&q->link);
    sc->nreqs--;
    q->sc = NULL;
    if (q->delivered && q->on_close)
        q->on_close(&q->pub, q->cut && how != HTTP_SENT ? HTTP_CUT : how, q->on_close_ctx);
}

/* ---- the request comes in ---- */

bool sreq_add(struct sreq *q, struct span *at, const char *p, size_t n, bool lower)
{
    if (!at->len)
        at->off = (uint32_t)q->raw.len;
    q->counted += n;
    if (q->counted > q->sc->srv->o.header_limit)
        return false;
    buf_add(&q->raw, p, n);
    if (lower)
        for (char *c = q->raw.data + q->raw.len - n; *c; c++)
            if (*c >= 'A' && *c <= 'Z')
                *c = (char)(*c + 32);
    at->len += (uint32_t)n;
    return true;
}

struct slice sreq_slice(const struct sreq *q, struct span s)
{
    return (struct slice){s.len ? q->raw.data + s.off : "", s.len};
}

bool sreq_add_body(struct sreq *q, const char *p, size_t n)
{
    size_t limit = q->sc->srv->o.body_limit;

    if (n > limit || q->body.len > limit - n)
        return false;
    if (!q->body.cap) { /* one allocation for most bodies; a liar gains no memory by a header */
        int64_t length = sreq_content_length(q);
        if (length > 0)
            buf_reserve(&q->body, MIN((size_t)length, BODY_RESERVE));
    }
    buf_add(&q->body, p, n);
    return true;
}

int64_t sreq_content_length(const struct sreq *q)
{
    int64_t n = -1;

    for (size_t i = 0; i < q->fields.n; i++)
        if (slice_is(sreq_slice(q, q->fields.v[i].name), "content-length") &&
            !slice_int64(sreq_slice(q, q->fields.v[i].value), &n))
            return INT64_MAX; /* digits beyond measure; the parser saw that they are digits */
    return n;
}

/* Origin form, absolute form (RFC 9112, 3.2.2) or "*"; CONNECT has only an authority. */
static bool split_target(struct http_req *r)
{
    struct slice t = r->target;

    if (slice_is(r->method, "CONNECT")) {
        r->authority = r->path = t;
        return true;
    }
    if (slice_starts(t, SLICE("http://")) || slice_starts(t, SLICE("https://"))) {
        size_t scheme = t.p[4] == 's' ? 8 : 7;
        t.p += scheme;
        t.n -= scheme;
        const char *end = t.n ? memchr(t.p, '/', t.n) : NULL;
        size_t n = end ? (size_t)(end - t.p) : t.n;
        r->authority = (struct slice){t.p, n};
        t = n < t.n ? (struct slice){t.p + n, t.n - n} : SLICE("/");
    }
    if (!t.n || (t.p[0] != '/' && !slice_is(t, "*")))
        return false;
    slice_cut(&t, '?', &r->path);
    r->query = t.p ? t : (struct slice){"", 0};
    return true;
}

bool sreq_finish_headers(struct sreq *q)
{
    struct http_req *r = &q->pub;
    struct slice host = http_header(r, "host");

    q->headers_done = true;
    r->method = sreq_slice(q, q->method);
    r->target = sreq_slice(q, q->target);
    r->authority = sreq_slice(q, q->authority);
    if (!r->authority.n && host.p)
        r->authority = host;
    r->tls = q->sc->c->ssl != NULL;
    r->http2 = q->sc->proto == &h2_proto;
    r->listener = q->sc->listener;
    q->no_body = slice_is(r->method, "HEAD");
    return split_target(r);
}

void sreq_deliver(struct sreq *q)
{
    struct http_server *s = q->sc->srv;

    q->complete = q->delivered = true;
    q->pub.body = (struct slice){buf_str(&q->body), q->body.len};
    s->o.on_request(&q->pub, s->o.ctx);
}

void sreq_refuse(struct sreq *q, int status)
{
    const char *text = http_status_text(status);

    q->close = true;
    q->headers_done = true;
    http_reply(&q->pub, status, "text/plain; charset=utf-8", slice_of(text));
}

/* ---- what a handler asks ---- */

size_t http_header_count(const struct http_req *r)
{
    return of(r)->fields.n;
}

struct http_field http_header_at(const struct http_req *r, size_t i)
{
    const struct sreq *q = of(r);

    return (struct http_field){sreq_slice(q, q->fields.v[i].name),
                               sreq_slice(q, q->fields.v[i].value)};
}

struct slice http_header(const struct http_req *r, const char *name)
{
    const struct sreq *q = of(r);
    size_t n = strlen(name);

    for (size_t i = 0; i < q->fields.n; i++) {
        struct field_pos f = q->fields.v[i];
        if (f.name.len == n && memcmp(q->raw.data + f.name.off, name, n) == 0)
            return sreq_slice(q, f.value);
    }
    return (struct slice){NULL, 0};
}

static void format_address(const struct sockaddr_storage *a, char *out, size_t n)
{
    char host[INET6_ADDRSTRLEN];
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)a;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;

    if (a->ss_family == AF_INET) {
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        snprintf(out, n, "%s:%u", host, ntohs(v4->sin_port));
    } else if (a->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        snprintf(out, n, "[%s]:%u", host, ntohs(v6->sin6_port));
    } else {
        snprintf(out, n, "@");
    }
}

struct slice http_peer_address(struct http_req *r)
{
    struct sconn *sc = of(r)->sc;
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof a;

    if (!sc)
        return SLICE("");
    if (!sc->addr[0]) {
        if (getpeername(sc->c->fd, (struct sockaddr *)&a, &len) < 0)
            a.ss_family = AF_UNSPEC;
        format_address(&a, sc->addr, sizeof sc->addr);
    }
    return slice_of(sc->addr);
}

const struct tls_peer *http_peer_cert(struct http_req *r)
{
    struct sconn *sc = of(r)->sc;

    if (!sc || !sc->c->ssl)
        return NULL;
    if (!sc->peer_known) {
        sc->peer_known = true;
        sc->peer = tls_peer_new(sc->c->ssl);
    }
    return sc->peer;
}

void http_on_close(struct http_req *r, void (*fn)(struct http_req *, enum http_end_kind, void *),
                   void *ctx)
{
    of(r)->on_close = fn;
    of(r)->on_close_ctx = ctx;
}

/* ---- the answer ---- */

static bool answerable(const struct sreq *q)
{
    return q->sc && !q->sc->dead && !q->started && !q->cut;
}

static bool writable(const struct sreq *q)
{
    return q->sc && !q->sc->dead && q->started && !q->ended && !q->cut;
}

static bool status_has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

/* Starts and ends an answer whose body is already in q->out (or in nothing, after HEAD). */
static void answer_whole(struct sreq *q, int status, const struct http_field *fields, size_t n,
                         size_t length)
{
    if (q->no_body || !status_has_body(status))
        stream_reset(&q->out);
    q->started = q->ended = true;
    q->sc->proto->start(q, status, fields, n, status_has_body(status) ? (int64_t)length : -2);
    conn_dirty(q->sc->c);
}

void http_respond(struct http_req *r, int status, const struct http_field *fields, size_t n,
                  struct slice body)
{
    struct sreq *q = of(r);

    if (!answerable(q))
        return;
    stream_add_copy(&q->out, body);
    answer_whole(q, status, fields, n, body.n);
}

void http_respond_rc(struct http_req *r, int status, const struct http_field *fields, size_t n,
                     struct rcbuf *body)
{
    struct sreq *q = of(r);

    if (!answerable(q))
        return;
    stream_add(&q->out, body);
    answer_whole(q, status, fields, n, body ? body->len : 0);
}

void http_reply(struct http_req *r, int status, const char *content_type, struct slice body)
{
    struct http_field f = HTTP_FIELD("content-type", content_type);

    http_respond(r, status, &f, 1, body);
}

void http_start(struct http_req *r, int status, const struct http_field *fields, size_t n)
{
    struct sreq *q = of(r);

    if (!answerable(q))
        return;
    q->started = true;
    q->no_body |= !status_has_body(status);
    q->sc->proto->start(q, status, fields, n, status_has_body(status) ? -1 : -2);
    conn_dirty(q->sc->c);
}

static void wrote(struct sreq *q)
{
    q->above |= q->out.unsent > q->drain_low;
    q->sc->proto->wake(q);
}

void http_write(struct http_req *r, struct rcbuf *data)
{
    struct sreq *q = of(r);

    if (!writable(q) || q->no_body)
        return;
    stream_add(&q->out, data);
    wrote(q);
}

void http_write_bytes(struct http_req *r, struct slice data)
{
    struct sreq *q = of(r);

    if (!writable(q) || q->no_body)
        return;
    stream_add_copy(&q->out, data);
    wrote(q);
}

void http_end(struct http_req *r)
{
    struct sreq *q = of(r);

    if (!writable(q))
        return;
    q->ended = true;
    q->sc->proto->wake(q);
}

void http_cut(struct http_req *r)
{
    struct sreq *q = of(r);

    if (!q->sc || q->sc->dead || q->cut || q->fin)
        return;
    q->cut = true;
    q->sc->proto->cut(q);
}

size_t http_unsent(const struct http_req *r)
{
    const struct sreq *q = of(r);

    if (!q->sc)
        return 0;
    return q->out.unsent + (q->pub.http2 ? 0 : conn_pending(q->sc->c));
}

void http_on_drain(struct http_req *r, size_t low, void (*fn)(struct http_req *, void *), void *ctx)
{
    struct sreq *q = of(r);

    q->on_drain = fn;
    q->on_drain_ctx = ctx;
    q->drain_low = low;
    q->above = q->out.unsent > low;
}

size_t sreq_pull(struct sreq *q, void *dst, size_t max)
{
    size_t n = stream_pull(&q->out, dst, max);

    if (q->above && q->out.unsent <= q->drain_low) {
        q->above = false;
        if (q->on_drain)
            hub_post(q->sc->srv->hub, &q->drain_task);
    }
    return n;
}
