#include "operator/operator.h"
#include "operator/controllers.h"
#include "operator/health.h"
#include "operator/meters.h"
#include "operator/metrics.h"
#include "operator/options.h"
#include "operator/supervisor.h"
#include "operator/zaplog.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/lease.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAMESPACE_FILE "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
#define LEASE_NAME "ray-operator-leader"
#define USER_AGENT "kuberay-operator/" KUBERAY_VERSION
#define LEASE_AGENT "manager/v0.0.0 (linux/amd64) kubernetes/$Format/leader-election"

struct worker {
    uv_loop_t loop;
    struct operator_options *o;
    const char *identity; /* of the lease: the supervisor's, so that a new worker goes on with it */
    struct kube_config *config;
    struct kube *kube;
    struct actor actor;
    struct controllers *controllers;
    struct lease *lease;
    struct health *health;
    uv_signal_t term, interrupt;
    bool stopping;
    int code;
};

static void on_request(void *ctx, const struct kube_seen *seen)
{
    struct worker *w = ctx;
    const char *host = strstr(w->config->server, "://");

    meters_request(host ? host + 3 : w->config->server, seen);
}

static void fail(struct worker *w, const char *what, const char *why)
{
    log_error(what, "error", why, NULL);
    w->code = 1;
}

/* ---- what the server offers, asked once ---- */

static int ask_openshift(struct worker *w, struct err *err)
{
    static const char *const groups[] = {"route.openshift.io", "security.openshift.io",
                                         "config.openshift.io"};
    autojson struct json *answer = NULL;
    int code = kube_do(w->kube, &(struct kube_call){.verb = KUBE_GET, .path = "/apis"}, &answer, err);

    if (code < 0)
        return err_wrap(err, "asking the API server for its groups");
    json_each (json_get(json_root(answer), "groups"), group, i, n)
        for (size_t k = 0; k < ARRAY_SIZE(groups); k++)
            if (!strcmp(json_get_str(group, "name", ""), groups[k]))
                w->o->ray.openshift = true;
    json_each (json_get(json_root(answer), "groups"), group, i, n)
        json_each (json_get(group, "versions"), version, k, m)
            if (!strcmp(json_get_str(version, "groupVersion", ""), "cert-manager.io/v1"))
                w->o->ray.cert_manager = true;
    return 0;
}

/* The gate SidecarSubmitterRestart needs container restart rules: Kubernetes 1.35. */
static int check_version(struct worker *w, struct err *err)
{
    autojson struct json *answer = NULL;
    int64_t major = 0, minor = 0;
    int code;

    if (!ray_feature(&w->o->ray, FEATURE_SIDECAR_RESTART))
        return 0;
    code = kube_do(w->kube, &(struct kube_call){.verb = KUBE_GET, .path = "/version"}, &answer, err);
    if (code < 0)
        return err_wrap(err, "asking the API server for its version");
    slice_int64(slice_of(json_get_str(json_root(answer), "major", "")), &major);
    const char *text = json_get_str(json_root(answer), "minor", "");
    slice_int64((struct slice){text, strspn(text, "0123456789")}, &minor);
    if (major > 1 || minor >= 35)
        return 0;
    return err_set(err, ERR_BAD_REQUEST,
                   "the feature gate SidecarSubmitterRestart needs Kubernetes 1.35 or later");
}

/* ---- leading ---- */

static bool may_write(void *ctx)
{
    struct worker *w = ctx;

    return !w->lease || lease_held(w->lease);
}

static void lead(void *ctx)
{
    struct worker *w = ctx;

    log_info("leading; controllers start", "identity", w->identity, NULL);
    if (w->lease) {
        metrics_set(METRIC_LEADER, 1, LEASE_NAME);
        lease_announce(w->lease);
    }
    controllers_start(w->controllers);
}

static void lost(void *ctx)
{
    struct worker *w = ctx;

    fail(w, "leader election lost", "the lease was not renewed in time");
    uv_stop(&w->loop);
}

static int lease_namespace(struct worker *w, struct buf *out, struct err *err)
{
    if (*w->o->leader_election_namespace) {
        buf_adds(out, w->o->leader_election_namespace);
        return 0;
    }
    if (file_read(NAMESPACE_FILE, out, err) < 0)
        return err_set(err, ERR_BAD_REQUEST,
                       "unable to find leader election namespace: not running in a cluster; give "
                       "--leader-election-namespace, or --enable-leader-election=false");
    return 0;
}

static int elect(struct worker *w, struct err *err)
{
    struct buf ns cleanup(buf_done) = BUF_LIMIT(4096);

    if (!w->o->leader_election) {
        lead(w);
        return 0;
    }
    int code = lease_namespace(w, &ns, err);
    if (code < 0)
        return code;
    metrics_set(METRIC_LEADER, 0, LEASE_NAME);
    kube_fence(w->kube, may_write, w);
    return lease_new(&w->loop, w->config,
                     &(struct lease_opts){.ns = buf_str(&ns),
                                          .name = LEASE_NAME,
                                          .identity = w->identity,
                                          .user_agent = LEASE_AGENT,
                                          .on_started = lead,
                                          .on_lost = lost,
                                          .ctx = w},
                     &w->lease, err);
}

/* ---- start and end ---- */

static void on_change(void *ctx, enum ray_kind kind, yyjson_val *was, yyjson_val *now, bool first_list)
{
    struct worker *w = ctx;

    controllers_changed(w->controllers, kind, was, now, first_list);
}

static void on_filled(void *ctx, enum ray_kind kind)
{
    struct worker *w = ctx;

    controllers_filled(w->controllers, kind);
}

static void make_actor(struct worker *w, struct guard *guard)
{
    char host[256] = "localhost";
    size_t n;
    const char **namespaces = operator_namespaces(w->o, &n);

    gethostname(host, sizeof host - 1);
    w->actor = (struct actor){.loop = &w->loop,
                              .kube = w->kube,
                              .guard = guard,
                              .options = &w->o->ray,
                              .now = clock_wall_ns,
                              .on_status = meters_status};
    rand_bytes(&w->actor.attempts, sizeof w->actor.attempts);
    w->actor.observe = observe_new(&(struct observe_opts){.kube = w->kube,
                                                          .namespaces = namespaces,
                                                          .n = n,
                                                          .on_change = on_change,
                                                          .on_filled = on_filled,
                                                          .ctx = w});
    w->actor.dash = dash_new(&(struct dash_opts){.loop = &w->loop,
                                                 .kube = w->kube,
                                                 .proxy = w->o->use_kubernetes_proxy,
                                                 .world = observe_world(w->actor.observe)});
    w->actor.recorder = recorder_new(w->kube, host);
    w->controllers = controllers_new(&w->actor);
    if (w->o->enable_metrics)
        meters_collect(w->actor.observe);
}

static int connect_server(struct worker *w, struct err *err)
{
    struct kube_config_opts where = {.path = *w->o->kubeconfig ? w->o->kubeconfig : NULL};
    double qps = w->o->qps == 0 ? 5 : w->o->qps < 0 ? 0 : w->o->qps;
    int code = kube_config_load(&where, &w->config, err);

    if (code < 0)
        return err_wrap(err, "unable to get kubeconfig");
    code = kube_new(&w->loop, w->config,
                    &(struct kube_opts){.user_agent = USER_AGENT, .qps = qps, .burst = (int)w->o->burst},
                    &w->kube, err);
    if (code == 0)
        kube_on_request(w->kube, on_request, w);
    return code;
}

static void on_stopped(void *ctx)
{
    struct worker *w = ctx;

    uv_stop(&w->loop);
}

static void on_signal(uv_signal_t *s, unused int number)
{
    struct worker *w = s->data;

    if (w->stopping)
        _exit(1); /* the second signal */
    w->stopping = true;
    recorder_drain(w->actor.recorder, on_stopped, w);
}

static void catch_signals(struct worker *w)
{
    uv_signal_init(&w->loop, &w->term);
    uv_signal_init(&w->loop, &w->interrupt);
    w->term.data = w->interrupt.data = w;
    uv_signal_start(&w->term, on_signal, SIGTERM);
    uv_signal_start(&w->interrupt, on_signal, SIGINT);
    signal(SIGPIPE, SIG_IGN);
}

static int start(struct worker *w, struct guard *guard, struct err *err)
{
    int code = connect_server(w, err);

    if (code == 0)
        code = health_start(&w->loop, w->o, &w->health, err);
    if (code == 0)
        code = check_version(w, err);
    if (code == 0)
        code = ask_openshift(w, err);
    if (code < 0)
        return code;
    make_actor(w, guard);
    catch_signals(w);
    return elect(w, err);
}

static void stop(struct worker *w)
{
    w->actor.stopping = true;
    controllers_free(w->controllers);
    observe_free(w->actor.observe);
    dash_free(w->actor.dash);
    recorder_free(w->actor.recorder);
    lease_free(w->lease);
    health_stop(w->health);
    kube_free(w->kube);
    kube_config_free(w->config);
}

static int work(struct guard *guard, void *ctx)
{
    struct worker *w = ctx;
    struct err err = {0};

    uv_loop_init(&w->loop);
    if (start(w, guard, &err) < 0)
        fail(w, "the operator cannot start", err.msg);
    else
        uv_run(&w->loop, UV_RUN_DEFAULT);
    stop(w);
    return w->code;
}

static int bad_options(int code, const struct err *err)
{
    struct buf usage cleanup(buf_done) = BUF_INIT;

    operator_options_usage(&usage);
    if (code == OPTIONS_HELP) {
        fputs(buf_str(&usage), stderr);
        return 0;
    }
    fprintf(stderr, "%s\n%s", err->msg, code == OPTIONS_USAGE ? buf_str(&usage) : "");
    return code == OPTIONS_USAGE ? 2 : 1;
}

int verb_operator(int argc, char **argv)
{
    struct operator_options o cleanup(operator_options_done) = {0};
    char host[256] = "localhost", uuid[37], identity[320];
    struct worker w = {.o = &o, .identity = identity};
    struct err err = {0};
    int code = operator_options_parse(&o, argc - 1, argv + 1, environ, &err);

    if (code != OPTIONS_OK)
        return bad_options(code, &err);
    struct zaplog_opts log = {.console = !strcmp(o.log_stdout_encoder, "console"),
                              .file = o.log_file,
                              .file_console = !strcmp(o.log_file_encoder, "console")};
    if (zaplog_start(&log, &err) < 0)
        return bad_options(OPTIONS_CONFIG, &err);
    if (o.zap_devel || !strcmp(o.zap_log_level, "debug"))
        log_threshold = LOG_DEBUG;
    else if (!strcmp(o.zap_log_level, "error") || !strcmp(o.zap_log_level, "panic"))
        log_threshold = LOG_ERROR;
    gethostname(host, sizeof host - 1);
    rand_uuid(uuid);
    snprintf(identity, sizeof identity, "%s_%s", host, uuid);
    return supervise(work, &w);
}
