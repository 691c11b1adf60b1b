#include "cli/gate.h"
#include "base/mem.h"
#include "base/reach.h"
#include "base/vec.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

struct user {
    uv_pipe_t pipe;
    struct gate *gate;
    char line[16];
    size_t n;
    bool leaving; /* said "leave": no user any more, but waits for the end */
};

struct gate {
    uv_pipe_t server;
    char *path;
    struct gate_events events;
    VEC(struct user *) users;
    char *greeting; /* NULL until it is known how the start went */
    size_t in_use;
    bool closed, freed; /* the server handle; the whole: the later of the two releases it */
};

static void user_closed(uv_handle_t *h)
{
    free(container_of((uv_pipe_t *)h, struct user, pipe));
}

static void drop(struct user *u)
{
    struct gate *g = u->gate;

    for (size_t i = 0; i < g->users.n; i++)
        if (g->users.v[i] == u) {
            vec_remove(&g->users, i);
            break;
        }
    if (!uv_is_closing((uv_handle_t *)&u->pipe))
        uv_close((uv_handle_t *)&u->pipe, user_closed);
}

/* One user fewer; true when that is the end of the instance. */
static bool left(struct user *u)
{
    struct gate *g = u->gate;

    if (u->leaving)
        return false;
    u->leaving = true;
    return --g->in_use == 0 && g->events.on_empty(g->events.ctx);
}

/* False: the user is gone. */
static bool hear(struct user *u)
{
    struct gate *g = u->gate;

    if (!strncmp(u->line, "leave\n", 6)) {
        if (!left(u)) {
            drop(u);
            return false;
        }
    } else if (!strncmp(u->line, "stay\n", 5)) {
        g->events.on_stay(g->events.ctx);
    } else if (!strncmp(u->line, "down\n", 5)) {
        g->events.on_down(g->events.ctx);
    }
    return true;
}

/* Every whole line in turn; what is not whole waits for the rest. */
static void hear_all(struct user *u)
{
    char *end;

    while ((end = memchr(u->line, '\n', u->n))) {
        if (!hear(u))
            return;
        u->n -= (size_t)(end + 1 - u->line);
        memmove(u->line, end + 1, u->n + 1);
    }
    if (u->n == sizeof u->line - 1) /* nothing that anybody says is as long */
        u->n = 0;
}

static void give_buffer(uv_handle_t *h, unused size_t size, uv_buf_t *out)
{
    struct user *u = container_of((uv_pipe_t *)h, struct user, pipe);

    *out = uv_buf_init(u->line + u->n, (unsigned)(sizeof u->line - 1 - u->n));
}

static void got_bytes(uv_stream_t *s, ssize_t n, unused const uv_buf_t *buf)
{
    struct user *u = container_of((uv_pipe_t *)s, struct user, pipe);

    if (n < 0) {
        left(u);
        drop(u);
        return;
    }
    u->n += (size_t)n;
    u->line[u->n] = '\0';
    hear_all(u);
}

static void greet(struct user *u)
{
    uv_buf_t b = uv_buf_init(u->gate->greeting, (unsigned)strlen(u->gate->greeting));

    uv_try_write((uv_stream_t *)&u->pipe, &b, 1); /* one short line into an empty socket */
}

static void on_user(uv_stream_t *server, int status)
{
    struct gate *g = container_of((uv_pipe_t *)server, struct gate, server);
    struct user *u;

    if (status < 0)
        return;
    u = xnew(struct user);
    u->gate = g;
    uv_pipe_init(server->loop, &u->pipe, 0);
    if (uv_accept(server, (uv_stream_t *)&u->pipe) < 0) {
        uv_close((uv_handle_t *)&u->pipe, user_closed);
        return;
    }
    vec_push(&g->users, u);
    g->in_use++;
    uv_read_start((uv_stream_t *)&u->pipe, give_buffer, got_bytes);
    if (g->greeting)
        greet(u);
}

int gate_listen(uv_loop_t *loop, const char *path, const struct gate_events *events,
                struct gate **ret, struct err *err)
{
    int fd = unix_listen(path, SOCK_STREAM, err);
    struct gate *g;

    if (fd < 0)
        return fd;
    g = xnew(struct gate);
    g->path = xstrdup(path);
    g->events = *events;
    uv_pipe_init(loop, &g->server, 0);
    int r = uv_pipe_open(&g->server, fd);
    if (r == 0)
        r = uv_listen((uv_stream_t *)&g->server, 64, on_user);
    if (r < 0) {
        gate_free(g);
        return err_set(err, ERR_IO, "%s: %s", path, uv_strerror(r));
    }
    *ret = g;
    return 0;
}

static void tell_all(struct gate *g, char *greeting)
{
    free(g->greeting);
    g->greeting = greeting;
    for (size_t i = 0; i < g->users.n; i++)
        greet(g->users.v[i]);
}

void gate_ready(struct gate *g)
{
    tell_all(g, xstrdup("ready\n"));
}

void gate_failed(struct gate *g, const char *text)
{
    tell_all(g, xasprintf("failed %s\n", text));
}

static void release(struct gate *g)
{
    free(g->path);
    free(g->greeting);
    vec_done(&g->users);
    free(g);
}

static void server_closed(uv_handle_t *h)
{
    struct gate *g = container_of((uv_pipe_t *)h, struct gate, server);

    g->closed = true;
    if (g->freed)
        release(g);
}

void gate_shut(struct gate *g)
{
    if (g && !uv_is_closing((uv_handle_t *)&g->server)) {
        unlink(g->path);
        uv_close((uv_handle_t *)&g->server, server_closed);
    }
}

void gate_free(struct gate *g)
{
    if (!g)
        return;
    gate_shut(g);
    while (g->users.n)
        drop(g->users.v[0]);
    g->freed = true;
    if (g->closed)
        release(g);
}

int gate_connect(const char *path, struct err *err)
{
    struct err why;
    int fd = unix_connect(path, SOCK_STREAM, &why);

    if (fd >= 0)
        return fd;
    return err_set(err, ERR_NOT_FOUND, "%s", why.msg);
}

static ssize_t read_line(int fd, char *line, size_t size)
{
    size_t n = 0;

    while (n + 1 < size) {
        ssize_t got = read(fd, line + n, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || line[n] == '\n')
            break;
        n++;
    }
    line[n] = '\0';
    return (ssize_t)n;
}

int gate_wait_ready(int fd, struct err *err)
{
    char line[900];

    read_line(fd, line, sizeof line);
    if (!strcmp(line, "ready"))
        return 0;
    if (!strncmp(line, "failed ", 7))
        return err_set(err, ERR_INTERNAL, "%s", line + 7);
    return err_set(err, ERR_IO, "the instance ended while it was starting");
}

void gate_stay(int fd)
{
    (void)!send(fd, "stay\n", 5, MSG_NOSIGNAL);
}

int gate_say(int fd, const char *word, struct err *err)
{
    char line[64];
    int n = snprintf(line, sizeof line, "%s\n", word);

    if (send(fd, line, (size_t)n, MSG_NOSIGNAL) != n)
        return errno == EPIPE ? 0 : err_errno(err, errno, "speaking to manta up");
    for (;;) {
        ssize_t got = read(fd, line, sizeof line);
        if (got == 0 || (got < 0 && errno == ECONNRESET))
            return 0;
        if (got < 0 && errno != EINTR)
            return err_errno(err, errno, "waiting for manta up");
    }
}
