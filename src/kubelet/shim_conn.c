/* A shim's connections: requests in, answers and states out. */
#include "base/reach.h"
#include "kubelet/shim_int.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct request {
    struct shim *s;
    struct shim_conn *conn;
    yyjson_val *body;
    const char *container;
    const int *fds;
    int n_fds;
};

static void send_json(struct shim_conn *c, yyjson_mut_val *v)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    json_mut_write(&b, v);
    (void)unix_send(c->fd, buf_str(&b), b.len, NULL, 0, NULL);
}

static void answer_error(struct shim_conn *c, const char *message)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *obj = yyjson_mut_obj(doc);

    if (message)
        json_put_str(doc, obj, "error", message);
    send_json(c, obj);
}

void shim_conn_close(struct shim *s, struct shim_conn *c)
{
    for (size_t i = 0; i < s->conns.n; i++)
        if (s->conns.v[i] == c) {
            vec_remove(&s->conns, i);
            break;
        }
    if (c->exec)
        kill(c->exec, SIGKILL);
    if (s->stopper == c)
        s->stopper = NULL;
    close(c->fd);
    free(c);
}

void shim_accept(struct shim *s)
{
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return;
    struct shim_conn *c = xnew(struct shim_conn);
    c->fd = fd;
    vec_push(&s->conns, c);
}

static int op_start(struct request *q, struct err *err)
{
    return shim_start(q->s, q->container, (int)json_int_at(q->body, "attempt", 0), &q->conn->starts,
                      err);
}

static int find_running(struct request *q, struct shim_container **ret, struct err *err)
{
    *ret = shim_find(q->s, q->container);
    if (!*ret || (*ret)->reaped)
        return err_set(err, ERR_NOT_FOUND, "container %s is not running", q->container);
    return 0;
}

static int op_signal(struct request *q, struct err *err)
{
    struct shim_container *c;
    int r = find_running(q, &c, err);

    if (r == 0)
        kill(c->run.init, (int)json_int_at(q->body, "signal", SIGTERM));
    if (r == 0)
        answer_error(q->conn, NULL);
    return r;
}

static int op_kill(struct request *q, struct err *err)
{
    struct shim_container *c;
    int r = find_running(q, &c, err);

    if (r == 0)
        shim_kill(q->s, c);
    if (r == 0)
        answer_error(q->conn, NULL);
    return r;
}

static int op_exec(struct request *q, struct err *err)
{
    struct shim_container *c;
    int r = find_running(q, &c, err);

    if (r == 0 && (q->n_fds != 3 || q->conn->exec))
        r = err_set(err, ERR_BAD_REQUEST, "exec needs three descriptors");
    if (r == 0)
        r = container_exec(json_root(c->spec), c->run.init, q->s->o->namespaces,
                           json_get(q->body, "argv"), q->fds, err);
    if (r > 0)
        q->conn->exec = r;
    return MIN(r, 0);
}

static int op_socket(struct request *q, struct err *err)
{
    int fd autoclose = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return err_errno(err, errno, "socket");
    return unix_send(q->conn->fd, "{}", 2, &fd, 1, err);
}

static int op_watch(struct request *q, unused struct err *err)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *arr = yyjson_mut_arr(doc);

    for (size_t i = 0; i < q->s->containers.n; i++) {
        yyjson_mut_val *obj = yyjson_mut_arr_add_obj(doc, arr);
        if (q->s->containers.v[i]->started || q->s->containers.v[i]->exited)
            shim_state_json(q->s->containers.v[i], doc, obj);
    }
    q->conn->watching = true;
    send_json(q->conn, arr);
    return 0;
}

static int op_stop(struct request *q, unused struct err *err)
{
    q->s->stopping = true;
    q->s->stopper = q->conn;
    for (size_t i = 0; i < q->s->containers.n; i++)
        shim_kill(q->s, q->s->containers.v[i]);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(struct request *q, struct err *err);
} ops[] = {
    {"start", op_start}, {"signal", op_signal}, {"kill", op_kill},     {"exec", op_exec},
    {"watch", op_watch}, {"stop", op_stop},     {"socket", op_socket},
};

static void run_request(struct shim *s, struct shim_conn *c, struct slice text, const int *fds,
                        int n_fds)
{
    struct err err = {0};
    struct json *doc autojson = NULL;
    int r = json_parse(text, &doc, &err);
    yyjson_val *body = json_root(doc);
    struct request q = {s, c, body, json_get_str(body, "container", ""), fds, n_fds};
    const char *op = json_get_str(body, "op", "");
    size_t i = 0;

    while (r == 0 && i < ARRAY_SIZE(ops) && strcmp(ops[i].name, op) != 0)
        i++;
    if (r == 0)
        r = i < ARRAY_SIZE(ops) ? ops[i].run(&q, &err)
                                : err_set(&err, ERR_BAD_REQUEST, "unknown request \"%s\"", op);
    if (r < 0)
        answer_error(c, err.msg);
}

void shim_serve(struct shim *s, struct shim_conn *c)
{
    static char packet[SHIM_PACKET_MAX];
    int fds[3], n_fds = 0;
    struct err err;
    int n = unix_recv(c->fd, packet, sizeof packet, fds, 3, &n_fds, &err);

    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
            shim_conn_close(s, c);
        return;
    }
    run_request(s, c, (struct slice){packet, (size_t)n}, fds, n_fds);
    for (int i = 0; i < n_fds; i++)
        close(fds[i]);
}

void shim_exec_done(struct shim *s, pid_t pid, int status)
{
    for (size_t i = 0; i < s->conns.n; i++) {
        struct shim_conn *c = s->conns.v[i];
        if (c->exec != pid)
            continue;
        c->exec = 0;
        yyjson_mut_doc *doc automut = json_mut_new();
        yyjson_mut_val *obj = yyjson_mut_obj(doc);
        json_put_int(doc, obj, "exitCode",
                     WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        send_json(c, obj);
    }
}

void shim_start_done(struct shim *s, struct shim_container *done)
{
    for (size_t i = 0; i < s->conns.n; i++) {
        struct shim_conn *c = s->conns.v[i];
        if (c->starts != done)
            continue;
        c->starts = NULL;
        answer_error(c, done->started ? NULL : done->message ? done->message : "it was killed");
    }
}

void shim_changed(struct shim *s, struct shim_container *changed)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *obj = yyjson_mut_obj(doc);

    shim_state_json(changed, doc, obj);
    for (size_t i = 0; i < s->conns.n; i++)
        if (s->conns.v[i]->watching)
            send_json(s->conns.v[i], obj);
}

void shim_answer_stop(struct shim *s)
{
    if (s->stopper)
        answer_error(s->stopper, NULL);
}
