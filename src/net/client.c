/* Calls: waiting, being answered, ending; connections are made here and spoken on elsewhere. */
#include "net/client_private.h"

#include "base/mem.h"
#include "net/ssl.h"

#include <stdio.h>

#define SPILL_MS 100
#define MAX_TRIES 5              /* of a call that was refused before it was processed */
#define HEADERS_MAX (256 * 1024) /* bytes of a response's headers */
#define BODY_DEFAULT ((size_t)64 << 20)
#define POOL_MAX 32
#define KEEP_BUF                                                                                   \
    (4 * 1024) /* of each buffer of a call in the pool: 32 answers of pods are 300 KB */

const char *http_outcome_name(enum http_outcome o)
{
    static const char *const names[] = {
        [HTTP_CALL_DONE] = "done",           [HTTP_CALL_REFUSED] = "refused",
        [HTTP_CALL_LOST] = "lost",           [HTTP_CALL_TIMEOUT] = "timeout",
        [HTTP_CALL_CANCELLED] = "cancelled", [HTTP_CALL_TOO_LARGE] = "too large",
    };

    return names[o];
}

/* ---- memory of calls ---- */

static void call_free(struct http_call *call)
{
    buf_done(&call->req);
    buf_done(&call->raw);
    buf_done(&call->body_in);
    buf_done(&call->held);
    vec_done(&call->fields);
    vec_done(&call->resp);
    free(call);
}

static void keep_buf(struct buf *to, struct buf *from)
{
    buf_reset(from);
    if (from->cap > KEEP_BUF)
        buf_done(from);
    *to = *from;
}

/* Ends a call's life, keeping its memory for the next one. */
static void call_recycle(struct http_client *cl, struct http_call *call)
{
    struct http_call old = *call;

    if (call->gone)
        *call->gone = true;
    rcbuf_unref(call->body);
    if (cl->npool >= POOL_MAX || cl->freeing) {
        call_free(call);
        return;
    }
    *call = (struct http_call){0};
    keep_buf(&call->req, &old.req);
    keep_buf(&call->raw, &old.raw);
    keep_buf(&call->body_in, &old.body_in);
    buf_done(&old.held);
    call->fields.v = old.fields.v;
    call->fields.cap = old.fields.cap;
    call->resp.v = old.resp.v;
    call->resp.cap = old.resp.cap;
    list_push_back(&cl->pool, &call->link);
    cl->npool++;
}

static struct http_call *call_alloc(struct http_client *cl)
{
    struct link *l = list_first(&cl->pool);

    if (!l)
        return xnew(struct http_call);
    list_remove(l);
    cl->npool--;
    return container_of(l, struct http_call, link);
}

void client_release(struct http_client *cl)
{
    if (--cl->refs)
        return;
    for (struct link *l; (l = list_first(&cl->pool));) {
        list_remove(l);
        call_free(container_of(l, struct http_call, link));
    }
    nghttp2_session_callbacks_del(cl->h2_callbacks);
    nghttp2_option_del(cl->h2_option);
    url_done(&cl->url);
    url_done(&cl->proxy);
    free(cl->authority);
    free(cl->server_name);
    free(cl->user_agent);
    free(cl->connect);
    tls_unref(cl->tls);
    hub_put(cl->hub);
    free(cl);
}

/* ---- a call's end ---- */

static void call_unlink(struct http_call *call)
{
    list_remove(&call->link);
    if (call->cc) {
        call->cc->ncalls--;
        call->cc = NULL;
        call->c->in_flight--;
    } else if (!call->complete) {
        call->c->nwaiting--;
    }
}

void call_done(struct http_call *call, enum http_outcome outcome, const char *error)
{
    struct http_client *cl = call->c;
    struct http_result res = {
        .outcome = outcome,
        .status = call->status,
        .body = {buf_str(&call->body_in), call->body_in.len},
        .error = outcome == HTTP_CALL_DONE ? "" : error,
    };

    call_unlink(call);
    call->ended = true;
    hub_unpost(&call->task);
    hub_timer_stop(cl->hub, &call->timer);
    client_pump(cl);
    cl->refs++;
    if (call->on_done)
        call->on_done(call, &res, call->ctx);
    call_recycle(cl, call);
    client_release(cl);
}

/* Ends a call that the connection is not through with. */
static void call_abort(struct http_call *call, enum http_outcome outcome, const char *error)
{
    if (call->cc)
        call->cc->proto->abandon(call->cc, call);
    call_done(call, outcome, error);
}

void call_requeue(struct http_call *call, const char *why)
{
    struct http_client *cl = call->c;

    if (++call->tries >= MAX_TRIES || cl->freeing) {
        call_done(call, HTTP_CALL_REFUSED, why);
        return;
    }
    call_unlink(call);
    call->sent = false;
    call->body_off = 0;
    call->status = 0;
    buf_reset(&call->raw);
    call->resp.n = 0;
    list_push_front(&cl->waiting, &call->link);
    cl->nwaiting++;
    client_pump(cl);
}

/* ---- a response ---- */

struct slice call_slice(const struct http_call *call, struct span s)
{
    return (struct slice){s.len ? call->req.data + s.off : "", s.len};
}

bool call_add_header(struct http_call *call, struct span *at, const char *p, size_t n)
{
    if (call->raw.len + n > HEADERS_MAX || call->resp.n > 4096)
        return false;
    if (!at->len)
        at->off = (uint32_t)call->raw.len;
    buf_add(&call->raw, p, n);
    at->len += (uint32_t)n;
    return true;
}

struct slice http_call_header(const struct http_call *call, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i + 1 < call->resp.n; i += 2) {
        struct span k = call->resp.v[i], v = call->resp.v[i + 1];
        struct slice key = {call->raw.data + k.off, k.len};
        if (k.len == n && slice_ieq(key, (struct slice){name, n}))
            return (struct slice){v.len ? call->raw.data + v.off : "", v.len};
    }
    return (struct slice){NULL, 0};
}

void call_headers(struct http_call *call, int status)
{
    call->status = status;
    if (call->headers_told)
        return;
    call->headers_told = true;
    if (call->on_headers)
        call->on_headers(call, status, call->ctx);
}

void call_data(struct http_call *call, struct slice bytes)
{
    if (call->paused) {
        buf_add_slice(&call->held, bytes);
    } else if (call->on_data) {
        call->on_data(call, bytes, call->ctx);
    } else if (call->body_in.len + bytes.n > call->body_limit) {
        call_abort(call, HTTP_CALL_TOO_LARGE, "response body too large");
    } else {
        buf_add_slice(&call->body_in, bytes);
    }
}

void call_complete(struct http_call *call)
{
    if (!call->paused && !call->held.len) {
        call_done(call, HTTP_CALL_DONE, "");
        return;
    }
    call_unlink(call);
    call->complete = true;
    list_push_back(&call->c->ending, &call->link);
    client_pump(call->c);
}

/* ---- pausing ---- */

/* After http_call_resume(): what was held, then the end if it was here already. */
static void on_resumed(struct task *t)
{
    struct http_call *call = container_of(t, struct http_call, task);
    struct buf held cleanup(buf_done) = call->held;
    bool gone = false;

    call->held = (struct buf)BUF_INIT;
    if (held.len) {
        call->gone = &gone;
        if (call->cc)
            call->cc->proto->consumed(call->cc, call, held.len);
        call_data(call, buf_slice(&held));
        if (gone)
            return;
        call->gone = NULL;
    }
    if (call->paused)
        return;
    if (call->complete)
        call_done(call, HTTP_CALL_DONE, "");
    else if (call->cc)
        call->cc->proto->pause(call->cc, call, false);
}

void http_call_pause(struct http_call *call)
{
    if (call->ended || call->paused)
        return;
    call->paused = true;
    hub_unpost(&call->task);
    if (call->cc)
        call->cc->proto->pause(call->cc, call, true);
}

void http_call_resume(struct http_call *call)
{
    if (call->ended || !call->paused)
        return;
    call->paused = false;
    if (call->held.len || call->complete || call->cc)
        hub_post(call->c->hub, &call->task);
}

/* ---- sending ---- */

static struct span add_text(struct buf *b, struct slice s)
{
    struct span at = {(uint32_t)b->len, (uint32_t)s.n};

    buf_add_slice(b, s);
    return at;
}

/* A space or control byte would end the request line: it is sent encoded. */
void add_target(struct buf *b, const char *path)
{
    if (!path || *path != '/')
        buf_addc(b, '/');
    for (const char *p = path ? path : ""; *p; p++)
        if ((unsigned char)*p <= 0x20 || *p == 0x7f)
            buf_printf(b, "%%%02X", (unsigned char)*p);
        else
            buf_addc(b, *p);
}

static void on_timeout(struct timer *t)
{
    call_abort(container_of(t, struct http_call, timer), HTTP_CALL_TIMEOUT, "timeout");
}

static void copy_request(struct http_client *cl, struct http_call *call,
                         const struct http_call_opts *o)
{
    struct buf *b = &call->req;

    call->method = add_text(b, slice_of(o->method ? o->method : "GET"));
    call->path = add_text(b, slice_of(cl->url.prefix));
    add_target(b, o->path);
    call->path.len = (uint32_t)b->len - call->path.off;
    for (size_t i = 0; i < o->nfields; i++) {
        if (!http_field_valid(o->fields[i].name, o->fields[i].value))
            continue; /* never lets a value end a line */
        vec_push(&call->fields, add_text(b, o->fields[i].name));
        vec_push(&call->fields, add_text(b, o->fields[i].value));
    }
    call->body = o->body_rc ? rcbuf_ref(o->body_rc) : o->body.n ? rcbuf_new(o->body) : NULL;
}

struct http_call *http_client_send(struct http_client *cl, const struct http_call_opts *o)
{
    struct http_call *call = call_alloc(cl);

    call->c = cl;
    copy_request(cl, call, o);
    call->on_headers = o->on_headers;
    call->on_data = o->on_data;
    call->on_done = o->on_done;
    call->ctx = o->ctx;
    call->body_limit = o->body_limit ? o->body_limit : BODY_DEFAULT;
    call->timer.fn = on_timeout;
    call->task.fn = on_resumed;
    if (o->timeout)
        hub_timer_set(cl->hub, &call->timer, o->timeout);
    list_push_back(&cl->waiting, &call->link);
    cl->nwaiting++;
    client_pump(cl);
    return call;
}

void http_call_cancel(struct http_call *call)
{
    if (call && !call->ended)
        call_abort(call, HTTP_CALL_CANCELLED, "cancelled");
}

/* ---- connections ---- */

void cconn_take(struct cconn *cc, struct http_call *call)
{
    struct http_client *cl = call->c;

    list_remove(&call->link);
    cl->nwaiting--;
    cl->in_flight++;
    call->cc = cc;
    list_push_back(&cc->calls, &call->link);
    cc->ncalls++;
    cc->proto->submit(cc, call);
}

void cconn_gone(struct cconn *cc)
{
    struct http_client *cl = cc->cl;

    cc->dead = true;
    cc->cl = NULL;
    list_remove(&cc->link);
    cl->nconns--;
    if (cl->h2 == cc)
        cl->h2 = NULL;
    client_pump(cl);
}

void cconn_free(struct cconn *cc)
{
    nghttp2_session_del(cc->h2);
    buf_done(&cc->head);
    free(cc);
}

/* No connection can be had: everything that waits now ends. */
static void fail_waiting(struct http_client *cl, const char *why)
{
    cl->refs++;
    for (size_t n = cl->nwaiting; n && !cl->freeing && !list_empty(&cl->waiting); n--)
        call_done(container_of(list_first(&cl->waiting), struct http_call, link), HTTP_CALL_REFUSED,
                  why);
    client_release(cl);
}

static bool speaks_http2(SSL *ssl)
{
    const unsigned char *alpn;
    unsigned n;

    if (!ssl)
        return false;
    SSL_get0_alpn_selected(ssl, &alpn, &n);
    return n == 2 && memcmp(alpn, "h2", 2) == 0;
}

static void add_conn(struct http_client *cl, struct conn *c)
{
    struct cconn *cc = xnew(struct cconn);
    bool http2 = speaks_http2(c->ssl);

    cc->c = c;
    cc->cl = cl;
    c->owner = cc;
    list_init(&cc->calls);
    list_push_front(&cl->conns, &cc->link);
    cl->nconns++;
    cl->proto = cc->proto = http2 ? &c2_proto : &c1_proto;
    if (!http2)
        c1_open(cc);
    else if (c2_open(cc))
        cl->h2 = cc;
    else
        conn_kill(c, "HTTP/2 session");
    client_pump(cl);
}

static void on_dialed(struct conn *c, const char *why, void *ctx)
{
    struct cdial *cd = ctx;
    struct http_client *cl = cd->cl;

    list_remove(&cd->link);
    free(cd);
    cl->ndials--;
    if (c)
        add_conn(cl, c);
    else if (!cl->ndials && (cl->proto == &c2_proto ? !cl->h2 : !cl->nconns))
        fail_waiting(cl, why);
    else
        client_pump(cl);
}

struct dial *client_dial(struct http_client *cl, bool http1_only, bool tunnel,
                         void (*done)(struct conn *, const char *, void *), void *ctx)
{
    const struct url *to = cl->use_proxy ? &cl->proxy : &cl->url;

    return dial_start(&(struct dial_opts){
        .hub = cl->hub,
        .host = to->host,
        .port = to->port,
        .timeout = cl->o.connect_timeout,
        .tls = cl->tls,
        .server_name = cl->server_name,
        .alpn = http1_only || cl->o.http1_only ? "\x08http/1.1" : "\x02h2\x08http/1.1",
        .connect = cl->use_proxy && (tunnel || cl->tunnel) ? cl->connect : NULL,
        .connect_fd = cl->o.connect_fd,
        .resolve = cl->o.resolve,
        .hook_ctx = cl->o.ctx,
        .done = done,
        .ctx = ctx,
    });
}

static void dial_more(struct http_client *cl, size_t want)
{
    while (cl->ndials < want) {
        struct cdial *cd = xnew(struct cdial);
        cd->cl = cl;
        list_push_back(&cl->dials, &cd->link);
        cl->ndials++;
        cd->d = client_dial(cl, false, false, on_dialed, cd);
    }
}

static bool may_send(const struct http_client *cl)
{
    return cl->nwaiting && (!cl->o.max_in_flight || cl->in_flight < cl->o.max_in_flight);
}

static struct http_call *first_waiting(struct http_client *cl)
{
    return container_of(list_first(&cl->waiting), struct http_call, link);
}

/* The connection that takes the next call: the one in use, or another with a stream to spare. */
static struct cconn *h2_with_room(struct http_client *cl)
{
    if (cl->h2 && c2_room(cl->h2))
        return cl->h2;
    for (struct link *l = cl->conns.next; l != &cl->conns; l = l->next) {
        struct cconn *cc = container_of(l, struct cconn, link);

        if (cc->proto == &c2_proto && !cc->draining && c2_room(cc))
            return cl->h2 = cc;
    }
    return NULL;
}

/*
 * Streams that never end (watches) fill a connection up to the server's limit for good. When
 * calls have waited for a stream that long, another connection is made.
 */
static void on_spill(struct timer *t)
{
    struct http_client *cl = container_of(t, struct http_client, spill);

    cl->spilling = false;
    if (may_send(cl) && !h2_with_room(cl))
        dial_more(cl, 1);
    else
        client_pump(cl);
}

static void pump_h2(struct http_client *cl)
{
    struct cconn *cc;

    while (may_send(cl) && (cc = h2_with_room(cl)))
        cconn_take(cc, first_waiting(cl));
    if (!may_send(cl))
        return;
    if (!cl->h2) {
        dial_more(cl, 1);
    } else if (!cl->spilling && cl->nconns < cl->o.max_conns) {
        cl->spilling = true;
        hub_timer_set(cl->hub, &cl->spill, SPILL_MS);
    }
}

static void pump_h1(struct http_client *cl)
{
    for (struct link *l = cl->conns.next; l != &cl->conns && may_send(cl); l = l->next) {
        struct cconn *cc = container_of(l, struct cconn, link);
        if (cc->proto == &c1_proto && !cc->call && !cc->draining)
            cconn_take(cc, first_waiting(cl));
    }
    if (may_send(cl) && cl->nconns < cl->o.max_conns) {
        size_t want = MIN(cl->nwaiting, cl->o.max_conns - cl->nconns);
        if (cl->o.max_in_flight)
            want = MIN(want, cl->o.max_in_flight - cl->in_flight);
        dial_more(cl, want);
    }
}

static void on_pump(struct task *t)
{
    struct http_client *cl = container_of(t, struct http_client, pump_task);

    if (cl->freeing)
        return;
    if (cl->proto == &c2_proto)
        pump_h2(cl);
    else if (cl->proto == &c1_proto)
        pump_h1(cl);
    else if (may_send(cl))
        dial_more(cl, 1);
}

void client_pump(struct http_client *cl)
{
    if (!cl->freeing)
        hub_post(cl->hub, &cl->pump_task);
}

/* ---- life ---- */

static void set_defaults(struct http_client_opts *o)
{
    o->connect_timeout = o->connect_timeout ? o->connect_timeout : 10000;
    o->ping_interval = o->ping_interval ? o->ping_interval : 15000;
    o->ping_timeout = o->ping_timeout ? o->ping_timeout : 10000;
    o->idle_timeout = o->idle_timeout ? o->idle_timeout : 90000;
    o->max_conns = o->max_conns ? o->max_conns : 64;
}

static int hex(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

/* "Basic …" of a proxy URL's user and password. */
void add_proxy_auth(struct buf *out, const char *userinfo)
{
    struct buf plain cleanup(buf_done) = BUF_INIT;

    if (!userinfo)
        return;
    for (const char *p = userinfo; *p; p++) {
        if (*p == '%' && hex(p[1]) >= 0 && hex(p[2]) >= 0) {
            buf_addc(&plain, (char)(hex(p[1]) * 16 + hex(p[2])));
            p += 2;
        } else {
            buf_addc(&plain, *p);
        }
    }
    if (!strchr(userinfo, ':'))
        buf_addc(&plain, ':');
    autofree char *text = xmalloc(plain.len * 4 / 3 + 8);
    EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)plain.data, (int)plain.len);
    buf_printf(out, "Proxy-Authorization: Basic %s\r\n", text);
}

static int set_proxy(struct http_client *cl, const char *given, struct err *err)
{
    struct proxy_env env;
    struct buf head = BUF_INIT;
    const char *text = given;

    proxy_env_read(&env);
    if (!given)
        text = proxy_for(&env, &cl->url);
    if (!text || !*text || cl->o.connect_fd)
        return 0;
    autofree char *full = strstr(text, "://") ? xstrdup(text) : xasprintf("http://%s", text);
    int rc = url_parse(slice_of(full), &cl->proxy, NULL);
    if (rc < 0 || cl->proxy.https)
        return err_set(err, ERR_INVALID, "proxy: only http:// proxies are supported");
    bool v6 = strchr(cl->url.host, ':') != NULL;
    autofree char *target =
        xasprintf("%s%s%s:%u", v6 ? "[" : "", cl->url.host, v6 ? "]" : "", cl->url.port);
    buf_printf(&head, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", target, target);
    add_proxy_auth(&head, cl->proxy.userinfo);
    buf_adds(&head, "\r\n");
    cl->connect = buf_take(&head);
    cl->use_proxy = true;
    cl->tunnel = cl->url.https;
    return 0;
}

static int set_up(struct http_client *cl, const struct http_client_opts *o, struct err *err)
{
    int rc = url_parse(slice_of(o->url), &cl->url, err);

    if (rc < 0)
        return rc;
    cl->authority = url_authority(&cl->url);
    cl->server_name = xstrdup(o->server_name && *o->server_name ? o->server_name : cl->url.host);
    cl->user_agent = xstrdup(o->user_agent ? o->user_agent : "manta");
    rc = set_proxy(cl, o->proxy, err);
    if (rc < 0 || !cl->url.https)
        return rc;
    cl->tls = tls_ref(o->tls);
    return o->tls ? 0 : tls_client_new(&(struct tls_client_opts){0}, &cl->tls, err);
}

struct http_client *http_client_new(uv_loop_t *loop, const struct http_client_opts *o,
                                    struct err *err)
{
    struct http_client *cl = xnew(struct http_client);

    cl->refs = 1;
    cl->hub = hub_get(loop);
    cl->o = *o;
    set_defaults(&cl->o);
    list_init(&cl->waiting);
    list_init(&cl->conns);
    list_init(&cl->dials);
    list_init(&cl->ending);
    list_init(&cl->pool);
    cl->pump_task.fn = on_pump;
    cl->spill.fn = on_spill;
    if (set_up(cl, o, err) < 0) {
        client_release(cl);
        return NULL;
    }
    if (!cl->url.https)
        cl->proto = &c1_proto;
    else
        c2_client_init(cl);
    return cl;
}

static void cancel_all(struct link *list)
{
    for (struct link *l; (l = list_first(list));)
        call_abort(container_of(l, struct http_call, link), HTTP_CALL_CANCELLED, "client freed");
}

void http_client_free(struct http_client *cl)
{
    if (!cl || cl->freeing)
        return;
    cl->freeing = true;
    hub_unpost(&cl->pump_task);
    hub_timer_stop(cl->hub, &cl->spill);
    for (struct link *l; (l = list_first(&cl->dials));) {
        struct cdial *cd = container_of(l, struct cdial, link);
        list_remove(l);
        dial_cancel(cd->d);
        free(cd);
    }
    cancel_all(&cl->waiting);
    cancel_all(&cl->ending);
    for (struct link *l; (l = list_first(&cl->conns));) {
        struct cconn *cc = container_of(l, struct cconn, link);
        cancel_all(&cc->calls);
        if (!cc->dead)
            conn_kill(cc->c, "client freed");
    }
    cancel_all(&cl->waiting); /* sent by a callback meanwhile */
    client_release(cl);
}
