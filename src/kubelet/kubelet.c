#include "kubelet/kubelet.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/reach.h"
#include "kubelet/kubelet_int.h"
#include "kubelet/ns.h"
#include "kubelet/purge.h"

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define REFRESH_MS 60000 /* contents of volumes: tokens, ConfigMaps */
#define RETRY_MS 1000

/* ---- the node process ---- */

/* A living shim's pid, to join its namespaces; 0 if there is none. */
static pid_t living_shim(const char *state_dir)
{
    autofree char *path = xasprintf("%s/pods", state_dir);
    DIR *d = opendir(path);
    struct dirent *e;
    pid_t found = 0;

    while (d && !found && (e = readdir(d))) {
        autofree char *dir = xasprintf("%s/%s", path, e->d_name);
        if (*e->d_name != '.' && pod_dir_alive(dir))
            found = purge_shim_pid(dir);
    }
    if (d)
        closedir(d);
    return found;
}

static int have_node(struct kubelet *k, struct err *err)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    if (node_info(k->reach, &k->info, NULL) == 0)
        return 0;
    if (n < 0)
        return err_set(err, ERR_IO, "/proc/self/exe cannot be read");
    self[n] = '\0';
    int r = node_spawn(self, k->state_dir, k->o->no_namespaces, living_shim(k->state_dir), err);
    return r < 0 ? r : node_info(k->reach, &k->info, err);
}

/* ---- readiness ---- */

static void say_ready(struct kubelet *k)
{
    char line[1400] = "ready\n";

    if (!k->info.namespaces)
        snprintf(
            line, sizeof line,
            "ready: pods are not isolated, and only one RayCluster can run at a time: %s (%s)\n",
            k->info.why, ns_advice());
    else if (*k->info.internet)
        snprintf(line, sizeof line, "ready: %s\n", k->info.internet);
    if (k->o->ready_fd >= 0) {
        (void)!write(k->o->ready_fd, line, strlen(line));
        close(k->o->ready_fd);
    }
    log_info("ready", "node", k->node_name, "namespaces", k->info.namespaces ? "yes" : k->info.why,
             "internet", *k->info.internet ? k->info.internet : "yes", NULL);
}

void kubelet_maybe_ready(struct kubelet *k)
{
    if (k->ready_told || !k->node || !k->synced)
        return;
    k->ready_told = true;
    say_ready(k);
}

/* ---- start ---- */

static void images_changed(void *ctx)
{
    kpods_poke(ctx);
}

static void services_changed(void *ctx)
{
    kpods_poke(ctx);
}

static int start_dns(struct kubelet *k, struct err *err)
{
    if (!k->info.namespaces)
        return 0;
    int fd = reach_udp(k->reach, NODE_GATEWAY, 53, err);
    if (fd < 0)
        return fd;
    k->dns = dns_new(&k->loop, &(struct dns_opts){.fd = fd,
                                                  .forward = !*k->info.internet,
                                                  .lookup = services_lookup,
                                                  .ctx = k->services});
    return 0;
}

/* "https://127.0.0.1:6443" → address and port. Names are left to services that do not exist. */
static void api_address(const char *server, char host[128], unsigned *port)
{
    const char *at = strstr(server, "://");

    *port = 443;
    at = at ? at + 3 : server;
    if (sscanf(at, "%127[^:/]:%u", host, port) < 1)
        snprintf(host, 128, "127.0.0.1");
    if (strcmp(host, "localhost") == 0)
        snprintf(host, 128, "127.0.0.1");
}

static void start_services(struct kubelet *k)
{
    static char host[128];
    unsigned port;

    api_address(k->config->server, host, &port);
    k->services =
        services_new(&(struct services_opts){.kube = k->kube,
                                             .reach = k->info.namespaces ? k->reach : NULL,
                                             .api_host = host,
                                             .api_port = port,
                                             .changed = services_changed,
                                             .ctx = k});
}

/* Sockets belong to the namespace that they were made in. */
static int restart_network(struct kubelet *k, struct err *err)
{
    dns_free(take(k->dns));
    services_free(take(k->services));
    start_services(k);
    return start_dns(k, err);
}

/* The node process never says anything here: it ended. Its namespaces live on in the shims. */
static void node_ended(uv_poll_t *h, unused int status, unused int events)
{
    struct kubelet *k = h->data;
    bool fresh = living_shim(k->state_dir) == 0; /* the old namespaces are gone, too */
    struct err err = {0};

    uv_poll_stop(h);
    close(k->node_fd);
    k->node_fd = -1;
    log_warn("the node process ended, starting another", NULL);
    if (have_node(k, &err) < 0)
        log_error("starting the node process", "error", err.msg, NULL);
    if (fresh && restart_network(k, &err) < 0)
        log_error("listening in the pods' network", "error", err.msg, NULL);
    uv_close((uv_handle_t *)h, NULL);
}

static void watch_node(struct kubelet *k)
{
    k->node_fd = unix_connect(k->reach, SOCK_SEQPACKET, NULL);
    if (k->node_fd < 0)
        return;
    uv_poll_init(&k->loop, &k->node_watch, k->node_fd);
    k->node_watch.data = k;
    uv_poll_start(&k->node_watch, UV_READABLE, node_ended);
}

static void on_refresh(uv_timer_t *t)
{
    struct kubelet *k = t->data;

    for (struct map_item *i = map_next(&k->pods, NULL); i; i = map_next(&k->pods, i))
        pod_refresh(((struct kpod *)i->value)->pod);
}

static void on_retry(uv_timer_t *t)
{
    struct kubelet *k = t->data;

    knode_retry(k);
    kpods_retry(k);
    sched_run(k);
    if (k->node_fd < 0)
        watch_node(k);
}

static void on_signal(uv_signal_t *s, unused int number)
{
    uv_stop(s->loop);
}

static void watch_signals(struct kubelet *k)
{
    uv_signal_init(&k->loop, &k->on_term);
    uv_signal_init(&k->loop, &k->on_int);
    uv_signal_start(&k->on_term, on_signal, SIGTERM);
    uv_signal_start(&k->on_int, on_signal, SIGINT);
    uv_timer_init(&k->loop, &k->refresh);
    k->refresh.data = k;
    uv_timer_start(&k->refresh, on_refresh, REFRESH_MS, REFRESH_MS);
    uv_timer_init(&k->loop, &k->retry);
    k->retry.data = k;
    uv_timer_start(&k->retry, on_retry, RETRY_MS, RETRY_MS);
}

static int prepare_paths(struct kubelet *k, struct err *err)
{
    char real[PATH_MAX];
    autofree char *pods = xasprintf("%s/pods", k->o->state_dir);
    int r = file_mkdirs(pods, 0700, err);

    if (r < 0)
        return r;
    if (!realpath(k->o->state_dir, real))
        return err_set(err, ERR_IO, "%s cannot be resolved", k->o->state_dir);
    k->state_dir = xstrdup(real);
    k->reach = xasprintf("%s/" REACH_SOCKET, real);
    k->socket = xasprintf("%s/kubelet.sock", real);
    return 0;
}

static void fill_host(struct kubelet *k)
{
    k->host.loop = &k->loop;
    k->host.state_dir = k->state_dir;
    k->host.reach = k->reach;
    k->host.node_name = k->node_name;
    k->host.host_ip = "127.0.0.1";
    k->host.namespaces = k->info.namespaces;
    k->host.uplink = k->info.namespaces && !*k->info.internet;
    k->host.cpu_milli = machine_cpu_milli();
    k->host.memory = machine_memory();
    k->host.pulls = pulls_new(&k->loop, k->o->cache_dir, images_changed, k);
}

static int start(struct kubelet *k, struct err *err)
{
    int r = prepare_paths(k, err);

    if (r == 0)
        r = kube_config_load(&(struct kube_config_opts){.path = k->o->kubeconfig}, &k->config, err);
    if (r == 0)
        r = have_node(k, err);
    if (r == 0)
        r = kube_new(&k->loop, k->config, &(struct kube_opts){.user_agent = "manta-kubelet/0.1"},
                     &k->kube, err);
    if (r < 0)
        return r;
    fill_host(k);
    k->events = kevents_new(k->kube, k->node_name);
    start_services(k);
    if ((r = start_dns(k, err)) < 0 || (r = kserver_start(k, err)) < 0)
        return r;
    kpods_start(k);
    knode_start(k);
    watch_node(k);
    watch_signals(k);
    return 0;
}

/* ---- end ---- */

static void close_handle(uv_handle_t *h, unused void *arg)
{
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static void stop(struct kubelet *k)
{
    http_server_free(k->server);
    dns_free(k->dns);
    services_free(k->services);
    kube_watch_free(take(k->watch));
    kube_free(k->kube);
    kpods_free(k);
    sched_free(k);
    kobjects_free(k);
    kevents_free(k->events);
    pulls_free(k->host.pulls);
    json_unref(k->node);
    uv_run(&k->loop, UV_RUN_NOWAIT);
    uv_walk(&k->loop, close_handle, NULL);
    while (uv_loop_close(&k->loop) == UV_EBUSY) /* handles close in the next turn */
        uv_run(&k->loop, UV_RUN_NOWAIT);
    kube_config_free(k->config);
    if (k->socket)
        unlink(k->socket);
}

int kubelet_run(const struct kubelet_options *o)
{
    struct kubelet k = {.o = o, .node_name = o->node_name ? o->node_name : "manta", .node_fd = -1};
    struct err err = {0};

    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&k.loop);
    int r = start(&k, &err);
    if (r < 0)
        fprintf(stderr, "manta kubelet: %s\n", err.msg);
    else
        uv_run(&k.loop, UV_RUN_DEFAULT);
    stop(&k);
    if (o->cleanup && k.state_dir && kubelet_purge(k.state_dir, &err) < 0)
        fprintf(stderr, "manta kubelet: %s\n", err.msg);
    free(k.state_dir);
    free(k.reach);
    free(k.socket);
    return r < 0;
}
