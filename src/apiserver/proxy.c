/*
 * services/[SCHEME:]NAME[:PORT]/proxy/… and the same of pods: the request goes to a pod, in the
 * pods' network (base/reach.h). For a Service a running pod of its selector is taken.
 */
#include "apiserver/forward.h"
#include "apiserver/server.h"
#include "base/reach.h"
#include "data/selector.h"

#include <stdio.h>
#include <unistd.h>

/* "REACH|IP|PORT"; without REACH the address is reached from here. */
static int connect_pod(const char *target, struct err *err)
{
    struct slice rest = slice_of(target), reach, ip;
    int64_t port = 0;

    slice_cut(&rest, '|', &reach);
    slice_cut(&rest, '|', &ip);
    slice_int64(rest, &port);
    autofree char *path = reach.n ? xstrndup(reach.p, reach.n) : NULL;
    autofree char *address = xstrndup(ip.p, ip.n);
    return reach_connect(path, address, (unsigned)port, err);
}

/* ---- which pod, which port ---- */

struct backend {
    struct request *req;
    struct selector *selector;
    struct object *pod; /* referenced */
};

static bool pick_pod(void *arg, const struct object *o)
{
    struct backend *b = arg;
    struct selection sel = {.labels = b->selector};

    if (o->terminating || !selection_has(&sel, o) || !*object_field(o, "status.podIP"))
        return true;
    b->pod = object_ref(o);
    return false;
}

/* NAME, NAME:PORT or SCHEME:NAME:PORT; scheme is http, whatever it says. */
static void split_name(struct request *req, const char **ret_name, const char **ret_port)
{
    struct slice rest = slice_of(req->name), parts[3];
    size_t n = 0;

    while (n < 3 && slice_cut(&rest, ':', &parts[n]))
        n++;
    size_t name = n == 3 ? 1 : 0;
    *ret_name = n ? arena_strndup(&req->arena, parts[name].p, parts[name].n) : "";
    *ret_port = n > 1 ? arena_strndup(&req->arena, parts[name + 1].p, parts[name + 1].n) : "";
}

static int64_t named_port(yyjson_val *spec, const char *name)
{
    json_each(json_get(spec, "containers"), c, i, n) {
        json_each(json_get(c, "ports"), p, j, m) {
            if (strcmp(json_get_str(p, "name", ""), name) == 0)
                return json_int_at(p, "containerPort", 0);
        }
    }
    return 0;
}

/* The number that port stands for: itself, or the name of a container's port; "" is the first one.
 */
static int64_t pod_port(yyjson_val *spec, const char *port)
{
    int64_t n = 0;

    if (!*port)
        return json_int_at(spec, "containers.0.ports.0.containerPort", 80);
    return slice_int64(slice_of(port), &n) ? n : named_port(spec, port);
}

/* The target port of the service's port that was asked for by name or number. */
static const char *service_target(struct request *req, yyjson_val *spec, const char *port)
{
    json_each(json_get(spec, "ports"), p, i, n) {
        int64_t number = json_int_at(p, "port", 0);
        yyjson_val *target = json_get(p, "targetPort");
        const char *text = arena_printf(&req->arena, "%lld", (long long)number);

        if (*port && strcmp(port, text) != 0 && strcmp(port, json_get_str(p, "name", "")) != 0)
            continue;
        if (yyjson_is_str(target))
            return arena_strdup(&req->arena, yyjson_get_str(target));
        return arena_printf(&req->arena, "%lld",
                            (long long)(yyjson_is_int(target) ? yyjson_get_sint(target) : number));
    }
    return NULL;
}

static struct status *find_behind_service(struct request *req, const char *name, const char **port,
                                          struct backend *b)
{
    struct object *o autoobject = storage_get(req->api->storage, req->res, req->ns, name);
    struct json *j autojson = o ? object_parse(o) : NULL;
    yyjson_val *spec = json_get(json_root(j), "spec");

    if (!o)
        return status_not_found(&req->arena, "", "services", name);
    *port = service_target(req, spec, *port);
    if (!*port)
        return status_new(&req->arena, ERR_UNAVAILABLE, "no such port of service \"%s\"", name);
    if (yyjson_obj_size(json_get(spec, "selector")) &&
        selector_from_map(json_get(spec, "selector"), &b->selector, NULL) == 0) {
        struct storage_scan scan = {.res = api_resource(req->api, "", "pods"), .ns = req->ns};

        storage_each(req->api->storage, &scan, pick_pod, b, NULL);
    }
    return b->pod ? NULL
                  : status_new(&req->arena, ERR_UNAVAILABLE,
                               "no endpoints available for service \"%s\"", name);
}

/* The socket that makes sockets in the pods' network stands beside the kubelet's own. */
static const char *reach_of(struct request *req, const char *node)
{
    const struct resource *nodes = api_resource(req->api, "", "nodes");
    struct object *o autoobject =
        *node && nodes ? storage_get(req->api->storage, nodes, "", node) : NULL;
    struct json *j autojson = o ? object_parse(o) : NULL;
    const char *socket =
        json_get_str(json_at(json_root(j), "metadata.annotations"), KUBELET_SOCKET_ANNOTATION, "");
    const char *slash = strrchr(socket, '/');

    if (!slash)
        return "";
    const char *path =
        arena_printf(&req->arena, "%.*s/%s", (int)(slash - socket), socket, REACH_SOCKET);
    return access(path, F_OK) == 0 ? path : "";
}

static struct status *find_target(struct request *req, const char **ret)
{
    struct backend b = {.req = req};
    const char *name, *port;
    struct status *st = NULL;

    split_name(req, &name, &port);
    if (strcmp(req->res->plural, "services") == 0) {
        st = find_behind_service(req, name, &port, &b);
    } else {
        b.pod = storage_get(req->api->storage, req->res, req->ns, name);
        if (!b.pod)
            st = status_not_found(&req->arena, "", req->res->plural, name);
    }
    if (!st) {
        struct json *j autojson = object_parse(b.pod);
        yyjson_val *root = json_root(j);
        int64_t n = pod_port(json_get(root, "spec"), port);
        const char *ip = json_str_at(root, "status.podIP", "");

        *ret =
            arena_printf(&req->arena, "%s|%s|%lld",
                         reach_of(req, json_str_at(root, "spec.nodeName", "")), ip, (long long)n);
        if (!*ip || n <= 0)
            st = status_new(&req->arena, ERR_UNAVAILABLE, "address not allowed or not known yet");
    }
    object_unref(b.pod);
    selector_free(b.selector);
    return st;
}

/* ---- the request ---- */

/* What follows …/NAME/proxy in the path as it was sent. */
static const char *rest_of_path(struct request *req)
{
    struct slice p = req->http->path, q = req->http->query;
    size_t at = 0;

    for (int slashes = 0; at < p.n; at++)
        if (p.p[at] == '/' && ++slashes == 8)
            break;
    return arena_printf(&req->arena, "%s%.*s%s%.*s", at < p.n ? "" : "/", (int)(p.n - at), p.p + at,
                        q.n ? "?" : "", SLICE_FMT(q));
}

static size_t copy_fields(struct request *req, struct http_field *out, size_t max)
{
    static const char *const dropped[] = {
        "host",           "authorization",     "connection", "te",    "keep-alive",
        "content-length", "transfer-encoding", "upgrade",    "expect"};
    size_t n = 0;

    for (size_t i = 0; i < http_header_count(req->http) && n < max; i++) {
        struct http_field f = http_header_at(req->http, i);
        bool drop = false;

        for (size_t k = 0; k < ARRAY_SIZE(dropped); k++)
            drop |= slice_is(f.name, dropped[k]);
        if (!drop && f.name.n && *f.name.p != ':')
            out[n++] = f;
    }
    return n;
}

void proxy_handle(struct request *req)
{
    struct http_field fields[64];
    const char *target = "";
    struct status *st =
        req->http ? find_target(req, &target) : status_no_such_resource(&req->arena);

    if (st) {
        request_status(req, st);
        return;
    }
    forward(req, &(struct forward){.method = req->method,
                                   .path = rest_of_path(req),
                                   .fields = fields,
                                   .n_fields = copy_fields(req, fields, ARRAY_SIZE(fields)),
                                   .body = req->body,
                                   .connect = connect_pod,
                                   .target = target,
                                   .what = req->name});
}
