/* Services of a cluster (spec: raycluster §§9.2-9.4). */
#include "ray/build/build.h"
#include "ray/build/edit.h"

#include "base/vec.h"
#include "ray/names.h"

#include <stdio.h>
#include <string.h>

struct port {
    const char *name;
    int number;
};
struct ports {
    VEC(struct port) list;
};

static void put_port(struct ports *ports, const char *name, int number, bool replace)
{
    for (size_t i = 0; i < ports->list.n; i++)
        if (!strcmp(ports->list.v[i].name, name)) {
            if (replace)
                ports->list.v[i].number = number;
            return;
        }
    vec_push(&ports->list, (struct port){name, number});
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct port *)a)->name, ((const struct port *)b)->name);
}

/* The service-port map, in the order that it is filled in: as often as not the order of a small Go
 * map. */
static void service_ports(struct arena *a, const struct cluster *c, struct ports *ret)
{
    static const struct port defaults[] = {{"client", 10001},
                                           {"gcs-server", 6379},
                                           {"dashboard", 8265},
                                           {"metrics", 8080},
                                           {"serve", 8000}};

    json_each(json_get(group_container(c->head), "ports"), v, i, n) {
        int number = (int)json_int_at(v, "containerPort", 0);
        const char *name = json_get_str(v, "name", "");

        put_port(ret, *name ? name : arena_printf(a, "%d-port", number), number, true);
    }
    if (!ret->list.n)
        for (size_t k = 0; k < ARRAY_SIZE(defaults); k++)
            put_port(ret, defaults[k].name, defaults[k].number, true);
    put_port(ret, "metrics", 8080, false);
}

int build_port(const struct cluster *c, const char *name, int def)
{
    struct arena a cleanup(arena_done) = {0};
    struct ports ports = {0};
    int found = def;

    service_ports(&a, c, &ports);
    for (size_t i = 0; i < ports.list.n; i++)
        if (!strcmp(ports.list.v[i].name, name))
            found = ports.list.v[i].number;
    vec_done(&ports.list);
    return found;
}

static yyjson_mut_val *add_port(struct plan *p, yyjson_mut_val *spec, const struct port *port)
{
    yyjson_mut_val *v = yyjson_mut_arr_add_obj(p->doc, edit_list(p->doc, spec, "ports"));

    json_put_str(p->doc, v, "name", port->name);
    json_put_int(p->doc, v, "port", port->number);
    return v;
}

/* In order of name, unless the user has ports of their own. */
static void add_head_ports(struct plan *p, const struct cluster *c, yyjson_mut_val *spec)
{
    struct ports ports = {0};

    service_ports(&p->arena, c, &ports);
    if (!yyjson_is_obj(json_get(c->head, "headService")))
        qsort(ports.list.v, ports.list.n, sizeof *ports.list.v, by_name);
    for (size_t i = 0; i < ports.list.n; i++)
        json_put_str(p->doc, add_port(p, spec, &ports.list.v[i]), "appProtocol", "tcp");
    vec_done(&ports.list);
}

static yyjson_mut_val *head_selector(struct plan *p, const struct cluster *c)
{
    const char *app =
        json_get_str(json_at(c->head, "template.metadata.labels"), LABEL_APP, APP_NAME);
    yyjson_mut_val *v = yyjson_mut_obj(p->doc);

    json_put_str(p->doc, v, LABEL_CLUSTER, c->name);
    json_put_str(p->doc, v, LABEL_NODE_TYPE, NODE_HEAD);
    json_put_str(p->doc, v, LABEL_IDENTIFIER,
                 name_check_label(&p->arena, arena_printf(&p->arena, "%s-head", c->name)));
    json_put_str(p->doc, v, LABEL_APP, app);
    json_put_str(p->doc, v, LABEL_CREATED_BY, CREATED_BY);
    return v;
}

static void overlay_mut(struct plan *p, yyjson_mut_val *obj, yyjson_mut_val *from)
{
    yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(from);
    yyjson_mut_val *key;

    while ((key = yyjson_mut_obj_iter_next(&it)))
        json_put_str(p->doc, obj, yyjson_mut_get_str(key),
                     yyjson_mut_get_str(yyjson_mut_obj_iter_get_val(key)));
}

/* The part that users may write themselves, with what is ours put over it. */
static yyjson_mut_val *head_base(struct plan *p, const struct cluster *c)
{
    yyjson_val *own = json_get(c->head, "headService");
    const char *name = cluster_head_service(&p->arena, c);
    yyjson_mut_val *svc = build_object(p, KIND_SERVICE, c->ns, name), *meta;

    if (yyjson_is_obj(own)) {
        meta = json_thaw(p->doc, json_get(own, "metadata"));
        json_put(p->doc, svc, "metadata", meta ? meta : yyjson_mut_obj(p->doc));
        if (json_get(own, "spec"))
            json_put(p->doc, svc, "spec", json_thaw(p->doc, json_get(own, "spec")));
        if (json_get(own, "status"))
            json_put(p->doc, svc, "status", json_thaw(p->doc, json_get(own, "status")));
    }
    meta = json_ensure(p->doc, svc, "metadata");
    json_put_str(p->doc, meta, "name", name);
    json_put_str(p->doc, meta, "namespace", c->ns);
    return svc;
}

static void head_type(struct plan *p, const struct cluster *c, yyjson_mut_val *spec)
{
    const char *type = json_get_str(c->head, "serviceType", "");
    bool custom = yyjson_is_obj(json_get(c->head, "headService"));

    if (!*json_mut_str_at(spec, "type", ""))
        json_put_str(p->doc, spec, "type", type);
    if (custom || (*type && strcmp(type, "ClusterIP") != 0) ||
        ray_env_true(c->o, "ENABLE_RAY_HEAD_CLUSTER_IP_SERVICE", false))
        return;
    json_put_str(p->doc, spec, "clusterIP", "None");
    json_put_bool(p->doc, spec, "publishNotReadyAddresses", true);
}

yyjson_mut_val *build_head_service(struct plan *p, const struct cluster *c)
{
    yyjson_mut_val *svc = head_base(p, c);
    yyjson_mut_val *spec = json_ensure(p->doc, svc, "spec");
    yyjson_mut_val *selector = head_selector(p, c);
    yyjson_val *annotations = json_get(c->spec, "headServiceAnnotations");

    overlay_mut(p, json_ensure(p->doc, svc, "metadata.labels"), selector);
    if (yyjson_obj_size(annotations))
        edit_overlay(p->doc, json_ensure(p->doc, svc, "metadata.annotations"), annotations, true);
    json_put(p->doc, spec, "selector", selector);
    add_head_ports(p, c, spec);
    head_type(p, c, spec);
    build_owner(p, svc, c->obj, true);
    return build_typed(p, KIND_SERVICE, svc);
}

yyjson_mut_val *build_headless_service(struct plan *p, const struct cluster *c)
{
    const char *name = arena_printf(&p->arena, "%s-headless", c->name);
    yyjson_mut_val *svc = build_object(p, KIND_SERVICE, c->ns, name);
    yyjson_mut_val *spec = json_ensure(p->doc, svc, "spec"), *selector;

    json_put_str(p->doc, json_ensure(p->doc, svc, "metadata.labels"), LABEL_HEADLESS, c->name);
    json_put_str(p->doc, spec, "clusterIP", "None");
    json_put_str(p->doc, spec, "type", "ClusterIP");
    json_put_bool(p->doc, spec, "publishNotReadyAddresses", true);
    selector = json_put_obj(p->doc, spec, "selector");
    json_put_str(p->doc, selector, LABEL_CLUSTER, c->name);
    json_put_str(p->doc, selector, LABEL_NODE_TYPE, NODE_WORKER);
    build_owner(p, svc, c->obj, true);
    return build_typed(p, KIND_SERVICE, svc);
}

static size_t add_serve_ports(struct plan *p, const struct cluster *c, yyjson_mut_val *spec)
{
    struct ports ports = {0};
    size_t n = 0;

    service_ports(&p->arena, c, &ports);
    for (size_t i = 0; i < ports.list.n; i++) {
        const char *name = ports.list.v[i].name;

        if (!strcmp(name, "serve") || !strncmp(name, "serve-", 6))
            n++, add_port(p, spec, &ports.list.v[i]);
    }
    vec_done(&ports.list);
    return n;
}

yyjson_mut_val *build_serve_service(struct plan *p, const struct cluster *c)
{
    const char *name = arena_printf(&p->arena, "%s-serve-svc", c->name);
    yyjson_mut_val *svc = build_object(p, KIND_SERVICE, c->ns, name);
    yyjson_mut_val *labels = json_ensure(p->doc, svc, "metadata.labels");
    yyjson_mut_val *spec = json_ensure(p->doc, svc, "spec");

    json_put_str(p->doc, labels, LABEL_FROM_CR, c->name);
    json_put_str(p->doc, labels, LABEL_FROM_CRD, CRD_RAYCLUSTER);
    json_put_str(p->doc, labels, LABEL_SERVE, arena_printf(&p->arena, "%s-serve", c->name));
    json_put_str(p->doc, json_put_obj(p->doc, spec, "selector"), LABEL_CLUSTER, c->name);
    json_put_str(p->doc, spec, "type", json_get_str(c->head, "serviceType", ""));
    if (!add_serve_ports(p, c, spec))
        return NULL;
    build_owner(p, svc, c->obj, true);
    return build_typed(p, KIND_SERVICE, svc);
}
