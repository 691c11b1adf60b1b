#include "kubelet/kserver.h"
#include "base/clock.h"
#include "base/reach.h"
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

void kserver_refuse(struct http_req *r, int status, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    http_reply(r, status, "text/plain", (struct slice){text, MIN((size_t)n, sizeof text - 1)});
}

static void serve_log(struct kubelet *k, struct http_req *r, struct kpod *p, struct ctr *c)
{
    struct log_serve s = {.loop = &k->loop, .running = log_running, .free_ctx = log_free};
    const char *name = pod_name(p->pod), *container = c->name;
    struct err err;

    if (log_options_parse(r->query, clock_wall_ns(), &s.options, &err) < 0) {
        kserver_refuse(r, 400, "%s", err.msg);
        return;
    }
    int attempt = c->attempt - (s.options.previous ? 1 : 0);
    if (attempt < 0) {
        kserver_refuse(
            r, 400,
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

/* "/containerLogs/NAMESPACE/POD/CONTAINER", "/exec/…" */
static void serve(struct kubelet *k, struct http_req *r, char *const parts[4])
{
    static const struct {
        const char *name;
        void (*serve)(struct kubelet *k, struct http_req *r, struct kpod *p, struct ctr *c);
    } table[] = {{"containerLogs", serve_log}, {"exec", exec_serve}};
    struct kpod *p = kpods_find(k, parts[1], parts[2]);
    struct ctr *c = find_container(p, parts[3]);

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        if (strcmp(parts[0], table[i].name) != 0)
            continue;
        if (c)
            table[i].serve(k, r, p, c);
        else
            kserver_refuse(r, 404, "container %s of pod %s/%s is not on this node", parts[3],
                           parts[1], parts[2]);
        return;
    }
    kserver_refuse(r, 404, "not found");
}

static void on_request(struct http_req *r, void *ctx)
{
    struct slice rest = r->path, part;
    char *parts[4] = {0};
    int n = 0;

    if (rest.n)
        rest.p++, rest.n--;
    while (n < 4 && slice_cut(&rest, '/', &part))
        parts[n++] = xstrndup(part.p, part.n);
    if (n == 4 && !rest.n && slice_is(r->method, "GET"))
        serve(ctx, r, parts);
    else
        kserver_refuse(r, 404, "expected /WHAT/NAMESPACE/POD/CONTAINER");
    for (int i = 0; i < n; i++)
        free(parts[i]);
}

int kserver_start(struct kubelet *k, struct err *err)
{
    int fd = unix_listen(k->socket, SOCK_STREAM | SOCK_NONBLOCK, err);

    if (fd < 0)
        return fd;
    k->server =
        http_server_new(&k->loop, &(struct http_server_opts){.on_request = on_request, .ctx = k});
    return http_server_listen_fd(k->server, fd, NULL, NULL, err);
}
