#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int file_read(const char *path, struct buf *ret, struct err *err)
{
    int fd autoclose = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_errno(err, errno, "%s", path);
    for (;;) {
        char chunk[16384];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, errno, "%s", path);
        if (n == 0)
            return 0;
        buf_add(ret, chunk, (size_t)n);
        if (ret->over)
            return err_set(err, ERR_TOO_LARGE, "%s: larger than %zu bytes", path, ret->max);
    }
}

static int write_all(int fd, struct slice data)
{
    while (data.n) {
        ssize_t n = write(fd, data.p, data.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data.p += n, data.n -= (size_t)n;
    }
    return 0;
}

int file_write(const char *path, struct slice data, unsigned mode, struct err *err)
{
    autofree char *tmp = xasprintf("%s.XXXXXX", path);
    int fd autoclose = mkostemp(tmp, O_CLOEXEC);

    if (fd < 0)
        return err_errno(err, errno, "%s", tmp);
    if (fchmod(fd, mode) < 0 || write_all(fd, data) < 0 || fsync(fd) < 0 || rename(tmp, path) < 0) {
        int e = errno;
        unlink(tmp);
        return err_errno(err, e, "%s", path);
    }
    return 0;
}

int file_mkdirs(const char *path, unsigned mode, struct err *err)
{
    autofree char *p = xstrdup(path);

    for (char *at = p + 1;; at++) {
        if (*at && *at != '/')
            continue;
        char c = *at;
        *at = '\0';
        if (mkdir(p, mode) < 0 && errno != EEXIST)
            return err_errno(err, errno, "%s", p);
        *at = c;
        if (!c)
            return 0;
    }
}

static int remove_one(const char *path, unused const struct stat *st, unused int type,
                      unused struct FTW *ftw)
{
    return remove(path);
}

int file_remove_tree(const char *path, struct err *err)
{
    if (nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) < 0 && errno != ENOENT)
        return err_errno(err, errno, "%s", path);
    return 0;
}
