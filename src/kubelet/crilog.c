#include "kubelet/crilog.h"
#include "base/mem.h"
#include "base/timefmt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const stream_names[] = {"stdout", "stderr"};

char *crilog_file(const char *path, int age)
{
    return age ? xasprintf("%s.%d", path, age) : xstrdup(path);
}

void crilog_remove(const char *path)
{
    for (int age = 0; age < CRILOG_FILES; age++) {
        autofree char *file = crilog_file(path, age);
        unlink(file);
    }
}

static int open_file(const char *path)
{
    return open(path, O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0600);
}

int crilog_open(struct crilog *l, const char *path, struct err *err)
{
    struct stat st;
    int fd = open_file(path);

    *l = (struct crilog){.fd = fd};
    if (fd < 0)
        return err_errno(err, errno, "opening the log %s", path);
    l->path = xstrdup(path);
    l->size = fstat(fd, &st) == 0 ? st.st_size : 0;
    return 0;
}

void crilog_done(struct crilog *l)
{
    for (int i = 0; i < 2; i++)
        buf_done(&l->rest[i]);
    if (l->fd >= 0)
        close(l->fd);
    free(l->path);
    *l = (struct crilog){.fd = -1};
}

/* Each file becomes one older; the oldest goes. If a new one cannot be made, the old one goes on.
 */
static void rotate(struct crilog *l)
{
    for (int age = CRILOG_FILES - 2; age >= 0; age--) {
        autofree char *from = crilog_file(l->path, age), *to = crilog_file(l->path, age + 1);
        (void)rename(from, to);
    }
    int fd = open_file(l->path);
    if (fd < 0)
        return;
    close(l->fd);
    l->fd = fd;
    l->size = 0;
}

/* A full disk loses log lines, never the container. */
static void write_out(struct crilog *l, const struct buf *b)
{
    for (size_t at = 0; at < b->len;) {
        ssize_t n = write(l->fd, b->data + at, b->len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        at += (size_t)n;
        l->size += n;
    }
    if (l->size >= CRILOG_FILE_MAX)
        rotate(l);
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
    write_out(l, &out);
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
    write_out(l, &out);
    buf_done(&l->rest[stream]);
}
