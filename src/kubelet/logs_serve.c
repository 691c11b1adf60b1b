/* The answer to a request for a log: a file read as fast as its client takes it, then followed. */
#include "base/mem.h"
#include "kubelet/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 65536
#define UNSENT_MAX (512 << 10)
#define FOLLOW_MS 50 /* how often a followed file is looked at; inotify would say no sooner in practice */

struct stream {
    struct http_req *r; /* NULL once it is closed */
    uv_timer_t timer;
    struct log_serve s;
    struct log_filter filter;
    int fd;
    int64_t at;
    struct buf rest; /* an unfinished line of the file */
};

static void stream_closed(uv_handle_t *h)
{
    struct stream *t = h->data;

    if (t->s.free_ctx)
        t->s.free_ctx(t->s.ctx);
    buf_done(&t->rest);
    close(t->fd);
    free(t);
}

static void on_close(unused struct http_req *r, unused enum http_end_kind how, void *ctx)
{
    struct stream *t = ctx;

    t->r = NULL;
    uv_close((uv_handle_t *)&t->timer, stream_closed);
}

/* Lines that are complete go out. */
static void take_lines(struct stream *t, struct buf *out)
{
    size_t from = 0;

    for (;;) {
        char *nl = memchr(t->rest.data + from, '\n', t->rest.len - from);
        if (!nl)
            break;
        struct slice line = {t->rest.data + from, (size_t)(nl - t->rest.data) - from};
        log_filter_feed(&t->filter, line, out);
        from += line.n + 1;
    }
    buf_consume(&t->rest, from);
}

/* Sends one piece. False at the end of the file. */
static bool pump(struct stream *t)
{
    char chunk[CHUNK];
    struct buf out cleanup(buf_done) = BUF_INIT;
    ssize_t n = pread(t->fd, chunk, sizeof chunk, t->at);

    if (n <= 0)
        return false;
    t->at += n;
    buf_add(&t->rest, chunk, (size_t)n);
    take_lines(t, &out);
    if (out.len)
        http_write_bytes(t->r, buf_slice(&out));
    return true;
}

static void work(uv_timer_t *timer);

static void drained(unused struct http_req *r, void *ctx)
{
    struct stream *t = ctx;
    if (t->r)
        uv_timer_start(&t->timer, work, 0, 0);
}

static void work(uv_timer_t *timer)
{
    struct stream *t = timer->data;
    /* Asked first: what was written before the end is in the file by the time it is read. */
    bool running = t->s.options.follow && t->s.running(t->s.ctx);

    while (t->r && !t->filter.done && http_unsent(t->r) < UNSENT_MAX)
        if (!pump(t)) {
            if (running)
                uv_timer_start(&t->timer, work, FOLLOW_MS, 0);
            else
                http_end(t->r);
            return;
        }
    if (t->r && t->filter.done)
        http_end(t->r);
}

static int64_t first_offset(struct stream *t)
{
    struct stat st;

    if (t->s.options.tail_lines < 0 || fstat(t->fd, &st) < 0)
        return 0;
    return log_tail_offset(t->fd, st.st_size, t->s.options.tail_lines);
}

void logs_serve(struct http_req *r, const struct log_serve *s)
{
    struct http_field type[] = {HTTP_FIELD("content-type", "text/plain")};
    int fd = open(s->path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        if (s->free_ctx)
            s->free_ctx(s->ctx);
        http_reply(r, errno == ENOENT ? 404 : 500, "text/plain", SLICE("there is no such log\n"));
        return;
    }
    struct stream *t = xnew(struct stream);
    t->r = r;
    t->s = *s;
    t->s.path = NULL;
    t->filter.o = s->options;
    t->fd = fd;
    t->at = first_offset(t);
    uv_timer_init(s->loop, &t->timer);
    t->timer.data = t;
    http_on_close(r, on_close, t);
    http_on_drain(r, UNSENT_MAX / 2, drained, t);
    http_start(r, 200, type, ARRAY_SIZE(type));
    uv_timer_start(&t->timer, work, 0, 0);
}
