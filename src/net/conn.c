#include "net/conn.h"

#include "base/mem.h"
#include "net/tls_private.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#define READ_BUDGET (256 * 1024)      /* bytes of one connection before others get their turn */
#define WRITE_BUDGET (1024 * 1024)    /* the same for writing */
#define LINGER_MS 2000                /* for the peer to read our last words */
#define LINGER_MAX ((size_t)16 << 20) /* bytes of its own that it may send meanwhile */
#define PULL_SIZE (64 * 1024)

/* ---- bytes from and to the socket ---- */

enum io { IO_AGAIN = 0, IO_EOF = -1, IO_ERROR = -2 };

static ssize_t plain_error(void)
{
    return errno == EAGAIN || errno == EINTR ? IO_AGAIN : IO_ERROR;
}

/* A failed SSL call: what the socket must become ready for is noted in c. */
static ssize_t ssl_result(struct conn *c, int rc)
{
    switch (SSL_get_error(c->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return IO_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        c->ssl_wants_write = true;
        return IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return IO_EOF;
    case SSL_ERROR_SSL:
        if (ERR_GET_REASON(ERR_peek_error()) != SSL_R_UNEXPECTED_EOF_WHILE_READING)
            return IO_ERROR;
        ERR_clear_error();
        c->unclean_eof = true;
        return IO_EOF;
    default:
        return IO_ERROR;
    }
}

/* More than 0 bytes, or an enum io. *more tells whether TLS still holds bytes that poll cannot see.
 */
static ssize_t read_some(struct conn *c, bool *more)
{
    *more = false;
    if (!c->ssl) {
        ssize_t n = recv(c->fd, c->hub->read_space, HUB_READ_SIZE, 0);
        *more = n == HUB_READ_SIZE;
        return n > 0 ? n : n == 0 ? IO_EOF : plain_error();
    }
    ERR_clear_error();
    c->ssl_wants_write = false;
    int n = SSL_read(c->ssl, c->hub->read_space, HUB_READ_SIZE);
    if (n <= 0)
        return ssl_result(c, n);
    *more = SSL_has_pending(c->ssl);
    return n;
}

static ssize_t write_some(struct conn *c, const char *p, size_t n)
{
    if (!c->ssl) {
        ssize_t w = send(c->fd, p, n, MSG_NOSIGNAL);
        return w >= 0 ? w : plain_error();
    }
    ERR_clear_error();
    int rc = SSL_write(c->ssl, p, (int)MIN(n, (size_t)1 << 30));
    if (rc > 0)
        return rc;
    ssize_t io = ssl_result(c, rc);
    c->ssl_wants_write = false; /* want_write says it */
    return io;
}

/* ---- which events to wait for ---- */

static void on_poll(uv_poll_t *poll, int status, int events);

static int wanted_events(const struct conn *c)
{
    switch (c->state) {
    case CONN_CONNECTING:
        return UV_WRITABLE;
    case CONN_HANDSHAKE:
        return c->ssl_wants_write ? UV_WRITABLE : UV_READABLE;
    case CONN_OPEN:
        return (c->paused || c->eof ? 0 : UV_READABLE) |
               (c->want_write || c->ssl_wants_write ? UV_WRITABLE : 0);
    case CONN_LINGER:
        return UV_READABLE;
    default:
        return 0;
    }
}

static void update_events(struct conn *c)
{
    int want = wanted_events(c);

    if (conn_dead(c) || want == c->events)
        return;
    c->events = want;
    if (want)
        uv_poll_start(&c->poll, want, on_poll);
    else
        uv_poll_stop(&c->poll);
}

/* ---- the end ---- */

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = container_of((uv_poll_t *)handle, struct conn, poll);
    struct hub *h = c->hub;

    if (c->ops->free)
        c->ops->free(c);
    SSL_free(c->ssl);
    close(c->fd);
    buf_done(&c->pend);
    free(c);
    hub_put(h);
}

void conn_kill(struct conn *c, const char *why)
{
    if (conn_dead(c))
        return;
    if (c->state == CONN_OPEN && c->ssl && !c->want_write) {
        ERR_clear_error();
        SSL_shutdown(c->ssl); /* best effort: a full socket takes no close_notify */
    }
    c->state = CONN_DEAD;
    hub_unpost(&c->flush_task);
    hub_unpost(&c->read_task);
    hub_timer_stop(c->hub, &c->timer);
    uv_close((uv_handle_t *)&c->poll, on_closed);
    c->ops->dead(c, why);
}

/* The reason of the last failed call, for a person. */
static void kill_by_error(struct conn *c, const char *doing)
{
    char why[256], reason[160];
    int e = errno;
    socklen_t len = sizeof e;

    if (c->ssl && ERR_peek_error()) {
        tls_reason(c->ssl, reason, sizeof reason);
        snprintf(why, sizeof why, "%s: %s", doing, reason);
    } else {
        if (!e)
            getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &len);
        snprintf(why, sizeof why, "%s: %s", doing, e ? strerror(e) : "connection closed");
    }
    conn_kill(c, why);
}

void conn_shutdown_write(struct conn *c)
{
    if (c->ssl) {
        ERR_clear_error();
        SSL_shutdown(c->ssl);
    } else {
        shutdown(c->fd, SHUT_WR);
    }
}

static void begin_linger(struct conn *c)
{
    if (c->eof) {
        conn_kill(c, "");
        return;
    }
    conn_shutdown_write(c);
    shutdown(c->fd, SHUT_WR);
    c->state = CONN_LINGER;
    conn_timer(c, LINGER_MS);
}

/* Reads and forgets: closing with unread bytes would reset the connection under our answer. */
static void linger(struct conn *c)
{
    for (;;) {
        ssize_t n = recv(c->fd, c->hub->read_space, HUB_READ_SIZE, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        c->lingered += n > 0 ? (size_t)n : 0;
        if (n <= 0 || c->lingered > LINGER_MAX) {
            conn_kill(c, "");
            return;
        }
    }
}

/* ---- reading ---- */

static void conn_read(struct conn *c)
{
    size_t budget = READ_BUDGET;
    bool more = true;

    while (more && c->state == CONN_OPEN && !c->paused && !c->eof) {
        if (!budget) {
            hub_post_later(c->hub, &c->read_task);
            break;
        }
        errno = 0;
        ssize_t n = read_some(c, &more);
        if (n > 0) {
            budget -= MIN(budget, (size_t)n);
            c->last_read = uv_now(c->hub->loop);
            c->ops->data(c, (struct slice){(char *)c->hub->read_space, (size_t)n});
        } else if (n == IO_EOF) {
            c->eof = true;
            c->ops->eof(c);
        } else if (n == IO_ERROR) {
            kill_by_error(c, "reading");
        }
    }
    update_events(c);
}

static void read_again(struct task *t)
{
    conn_read(container_of(t, struct conn, read_task));
}

void conn_pause(struct conn *c, bool paused)
{
    if (c->paused == paused)
        return;
    c->paused = paused;
    if (!paused) /* TLS may hold bytes that poll does not see */
        hub_post(c->hub, &c->read_task);
    update_events(c);
}

/* ---- writing ---- */

/* Writes p, keeping what the socket does not take. False once nothing more can be written now. */
static bool write_all(struct conn *c, const char *p, size_t n)
{
    while (n) {
        errno = 0;
        ssize_t w = write_some(c, p, n);
        if (w == IO_ERROR || w == IO_EOF) {
            kill_by_error(c, "writing");
            return false;
        }
        if (w == IO_AGAIN) {
            c->want_write = true;
            if (!c->pend.data || p != c->pend.data + c->pend_off) {
                buf_reset(&c->pend);
                c->pend_off = 0;
                buf_add(&c->pend, p, n);
            }
            return false;
        }
        p += w;
        n -= (size_t)w;
        c->bytes_out += (uint64_t)w;
        if (conn_pending(c))
            c->pend_off += (size_t)w;
    }
    return true;
}

static bool write_pending(struct conn *c)
{
    if (!conn_pending(c))
        return true;
    if (!write_all(c, c->pend.data + c->pend_off, conn_pending(c)))
        return false;
    buf_done(&c->pend);
    c->pend_off = 0;
    return true;
}

static void flush_done(struct conn *c)
{
    if (c->ops->flushed)
        c->ops->flushed(c);
    if (c->state == CONN_OPEN && c->finish)
        begin_linger(c);
}

static void conn_flush(struct conn *c)
{
    struct buf *out = &c->hub->scratch;
    size_t budget = WRITE_BUDGET;

    if (c->state != CONN_OPEN)
        return;
    c->want_write = false;
    for (bool open = write_pending(c); open; open = write_all(c, out->data, out->len)) {
        if (!budget) {
            hub_post_later(c->hub, &c->flush_task);
            break;
        }
        buf_reset(out);
        c->ops->pull(c, out, PULL_SIZE);
        if (conn_dead(c))
            return;
        if (!out->len) {
            flush_done(c);
            break;
        }
        budget -= MIN(budget, out->len);
    }
    update_events(c);
}

static void flush_dirty(struct task *t)
{
    conn_flush(container_of(t, struct conn, flush_task));
}

void conn_dirty(struct conn *c)
{
    if (c->state == CONN_OPEN && !c->want_write)
        hub_post(c->hub, &c->flush_task);
}

void conn_finish(struct conn *c)
{
    c->finish = true;
    conn_dirty(c);
}

size_t conn_pending(const struct conn *c)
{
    return c->pend.len - c->pend_off;
}

/* ---- opening ---- */

static void opened(struct conn *c)
{
    c->state = CONN_OPEN;
    c->last_read = uv_now(c->hub->loop);
    if (c->ops->opened)
        c->ops->opened(c);
    if (c->state != CONN_OPEN)
        return;
    conn_dirty(c);
    if (c->ssl && SSL_has_pending(c->ssl))
        conn_read(c);
}

static void finish_connect(struct conn *c)
{
    int e = 0;
    socklen_t len = sizeof e;

    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &len);
    if (e) {
        errno = e;
        kill_by_error(c, "connecting");
        return;
    }
    opened(c);
}

static void handshake(struct conn *c)
{
    ERR_clear_error();
    errno = 0;
    c->ssl_wants_write = false;
    int rc = SSL_do_handshake(c->ssl);
    if (rc == 1) {
        opened(c);
        return;
    }
    ssize_t io = ssl_result(c, rc);
    if (io == IO_EOF)
        conn_kill(c, "TLS handshake: connection closed");
    else if (io == IO_ERROR)
        kill_by_error(c, "TLS handshake");
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct conn *c = container_of(poll, struct conn, poll);

    if (status < 0) /* libuv has stopped the handle */
        c->events = 0;
    switch (c->state) {
    case CONN_CONNECTING:
        finish_connect(c);
        break;
    case CONN_HANDSHAKE:
        handshake(c);
        break;
    case CONN_LINGER:
        linger(c);
        break;
    case CONN_OPEN:
        if (status < 0 || events & UV_READABLE || c->ssl_wants_write)
            conn_read(c); /* after an error, too: bytes may have come before it */
        if (events & UV_WRITABLE)
            conn_flush(c);
        break;
    default:
        break;
    }
    if (status < 0 && !conn_dead(c)) {
        errno = 0;
        ERR_clear_error();
        kill_by_error(c, "connection");
    }
    update_events(c);
}

static void on_timer(struct timer *t)
{
    struct conn *c = container_of(t, struct conn, timer);

    if (c->state == CONN_LINGER)
        conn_kill(c, "");
    else if (c->ops->timeout)
        c->ops->timeout(c);
}

static void start(struct task *t)
{
    struct conn *c = container_of(t, struct conn, flush_task);

    c->flush_task.fn = flush_dirty;
    if (c->state == CONN_OPEN)
        opened(c);
    update_events(c);
}

struct conn *conn_new(struct hub *h, int fd, bool connecting, const struct conn_ops *ops,
                      void *owner)
{
    struct conn *c = xnew(struct conn);

    c->hub = h;
    h->refs++;
    c->fd = fd;
    c->ops = ops;
    c->owner = owner;
    c->state = connecting ? CONN_CONNECTING : CONN_OPEN;
    c->flush_task.fn = start;
    c->read_task.fn = read_again;
    c->timer.fn = on_timer;
    int rc = uv_poll_init(h->loop, &c->poll, fd);
    assert(rc == 0); /* not a socket */
    (void)rc;
    hub_post(h, &c->flush_task);
    return c;
}

int conn_start_tls(struct conn *c, struct tls *tls, const char *host, const char *alpn,
                   struct err *err)
{
    int rc = tls_session_new(tls, c->fd, host, alpn, &c->ssl, err);

    if (rc < 0)
        return rc;
    c->state = CONN_HANDSHAKE;
    if (host) /* the client speaks first */
        c->ssl_wants_write = true;
    update_events(c);
    return 0;
}

void fd_tune(int fd, bool server)
{
    static const int one = 1, idle = 30, interval = 10, probes = 3;
    static const int send_buffer = 128 * 1024;

    const int dead_ms = server ? 60000 : 30000;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof dead_ms);
    if (server) /* else megabytes vanish in the kernel and "unsent" means nothing */
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
}
