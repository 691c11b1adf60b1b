#include "kubelet/probe.h"
#include "base/clock.h"
#include "base/mem.h"
#include "kubelet/fallback.h"
#include "kubelet/pod.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define EARLY_NS (SECOND_NS / 5) /* readiness before its first success */
#define EARLY_EXEC_NS SECOND_NS  /* the same where each try costs a process */
#define OUTPUT_MAX 10240

struct probe {
    struct ctr *ctr;
    enum probe_kind kind;
    struct json *copy; /* of its spec: the pod's document is replaced with every news of it */
    yyjson_val *spec;
    uv_timer_t timer;
    int64_t delay_ns, period_ns, timeout_ns;
    unsigned success_threshold, failure_threshold;
    unsigned successes, failures; /* in a row; failures that count */
    bool passed;                  /* told of a success and not yet of a failure */
    bool ever_passed;
    int64_t counted_ns; /* when a failure counted last (monotonic) */
    /* One try in flight: */
    struct http_check *http;
    struct shim_call *exec;
    int output_fd;
    int64_t give_up_ns;
    struct wget_check wget[WGET_CHECKS_MAX];
    size_t n_wget, at_wget;
};

static const char *const names[] = {"Startup", "Readiness", "Liveness"};
static const char *const members[] = {"startupProbe", "readinessProbe", "livenessProbe"};

const char *probe_name(enum probe_kind k)
{
    return names[k];
}

const char *probe_member(enum probe_kind k)
{
    return members[k];
}

int probe_null_fd(void)
{
    static int fd = -1;

    if (fd < 0)
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    return fd;
}

static void try_once(uv_timer_t *t);

/* ---- when ---- */

static bool is_early(const struct probe *p)
{
    return p->kind == PROBE_READINESS && !p->ever_passed;
}

static int64_t next_delay(const struct probe *p)
{
    if (!is_early(p))
        return p->period_ns;
    bool process = json_get(p->spec, "exec") && !p->n_wget;
    return MIN(process ? EARLY_EXEC_NS : EARLY_NS, p->period_ns);
}

static void schedule(struct probe *p, int64_t ns)
{
    uv_timer_start(&p->timer, try_once, (uint64_t)(ns / 1000000), 0);
}

/* ---- the outcome ---- */

static void passed(struct probe *p, const char *output)
{
    p->failures = 0;
    p->successes++;
    if (p->successes < p->success_threshold || p->passed)
        return;
    p->passed = p->ever_passed = true;
    ctr_probed(p->ctr, p->kind, true, output);
}

/* Early readiness counts a failure once a period, as if it were not early. */
static bool failure_counts(struct probe *p)
{
    int64_t now = clock_mono_ns();

    if (!is_early(p))
        return true;
    if (now < p->ctr->start_ns + p->delay_ns || now < p->counted_ns + p->period_ns)
        return false;
    p->counted_ns = now;
    return true;
}

static void failed(struct probe *p, const char *output)
{
    p->successes = 0;
    if (!failure_counts(p))
        return;
    p->failures++;
    ctr_event(p->ctr, true, "Unhealthy", "%s probe failed: %s", names[p->kind], output);
    if (p->failures < p->failure_threshold || (!p->passed && p->kind == PROBE_READINESS))
        return;
    p->passed = false;
    p->failures = 0;
    ctr_probed(p->ctr, p->kind, false, output);
}

/* A probe may be stopped by what it says: it is the last thing done here. */
static void tried(struct probe *p, bool ok, const char *output)
{
    schedule(p, next_delay(p));
    if (ok)
        passed(p, output);
    else
        failed(p, output);
}

/* ---- exec ---- */

static void read_output(struct probe *p, struct buf *b)
{
    char text[OUTPUT_MAX];
    ssize_t n = pread(p->output_fd, text, sizeof text, 0);

    if (n > 0)
        buf_add(b, text, (size_t)n);
    close(p->output_fd);
    p->output_fd = -1;
}

static void exec_done(void *ctx, int code, yyjson_val *answer, struct err *err)
{
    struct probe *p = ctx;
    struct buf out cleanup(buf_done) = BUF_INIT;

    p->exec = NULL;
    read_output(p, &out);
    if (code < 0)
        tried(p, false, err->msg);
    else
        tried(p, json_int_at(answer, "exitCode", 1) == 0, buf_str(&out));
}

static void exec_timeout(struct probe *p)
{
    char text[320];

    shim_call_cancel(take(p->exec));
    close(p->output_fd);
    p->output_fd = -1;
    snprintf(text, sizeof text, "command timed out after %llds",
             (long long)(p->timeout_ns / SECOND_NS));
    tried(p, false, text);
}

static void try_exec(struct probe *p, yyjson_val *command)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *obj = yyjson_mut_obj(doc);
    struct buf b cleanup(buf_done) = BUF_INIT;

    json_put_str(doc, obj, "op", "exec");
    json_put_str(doc, obj, "container", p->ctr->name);
    json_put(doc, obj, "argv", json_thaw(doc, command));
    json_mut_write(&b, obj);
    p->output_fd = memfd_create("probe", MFD_CLOEXEC);
    p->give_up_ns = clock_mono_ns() + p->timeout_ns;
    p->exec = shim_call(p->ctr->pod->host->loop, p->ctr->pod->dir, buf_slice(&b),
                        (int[]){probe_null_fd(), p->output_fd, p->output_fd}, 3, exec_done, p);
    schedule(p, p->timeout_ns);
}

/* ---- HTTP and TCP ---- */

static bool is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strncmp(host, "127.0.", 6) == 0;
}

/* Where a host and port of the probe are: without namespaces the pod's loopback is its address. */
static const char *real_host(const struct probe *p, const char *host)
{
    const struct pod *pod = p->ctr->pod;
    return !*host || (!pod->host->namespaces && is_loopback(host)) ? pod->ip : host;
}

static unsigned real_port(const struct probe *p, unsigned port)
{
    const struct pod *pod = p->ctr->pod;
    return pod->host->namespaces ? port : fallback_port(pod->ip, port);
}

static void try_wget(struct probe *p);

static void http_done(void *ctx, bool ok, const char *output)
{
    struct probe *p = ctx;

    p->http = NULL;
    if (ok && p->n_wget && ++p->at_wget < p->n_wget)
        try_wget(p);
    else
        tried(p, ok, output);
}

static void try_wget(struct probe *p)
{
    const struct wget_check *w = &p->wget[p->at_wget];

    p->http = http_check_start(&(struct http_check_opts){
        .ctr = p->ctr,
        .in_pod = true,
        .scheme = "http",
        .host = real_host(p, w->host),
        .path = w->path,
        .port = real_port(p, w->port),
        .word = w->word,
        .timeout_ms = MIN(w->timeout_ms, (unsigned)(p->timeout_ns / 1000000)),
        .done = http_done,
        .ctx = p,
    });
}

static void try_http(struct probe *p, yyjson_val *get, yyjson_val *tcp)
{
    yyjson_val *from = get ? get : tcp;
    const char *host = json_get_str(from, "host", p->ctr->pod->ip);

    p->http = http_check_start(&(struct http_check_opts){
        .ctr = p->ctr,
        .in_pod = is_loopback(host),
        .scheme = json_get_str(get, "scheme", "HTTP"),
        .host = real_host(p, host),
        .path = get ? json_get_str(get, "path", "/") : NULL,
        .headers = json_get(get, "httpHeaders"),
        .port = real_port(p, probe_port(p->ctr->spec, json_get(from, "port"))),
        .timeout_ms = (unsigned)(p->timeout_ns / 1000000),
        .done = http_done,
        .ctx = p,
    });
}

static void try_once(uv_timer_t *t)
{
    struct probe *p = t->data;
    yyjson_val *get = json_get(p->spec, "httpGet"), *tcp = json_get(p->spec, "tcpSocket");
    yyjson_val *command = json_at(p->spec, "exec.command");

    if (p->exec) {
        exec_timeout(p);
        return;
    }
    if (p->http)
        return;
    p->at_wget = 0;
    if (p->n_wget)
        try_wget(p);
    else if (command)
        try_exec(p, command);
    else if (get || tcp)
        try_http(p, get, tcp);
}

/* ---- life ---- */

struct probe *probe_start(struct ctr *c, enum probe_kind kind)
{
    yyjson_val *spec = json_get(c->spec, members[kind]);

    if (json_is_empty(spec))
        return NULL;
    struct probe *p = xnew(struct probe);
    p->ctr = c;
    p->kind = kind;
    p->copy = json_copy(spec);
    p->spec = spec = json_root(p->copy);
    p->output_fd = -1;
    p->delay_ns = json_int_at(spec, "initialDelaySeconds", 0) * SECOND_NS;
    p->period_ns = MAX(json_int_at(spec, "periodSeconds", 10), 1) * SECOND_NS;
    p->timeout_ns = MAX(json_int_at(spec, "timeoutSeconds", 1), 1) * SECOND_NS;
    p->success_threshold = (unsigned)MAX(json_int_at(spec, "successThreshold", 1), 1);
    p->failure_threshold = (unsigned)MAX(json_int_at(spec, "failureThreshold", 3), 1);
    p->n_wget = probe_parse_wget(json_at(spec, "exec.command"), p->wget);
    uv_timer_init(c->pod->host->loop, &p->timer);
    p->timer.data = p;
    schedule(p, is_early(p) ? 0 : p->delay_ns);
    return p;
}

static void probe_closed(uv_handle_t *h)
{
    struct probe *p = h->data;

    json_unref(p->copy);
    free(p);
}

void probe_stop(struct probe *p)
{
    if (!p)
        return;
    shim_call_cancel(p->exec);
    http_check_cancel(p->http);
    if (p->output_fd >= 0)
        close(p->output_fd);
    uv_close((uv_handle_t *)&p->timer, probe_closed);
}

unsigned probe_port(yyjson_val *container, yyjson_val *port)
{
    const char *name = json_str(port, NULL);
    int64_t n;

    if (!name)
        return (unsigned)yyjson_get_int(port);
    json_each(json_get(container, "ports"), item, i, count)
        if (strcmp(json_get_str(item, "name", ""), name) == 0)
            return (unsigned)json_int_at(item, "containerPort", 0);
    return slice_int64(slice_of(name), &n) && n > 0 && n < 65536 ? (unsigned)n : 0;
}
