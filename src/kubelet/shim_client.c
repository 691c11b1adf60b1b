#include "kubelet/shim_client.h"
#include "base/mem.h"
#include "base/reach.h"
#include "kubelet/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

struct shim_call {
    uv_poll_t poll;
    uv_idle_t failed; /* reports a failure to send from the loop */
    int fd;
    shim_done_fn *done;
    void *ctx;
    struct err err;
    int code;
};

static int shim_connect(const char *dir, struct err *err)
{
    autofree char *path = xasprintf("%s/shim.sock", dir);
    int fd = unix_connect(path, SOCK_SEQPACKET, err);

    if (fd >= 0)
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
}

static void call_closed(uv_handle_t *h)
{
    free(h->data);
}

static void call_close(struct shim_call *c)
{
    if (c->fd >= 0) {
        uv_close((uv_handle_t *)&c->poll, call_closed);
        close(c->fd);
    } else {
        uv_close((uv_handle_t *)&c->failed, call_closed);
    }
}

static void call_end(struct shim_call *c, int code, yyjson_val *answer)
{
    shim_done_fn *done = c->done;
    void *ctx = c->ctx;
    struct err err = c->err;

    call_close(c);
    if (done)
        done(ctx, code, answer, &err);
}

static void call_readable(uv_poll_t *h, unused int status, unused int events)
{
    struct shim_call *c = h->data;
    struct json *doc autojson = NULL;
    autofree char *packet = xmalloc(SHIM_PACKET_MAX);
    int n = unix_recv(c->fd, packet, SHIM_PACKET_MAX, NULL, 0, NULL, &c->err);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        call_end(c, err_set(&c->err, ERR_LOST, "the pod's shim went away"), NULL);
        return;
    }
    int r = json_parse((struct slice){packet, (size_t)n}, &doc, &c->err);
    const char *error = json_get_str(json_root(doc), "error", NULL);
    if (r == 0 && error)
        r = err_set(&c->err, ERR_IO, "%s", error);
    call_end(c, r, json_root(doc));
}

static void call_failed(uv_idle_t *h)
{
    struct shim_call *c = h->data;
    call_end(c, c->code, NULL);
}

struct shim_call *shim_call(uv_loop_t *loop, const char *dir, struct slice request, const int *fds,
                            int n_fds, shim_done_fn *done, void *ctx)
{
    struct shim_call *c = xnew(struct shim_call);

    c->done = done;
    c->ctx = ctx;
    c->fd = shim_connect(dir, &c->err);
    if (c->fd >= 0 && unix_send(c->fd, request.p, request.n, fds, n_fds, &c->err) < 0) {
        close(c->fd);
        c->fd = -1;
    }
    if (c->fd >= 0) {
        uv_poll_init(loop, &c->poll, c->fd);
        c->poll.data = c;
        uv_poll_start(&c->poll, UV_READABLE, call_readable);
        return c;
    }
    c->code = ERR_LOST;
    uv_idle_init(loop, &c->failed);
    c->failed.data = c;
    uv_idle_start(&c->failed, call_failed);
    return c;
}

void shim_call_cancel(struct shim_call *c)
{
    if (c)
        call_close(c);
}

int shim_socket(const char *dir, struct err *err)
{
    autofree char *path = xasprintf("%s/shim.sock", dir);
    struct timeval limit = {.tv_usec = 500000};
    char answer[1024];
    int got = -1, n_fds = 0;
    int fd autoclose = unix_connect(path, SOCK_SEQPACKET, err);

    if (fd < 0)
        return fd;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    int r = unix_send(fd, "{\"op\":\"socket\"}", 15, NULL, 0, err);
    if (r == 0)
        r = unix_recv(fd, answer, sizeof answer, &got, 1, &n_fds, err);
    if (r >= 0 && n_fds == 0)
        r = err_set(err, ERR_IO, "the pod's shim gave no socket");
    return r < 0 ? r : got;
}

struct shim_watch {
    uv_poll_t poll;
    int fd;
    struct shim_watch_opts o;
};

static void watch_readable(uv_poll_t *h, unused int status, unused int events)
{
    struct shim_watch *w = h->data;
    struct shim_watch_opts o = w->o;
    struct json *doc autojson = NULL;
    autofree char *packet = xmalloc(SHIM_PACKET_MAX);
    struct err err;
    int n = unix_recv(w->fd, packet, SHIM_PACKET_MAX, NULL, 0, NULL, &err);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        uv_poll_stop(&w->poll);
        o.on_gone(o.ctx);
        return;
    }
    if (json_parse((struct slice){packet, (size_t)n}, &doc, &err) < 0)
        return;
    /* One packet at a time: a callback may free the watch, so nothing of it is used after. */
    if (!yyjson_is_arr(json_root(doc))) {
        o.on_state(o.ctx, json_root(doc));
        return;
    }
    json_each(json_root(doc), state, i, count)
        o.on_state(o.ctx, state);
}

int shim_watch_new(uv_loop_t *loop, const struct shim_watch_opts *o, struct shim_watch **ret,
                   struct err *err)
{
    struct slice hello = SLICE("{\"op\":\"watch\"}");
    int fd = shim_connect(o->dir, err);
    int r = fd < 0 ? fd : unix_send(fd, hello.p, hello.n, NULL, 0, err);

    if (r < 0) {
        if (fd >= 0)
            close(fd);
        return r;
    }
    struct shim_watch *w = xnew(struct shim_watch);
    w->fd = fd;
    w->o = *o;
    w->o.dir = NULL;
    uv_poll_init(loop, &w->poll, fd);
    w->poll.data = w;
    uv_poll_start(&w->poll, UV_READABLE, watch_readable);
    *ret = w;
    return 0;
}

void shim_watch_free(struct shim_watch *w)
{
    if (!w)
        return;
    uv_close((uv_handle_t *)&w->poll, call_closed);
    close(w->fd);
}
