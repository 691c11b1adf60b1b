/* A shim's containers: start, streams, the report of the init, the records of start and exit. */
#include "base/clock.h"
#include "base/file.h"
#include "base/timefmt.h"
#include "kubelet/ns.h"
#include "kubelet/shim_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The last attempt of that name. */
struct shim_container *shim_find(struct shim *s, const char *name)
{
    for (size_t i = s->containers.n; i-- > 0;)
        if (strcmp(s->containers.v[i]->name, name) == 0)
            return s->containers.v[i];
    return NULL;
}

static void container_free(struct shim_container *c)
{
    crilog_done(&c->log);
    json_unref(c->spec);
    free(c->message);
    free(c->name);
    free(c);
}

static char *record_path(const struct shim_container *c, const char *what)
{
    return xasprintf("containers/%s/%d.%s.json", c->name, c->attempt, what);
}

static void write_record(const struct shim_container *c, const char *what)
{
    autofree char *path = record_path(c, what);
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *obj = yyjson_mut_obj(doc);
    struct buf b cleanup(buf_done) = BUF_INIT;

    shim_state_json(c, doc, obj);
    json_mut_write(&b, obj);
    (void)file_write(path, buf_slice(&b), 0600, NULL);
}

static void put_time(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key, int64_t ns)
{
    char text[TIME_TEXT];
    json_put_str(doc, obj, key, time_rfc3339_nano(ns, text));
}

void shim_state_json(const struct shim_container *c, yyjson_mut_doc *doc, yyjson_mut_val *obj)
{
    json_put_str(doc, obj, "container", c->name);
    json_put_int(doc, obj, "attempt", c->attempt);
    json_put_str(doc, obj, "state", c->exited ? "exited" : "running");
    json_put_int(doc, obj, "pid", c->run.init);
    put_time(doc, obj, "startedAt", c->started_ns);
    if (!c->exited)
        return;
    put_time(doc, obj, "finishedAt", c->finished_ns);
    int code = WIFSIGNALED(c->status) ? 128 + WTERMSIG(c->status) : WEXITSTATUS(c->status);
    json_put_int(doc, obj, "exitCode", c->message ? 128 : code);
    if (WIFSIGNALED(c->status))
        json_put_int(doc, obj, "signal", WTERMSIG(c->status));
    json_put_str(doc, obj, "reason", c->message ? "StartError" : code ? "Error" : "Completed");
    if (c->message)
        json_put_str(doc, obj, "message", c->message);
}

static int read_spec(struct shim_container *c, struct err *err)
{
    autofree char *path = record_path(c, "spec");
    struct buf b cleanup(buf_done) = BUF_LIMIT(8 << 20);
    int r = file_read(path, &b, err);

    return r < 0 ? r : json_parse(buf_slice(&b), &c->spec, err);
}

static int open_log(struct shim_container *c, struct err *err)
{
    const char *path = json_get_str(json_root(c->spec), "log", "");
    autofree char *old = xasprintf("logs/%s/%d.log", c->name, c->attempt - 2);

    crilog_remove(old); /* kubectl logs --previous asks for the one before, and no further */
    return crilog_open(&c->log, path, err);
}

/* Forgets the former attempt of the name: its records are on disk. */
static void forget(struct shim *s, struct shim_container *old)
{
    for (size_t i = 0; i < s->containers.n; i++)
        if (s->containers.v[i] == old) {
            vec_remove(&s->containers, i);
            break;
        }
    container_free(old);
}

int shim_start(struct shim *s, const char *name, int attempt, struct shim_container **ret,
               struct err *err)
{
    struct shim_container *old = shim_find(s, name);

    if (s->stopping)
        return err_set(err, ERR_CONFLICT, "the pod is being stopped");
    if (old && (!old->exited || old->attempt >= attempt))
        return err_set(err, ERR_CONFLICT, "container %s %s", name,
                       old->exited ? "has run this attempt already" : "is running");
    struct shim_container *c = xnew(struct shim_container);
    c->name = xstrdup(name);
    c->attempt = attempt;
    c->log.fd = -1;
    int r = read_spec(c, err);
    if (r == 0)
        r = open_log(c, err);
    c->started_ns = clock_wall_ns();
    if (r == 0)
        r = container_start(json_root(c->spec), s->o->namespaces ? "rootfs" : NULL, &c->run, err);
    if (r < 0) {
        container_free(c);
        return r;
    }
    if (old)
        forget(s, old);
    vec_push(&s->containers, c);
    *ret = c;
    return 0;
}

void shim_kill(struct shim *s, struct shim_container *c)
{
    (void)s;
    if (!c->reaped)
        kill(c->run.init, SIGKILL);
}

void shim_read_stream(struct shim_container *c, int stream)
{
    static char chunk[65536];
    ssize_t n = read(c->run.out[stream], chunk, sizeof chunk);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        crilog_feed(&c->log, stream, chunk, (size_t)n, clock_wall_ns());
        return;
    }
    crilog_flush(&c->log, stream, clock_wall_ns());
    close(c->run.out[stream]);
    c->run.out[stream] = -1;
}

void shim_read_report(struct shim *s, struct shim_container *c)
{
    char text[2048];
    ssize_t n = recv(c->run.report, text, sizeof text - 1, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        close(c->run.report);
        c->run.report = -1;
        return;
    }
    text[n] = '\0';
    if (text[0] == 'R') {
        c->started = true;
        write_record(c, "start");
        shim_start_done(s, c);
        shim_changed(s, c);
    } else if (text[0] == 'E') {
        c->message = xstrdup(text + 1);
    } else if (text[0] == 'S' && n == 1 + (ssize_t)sizeof c->status) {
        memcpy(&c->status, text + 1, sizeof c->status);
        c->reported = true;
    }
}

void shim_reaped(struct shim *s, pid_t pid, int status)
{
    for (size_t i = 0; i < s->containers.n; i++) {
        struct shim_container *c = s->containers.v[i];
        if (c->run.init != pid || c->reaped)
            continue;
        c->reaped = true;
        c->finished_ns = clock_wall_ns();
        if (c->run.report >= 0) /* what it said last may not have been read yet */
            shim_read_report(s, c);
        if (!c->reported)
            c->status = status;
    }
}

bool shim_alive(const struct shim *s)
{
    for (size_t i = 0; i < s->containers.n; i++)
        if (!s->containers.v[i]->exited)
            return true;
    return false;
}

/* Without pid namespaces, what outlived its container's init has become this process' child. */
static void kill_orphans(struct shim *s)
{
    DIR *d = s->o->namespaces ? NULL : opendir("/proc");
    struct dirent *e;

    while (d && (e = readdir(d))) {
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
        bool is_init = false;
        if (pid <= 0 || proc_parent(pid) != getpid())
            continue;
        for (size_t i = 0; i < s->containers.n; i++)
            is_init |= s->containers.v[i]->run.init == pid && !s->containers.v[i]->reaped;
        for (size_t i = 0; i < s->conns.n; i++)
            is_init |= s->conns.v[i]->exec == pid;
        if (!is_init)
            kill(pid, SIGKILL);
    }
    if (d)
        closedir(d);
}

void shim_settle(struct shim *s, struct shim_container *c)
{
    if (c->exited || !c->reaped)
        return;
    kill_orphans(s);
    if (c->run.out[0] >= 0 || c->run.out[1] >= 0)
        return;
    if (c->run.report >= 0) {
        close(c->run.report);
        c->run.report = -1;
    }
    c->exited = true;
    crilog_done(&c->log);
    write_record(c, "exit");
    shim_start_done(s, c);
    shim_changed(s, c);
}
