#include "cli/child.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/vec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#define FIRST_WAIT_MS 50
#define LONGEST_WAIT_MS 5000
#define STABLE_NS INT64_C(10000000000)

struct child {
    uv_process_t process;
    uv_timer_t timer;
    uv_loop_t *loop;
    char *name, *log, *env;
    char **argv;
    bool own_session, running, stopping;
    bool timer_open, process_open; /* handles that libuv knows */
    int pass_fd;
    unsigned wait_ms;
    int64_t started;
    void (*on_crash)(void *ctx, const char *name, int code, int signal);
    void (*on_restart)(void *ctx);
    void (*on_stopped)(void *ctx);
    void *ctx, *stopped_ctx;
};

static char **copy_list(char **list)
{
    size_t n = 0;

    while (list[n])
        n++;
    char **copy = xcalloc(n + 1, sizeof *copy);
    for (size_t i = 0; i < n; i++)
        copy[i] = xstrdup(list[i]);
    return copy;
}

static void free_list(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        free(list[i]);
    free(list);
}

static void child_free(struct child *c)
{
    free(c->name);
    free(c->log);
    free(c->env);
    free_list(c->argv);
    free(c);
}

/* After the last handle has closed, and not before: libuv still looks at each. */
static void release(struct child *c)
{
    void (*done)(void *ctx) = c->on_stopped;
    void *ctx = c->stopped_ctx;

    if (c->timer_open || c->process_open)
        return;
    child_free(c);
    done(ctx);
}

static void timer_closed(uv_handle_t *h)
{
    struct child *c = h->data;

    c->timer_open = false;
    release(c);
}

static void process_closed(uv_handle_t *h)
{
    struct child *c = container_of((uv_process_t *)h, struct child, process);

    c->process_open = false;
    release(c);
}

static int launch(struct child *c, struct err *err);

static void try_again(uv_timer_t *t)
{
    struct child *c = t->data;
    struct err err;

    if (launch(c, &err) < 0) {
        c->wait_ms = LONGEST_WAIT_MS;
        uv_timer_start(&c->timer, try_again, c->wait_ms, 0);
    } else if (c->on_restart) {
        c->on_restart(c->ctx);
    }
}

static void on_exit_of(uv_process_t *p, int64_t code, int signal)
{
    struct child *c = container_of(p, struct child, process);

    c->running = false;
    uv_close((uv_handle_t *)p, process_closed);
    if (c->stopping) {
        uv_timer_stop(&c->timer);
        uv_close((uv_handle_t *)&c->timer, timer_closed);
        return;
    }
    if (c->on_crash)
        c->on_crash(c->ctx, c->name, (int)code, signal);
    if (clock_mono_ns() - c->started > STABLE_NS)
        c->wait_ms = FIRST_WAIT_MS;
    uv_timer_start(&c->timer, try_again, c->wait_ms, 0);
    c->wait_ms = MIN(c->wait_ms * 2, (unsigned)LONGEST_WAIT_MS);
}

/* The environment with one more variable; the caller's. */
static char **environment(const struct child *c)
{
    size_t n = 0, out = 0;
    size_t name = c->env ? strcspn(c->env, "=") + 1 : 0;

    while (environ[n])
        n++;
    char **env = xcalloc(n + 2, sizeof *env);
    for (size_t i = 0; i < n; i++)
        if (!name || strncmp(environ[i], c->env, name) != 0)
            env[out++] = xstrdup(environ[i]);
    if (c->env)
        env[out] = xstrdup(c->env);
    return env;
}

static int launch(struct child *c, struct err *err)
{
    int log autoclose = open(c->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    char **env = environment(c);
    uv_stdio_container_t stdio[4] = {
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = log},
        {.flags = UV_INHERIT_FD, .data.fd = log},
        {.flags = UV_INHERIT_FD, .data.fd = c->pass_fd},
    };
    uv_process_options_t o = {
        .exit_cb = on_exit_of,
        .file = "/proc/self/exe",
        .args = c->argv,
        .env = env,
        .flags = c->own_session ? UV_PROCESS_DETACHED : 0,
        .stdio = stdio,
        .stdio_count = c->pass_fd >= 0 ? 4 : 3,
    };
    int r = log < 0 ? UV_EIO : uv_spawn(c->loop, &c->process, &o);

    c->process_open = log >= 0;
    free_list(env);
    if (c->pass_fd >= 0) {
        close(c->pass_fd);
        c->pass_fd = -1;
    }
    if (r < 0) {
        if (log >= 0)
            uv_close((uv_handle_t *)&c->process, process_closed);
        return err_set(err, ERR_IO, "starting %s: %s", c->name, uv_strerror(r));
    }
    c->running = true;
    c->started = clock_mono_ns();
    return 0;
}

static void nothing(unused void *ctx)
{
}

int child_start(uv_loop_t *loop, const struct child_opts *o, struct child **ret, struct err *err)
{
    struct child *c = xnew(struct child);

    c->loop = loop;
    c->name = xstrdup(o->name);
    c->log = xstrdup(o->log);
    c->env = xstrdup(o->env);
    c->argv = copy_list(o->argv);
    c->own_session = o->own_session;
    c->pass_fd = o->pass_fd;
    c->on_crash = o->on_crash;
    c->on_restart = o->on_restart;
    c->ctx = o->ctx;
    c->wait_ms = FIRST_WAIT_MS;
    uv_timer_init(loop, &c->timer);
    c->timer_open = true;
    c->timer.data = c;
    if (launch(c, err) < 0) {
        c->on_stopped = nothing;
        uv_close((uv_handle_t *)&c->timer, timer_closed);
        return err->code;
    }
    *ret = c;
    return 0;
}

void child_set_argv(struct child *c, char **argv)
{
    free_list(c->argv);
    c->argv = copy_list(argv);
}

static void kill_it(uv_timer_t *t)
{
    struct child *c = t->data;

    if (c->running)
        uv_process_kill(&c->process, SIGKILL);
}

void child_stop(struct child *c, unsigned kill_ms, void (*on_stopped)(void *ctx), void *ctx)
{
    if (!c) {
        on_stopped(ctx);
        return;
    }
    c->stopping = true;
    c->on_stopped = on_stopped;
    c->stopped_ctx = ctx;
    if (!c->running) { /* waiting to be started again */
        uv_timer_stop(&c->timer);
        uv_close((uv_handle_t *)&c->timer, timer_closed);
        return;
    }
    uv_process_kill(&c->process, SIGTERM);
    uv_timer_start(&c->timer, kill_it, kill_ms, 0);
}

int child_pid(const struct child *c)
{
    return c && c->running ? c->process.pid : 0;
}
