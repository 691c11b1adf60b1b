#include "operator/operator.h"
#include "operator/controllers.h"
#include "operator/discover.h"
#include "operator/health.h"
#include "operator/meters.h"
#include "operator/metrics.h"
#include "operator/options.h"
#include "operator/supervisor.h"
#include "operator/webhook.h"
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
#define WEBHOOK_PORT 9443
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
    struct webhook *webhook;
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

static void on_change(void *ctx, enum ray_kind kind, yyjson_val *was, yyjson_val *now,
                      bool first_list)
{
    struct worker *w = ctx;

    controllers_changed(w->controllers, kind, was, now, first_list);
}

/* A kind that cannot be read, be it that its CRD is missing or the rights: nothing works then. */
static void on_unsynced(void *ctx, const char *controller, const char *kind)
{
    struct worker *w = ctx;
    autofree char *why =
        xasprintf("controller %s waited too long for the first list of %s", controller, kind);

    fail(w, "a cache did not sync in time", why);
    uv_stop(&w->loop);
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
                              .concurrency = (unsigned)MIN(MAX(w->o->concurrency, 1), INT16_MAX),
                              .now = clock_wall_ns,
                              .on_status = meters_status,
                              .on_unsynced = on_unsynced,
                              .ctx = w};
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
    code = kube_new(
        &w->loop, w->config,
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

/* Exactly "true": upstream compares bytes. */
static int start_webhooks(struct worker *w, struct err *err)
{
    const char *on = ray_env(&w->o->ray, "ENABLE_WEBHOOKS");
    autofree char *dir = webhook_dir(ray_env(&w->o->ray, "TMPDIR"));

    if (!on || strcmp(on, "true") != 0)
        return 0;
    return webhook_start(&w->loop,
                         &(struct webhook_opts){.dir = dir, .host = "", .port = WEBHOOK_PORT},
                         &w->webhook, err);
}

static void tell_mtls(const struct worker *w)
{
    if (ray_feature(&w->o->ray, FEATURE_MTLS) && !w->o->ray.cert_manager)
        log_info("cert-manager is not installed; the mTLS controller is not started", NULL);
}

static int start(struct worker *w, struct guard *guard, struct err *err)
{
    int code = connect_server(w, err);

    if (code == 0)
        code = discover_version(w->kube, w->o, err);
    if (code == 0)
        code = health_start(&w->loop, w->o, &w->health, err);
    if (code == 0)
        code = discover_groups(w->kube, w->o, err);
    if (code == 0)
        code = start_webhooks(w, err);
    if (code < 0)
        return code;
    tell_mtls(w);
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
    webhook_stop(w->webhook);
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

/* How upstream ends: usage and 2 for flags, one line in the log and 1 for what they say. */
static int bad_options(int code, const struct err *err)
{
    struct buf usage cleanup(buf_done) = BUF_INIT;

    if (code == OPTIONS_CONFIG) {
        zaplog_start(&(struct zaplog_opts){0}, NULL);
        log_error("the configuration is wrong", "error", err->msg, NULL);
        return 1;
    }
    operator_options_usage(&usage);
    fprintf(stderr, "%s%s%s", code == OPTIONS_USAGE ? err->msg : "",
            code == OPTIONS_USAGE ? "\n" : "", buf_str(&usage));
    return code == OPTIONS_USAGE ? 2 : 0;
}

/* A number is zap's V(n): beyond 1 nothing is left out of the log. */
static int start_log(const struct operator_options *o, struct err *err)
{
    const char *level = o->zap_log_level;
    int64_t verbosity = 0;
    bool debug = o->zap_devel || !strcmp(level, "debug") ||
                 (slice_int64(slice_of(level), &verbosity) && verbosity > 0);
    struct zaplog_opts log = {.console = !strcmp(o->log_stdout_encoder, "console"),
                              .file = o->log_file,
                              .file_console = !strcmp(o->log_file_encoder, "console"),
                              .sample = !o->zap_devel && verbosity < 2};

    if (debug)
        log_threshold = LOG_DEBUG;
    else if (!strcmp(level, "error"))
        log_threshold = LOG_ERROR;
    else if (!strcmp(level, "panic"))
        log_threshold = LOG_ERROR + 1;
    return zaplog_start(&log, err);
}

static void tell_settings(const struct operator_options *o)
{
    struct buf gates cleanup(buf_done) = BUF_INIT;

    operator_gates_json(o, &gates);
    log_info("Loaded feature gates", "featureGates", buf_str(&gates), NULL);
    if (o->forced_upgrade)
        log_info("--forced-cluster-upgrade is deprecated and has no effect", NULL);
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
    if (start_log(&o, &err) < 0)
        return bad_options(OPTIONS_CONFIG, &err);
    tell_settings(&o);
    gethostname(host, sizeof host - 1);
    rand_uuid(uuid);
    snprintf(identity, sizeof identity, "%s_%s", host, uuid);
    return supervise(work, &w);
}
