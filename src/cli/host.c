#include "cli/host.h"
#include "cli/child.h"
#include "cli/flags.h"
#include "cli/gate.h"
#include "cli/orphans.h"
#include "cli/verb.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/reach.h"
#include "data/crd.h"
#include "kube/client.h"
#include "kubelet/kubelet.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define START_LIMIT_NS INT64_C(20000000000)
#define STOP_MS 10000
#define KUBELET_STOP_MS 45000 /* pods get their grace periods */

enum part { PART_APISERVER, PART_OPERATOR, PART_KUBELET, PARTS };

struct host {
    uv_loop_t loop;
    struct instance i;
    struct gate *gate;
    struct child *parts[PARTS];
    struct kube *kube;
    struct kube_config *config;
    uv_signal_t term, interrupt;
    uv_fs_event_t files;
    uv_timer_t limit;
    bool ephemeral, stopping, stopped, up; /* ephemeral: until the last user has left */
    unsigned crashes;                      /* before everything was up */
};

static const char *const part_names[PARTS] = {"apiserver", "operator", "kubelet"};

static void note_children(struct host *h)
{
    struct orphan list[PARTS];
    size_t n = 0;

    for (size_t k = 0; k < PARTS; k++)
        if (child_pid(h->parts[k]))
            list[n++] = (struct orphan){part_names[k], child_pid(h->parts[k])};
    orphans_write(h->i.dir, list, n);
}

static void on_restart(void *ctx)
{
    note_children(ctx);
}

static void on_crash(void *ctx, const char *name, int code, int signal)
{
    struct host *h = ctx;
    char how[32];

    snprintf(how, sizeof how, signal ? "signal %d" : "exit code %d", signal ? signal : code);
    log_warn("a part ended and is started again", "part", name, "how", how, NULL);
    h->crashes++;
    if (!h->up)
        uv_stop(&h->loop);
}

static int start_part(struct host *h, enum part part, char **argv, const char *env, struct err *err)
{
    autofree char *log = xasprintf("%s/%s.log", h->i.logs, part_names[part]);
    struct child_opts o = {.name = part_names[part],
                           .log = log,
                           .argv = argv,
                           .env = env,
                           .own_session = true,
                           .pass_fd = -1,
                           .on_crash = on_crash,
                           .on_restart = on_restart,
                           .ctx = h};
    int code = child_start(&h->loop, &o, &h->parts[part], err);

    note_children(h);
    return code;
}

/* A part that cannot start says why in its log: the last line of it. */
static int blame(struct host *h, enum part part, struct err *err)
{
    autofree char *path = xasprintf("%s/%s.log", h->i.logs, part_names[part]);
    struct buf text cleanup(buf_done) = BUF_LIMIT(1 << 20);

    file_read(path, &text, NULL);
    while (text.len && text.data[text.len - 1] == '\n')
        text.data[--text.len] = '\0';
    const char *line = strrchr(buf_str(&text), '\n');
    return err_set(err, ERR_UNAVAILABLE, "the %s does not start: %s (log: %s)", part_names[part],
                   line ? line + 1 : buf_str(&text), path);
}

static void on_files(uv_fs_event_t *w, unused const char *name, unused int events,
                     unused int status)
{
    uv_stop(w->loop);
}

static void on_limit(uv_timer_t *t)
{
    uv_stop(t->loop);
}

static int wait_for_apiserver(struct host *h, struct err *err)
{
    int64_t end = clock_mono_ns() + START_LIMIT_NS;

    while (access(h->i.kubeconfig, R_OK) < 0) {
        if (h->crashes >= 3 || clock_mono_ns() > end)
            return blame(h, PART_APISERVER, err);
        uv_timer_start(&h->limit, on_limit, 1000, 0);
        uv_run(&h->loop, UV_RUN_DEFAULT);
    }
    uv_timer_stop(&h->limit);
    return 0;
}

static bool port_is_free(int64_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd autoclose = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
}

/* Where the API server listened before, so that old kubeconfigs go on working; else any port. */
static void choose_listen(struct host *h, char out[64])
{
    struct kube_config *c cleanup(kube_config_free_p) = NULL;
    struct kube_config_opts o = {.path = h->i.kubeconfig};
    int64_t port = 0;

    if (kube_config_load(&o, &c, NULL) == 0 && strrchr(c->server, ':') &&
        (!slice_int64(slice_of(strrchr(c->server, ':') + 1), &port) || !port_is_free(port)))
        port = 0;
    snprintf(out, 64, "127.0.0.1:%d", (int)port);
}

static int start_apiserver(struct host *h, struct err *err)
{
    char listen[64];
    char *argv[] = {"manta",        "apiserver",          "--listen",      listen, "--state",
                    h->i.apiserver, "--write-kubeconfig", h->i.kubeconfig, NULL};
    struct kube_config_opts o = {.path = h->i.kubeconfig};
    int code;

    choose_listen(h, listen);
    unlink(h->i.kubeconfig);
    code = start_part(h, PART_APISERVER, argv, NULL, err);
    if (code == 0)
        code = wait_for_apiserver(h, err);
    if (code == 0)
        code = kube_config_load(&o, &h->config, err);
    if (code == 0)
        code = kube_new(&h->loop, h->config, &(struct kube_opts){.user_agent = "manta-up"},
                        &h->kube, err);
    if (code == 0) { /* a restart must come back where its clients look for it */
        snprintf(listen, sizeof listen, "%s", h->config->server + strlen("https://"));
        child_set_argv(h->parts[PART_APISERVER], argv);
    }
    return code;
}

static int put_crd(struct host *h, struct slice text, struct err *err)
{
    struct kube_call call = {.verb = KUBE_CREATE, .gvr = &gvr_crds, .body = text};
    autojson struct json *crd = NULL;
    int code = kube_do(h->kube, &call, NULL, err);

    if (code != ERR_ALREADY_EXISTS)
        return code;
    code = json_parse(text, &crd, err);
    if (code < 0)
        return code;
    call.verb = KUBE_PATCH;
    call.name = meta_name(json_root(crd));
    call.content_type = KUBE_MERGE_PATCH;
    return kube_do(h->kube, &call, NULL, err);
}

static int install_crds(struct host *h, struct err *err)
{
    for (size_t k = 0; crd_kind(k); k++) {
        struct buf text cleanup(buf_done) = BUF_INIT;
        crd_write(crd_kind(k), &text);
        if (put_crd(h, buf_slice(&text), err) < 0)
            return err_wrap(err, "installing the CRD of %s", crd_kind(k));
    }
    return 0;
}

static int add_context(struct host *h, struct err *err)
{
    autofree char *path = kube_config_default_file();
    struct kube_context c = {.name = h->i.context,
                             .server = h->config->server,
                             .ca_pem = h->config->ca_pem,
                             .token = h->config->token,
                             .cert_pem = h->config->cert_pem,
                             .key_pem = h->config->key_pem};

    return kube_config_add(path, &c, true, err);
}

static int start_all(struct host *h, struct err *err)
{
    autofree char *reach = xasprintf("%s=%s/%s", REACH_ENV, h->i.kubelet, REACH_SOCKET);
    char *operator[] = {"manta",
                        "operator",
                        "--kubeconfig",
                        h->i.kubeconfig,
                        "--enable-leader-election=false",
                        "--metrics-addr=0",
                        "--health-probe-bind-address=0",
                        NULL};
    char *kubelet[] = {"manta",   "kubelet",    "--kubeconfig", h->i.kubeconfig,
                       "--state", h->i.kubelet, "--cleanup",    NULL};
    int code = start_apiserver(h, err);

    if (code == 0)
        code = start_part(h, PART_KUBELET, kubelet, NULL, err);
    if (code == 0)
        code = install_crds(h, err);
    if (code == 0)
        code = start_part(h, PART_OPERATOR, operator, reach, err);
    if (code == 0)
        code = add_context(h, err);
    return code;
}

/* ---- the end: operator, then pods and kubelet, then the API server ---- */

static void all_stopped(void *ctx)
{
    struct host *h = ctx;

    h->parts[PART_APISERVER] = NULL;
    h->stopped = true;
    uv_stop(&h->loop);
}

static void kubelet_stopped(void *ctx)
{
    struct host *h = ctx;

    h->parts[PART_KUBELET] = NULL;
    kube_free(h->kube);
    h->kube = NULL;
    child_stop(h->parts[PART_APISERVER], STOP_MS, all_stopped, h);
}

static void operator_stopped(void *ctx)
{
    struct host *h = ctx;

    h->parts[PART_OPERATOR] = NULL;
    child_stop(h->parts[PART_KUBELET], KUBELET_STOP_MS, kubelet_stopped, h);
}

static void stop(struct host *h)
{
    autofree char *path = kube_config_default_file();
    struct err err;

    if (h->stopping)
        return;
    h->stopping = true;
    gate_shut(h->gate);
    if (kube_config_remove(path, h->i.context, &err) < 0)
        log_warn("the context stays in the kubeconfig", "why", err.msg, NULL);
    child_stop(h->parts[PART_OPERATOR], STOP_MS, operator_stopped, h);
}

static void on_signal(uv_signal_t *s, unused int number)
{
    stop(s->data);
}

static void on_down(void *ctx)
{
    stop(ctx);
}

static bool on_empty(void *ctx)
{
    struct host *h = ctx;

    if (h->ephemeral)
        stop(h);
    return h->stopping;
}

/* Somebody wants the instance to outlast its users. */
static void on_stay(void *ctx)
{
    struct host *h = ctx;

    h->ephemeral = false;
    unlink(h->i.ephemeral);
}

static void listen_for_signals(struct host *h)
{
    uv_signal_init(&h->loop, &h->term);
    uv_signal_init(&h->loop, &h->interrupt);
    h->term.data = h->interrupt.data = h;
    uv_signal_start(&h->term, on_signal, SIGTERM);
    uv_signal_start(&h->interrupt, on_signal, SIGINT);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
}

static void close_everything(struct host *h)
{
    uv_handle_t *handles[] = {(uv_handle_t *)&h->term, (uv_handle_t *)&h->interrupt,
                              (uv_handle_t *)&h->files, (uv_handle_t *)&h->limit};

    kube_free(h->kube);
    kube_config_free(h->config);
    for (size_t k = 0; k < ARRAY_SIZE(handles); k++)
        uv_close(handles[k], NULL);
    uv_run(&h->loop, UV_RUN_DEFAULT);
}

static int host_run(struct host *h)
{
    struct gate_events events = {on_down, on_empty, on_stay, h};
    struct err err = {0};

    uv_loop_init(&h->loop);
    listen_for_signals(h);
    uv_fs_event_init(&h->loop, &h->files);
    uv_fs_event_start(&h->files, on_files, h->i.dir, 0);
    uv_timer_init(&h->loop, &h->limit);
    int code = gate_listen(&h->loop, h->i.sock, &events, &h->gate, &err);
    if (code == 0) {
        printf("listening\n"); /* who started us connects now */
        fflush(stdout);
        code = start_all(h, &err);
    }
    uv_fs_event_stop(&h->files);
    if (code < 0) {
        log_error("the start failed", "why", err.msg, NULL);
        if (h->gate)
            gate_failed(h->gate, err.msg);
        stop(h);
    } else {
        h->up = true;
        gate_ready(h->gate);
    }
    while (!h->stopped)
        uv_run(&h->loop, UV_RUN_DEFAULT);
    kubelet_purge(h->i.kubelet, NULL);
    orphans_write(h->i.dir, NULL, 0);
    if (access(h->i.ephemeral, F_OK) == 0)
        file_remove_tree(h->i.dir, NULL);
    gate_free(h->gate);
    close_everything(h);
    return code < 0;
}

/* Only what `manta run` made from nothing is ephemeral: objects of an earlier `manta up` stay. */
static int mark_ephemeral(const struct instance *i, struct err *err)
{
    return access(i->apiserver, F_OK) ? file_write(i->ephemeral, SLICE(""), 0600, err) : 0;
}

/* The instance is this process' alone, and what a killed predecessor left of it is ended but for
 * the pods. */
static int take_instance(struct host *h, int *ret_lock, struct err *err)
{
    int code = *ret_lock = instance_lock(h->i.host_lock, err);

    if (code >= 0)
        code = instance_make(&h->i, err);
    if (code >= 0)
        code = orphans_end(h->i.dir, STOP_MS, part_names[PART_KUBELET], err);
    if (code >= 0 && h->ephemeral)
        code = mark_ephemeral(&h->i, err);
    return code;
}

int verb_host(int argc, char **argv)
{
    struct host h = {0};
    const char *name = "default";
    const struct flag list[] = {
        {"name", 'n', FLAG_STRING, &name, "NAME", "which instance"},
        {"ephemeral", 0, FLAG_BOOL, &h.ephemeral, NULL, "end when the last user has left"},
    };
    const struct flags flags = {"host",
                                "The parent of an instance's processes; manta up starts it.", list,
                                ARRAY_SIZE(list)};
    struct err err;
    int lock autoclose = -1;
    int n = flags_parse(&flags, argc, argv);

    if (n < 0)
        return flags_exit(n);
    if (instance_open(&h.i, name, true, &err) < 0 || take_instance(&h, &lock, &err) < 0) {
        fprintf(stderr, "manta host: %s\n", err.msg);
        return 1;
    }
    int code = host_run(&h);
    instance_done(&h.i);
    return code;
}
