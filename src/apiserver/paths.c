/* Paths that are no resource: discovery and OpenAPI. */
#include "apiserver/kinds.h"

#include "apiserver/crd/crd.h"
#include "apiserver/discovery.h"
#include "apiserver/openapi.h"

#include <stdio.h>

static bool answer(struct request *req, const char *type, yyjson_mut_val *root)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    if (!root)
        return false;
    json_mut_write(&b, root);
    buf_addc(&b, '\n');
    request_bytes(req, 200, type, buf_slice(&b));
    return true;
}

static bool answer_json(struct request *req, yyjson_mut_val *root)
{
    return answer(req, "application/json", root);
}

static bool aggregated(struct request *req, bool core, const char *version)
{
    char type[96];

    snprintf(type, sizeof type,
             "application/json;g=apidiscovery.k8s.io;v=%s;as=APIGroupDiscoveryList", version);
    return answer(req, type,
                  discovery_aggregate(request_doc(req), api_registry(req->api), core, version));
}

static bool handle_api(struct request *req, struct slice *part, size_t n)
{
    const char *version = discovery_aggregated(req->accept);
    char address[32];

    if (n == 1 && version)
        return aggregated(req, true, version);
    snprintf(address, sizeof address, "127.0.0.1:%d", api_port(req->api));
    if (n == 1)
        return answer_json(req, discovery_versions(request_doc(req), address));
    return n == 2 && slice_is(part[1], "v1") &&
           answer_json(req,
                       discovery_resources(request_doc(req), api_registry(req->api), "", "v1"));
}

static bool handle_apis(struct request *req, struct slice *part, size_t n)
{
    const char *version = discovery_aggregated(req->accept);
    const struct registry *reg = api_registry(req->api);
    yyjson_mut_doc *doc = request_doc(req);
    const char *group = n > 1 ? arena_strndup(&req->arena, part[1].p, part[1].n) : NULL;

    if (n == 1 && version)
        return aggregated(req, false, version);
    if (n == 1)
        return answer_json(req, discovery_groups(doc, reg));
    if (n == 2)
        return answer_json(req, discovery_group(doc, reg, group));
    if (n != 3 || !*group)
        return false;
    if (answer_json(req, discovery_resources(doc, reg, group,
                                             arena_strndup(&req->arena, part[2].p, part[2].n))))
        return true;
    if (!registry_has_group(reg, group, NULL))
        return false;
    request_status(req, status_no_such_resource(&req->arena)); /* a known group says it in JSON */
    return true;
}

/*
 * An OpenAPI v2 document that names no kind. kubectl asks for it when it meets something that v3
 * does not describe (the kind List) and then checks nothing by itself. It wants protobuf (gnostic's
 * openapi.v2.Document): swagger is field 1, info 2 with title 1 and version 2, paths 8.
 */
static bool answer_openapi_v2(struct request *req)
{
    static const char binary[] = "\x0a\x03"
                                 "2.0"
                                 "\x12\x15\x0a\x0a"
                                 "Kubernetes"
                                 "\x12\x07"
                                 "v1.36.0"
                                 "\x42\x00";
    static const char text[] =
        "{\"swagger\":\"2.0\",\"info\":{\"title\":\"Kubernetes\",\"version\":\"v1.36.0\"},"
        "\"paths\":{},\"definitions\":{}}";

    if (strstr(req->accept, "proto-openapi.spec.v2"))
        request_bytes(req, 200, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
                      (struct slice){binary, sizeof binary - 1});
    else
        request_bytes(req, 200, "application/json", slice_of(text));
    return true;
}

static bool handle_openapi(struct request *req, struct slice *part, size_t n)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    const struct registry *reg = api_registry(req->api);
    struct crd_schemas schemas = {.api = req->api};
    bool found;

    if (n == 2 && slice_is(part[1], "v2"))
        return answer_openapi_v2(req);
    if (n < 2 || !slice_is(part[1], "v3"))
        return false;
    if (n == 2) {
        openapi_index(reg, &b);
        request_bytes(req, 200, "text/plain; charset=utf-8",
                      buf_slice(&b)); /* as Kubernetes has it */
        return true;
    }
    bool core = n == 4 && slice_is(part[2], "api"), group = n == 5 && slice_is(part[2], "apis");
    if (!core && !group)
        return false;
    found = openapi_document(reg, core ? "" : arena_strndup(&req->arena, part[3].p, part[3].n),
                             arena_strndup(&req->arena, part[n - 1].p, part[n - 1].n),
                             crd_schema_of, &schemas, &b);
    crd_schemas_done(&schemas);
    if (found)
        request_bytes(req, 200, "application/json", buf_slice(&b));
    return found;
}

/* ---- what there is ---- */

static bool is_listed(const yyjson_mut_val *paths, const char *path)
{
    yyjson_mut_val *p;
    size_t i, n;

    yyjson_mut_arr_foreach((yyjson_mut_val *)paths, i, n, p) {
        if (yyjson_mut_equals_str(p, path))
            return true;
    }
    return false;
}

static void list_path(struct request *req, yyjson_mut_val *paths, const char *path)
{
    if (!is_listed(paths, path))
        yyjson_mut_arr_add_strcpy(request_doc(req), paths, path);
}

static bool handle_root(struct request *req)
{
    static const char *const fixed[] = {"/healthz",    "/healthz/ping", "/livez",
                                        "/livez/ping", "/openapi/v2",   "/openapi/v3",
                                        "/readyz",     "/readyz/ping",  "/version"};
    yyjson_mut_doc *doc = request_doc(req);
    yyjson_mut_val *root = yyjson_mut_obj(doc), *paths = json_put_arr(doc, root, "paths");
    const struct registry *reg = api_registry(req->api);

    list_path(req, paths, "/api");
    list_path(req, paths, "/api/v1");
    list_path(req, paths, "/apis");
    for (size_t i = 0; i < reg->list.n; i++) {
        const struct resource *r = reg->list.v[i];

        if (!*r->group)
            continue;
        list_path(req, paths, arena_printf(&req->arena, "/apis/%s", r->group));
        list_path(req, paths, arena_printf(&req->arena, "/apis/%s", r->api_version));
    }
    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
        list_path(req, paths, fixed[i]);
    return answer_json(req, root);
}

static const struct {
    const char *first;
    bool (*handle)(struct request *req, struct slice *part, size_t n);
} roots[] = {{"api", handle_api}, {"apis", handle_apis}, {"openapi", handle_openapi}};

bool kinds_handle(struct request *req)
{
    struct slice rest = slice_of(req->path), part[8], one;
    size_t n = 0;

    if (strcmp(req->method, "GET") && strcmp(req->method, "HEAD"))
        return false;
    slice_cut(&rest, '/', &one); /* what precedes the first slash */
    while (n < ARRAY_SIZE(part) && slice_cut(&rest, '/', &part[n]))
        n++;
    if (n && !part[n - 1].n)
        n--; /* a slash at the end */
    if (!n)
        return handle_root(req);
    for (size_t i = 0; i < ARRAY_SIZE(roots); i++)
        if (slice_is(part[0], roots[i].first))
            return roots[i].handle(req, part, n);
    return false;
}
