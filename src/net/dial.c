#include "net/dial.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

#define REPLY_MAX 8192 /* bytes of a proxy's answer to CONNECT */

/* DNS cannot always be called back, so its memory is its own. */
struct lookup {
    uv_getaddrinfo_t req;
    struct dial *dial; /* NULL: given up */
};

struct dial {
    struct dial_opts o;
    char *host, *server_name, *alpn, *connect;
    struct task task;
    struct timer timer;
    uint64_t due;
    struct lookup *lookup;
    struct addrinfo *found, *next; /* of DNS */
    struct sockaddr_storage only;  /* of a literal or of the resolve hook */
    struct conn *c;
    bool tcp_done, connect_sent, connect_ok;
    struct buf reply;
    char why[256];
};

static void dial_free(struct dial *d)
{
    hub_unpost(&d->task);
    hub_timer_stop(d->o.hub, &d->timer);
    if (d->lookup)
        d->lookup->dial = NULL;
    if (d->found)
        uv_freeaddrinfo(d->found);
    free(d->host);
    free(d->server_name);
    free(d->alpn);
    free(d->connect);
    buf_done(&d->reply);
    tls_unref(d->o.tls);
    hub_put(d->o.hub);
    free(d);
}

/* Hands the result over; the dial is gone. */
static void finish(struct dial *d, struct conn *c)
{
    void (*done)(struct conn *, const char *, void *) = d->o.done;
    void *ctx = d->o.ctx;
    char why[sizeof d->why];

    memcpy(why, d->why, sizeof why);
    dial_free(d);
    done(c, why, ctx);
}

/* ---- the connection while it is ours ---- */

static void next_address(struct dial *d);

static void fail(struct dial *d, const char *why)
{
    struct conn *c = take(d->c);

    snprintf(d->why, sizeof d->why, "%.255s", why);
    if (c) {
        c->owner = NULL;
        conn_kill(c, "");
    }
    finish(d, NULL);
}

static void begin_tls(struct dial *d)
{
    struct err err;

    if (conn_start_tls(d->c, d->o.tls, d->server_name, d->alpn, &err) < 0)
        fail(d, err.msg);
    else
        d->o.tls = (tls_unref(d->o.tls), NULL); /* the next `opened` is the last */
}

static void on_opened(struct conn *c)
{
    struct dial *d = c->owner;

    d->tcp_done = true;
    if (d->connect && !d->connect_ok) {
        conn_dirty(c);
    } else if (d->o.tls) {
        begin_tls(d);
    } else {
        d->c = NULL;
        finish(d, c);
    }
}

static void on_pull(struct conn *c, struct buf *out, unused size_t max)
{
    struct dial *d = c->owner;

    if (!d || !d->connect || d->connect_sent)
        return;
    buf_adds(out, d->connect);
    d->connect_sent = true;
}

/* "HTTP/1.1 200 …" up to an empty line; then the tunnel is open. */
static void on_data(struct conn *c, struct slice bytes)
{
    struct dial *d = c->owner;
    char status[160];

    if (!d)
        return;
    buf_add_slice(&d->reply, bytes);
    struct slice reply = buf_slice(&d->reply);
    const char *text = buf_str(&d->reply), *end = strstr(text, "\r\n\r\n");
    if (!end && d->reply.len < REPLY_MAX)
        return;
    if (end && d->reply.len >= 12 && slice_starts(reply, SLICE("HTTP/1.")) &&
        memcmp(reply.p + 8, " 200", 4) == 0) {
        d->connect_ok = true;
        on_opened(c);
        return;
    }
    snprintf(status, sizeof status, "proxy refused: %.*s",
             (int)MIN(strcspn(text, "\r\n"), (size_t)120), text);
    fail(d, status);
}

static void on_eof(struct conn *c)
{
    conn_kill(c, "connection closed");
}

static void on_dead(struct conn *c, const char *why)
{
    struct dial *d = c->owner;

    if (!d)
        return;
    d->c = NULL;
    snprintf(d->why, sizeof d->why, "%.255s", why);
    if (d->tcp_done)
        finish(d, NULL);
    else
        next_address(d);
}

static const struct conn_ops ops = {
    .opened = on_opened,
    .data = on_data,
    .eof = on_eof,
    .pull = on_pull,
    .dead = on_dead,
};

/* ---- addresses ---- */

static unsigned addresses_left(const struct dial *d)
{
    unsigned n = 1;

    for (const struct addrinfo *a = d->next; a; a = a->ai_next)
        n++;
    return n;
}

/* The time that is left, shared by the addresses that are left. */
static void arm(struct dial *d)
{
    uint64_t now = uv_now(d->o.hub->loop);
    uint64_t left = d->due > now ? d->due - now : 0;

    hub_timer_set(d->o.hub, &d->timer, d->tcp_done ? left : left / addresses_left(d));
}

static void use_fd(struct dial *d, int fd)
{
    fd_tune(fd, false);
    d->c = conn_new(d->o.hub, fd, true, &ops, d);
    arm(d);
}

static bool try_address(struct dial *d, const struct sockaddr *a, socklen_t len)
{
    int fd = socket(a->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 && (connect(fd, a, len) == 0 || errno == EINPROGRESS)) {
        use_fd(d, fd);
        return true;
    }
    snprintf(d->why, sizeof d->why, "connecting: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
    return false;
}

static void next_address(struct dial *d)
{
    while (d->next) {
        struct addrinfo *a = d->next;
        d->next = a->ai_next;
        if (try_address(d, a->ai_addr, a->ai_addrlen))
            return;
    }
    finish(d, NULL);
}

static void on_lookup(uv_getaddrinfo_t *req, int status, struct addrinfo *res)
{
    struct lookup *l = container_of(req, struct lookup, req);
    struct dial *d = l->dial;

    free(l);
    if (!d) {
        uv_freeaddrinfo(res);
        return;
    }
    d->lookup = NULL;
    d->found = d->next = res;
    snprintf(d->why, sizeof d->why, "looking up %.200s: %s", d->host,
             status < 0 ? uv_strerror(status) : "no address");
    next_address(d);
}

static void look_up(struct dial *d)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    char port[8];

    snprintf(port, sizeof port, "%u", d->o.port);
    d->lookup = xnew(struct lookup);
    d->lookup->dial = d;
    int rc = uv_getaddrinfo(d->o.hub->loop, &d->lookup->req, on_lookup, d->host, port, &hints);
    if (rc < 0) {
        free(take(d->lookup));
        snprintf(d->why, sizeof d->why, "looking up %.200s: %s", d->host, uv_strerror(rc));
        finish(d, NULL);
        return;
    }
    hub_timer_set(d->o.hub, &d->timer, d->o.timeout);
}

static bool literal_address(struct dial *d)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&d->only;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&d->only;

    if (d->o.resolve && d->o.resolve(d->host, d->o.port, &d->only, d->o.hook_ctx))
        return true;
    if (inet_pton(AF_INET, d->host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(d->o.port);
        return true;
    }
    if (inet_pton(AF_INET6, d->host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(d->o.port);
        return true;
    }
    return false;
}

static void on_start(struct task *t)
{
    struct dial *d = container_of(t, struct dial, task);
    struct err err = {0};

    if (d->o.connect_fd) {
        int fd = d->o.connect_fd(d->host, d->o.port, d->o.hook_ctx, &err);
        if (fd >= 0)
            use_fd(d, fd);
        else
            fail(d, err.msg);
    } else if (!literal_address(d)) {
        look_up(d);
    } else if (!try_address(d, (struct sockaddr *)&d->only,
                            d->only.ss_family == AF_INET    ? sizeof(struct sockaddr_in)
                            : d->only.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                            : sizeof d->only)) {
        finish(d, NULL);
    }
}

static void on_timer(struct timer *t)
{
    struct dial *d = container_of(t, struct dial, timer);
    uint64_t now = uv_now(d->o.hub->loop);

    if (now >= d->due || !d->c)
        fail(d, "connecting: timeout");
    else if (d->tcp_done)
        arm(d);
    else
        conn_kill(d->c, "connecting: timeout"); /* on to the next address */
}

struct dial *dial_start(const struct dial_opts *o)
{
    struct dial *d = xnew(struct dial);

    d->o = *o;
    d->o.hub->refs++;
    tls_ref(d->o.tls);
    d->host = xstrdup(o->host);
    d->server_name = xstrdup(o->server_name);
    d->alpn = xstrdup(o->alpn);
    d->connect = xstrdup(o->connect);
    d->task.fn = on_start;
    d->timer.fn = on_timer;
    d->due = uv_now(o->hub->loop) + o->timeout;
    hub_post(o->hub, &d->task);
    return d;
}

void dial_cancel(struct dial *d)
{
    if (!d)
        return;
    struct conn *c = take(d->c);
    if (c) {
        c->owner = NULL;
        conn_kill(c, "");
    }
    if (d->lookup)
        uv_cancel((uv_req_t *)&d->lookup->req);
    dial_free(d);
}
