/* pods/NAME/log and pods/NAME/exec: the node's kubelet has them, on a unix socket that its Node
 * names. */
#include "apiserver/forward.h"
#include "apiserver/server.h"
#include "base/reach.h"

#include <sys/socket.h>

static int connect_kubelet(const char *target, struct err *err)
{
    return unix_connect(target, SOCK_STREAM | SOCK_NONBLOCK, err);
}

/* Names of containers and init containers, for the message that asks for one. */
static void add_names(struct buf *out, yyjson_val *containers)
{
    json_each(containers, c, i, n) {
        buf_printf(out, "%s%s", out->len ? " " : "", json_get_str(c, "name", ""));
    }
}

static bool has_container(yyjson_val *spec, const char *name)
{
    static const char *const lists[] = {"containers", "initContainers", "ephemeralContainers"};

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        json_each(json_get(spec, lists[i]), c, j, n) {
            if (strcmp(json_get_str(c, "name", ""), name) == 0)
                return true;
        }
    }
    return false;
}

static struct status *pick_container(struct request *req, yyjson_val *spec, const char **ret)
{
    struct buf names cleanup(buf_done) = BUF_INIT;
    yyjson_val *containers = json_get(spec, "containers");
    const char *asked = request_param(req, "container");

    if (asked && *asked) {
        *ret = asked;
        if (has_container(spec, asked))
            return NULL;
        return status_new(&req->arena, ERR_BAD_REQUEST, "container %s is not valid for pod %s",
                          asked, req->name);
    }
    *ret = json_get_str(yyjson_arr_get_first(containers), "name", "");
    if (yyjson_arr_size(containers) == 1)
        return NULL;
    add_names(&names, containers);
    return status_new(&req->arena, ERR_BAD_REQUEST,
                      "a container name must be specified for pod %s, choose one of: [%s]",
                      req->name, buf_str(&names));
}

static struct status *find_kubelet(struct request *req, const char *node, const char **ret)
{
    const struct resource *nodes = api_resource(req->api, "", "nodes");
    struct object *o autoobject =
        *node && nodes ? storage_get(req->api->storage, nodes, "", node) : NULL;

    if (!*node)
        return status_new(&req->arena, ERR_BAD_REQUEST, "pod %s does not have a host assigned",
                          req->name);
    if (!o)
        return status_not_found(&req->arena, "", "nodes", node);
    struct json *j autojson = object_parse(o);
    const char *socket =
        json_get_str(json_at(json_root(j), "metadata.annotations"), KUBELET_SOCKET_ANNOTATION, "");
    if (!*socket)
        return status_new(&req->arena, ERR_UNAVAILABLE, "node %s has no kubelet that serves logs",
                          node);
    *ret = arena_strdup(&req->arena, socket);
    return NULL;
}

/* "/WHAT/NAMESPACE/POD/CONTAINER?QUERY" at the pod's kubelet; the query as it came. */
static struct status *find_container(struct request *req, const char *what, struct forward *ret)
{
    struct object *pod autoobject = storage_get(req->api->storage, req->res, req->ns, req->name);
    struct json *j autojson = pod ? object_parse(pod) : NULL;
    yyjson_val *spec = json_get(json_root(j), "spec");
    const char *container = "", *node = json_get_str(spec, "nodeName", "");
    struct status *st = NULL;

    if (!pod)
        st = status_not_found(&req->arena, "", "pods", req->name);
    if (!st)
        st = pick_container(req, spec, &container);
    if (!st)
        st = find_kubelet(req, node, &ret->target);
    if (st || !req->http)
        return st ? st : status_no_such_resource(&req->arena);
    struct slice query = req->http->query;
    ret->connect = connect_kubelet;
    ret->path = arena_printf(&req->arena, "/%s/%s/%s/%s?%.*s", what, req->ns, req->name, container,
                             SLICE_FMT(query));
    ret->what = arena_printf(&req->arena, "the kubelet of node %s", node);
    return NULL;
}

void podlog_handle(struct request *req)
{
    struct forward f = {.method = "GET", .errors_as_status = true};
    struct status *st = find_container(req, "containerLogs", &f);

    if (st)
        request_status(req, st);
    else
        forward(req, &f);
}

void podexec_handle(struct request *req)
{
    struct forward f = {0};
    struct status *st = find_container(req, "exec", &f);

    if (!st && !http_wants_websocket(req->http))
        st = status_new(&req->arena, ERR_BAD_REQUEST,
                        "Upgrade request required: exec is served over WebSocket "
                        "(kubectl 1.31 or newer)");
    if (st)
        request_status(req, st);
    else
        forward_websocket(req, &f);
}
