#include "kubelet/crilog.h"
#include "base/timefmt.h"

#include <errno.h>
#include <unistd.h>

static const char *const stream_names[] = {"stdout", "stderr"};

void crilog_init(struct crilog *l, int fd)
{
    *l = (struct crilog){.fd = fd};
}

void crilog_done(struct crilog *l)
{
    for (int i = 0; i < 2; i++)
        buf_done(&l->rest[i]);
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

/* A full disk loses log lines, never the container. */
static void write_out(int fd, const struct buf *b)
{
    for (size_t at = 0; at < b->len;) {
        ssize_t n = write(fd, b->data + at, b->len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        at += (size_t)n;
    }
}

static void put_line(struct buf *out, const char *stamp, int stream, bool full, struct slice text)
{
    buf_adds(out, stamp);
    buf_addc(out, ' ');
    buf_adds(out, stream_names[stream]);
    buf_adds(out, full ? " F " : " P ");
    buf_add_slice(out, text);
    buf_addc(out, '\n');
}

/* Takes lines and full parts off *in. What remains is shorter than a part and has no newline. */
static void put_lines(struct buf *out, const char *stamp, int stream, struct slice *in)
{
    for (;;) {
        size_t reach = MIN(in->n, (size_t)CRILOG_LINE_MAX + 1);
        const char *nl = reach ? memchr(in->p, '\n', reach) : NULL;
        if (!nl && in->n <= CRILOG_LINE_MAX)
            return;
        size_t n = nl ? (size_t)(nl - in->p) : CRILOG_LINE_MAX;
        put_line(out, stamp, stream, nl != NULL, (struct slice){in->p, n});
        in->p += n + (nl != NULL), in->n -= n + (nl != NULL);
    }
}

void crilog_feed(struct crilog *l, int stream, const char *p, size_t n, int64_t now_ns)
{
    struct buf out cleanup(buf_done) = BUF_INIT;
    struct buf *rest = &l->rest[stream];
    struct slice in = {p, n};
    char stamp[TIME_TEXT];

    if (l->fd < 0)
        return;
    time_rfc3339_nano(now_ns, stamp);
    if (rest->len) {
        buf_add(rest, p, n);
        in = buf_slice(rest);
    }
    put_lines(&out, stamp, stream, &in);
    write_out(l->fd, &out);
    if (rest->len)
        buf_consume(rest, rest->len - in.n);
    else
        buf_add_slice(rest, in);
    if (!rest->len)
        buf_done(rest);
}

void crilog_flush(struct crilog *l, int stream, int64_t now_ns)
{
    struct buf out cleanup(buf_done) = BUF_INIT;
    char stamp[TIME_TEXT];

    if (l->fd < 0 || !l->rest[stream].len)
        return;
    put_line(&out, time_rfc3339_nano(now_ns, stamp), stream, false, buf_slice(&l->rest[stream]));
    write_out(l->fd, &out);
    buf_done(&l->rest[stream]);
}
