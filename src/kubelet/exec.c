/*
 * kubectl exec: a process in a container whose streams are the channels of a WebSocket
 * (v4.channel.k8s.io and v5.channel.k8s.io: the first byte of a message is the channel's number).
 */
#include "base/file.h"
#include "base/mem.h"
#include "kubelet/kserver.h"
#include "kubelet/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define UNSENT_HIGH (512u << 10) /* then the process waits */
/* kubectl up to 1.32 loses what arrives before it has made its streams. */
#define SETTLE_MS 100
#define LINGER_MS                                                                                  \
    1000 /* after the process' end, for output that others of its children hold open */

enum channel { STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 255 };

struct exec;

struct stream {
    struct exec *e;
    uv_pipe_t pipe;
    bool open; /* the handle lives */
    bool reading;
    enum channel channel;
};

struct exec {
    uv_loop_t *loop;
    char *dir;          /* the pod's */
    struct buf request; /* to the shim */
    int fds[3];         /* the process' end; -1 once it has them */
    struct ws *ws;      /* NULL once the client is gone */
    struct shim_call *call;
    struct stream in, out[2]; /* with a terminal only in, both ways */
    uv_timer_t timer;         /* of SETTLE_MS, then of LINGER_MS */
    int users;                /* open handles and the WebSocket; the last one frees */
    bool tty, ended, held;
    int exit_code;
    char error[256]; /* why it could not run; "" none */
};

struct request {
    VEC(char *) argv;
    bool on[3], tty;
};

/* ---- the request ---- */

static void request_done(struct request *q)
{
    for (size_t i = 0; i < q->argv.n; i++)
        free(q->argv.v[i]);
    vec_done(&q->argv);
}

static bool is_true(struct slice v)
{
    return slice_is(v, "true") || slice_is(v, "1");
}

static void parse_request(struct slice query, struct request *q)
{
    static const char *const streams[] = {"stdin", "stdout", "stderr"};
    struct slice value, name;

    while (slice_cut(&query, '&', &value)) {
        if (!slice_cut(&value, '=', &name))
            continue;
        if (slice_is(name, "command")) {
            char *word = xmalloc(value.n + 1);
            log_query_decode(value, word, value.n + 1);
            vec_push(&q->argv, word);
        }
        for (size_t i = 0; i < ARRAY_SIZE(streams); i++)
            if (slice_is(name, streams[i]))
                q->on[i] = is_true(value);
        if (slice_is(name, "tty"))
            q->tty = is_true(value);
    }
}

/* ---- the end ---- */

static void close_fds(int fds[3])
{
    for (int i = 0; i < 3; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

static void release(struct exec *e)
{
    if (--e->users)
        return;
    close_fds(e->fds);
    buf_done(&e->request);
    free(e->dir);
    free(e);
}

static void handle_closed(uv_handle_t *h)
{
    release(h->data);
}

static void stream_close(struct stream *s)
{
    if (!s->open)
        return;
    s->open = s->reading = false;
    s->pipe.data = s->e;
    uv_close((uv_handle_t *)&s->pipe, handle_closed);
}

static void close_all(struct exec *e)
{
    stream_close(&e->in);
    stream_close(&e->out[0]);
    stream_close(&e->out[1]);
    if (!uv_is_closing((uv_handle_t *)&e->timer))
        uv_close((uv_handle_t *)&e->timer, handle_closed);
}

static void put_cause(yyjson_mut_doc *doc, yyjson_mut_val *status, int code)
{
    char text[16];
    yyjson_mut_val *cause = yyjson_mut_arr_add_obj(
        doc, json_put_arr(doc, json_put_obj(doc, status, "details"), "causes"));

    snprintf(text, sizeof text, "%d", code);
    json_put_str(doc, cause, "reason", "ExitCode");
    json_put_str(doc, cause, "message", text);
}

/* The last word, on the error channel: how it ended, in the form that kubectl reads exit codes
 * from. */
static void send_status(struct exec *e)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *status = yyjson_mut_obj(doc);
    struct buf b cleanup(buf_done) = BUF_INIT;
    char message[320];

    json_put_obj(doc, status, "metadata");
    json_put_str(doc, status, "status", e->exit_code || *e->error ? "Failure" : "Success");
    if (*e->error)
        snprintf(message, sizeof message, "%s", e->error);
    else
        snprintf(message, sizeof message, "command terminated with non-zero exit code: %d",
                 e->exit_code);
    if (e->exit_code || *e->error) {
        json_put_str(doc, status, "message", message);
        json_put_str(doc, status, "reason", *e->error ? "InternalError" : "NonZeroExitCode");
        if (*e->error)
            json_put_int(doc, status, "code", 500);
        else
            put_cause(doc, status, e->exit_code);
    }
    json_mut_write(&b, status);
    ws_send_channel(e->ws, ERROR, buf_slice(&b));
}

/* Once the process has ended and all its output is out. */
static void maybe_finish(struct exec *e)
{
    bool output = e->tty ? e->in.reading : e->out[0].reading || e->out[1].reading;

    if (!e->ws || !e->ended || (output && uv_is_active((uv_handle_t *)&e->timer)))
        return;
    send_status(e);
    ws_close(e->ws, WS_NORMAL, SLICE(""));
    close_all(e);
}

static void on_linger(uv_timer_t *t)
{
    maybe_finish(t->data);
}

static void process_ended(void *ctx, int code, yyjson_val *answer, struct err *err)
{
    struct exec *e = ctx;

    e->call = NULL;
    e->ended = true;
    e->exit_code = (int)json_int_at(answer, "exitCode", 0);
    if (code < 0)
        snprintf(e->error, sizeof e->error, "%.255s", err->msg);
    uv_timer_start(&e->timer, on_linger, code < 0 ? 0 : LINGER_MS, 0);
    maybe_finish(e);
}

/* ---- output ---- */

static void on_alloc(unused uv_handle_t *h, unused size_t wanted, uv_buf_t *buf)
{
    static char chunk[32768];
    *buf = uv_buf_init(chunk, sizeof chunk);
}

static void on_output(uv_stream_t *h, ssize_t n, const uv_buf_t *buf)
{
    struct stream *s = h->data;
    struct exec *e = s->e;

    if (n < 0) { /* the end; of a terminal: EIO */
        uv_read_stop(h);
        s->reading = false;
        maybe_finish(e);
        return;
    }
    if (!e->ws || n == 0)
        return;
    ws_send_channel(e->ws, (uint8_t)s->channel, (struct slice){buf->base, (size_t)n});
    if (ws_unsent(e->ws) > UNSENT_HIGH && !e->held) {
        e->held = true;
        uv_read_stop(h);
    }
}

static void start_reading(struct stream *s)
{
    if (s->open && s->reading)
        uv_read_start((uv_stream_t *)&s->pipe, on_alloc, on_output);
}

static void on_drain(unused struct ws *ws, void *ctx)
{
    struct exec *e = ctx;

    if (!e->held)
        return;
    e->held = false;
    start_reading(e->tty ? &e->in : &e->out[0]);
    start_reading(&e->out[1]);
}

/* ---- input ---- */

struct writing {
    uv_write_t req;
    struct exec *e;
    char bytes[];
};

static void on_written(uv_write_t *req, unused int status)
{
    struct writing *w = container_of(req, struct writing, req);
    struct exec *e = w->e;

    if (e->ws && e->in.open && uv_stream_get_write_queue_size((uv_stream_t *)&e->in.pipe) == 0)
        ws_pause(e->ws, false);
    free(w);
}

static void input(struct exec *e, struct slice data)
{
    if (!e->in.open || !data.n)
        return;
    struct writing *w = xmalloc(sizeof *w + data.n);
    w->e = e;
    memcpy(w->bytes, data.p, data.n);
    uv_buf_t buf = uv_buf_init(w->bytes, (unsigned)data.n);
    if (uv_write(&w->req, (uv_stream_t *)&e->in.pipe, &buf, 1, on_written) < 0) {
        free(w);
        return;
    }
    if (uv_stream_get_write_queue_size((uv_stream_t *)&e->in.pipe) > UNSENT_HIGH)
        ws_pause(e->ws, true);
}

static void on_shutdown(uv_shutdown_t *req, unused int status)
{
    struct exec *e = req->data;

    stream_close(&e->in);
    free(req);
}

/* What was written before arrives first. A terminal's input ends with its own sign. */
static void end_input(struct exec *e)
{
    if (e->tty) {
        input(e, SLICE("\4"));
        return;
    }
    uv_shutdown_t *req = xnew(uv_shutdown_t);
    req->data = e;
    if (!e->in.open || uv_shutdown(req, (uv_stream_t *)&e->in.pipe, on_shutdown) < 0)
        free(req);
}

static void resize(struct exec *e, struct slice text)
{
    struct json *doc autojson = NULL;
    uv_os_fd_t fd;

    if (!e->tty || !e->in.open || json_parse(text, &doc, NULL) < 0 ||
        uv_fileno((uv_handle_t *)&e->in.pipe, &fd) < 0)
        return;
    struct winsize w = {.ws_col = (unsigned short)json_int_at(json_root(doc), "Width", 80),
                        .ws_row = (unsigned short)json_int_at(json_root(doc), "Height", 24)};
    ioctl(fd, TIOCSWINSZ, &w);
}

static void on_message(unused struct ws *ws, unused enum ws_kind kind, struct slice data, void *ctx)
{
    struct exec *e = ctx;

    if (!data.n || e->ended)
        return;
    uint8_t channel = (uint8_t)data.p[0];
    data.p++, data.n--;
    if (channel == STDIN)
        input(e, data);
    else if (channel == RESIZE)
        resize(e, data);
    else if (channel == CLOSE && data.n == 1 && data.p[0] == STDIN)
        end_input(e);
}

static void on_close(unused struct ws *ws, unused int code, unused struct slice reason,
                     unused int status, void *ctx)
{
    struct exec *e = ctx;

    e->ws = NULL;
    shim_call_cancel(take(e->call)); /* which kills the process */
    close_all(e);
    release(e);
}

/* ---- the start ---- */

static void stream_open(struct exec *e, struct stream *s, enum channel channel, int fd)
{
    *s = (struct stream){.e = e, .open = true, .channel = channel};
    uv_pipe_init(e->loop, &s->pipe, 0);
    s->pipe.data = s;
    e->users++;
    uv_pipe_open(&s->pipe, fd);
}

struct fds {
    int process[3], ours[3]; /* -1: none */
};

static int open_terminal(struct fds *f, struct err *err)
{
    if (openpty(&f->ours[0], &f->process[0], NULL, NULL, NULL) < 0)
        return err_errno(err, errno, "making a terminal");
    fcntl(f->ours[0], F_SETFD, FD_CLOEXEC);
    for (int i = 1; i < 3; i++)
        f->process[i] = fcntl(f->process[0], F_DUPFD_CLOEXEC, 0);
    return 0;
}

static int open_pipes(const struct request *q, struct fds *f, struct err *err)
{
    for (int i = 0; i < 3; i++) {
        int pair[2];
        if (!q->on[i]) {
            f->process[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
            continue;
        }
        if (pipe2(pair, O_CLOEXEC) < 0)
            return err_errno(err, errno, "pipe");
        f->process[i] = pair[i == 0 ? 0 : 1];
        f->ours[i] = pair[i == 0 ? 1 : 0];
    }
    return 0;
}

static void put_request(struct buf *out, const char *container, const struct request *q)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *obj = yyjson_mut_obj(doc);

    json_put_str(doc, obj, "op", "exec");
    json_put_str(doc, obj, "container", container);
    yyjson_mut_val *argv = json_put_arr(doc, obj, "argv");
    for (size_t i = 0; i < q->argv.n; i++)
        yyjson_mut_arr_add_strcpy(doc, argv, q->argv.v[i]);
    json_mut_write(out, obj);
}

static void on_settled(uv_timer_t *t)
{
    struct exec *e = t->data;

    e->call = shim_call(e->loop, e->dir, buf_slice(&e->request), e->fds, 3, process_ended, e);
    close_fds(e->fds);
}

static void open_streams(struct exec *e, const struct fds *f)
{
    struct stream *streams[] = {&e->in, &e->out[0], &e->out[1]};

    for (int i = 0; i < 3; i++)
        if (f->ours[i] >= 0)
            stream_open(e, streams[i], e->tty ? STDOUT : (enum channel)i, f->ours[i]);
    e->in.reading = e->tty;
    for (int i = 0; i < 2; i++)
        e->out[i].reading = e->out[i].open;
    if (e->tty)
        start_reading(&e->in);
    start_reading(&e->out[0]);
    start_reading(&e->out[1]);
}

static struct exec *exec_new(const struct pod *pod, const struct ctr *c, const struct request *q,
                             const int fds[3])
{
    struct exec *e = xnew(struct exec);

    e->loop = pod->host->loop;
    e->dir = xstrdup(pod->dir);
    e->tty = q->tty;
    memcpy(e->fds, fds, sizeof e->fds);
    put_request(&e->request, c->name, q);
    e->users = 2; /* the timer and the WebSocket */
    uv_timer_init(e->loop, &e->timer);
    e->timer.data = e;
    return e;
}

static void run(struct http_req *r, const struct pod *pod, const struct ctr *c,
                const struct request *q)
{
    static const char *const known[] = {"v5.channel.k8s.io", "v4.channel.k8s.io", NULL};
    struct fds f = {{-1, -1, -1}, {-1, -1, -1}};
    struct err err;

    if ((q->tty ? open_terminal(&f, &err) : open_pipes(q, &f, &err)) < 0) {
        kserver_refuse(r, 500, "%s", err.msg);
        close_fds(f.ours);
        close_fds(f.process);
        return;
    }
    struct exec *e = exec_new(pod, c, q, f.process);
    struct ws_handler h = {
        .on_message = on_message, .on_drain = on_drain, .on_close = on_close, .ctx = e};
    open_streams(e, &f);
    e->ws = http_accept_websocket(r, http_pick_protocol(r, known), &h);
    if (e->ws) {
        uv_timer_start(&e->timer, on_settled, SETTLE_MS, 0);
    } else {
        close_all(e);
        release(e);
    }
}

void exec_serve(unused struct kubelet *k, struct http_req *r, struct kpod *p, struct ctr *c)
{
    struct request q = {0};

    parse_request(r->query, &q);
    if (c->phase != CTR_RUNNING)
        kserver_refuse(r, 400, "container %s is not running", c->name);
    else if (!q.argv.n)
        kserver_refuse(r, 400, "you must specify at least 1 command");
    else
        run(r, p->pod, c, &q);
    request_done(&q);
}
