#include "kubelet/relay.h"
#include "base/mem.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUE_MAX (256 << 10) /* bytes that wait for one side before the other is not read */

struct relay {
    uv_poll_t listen;
    struct relay_opts o;
};

struct flow;
struct side {
    uv_tcp_t tcp;
    struct flow *flow;
    struct side *other;
    bool paused, ended; /* ended: it will send nothing more */
};
struct flow {
    struct side a, b;
    int open; /* handles that are not closed yet */
    bool closing;
};
struct piece {
    uv_write_t write;
    char data[];
};

static void side_closed(uv_handle_t *h)
{
    struct flow *f = ((struct side *)h->data)->flow;
    if (--f->open == 0)
        free(f);
}

static void flow_close(struct flow *f)
{
    if (f->closing)
        return;
    f->closing = true;
    uv_close((uv_handle_t *)&f->a.tcp, side_closed);
    uv_close((uv_handle_t *)&f->b.tcp, side_closed);
}

static void give_room(unused uv_handle_t *h, unused size_t suggested, uv_buf_t *ret)
{
    static char room[65536]; /* read and copied within one callback */
    *ret = uv_buf_init(room, sizeof room);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void written(uv_write_t *w, int status)
{
    struct side *to = w->handle->data, *from = to->other;

    free(container_of(w, struct piece, write));
    if (to->flow->closing)
        return;
    if (status < 0) {
        flow_close(to->flow);
    } else if (from->paused &&
               uv_stream_get_write_queue_size((uv_stream_t *)&to->tcp) < QUEUE_MAX / 2) {
        from->paused = false;
        uv_read_start((uv_stream_t *)&from->tcp, give_room, on_read);
    }
}

static void shut(uv_shutdown_t *s, unused int status)
{
    free(s);
}

static void pass_end(struct side *from)
{
    from->ended = true;
    uv_read_stop((uv_stream_t *)&from->tcp);
    if (from->other->ended) {
        flow_close(from->flow);
        return;
    }
    uv_shutdown(xnew(uv_shutdown_t), (uv_stream_t *)&from->other->tcp, shut);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct side *from = stream->data;
    uv_stream_t *to = (uv_stream_t *)&from->other->tcp;

    if (n == 0)
        return;
    if (n < 0) {
        if (n == UV_EOF)
            pass_end(from);
        else
            flow_close(from->flow);
        return;
    }
    struct piece *p = xmalloc(sizeof *p + (size_t)n);
    memcpy(p->data, buf->base, (size_t)n);
    uv_buf_t out = uv_buf_init(p->data, (unsigned)n);
    if (uv_write(&p->write, to, &out, 1, written) < 0) {
        free(p);
        flow_close(from->flow);
    } else if (uv_stream_get_write_queue_size(to) > QUEUE_MAX) {
        from->paused = true;
        uv_read_stop(stream);
    }
}

static int side_open(struct side *s, struct flow *f, struct side *other, uv_loop_t *loop, int fd)
{
    s->flow = f;
    s->other = other;
    uv_tcp_init(loop, &s->tcp);
    s->tcp.data = s;
    f->open++;
    int r = uv_tcp_open(&s->tcp, fd);
    if (r < 0)
        close(fd);
    else
        uv_tcp_nodelay(&s->tcp, 1);
    return r;
}

/* A failed connect shows as a failed read. */
static void begin(uv_loop_t *loop, int client, int target)
{
    struct flow *f = xnew(struct flow);
    int r = side_open(&f->a, f, &f->b, loop, client);
    int r2 = side_open(&f->b, f, &f->a, loop, target);

    if (r < 0 || r2 < 0 || uv_read_start((uv_stream_t *)&f->a.tcp, give_room, on_read) < 0 ||
        uv_read_start((uv_stream_t *)&f->b.tcp, give_room, on_read) < 0)
        flow_close(f);
}

static void on_accept(uv_poll_t *h, unused int status, unused int events)
{
    struct relay *r = h->data;
    struct err err;
    int client = accept4(r->o.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (client < 0)
        return;
    int target = r->o.connect(r->o.ctx, &err);
    if (target < 0) {
        setsockopt(client, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
        close(client); /* a reset, as from an address where nobody listens */
        return;
    }
    begin(h->loop, client, target);
}

struct relay *relay_new(uv_loop_t *loop, const struct relay_opts *o)
{
    struct relay *r = xnew(struct relay);

    r->o = *o;
    uv_poll_init(loop, &r->listen, o->fd);
    r->listen.data = r;
    uv_poll_start(&r->listen, UV_READABLE, on_accept);
    return r;
}

static void relay_closed(uv_handle_t *h)
{
    free(h->data);
}

void relay_free(struct relay *r)
{
    if (!r)
        return;
    int fd = r->o.fd;
    uv_close((uv_handle_t *)&r->listen, relay_closed);
    close(fd);
}
