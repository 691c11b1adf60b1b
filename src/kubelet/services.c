#include "kubelet/services.h"
#include "base/map.h"
#include "base/reach.h"
#include "kube/store.h"
#include "kube/watch.h"
#include "kubelet/relay.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>

#define CLUSTER_SUFFIX ".cluster.local"
#define SERVICE_LABEL "kubernetes.io/service-name"

/* One service address that is listened on. */
struct port {
    struct services *s;
    struct relay *relay;
    char *ns, *service, *port_name;
    bool api;
    unsigned next; /* round robin */
    bool seen;
};

struct services {
    struct services_opts o;
    struct store *services, *slices;
    struct kube_watch *watch_services, *watch_slices;
    struct map ports; /* "IP:PORT" → struct port */
    uv_timer_t later;
};

/* ---- endpoints ---- */

static bool slice_is_of(yyjson_val *slice, const char *service)
{
    const char *of = meta_label(slice, SERVICE_LABEL);
    return of && strcmp(of, service) == 0;
}

struct endpoint {
    const char *ip, *hostname;
    unsigned port;
};

typedef void endpoint_fn(void *ctx, const struct endpoint *e);

static unsigned slice_port(yyjson_val *slice, const char *port_name)
{
    json_each(json_get(slice, "ports"), p, i, n)
        if (!port_name || strcmp(json_get_str(p, "name", ""), port_name) == 0)
            return (unsigned)json_int_at(p, "port", 0);
    return 0;
}

/* Calls fn for every ready address of the service; port_name NULL: any port. */
static void each_endpoint(struct services *s, const char *ns, const char *service,
                          const char *port_name, endpoint_fn *fn, void *ctx)
{
    struct arena a = {0};
    size_t n;
    struct json **slices = store_list(s->slices, &a, ns, SERVICE_LABEL, service, &n);

    for (size_t i = 0; i < n; i++) {
        yyjson_val *slice = json_root(slices[i]);
        unsigned port = slice_port(slice, port_name);
        if (!slice_is_of(slice, service) || (port_name && !port))
            continue;
        json_each(json_get(slice, "endpoints"), e, k, count) {
            if (!json_bool_at(e, "conditions.ready", true))
                continue;
            const char *ip = json_str(yyjson_arr_get_first(json_get(e, "addresses")), "");
            fn(ctx, &(struct endpoint){ip, json_get_str(e, "hostname", ""), port});
        }
    }
    arena_done(&a);
}

/* ---- names ---- */

struct found {
    const char *hostname; /* NULL: any */
    uint32_t *ips;
    size_t *n;
};

static void add_ip(struct found *f, const char *text)
{
    struct in_addr a;
    if (*f->n < DNS_IPS_MAX && inet_pton(AF_INET, text, &a) == 1)
        f->ips[(*f->n)++] = a.s_addr;
}

static void collect(void *ctx, const struct endpoint *e)
{
    struct found *f = ctx;
    if (!f->hostname || strcmp(f->hostname, e->hostname) == 0)
        add_ip(f, e->ip);
}

/* "SERVICE.NS.svc" or "HOST.SERVICE.NS.svc" */
static enum dns_verdict lookup_service(struct services *s, char *parts[], int n, struct found *f)
{
    const char *ns = parts[n - 1], *service = parts[n - 2];
    struct json *object = store_get(s->services, ns, service);
    const char *ip = json_str_at(json_root(object), "spec.clusterIP", "None");

    if (!object || n > 3)
        return DNS_UNKNOWN;
    if (n == 3)
        f->hostname = parts[0];
    else if (strcmp(ip, "None") != 0 && *ip) {
        add_ip(f, ip);
        return DNS_KNOWN;
    }
    const char *external = json_str_at(json_root(object), "spec.externalName", NULL);
    if (external)
        return DNS_UNKNOWN;
    each_endpoint(s, ns, service, NULL, collect, f);
    /* A name without a ready endpoint is not there yet, as CoreDNS has it. */
    return *f->n ? DNS_KNOWN : DNS_UNKNOWN;
}

/* "10-244-0-5.NS.pod" */
static enum dns_verdict lookup_pod(char *parts[], int n, struct found *f)
{
    if (n != 2)
        return DNS_UNKNOWN;
    for (char *p = parts[0]; *p; p++)
        if (*p == '-')
            *p = '.';
    add_ip(f, parts[0]);
    return *f->n ? DNS_KNOWN : DNS_UNKNOWN;
}

enum dns_verdict services_lookup(void *ctx, const char *name, uint32_t *ips, size_t *n)
{
    struct found f = {NULL, ips, n};
    char text[DNS_NAME_MAX + 1], *parts[8];
    size_t len = strlen(name), suffix = sizeof CLUSTER_SUFFIX - 1;
    int count = 0;

    if (strcmp(name, "localhost") == 0) {
        add_ip(&f, "127.0.0.1");
        return DNS_KNOWN;
    }
    if (len <= suffix || strcmp(name + len - suffix, CLUSTER_SUFFIX) != 0)
        return strchr(name, '.') ? DNS_FOREIGN : DNS_UNKNOWN;
    snprintf(text, sizeof text, "%.*s", (int)(len - suffix), name);
    for (char *at = text; at && count < (int)ARRAY_SIZE(parts); count++) {
        parts[count] = at;
        at = strchr(at, '.');
        if (at)
            *at++ = '\0';
    }
    if (count >= 3 && strcmp(parts[count - 1], "svc") == 0)
        return lookup_service(ctx, parts, count - 1, &f);
    if (count >= 3 && strcmp(parts[count - 1], "pod") == 0)
        return lookup_pod(parts, count - 1, &f);
    return DNS_UNKNOWN;
}

/* ---- variables ---- */

static void upper(char *s)
{
    for (; *s; s++)
        *s = *s == '-' ? '_' : (char)toupper((unsigned char)*s);
}

static void service_vars(yyjson_val *service, struct env *e)
{
    autofree char *name = xstrdup(meta_name(service));
    const char *ip = json_str_at(service, "spec.clusterIP", "None");
    bool first = true;

    if (!*ip || strcmp(ip, "None") == 0)
        return;
    upper(name);
    json_each(json_at(service, "spec.ports"), p, i, n) {
        long long port = json_int_at(p, "port", 0);
        autofree char *proto = xstrdup(json_get_str(p, "protocol", "TCP"));
        autofree char *port_name = xstrdup(json_get_str(p, "name", ""));
        autofree char *number = xasprintf("%lld", port);
        autofree char *host_var = xasprintf("%s_SERVICE_HOST", name);
        autofree char *port_var = xasprintf("%s_SERVICE_PORT", name);
        autofree char *key = xasprintf("%s_PORT_%lld_%s", name, port, proto);
        for (char *c = proto; *c; c++)
            *c = (char)tolower((unsigned char)*c);
        autofree char *url = xasprintf("%s://%s:%lld", proto, ip, port);
        autofree char *addr = xasprintf("%s_ADDR", key), *key_port = xasprintf("%s_PORT", key);
        autofree char *key_proto = xasprintf("%s_PROTO", key), *base = xasprintf("%s_PORT", name);
        if (first) {
            env_set(e, host_var, ip);
            env_set(e, port_var, number);
            env_set(e, base, url);
        }
        if (*port_name) {
            upper(port_name);
            autofree char *named = xasprintf("%s_SERVICE_PORT_%s", name, port_name);
            env_set(e, named, number);
        }
        env_set(e, key, url);
        env_set(e, key_proto, proto);
        env_set(e, key_port, number);
        env_set(e, addr, ip);
        first = false;
    }
}

void services_env(struct services *s, const char *ns, struct env *e)
{
    struct json *kubernetes = store_get(s->services, "default", "kubernetes");
    struct arena a = {0};
    size_t n;

    if (kubernetes)
        service_vars(json_root(kubernetes), e);
    struct json **all = store_list(s->services, &a, ns, NULL, NULL, &n);
    for (size_t i = 0; i < n; i++)
        service_vars(json_root(all[i]), e);
    arena_done(&a);
}

/* ---- addresses ---- */

struct choice {
    unsigned wanted, at;
    char ip[64];
    unsigned port;
};

static void count_endpoint(void *ctx, const struct endpoint *e)
{
    struct choice *c = ctx;
    if (c->at++ == c->wanted) {
        snprintf(c->ip, sizeof c->ip, "%s", e->ip);
        c->port = e->port;
    }
}

static int connect_port(void *ctx, struct err *err)
{
    struct port *p = ctx;
    struct services *s = p->s;
    struct choice c = {.wanted = UINT32_MAX};

    if (p->api)
        return reach_connect("", s->o.api_host, s->o.api_port, err);
    each_endpoint(s, p->ns, p->service, p->port_name, count_endpoint, &c);
    if (!c.at)
        return err_set(err, ERR_UNAVAILABLE, "service %s/%s has no ready endpoint", p->ns,
                       p->service);
    c = (struct choice){.wanted = p->next++ % c.at};
    each_endpoint(s, p->ns, p->service, p->port_name, count_endpoint, &c);
    return reach_connect(s->o.reach, c.ip, c.port, err);
}

static void port_free(struct port *p)
{
    relay_free(p->relay);
    free(p->ns);
    free(p->service);
    free(p->port_name);
    free(p);
}

static void want_port(struct services *s, yyjson_val *service, yyjson_val *port)
{
    const char *ip = json_str_at(service, "spec.clusterIP", "");
    unsigned number = (unsigned)json_int_at(port, "port", 0);
    autofree char *key = xasprintf("%s:%u", ip, number);
    struct port *p = map_get(&s->ports, key);
    struct err err;

    if (!p) {
        int fd = reach_listen(s->o.reach, ip, number, &err);
        if (fd < 0)
            return;
        p = xnew(struct port);
        p->s = s;
        p->relay = relay_new(kube_loop(s->o.kube), &(struct relay_opts){fd, connect_port, p});
        map_put(&s->ports, key, p);
    }
    p->seen = true;
    free(p->ns);
    free(p->service);
    free(p->port_name);
    p->ns = xstrdup(meta_namespace(service));
    p->service = xstrdup(meta_name(service));
    p->port_name = xstrdup(json_get_str(port, "name", ""));
    p->api = strcmp(p->ns, "default") == 0 && strcmp(p->service, "kubernetes") == 0;
}

static void want_service(void *ctx, struct json *object)
{
    yyjson_val *service = json_root(object);
    const char *ip = json_str_at(service, "spec.clusterIP", "None");

    if (!*ip || strcmp(ip, "None") == 0 || strchr(ip, ':'))
        return;
    json_each(json_at(service, "spec.ports"), port, i, n)
        if (strcmp(json_get_str(port, "protocol", "TCP"), "TCP") == 0)
            want_port(ctx, service, port);
}

static void settle(uv_timer_t *t)
{
    struct services *s = t->data;

    for (struct map_item *i = map_next(&s->ports, NULL); i; i = map_next(&s->ports, i))
        ((struct port *)i->value)->seen = false;
    if (s->o.reach)
        store_each(s->services, want_service, s);
    for (struct map_item *i = map_next(&s->ports, NULL); i; i = map_next(&s->ports, i)) {
        struct port *p = i->value;
        if (!p->seen) {
            map_remove(&s->ports, i->key);
            port_free(p);
        }
    }
    if (services_synced(s))
        s->o.changed(s->o.ctx);
}

/* ---- life ---- */

static void changed(void *ctx, unused struct json *was, unused struct json *now)
{
    struct services *s = ctx;
    uv_timer_start(&s->later, settle, 0, 0);
}

static void list_done(void *ctx)
{
    changed(ctx, NULL, NULL);
}

bool services_synced(const struct services *s)
{
    return store_synced(s->services) && store_synced(s->slices);
}

struct services *services_new(const struct services_opts *o)
{
    struct services *s = xnew(struct services);

    s->o = *o;
    uv_timer_init(kube_loop(o->kube), &s->later);
    s->later.data = s;
    s->services = store_new(&(struct store_opts){.on_change = changed, .ctx = s});
    s->slices =
        store_new(&(struct store_opts){.labels = {SERVICE_LABEL}, .on_change = changed, .ctx = s});
    s->watch_services = kube_watch_new(
        o->kube, &(struct watch_opts){
                     .gvr = &gvr_services, .store = s->services, .on_synced = list_done, .ctx = s});
    s->watch_slices = kube_watch_new(o->kube, &(struct watch_opts){.gvr = &gvr_endpointslices,
                                                                   .store = s->slices,
                                                                   .on_synced = list_done,
                                                                   .ctx = s});
    return s;
}

static void timer_closed(uv_handle_t *h)
{
    free(h->data);
}

void services_free(struct services *s)
{
    if (!s)
        return;
    kube_watch_free(s->watch_services);
    kube_watch_free(s->watch_slices);
    store_free(s->services);
    store_free(s->slices);
    for (struct map_item *i = map_next(&s->ports, NULL); i; i = map_next(&s->ports, i))
        port_free(i->value);
    map_done(&s->ports);
    uv_close((uv_handle_t *)&s->later, timer_closed);
}
