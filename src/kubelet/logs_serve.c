/* The answer to a request for a log: its files read as fast as the client takes them, then
 * followed. */
#include "base/mem.h"
#include "kubelet/crilog.h"
#include "kubelet/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 65536
#define UNSENT_MAX (512 << 10)
#define FOLLOW_MS                                                                                  \
    50 /* how often a followed file is looked at; inotify would say no sooner in practice */

struct stream {
    struct http_req *r; /* NULL once it is closed */
    uv_timer_t timer;
    struct log_serve s;
    struct log_filter filter;
    char *path;
    int fd; /* of one of its files */
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
    free(t->path);
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

static int open_age(const char *path, int age)
{
    autofree char *file = crilog_file(path, age);
    return open(file, O_RDONLY | O_CLOEXEC);
}

/* How old the file is by now: it is renamed whenever a new one is begun. -1: it is not kept any
 * more. */
static int age_of(const struct stream *t)
{
    struct stat ours, st;

    if (fstat(t->fd, &ours) < 0)
        return -1;
    for (int age = 0; age < CRILOG_FILES; age++) {
        autofree char *file = crilog_file(t->path, age);
        if (stat(file, &st) == 0 && st.st_ino == ours.st_ino && st.st_dev == ours.st_dev)
            return age;
    }
    return -1;
}

static int open_oldest(const char *path)
{
    for (int age = CRILOG_FILES - 1; age > 0; age--) {
        int fd = open_age(path, age);
        if (fd >= 0)
            return fd;
    }
    return open_age(path, 0);
}

/* Goes on with the file that was begun after this one. False if there is none (yet). */
static bool next_file(struct stream *t)
{
    int age = age_of(t), fd = age < 0 ? open_oldest(t->path)
                              : age   ? open_age(t->path, age - 1)
                                      : -1;

    if (fd < 0)
        return false;
    if (age_of(t) != age) { /* renamed meanwhile: the next look finds the right one */
        close(fd);
        return false;
    }
    close(t->fd);
    t->fd = fd;
    t->at = 0;
    buf_reset(&t->rest);
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
            if (next_file(t))
                continue;
            if (running)
                uv_timer_start(&t->timer, work, FOLLOW_MS, 0);
            else
                http_end(t->r);
            return;
        }
    if (t->r && t->filter.done)
        http_end(t->r);
}

static int64_t file_size(int fd)
{
    struct stat st;
    return fstat(fd, &st) < 0 ? 0 : st.st_size;
}

/* Where the answer begins: with the oldest file, or as many lines before the end as were asked for.
 */
static int open_first(const char *path, int64_t lines, int64_t *ret_at)
{
    int fd = lines < 0 ? open_oldest(path) : open_age(path, 0);

    *ret_at = 0;
    if (lines < 0 || fd < 0)
        return fd;
    *ret_at = log_tail_offset(fd, file_size(fd), &lines);
    for (int age = 1; lines > 0 && age < CRILOG_FILES; age++) {
        int older = open_age(path, age);
        if (older < 0)
            break;
        close(fd);
        fd = older;
        *ret_at = log_tail_offset(fd, file_size(fd), &lines);
    }
    return fd;
}

void logs_serve(struct http_req *r, const struct log_serve *s)
{
    struct http_field type[] = {HTTP_FIELD("content-type", "text/plain")};
    int64_t at;
    int fd = open_first(s->path, s->options.tail_lines, &at);

    if (fd < 0) {
        if (s->free_ctx)
            s->free_ctx(s->ctx);
        http_reply(r, errno == ENOENT ? 404 : 500, "text/plain", SLICE("there is no such log\n"));
        return;
    }
    struct stream *t = xnew(struct stream);
    t->r = r;
    t->s = *s;
    t->path = xstrdup(s->path);
    t->s.path = t->path;
    t->filter.o = s->options;
    t->fd = fd;
    t->at = at;
    uv_timer_init(s->loop, &t->timer);
    t->timer.data = t;
    http_on_close(r, on_close, t);
    http_on_drain(r, UNSENT_MAX / 2, drained, t);
    http_start(r, 200, type, ARRAY_SIZE(type));
    uv_timer_start(&t->timer, work, 0, 0);
}
