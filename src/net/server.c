/* Listeners, connections, draining and the end; see server_h1.c and server_h2.c for the protocols.
 */
#include "net/server_private.h"

#include "base/mem.h"
#include "net/tunnel_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#define ACCEPT_BATCH 64     /* connections taken a turn */
#define ACCEPT_PAUSE_MS 100 /* after accept() failed for want of descriptors or memory */

/* ---- protocol of a new connection ---- */

static struct sconn *of(struct conn *c)
{
    return c->owner;
}

void sconn_free(struct sconn *sc)
{
    sreq_free(sc->req);
    nghttp2_session_del(sc->h2);
    buf_done(&sc->hold);
    free(sc->peer);
    listener_unref(sc->listener);
    free(sc);
}

static void open_proto(struct sconn *sc, bool http2)
{
    struct buf hold cleanup(buf_done) = sc->hold;
    struct conn *c = sc->c;

    sc->hold = (struct buf)BUF_INIT;
    if (!http2)
        h1_open(sc);
    else if (!h2_open(sc))
        conn_kill(c, "HTTP/2 session");
    if (hold.len && !conn_dead(c))
        c->ops->data(c, buf_slice(&hold));
}

static void on_opened(struct conn *c)
{
    const unsigned char *alpn;
    unsigned n;

    if (!c->ssl)
        return; /* the first bytes will tell */
    SSL_get0_alpn_selected(c->ssl, &alpn, &n);
    open_proto(of(c), n == 2 && memcmp(alpn, "h2", 2) == 0);
}

/* Plain: HTTP/2 with prior knowledge begins with a fixed text (RFC 9113, 3.4). */
static void on_data(struct conn *c, struct slice bytes)
{
    struct sconn *sc = of(c);
    struct slice magic = SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

    buf_add_slice(&sc->hold, bytes);
    size_t n = MIN(sc->hold.len, magic.n);
    if (memcmp(sc->hold.data, magic.p, n) != 0)
        open_proto(sc, false);
    else if (n == magic.n)
        open_proto(sc, true);
}

static void on_eof(struct conn *c)
{
    conn_kill(c, "");
}

static void on_pull(unused struct conn *c, unused struct buf *out, unused size_t max)
{
}

static void on_timeout(struct conn *c)
{
    conn_kill(c, "timeout");
}

static void on_dead(struct conn *c, unused const char *why)
{
    struct sconn *sc = of(c);

    sc->dead = true;
    list_remove(&sc->link);
    server_conn_gone(sc->srv);
}

static void on_free(struct conn *c)
{
    sconn_free(of(c));
}

static const struct conn_ops new_ops = {
    .opened = on_opened,
    .data = on_data,
    .eof = on_eof,
    .pull = on_pull,
    .timeout = on_timeout,
    .dead = on_dead,
    .free = on_free,
};

/* ---- accepting ---- */

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void listener_watch(struct http_listener *l, bool on)
{
    if (l->closing || l->listening == on)
        return;
    l->listening = on;
    if (on)
        uv_poll_start(&l->poll, UV_READABLE, on_acceptable);
    else
        uv_poll_stop(&l->poll);
}

static void watch_all(struct http_server *s, bool on)
{
    for (struct link *i = s->listeners.next; i != &s->listeners; i = i->next)
        listener_watch(container_of(i, struct http_listener, link), on);
}

static bool full(const struct http_server *s)
{
    return s->o.max_conns && s->nconns >= s->o.max_conns;
}

static void add_conn(struct http_listener *l, int fd)
{
    struct http_server *s = l->srv;
    struct sconn *sc = xnew(struct sconn);

    fd_tune(fd, true);
    sc->srv = s;
    sc->listener = listener_ref(l);
    list_init(&sc->reqs);
    list_push_back(&s->conns, &sc->link);
    s->nconns++;
    sc->c = conn_new(s->hub, fd, false, &new_ops, sc);
    conn_timer(sc->c, s->o.header_timeout);
    if (l->tls && conn_start_tls(sc->c, l->tls, NULL, NULL, NULL) < 0)
        conn_kill(sc->c, "TLS");
}

static void on_acceptable(uv_poll_t *poll, unused int status, unused int events)
{
    struct http_listener *l = container_of(poll, struct http_listener, poll);
    struct http_server *s = l->srv;

    for (int i = 0; i < ACCEPT_BATCH && !full(s); i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            add_conn(l, fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            watch_all(s, false);
            hub_timer_set(s->hub, &s->timer, ACCEPT_PAUSE_MS);
        }
        if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
    if (full(s))
        watch_all(s, false);
}

/* ---- listeners ---- */

struct http_listener *listener_ref(struct http_listener *l)
{
    l->refs++;
    return l;
}

void listener_unref(struct http_listener *l)
{
    if (!l || --l->refs)
        return;
    tls_unref(l->tls);
    free(l);
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct http_listener *l = container_of((uv_poll_t *)handle, struct http_listener, poll);

    close(l->fd);
    listener_unref(l);
}

void http_listener_close(struct http_listener *l)
{
    if (!l || l->closing)
        return;
    listener_watch(l, false);
    l->closing = true;
    list_remove(&l->link);
    uv_close((uv_handle_t *)&l->poll, on_listener_closed);
}

void http_listener_set_tls(struct http_listener *l, struct tls *tls)
{
    struct tls *old = l->tls;

    l->tls = tls_ref(tls);
    tls_unref(old);
}

int http_server_listen_fd(struct http_server *s, int fd, struct tls *tls,
                          struct http_listener **ret, struct err *err)
{
    struct http_listener *l = xnew(struct http_listener);

    int rc = uv_poll_init(s->hub->loop, &l->poll, fd); /* makes it non-blocking */
    if (rc < 0) {
        free(l);
        return err_set(err, ERR_IO, "listening socket: %s", uv_strerror(rc));
    }
    l->srv = s;
    l->fd = fd;
    l->tls = tls_ref(tls);
    l->refs = 1;
    list_push_back(&s->listeners, &l->link);
    if (!full(s))
        listener_watch(l, true);
    if (ret)
        *ret = l;
    return 0;
}

static int parse_address(const char *host, uint16_t port, struct sockaddr_storage *a,
                         socklen_t *len)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)a;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)a;

    memset(a, 0, sizeof *a);
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        *len = sizeof *v4;
        return 0;
    }
    if (inet_pton(AF_INET6, *host ? host : "::", &v6->sin6_addr) != 1)
        return -1;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    *len = sizeof *v6;
    return 0;
}

int http_server_listen(struct http_server *s, const char *host, uint16_t port, struct tls *tls,
                       struct http_listener **ret, struct err *err)
{
    static const int one = 1;
    struct sockaddr_storage a;
    socklen_t len;

    if (parse_address(host, port, &a, &len) < 0)
        return err_set(err, ERR_INVALID, "listening on \"%s\": not an IP address", host);
    int fd autoclose = socket(a.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 && !*host) { /* a kernel without IPv6 */
        parse_address("0.0.0.0", port, &a, &len);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    }
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) < 0 || listen(fd, 1024) < 0)
        return err_errno(err, errno, "listening on %s port %u", host, port);
    int rc = http_server_listen_fd(s, fd, tls, ret, err);
    if (rc == 0)
        fd = -1;
    return rc;
}

int http_listener_fd(const struct http_listener *l)
{
    return l->fd;
}

uint16_t http_listener_port(const struct http_listener *l)
{
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof a;

    getsockname(l->fd, (struct sockaddr *)&a, &len);
    if (a.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&a)->sin_port);
    return a.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&a)->sin6_port) : 0;
}

/* ---- life ---- */

static void set_defaults(struct http_server_opts *o)
{
    o->body_limit = o->body_limit ? o->body_limit : ((size_t)3 << 20) + 65536;
    o->header_limit = o->header_limit ? o->header_limit : 65536;
    o->idle_timeout = o->idle_timeout ? o->idle_timeout : 180000;
    o->header_timeout = o->header_timeout ? o->header_timeout : 10000;
    o->body_timeout = o->body_timeout ? o->body_timeout : 30000;
    o->max_streams = o->max_streams ? o->max_streams : 250;
}

static void cut_all(struct http_server *s)
{
    for (struct link *l; (l = list_first(&s->conns));)
        conn_kill(container_of(l, struct sconn, link)->c, "server ends");
    for (struct link *l; (l = list_first(&s->tunnels));)
        conn_kill(container_of(l, struct tunnel, link)->c, "server ends");
}

static void on_timer(struct timer *t)
{
    struct http_server *s = container_of(t, struct http_server, timer);

    if (s->draining)
        cut_all(s);
    else if (!full(s))
        watch_all(s, true);
}

static void on_done_task(struct task *t)
{
    struct http_server *s = container_of(t, struct http_server, done_task);
    void (*on_drained)(void *) = s->on_drained;

    hub_timer_stop(s->hub, &s->timer);
    s->on_drained = NULL;
    if (on_drained)
        on_drained(s->drained_ctx);
}

struct http_server *http_server_new(uv_loop_t *loop, const struct http_server_opts *o)
{
    struct http_server *s = xnew(struct http_server);

    s->hub = hub_get(loop);
    s->o = *o;
    set_defaults(&s->o);
    list_init(&s->listeners);
    list_init(&s->conns);
    list_init(&s->tunnels);
    list_init(&s->pool);
    s->timer.fn = on_timer;
    s->done_task.fn = on_done_task;
    h2_server_init(s);
    return s;
}

size_t http_server_conns(const struct http_server *s)
{
    return s->nconns;
}

void server_conn_gone(struct http_server *s)
{
    s->nconns--;
    if (s->draining && !s->nconns)
        hub_post(s->hub, &s->done_task);
    else if (!s->draining && !s->timer.pos && !full(s))
        watch_all(s, true);
}

void http_server_drain(struct http_server *s, unsigned grace_ms, void (*on_done)(void *ctx),
                       void *ctx)
{
    if (s->draining)
        return;
    s->draining = true;
    s->on_drained = on_done;
    s->drained_ctx = ctx;
    for (struct link *l; (l = list_first(&s->listeners));)
        http_listener_close(container_of(l, struct http_listener, link));
    for (struct link *i = s->conns.next, *next; i != &s->conns; i = next) {
        struct sconn *sc = container_of(i, struct sconn, link);
        next = i->next;
        sc->draining = true;
        if (sc->proto)
            sc->proto->drain(sc);
        else
            conn_finish(sc->c);
    }
    hub_timer_set(s->hub, &s->timer, grace_ms);
    if (!s->nconns)
        hub_post(s->hub, &s->done_task);
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    s->draining = true; /* accepts no more */
    s->on_drained = NULL;
    for (struct link *l; (l = list_first(&s->listeners));)
        http_listener_close(container_of(l, struct http_listener, link));
    cut_all(s);
    hub_unpost(&s->done_task);
    hub_timer_stop(s->hub, &s->timer);
    for (struct link *l; (l = list_first(&s->pool));)
        sreq_free(container_of(l, struct sreq, link));
    nghttp2_session_callbacks_del(s->h2_callbacks);
    nghttp2_option_del(s->h2_option);
    hub_put(s->hub);
    free(s);
}

const char *server_date(struct http_server *s)
{
    time_t now = time(NULL);
    struct tm tm;

    if (now != s->date_at) {
        s->date_at = now;
        gmtime_r(&now, &tm);
        strftime(s->date, sizeof s->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    }
    return s->date;
}
