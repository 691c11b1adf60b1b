#include "base/reach.h"
#include "base/buf.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Fills addr for path; opens *dir if the path has to go through /proc/self/fd. */
static int unix_addr(const char *path, struct sockaddr_un *addr, int *dir, struct err *err)
{
    *addr = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) < sizeof addr->sun_path) {
        memcpy(addr->sun_path, path, strlen(path) + 1);
        return 0;
    }
    const char *slash = strrchr(path, '/');
    autofree char *parent = xstrndup(path, (size_t)(slash - path));
    *dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*dir < 0)
        return err_errno(err, errno, "%s", parent);
    int n = snprintf(addr->sun_path, sizeof addr->sun_path, "/proc/self/fd/%d/%s", *dir, slash + 1);
    if (n >= (int)sizeof addr->sun_path)
        return err_set(err, ERR_BAD_REQUEST, "%s: the file name is too long for a socket", path);
    return 0;
}

int unix_connect(const char *path, int type, struct err *err)
{
    struct sockaddr_un addr;
    int dir autoclose = -1;
    int r = unix_addr(path, &addr, &dir, err);

    if (r < 0)
        return r;
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0) {
        r = err_errno(err, errno, "%s", path);
        if (fd >= 0)
            close(fd);
        return r;
    }
    return fd;
}

int unix_listen(const char *path, int type, struct err *err)
{
    struct sockaddr_un addr;
    int dir autoclose = -1;
    int r = unix_addr(path, &addr, &dir, err);

    if (r < 0)
        return r;
    unlink(path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0 || chmod(path, 0600) < 0 ||
        listen(fd, 64) < 0) {
        r = err_errno(err, errno, "%s", path);
        if (fd >= 0)
            close(fd);
        return r;
    }
    return fd;
}

int unix_send(int fd, const void *p, size_t n, const int *fds, int n_fds, struct err *err)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(8 * sizeof(int))];
    } control = {0};
    struct iovec iov = {(void *)p, n};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (n_fds > 0) {
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE((size_t)n_fds * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN((size_t)n_fds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, (size_t)n_fds * sizeof(int));
    }
    ssize_t r;
    do
        r = sendmsg(fd, &msg, MSG_NOSIGNAL);
    while (r < 0 && errno == EINTR);
    return r < 0 ? err_errno(err, errno, "sending on a unix socket") : 0;
}

static void take_fds(struct msghdr *msg, int *fds, int max_fds, int *ret_n)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            if (*ret_n < max_fds)
                fds[(*ret_n)++] = fd;
            else
                close(fd);
        }
    }
}

int unix_recv(int fd, void *p, size_t max, int *fds, int max_fds, int *ret_n_fds, struct err *err)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(8 * sizeof(int))];
    } control;
    struct iovec iov = {p, max};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    ssize_t r;

    do
        r = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return err_errno(err, errno, "receiving on a unix socket");
    int n = 0;
    take_fds(&msg, fds, max_fds, &n);
    if (ret_n_fds)
        *ret_n_fds = n;
    if (msg.msg_flags & MSG_TRUNC) {
        while (n > 0)
            close(fds[--n]);
        return err_set(err, ERR_TOO_LARGE, "a packet on a unix socket is too long");
    }
    return (int)r;
}

int reach_request(const char *path, const char *request, struct err *err)
{
    char answer[512];
    int got = -1, n_fds = 0;
    int fd autoclose = unix_connect(path, SOCK_SEQPACKET, err);

    if (fd < 0)
        return err_wrap(err, "asking for a socket of the pods' network");
    int r = unix_send(fd, request, strlen(request), NULL, 0, err);
    if (r == 0)
        r = unix_recv(fd, answer, sizeof answer - 1, &got, 1, &n_fds, err);
    if (r < 0)
        return r;
    answer[r] = '\0';
    if (n_fds == 1)
        return got;
    return err_set(err, ERR_IO, "%s: %s", request,
                   strncmp(answer, "error ", 6) == 0 ? answer + 6 : "no answer");
}

static int plain_socket(const char *ip, unsigned port, int type, struct sockaddr_in *sa,
                        struct err *err)
{
    *sa = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, ip, &sa->sin_addr) != 1)
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" is not an IPv4 address", ip);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    return fd < 0 ? err_errno(err, errno, "socket") : fd;
}

static const char *reach_path(const char *path)
{
    const char *env = path ? path : getenv(REACH_ENV);
    return env && *env ? env : NULL;
}

static int nonblocking(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

int reach_connect(const char *path, const char *ip, unsigned port, struct err *err)
{
    struct sockaddr_in sa;
    int fd = plain_socket(ip, port, SOCK_STREAM, &sa, err);

    path = reach_path(path);
    if (fd >= 0 && path) {
        close(fd);
        fd = reach_request(path, "tcp", err);
    }
    if (fd < 0)
        return fd;
    nonblocking(fd);
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0 && errno != EINPROGRESS) {
        int r = err_errno(err, errno, "connecting to %s:%u", ip, port);
        close(fd);
        return r;
    }
    return fd;
}

static int reach_bound(const char *path, int type, const char *ip, unsigned port, struct err *err)
{
    struct sockaddr_in sa;
    char request[128];
    int fd = plain_socket(ip, port, type, &sa, err);

    path = reach_path(path);
    if (fd >= 0 && path) {
        close(fd);
        snprintf(request, sizeof request, "%s %s %u", type == SOCK_STREAM ? "listen" : "udp", ip,
                 port);
        fd = reach_request(path, request, err);
    } else if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
        if (bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0 ||
            (type == SOCK_STREAM && listen(fd, 128) < 0)) {
            int r = err_errno(err, errno, "listening on %s:%u", ip, port);
            close(fd);
            return r;
        }
    }
    return fd < 0 ? fd : nonblocking(fd);
}

int reach_listen(const char *path, const char *ip, unsigned port, struct err *err)
{
    return reach_bound(path, SOCK_STREAM, ip, port, err);
}

int reach_udp(const char *path, const char *ip, unsigned port, struct err *err)
{
    return reach_bound(path, SOCK_DGRAM, ip, port, err);
}
