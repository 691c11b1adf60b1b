/* What the kubelet serves to the API server on its unix socket: container logs. */
#include "base/clock.h"
#include "base/reach.h"
#include "kubelet/kubelet_int.h"
#include "kubelet/logs.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

struct watched_log {
    struct kubelet *k;
    char *uid, *container;
    int attempt;
};

static struct ctr *find_container(struct kpod *p, const char *name)
{
    for (size_t i = 0; p && i < p->pod->ctrs.n; i++)
        if (strcmp(p->pod->ctrs.v[i]->name, name) == 0)
            return p->pod->ctrs.v[i];
    return NULL;
}

static bool log_running(void *ctx)
{
    struct watched_log *w = ctx;
    struct ctr *c = find_container(map_get(&w->k->pods, w->uid), w->container);

    return c && c->attempt == w->attempt && (c->phase == CTR_RUNNING || c->phase == CTR_STARTING);
}

static void log_free(void *ctx)
{
    struct watched_log *w = ctx;

    free(w->uid);
    free(w->container);
    free(w);
}

static void refuse(struct http_req *r, int status, const char *fmt, ...) printf_like(3, 4);
static void refuse(struct http_req *r, int status, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    http_reply(r, status, "text/plain", (struct slice){text, MIN((size_t)n, sizeof text - 1)});
}

static void serve_log(struct kubelet *k, struct http_req *r, char *ns, char *name, char *container)
{
    struct log_serve s = {.loop = &k->loop, .running = log_running, .free_ctx = log_free};
    struct kpod *p = kpods_find(k, ns, name);
    struct ctr *c = find_container(p, container);
    struct err err;

    if (!p || !c) {
        refuse(r, 404, "container %s of pod %s/%s is not on this node", container, ns, name);
        return;
    }
    if (log_options_parse(r->query, clock_wall_ns(), &s.options, &err) < 0) {
        refuse(r, 400, "%s", err.msg);
        return;
    }
    int attempt = c->attempt - (s.options.previous ? 1 : 0);
    if (attempt < 0) {
        refuse(r, 400,
               s.options.previous
                   ? "previous terminated container \"%s\" in pod \"%s\" not found"
                   : "container \"%s\" in pod \"%s\" is waiting to start: ContainerCreating",
               container, name);
        return;
    }
    autofree char *path = xasprintf("%s/logs/%s/%d.log", p->pod->dir, container, attempt);
    struct watched_log *w = xnew(struct watched_log);
    *w = (struct watched_log){k, xstrdup(p->pod->uid), xstrdup(container), attempt};
    s.path = path;
    s.ctx = w;
    logs_serve(r, &s);
}

static void on_request(struct http_req *r, void *ctx)
{
    struct slice rest = r->path, prefix = SLICE("/containerLogs/"), part;
    char *parts[3] = {0};
    int n = 0;

    if (!slice_is(r->method, "GET") || !slice_starts(rest, prefix)) {
        refuse(r, 404, "not found");
        return;
    }
    rest.p += prefix.n, rest.n -= prefix.n;
    while (n < 3 && slice_cut(&rest, '/', &part))
        parts[n++] = xstrndup(part.p, part.n);
    if (n == 3 && !rest.n)
        serve_log(ctx, r, parts[0], parts[1], parts[2]);
    else
        refuse(r, 404, "expected /containerLogs/NAMESPACE/POD/CONTAINER");
    for (int i = 0; i < n; i++)
        free(parts[i]);
}

int kserver_start(struct kubelet *k, struct err *err)
{
    int fd = unix_listen(k->socket, SOCK_STREAM | SOCK_NONBLOCK, err);

    if (fd < 0)
        return fd;
    k->server = http_server_new(&k->loop, &(struct http_server_opts){.on_request = on_request, .ctx = k});
    return http_server_listen_fd(k->server, fd, NULL, NULL, err);
}
