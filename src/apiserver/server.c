#include "apiserver/server.h"
#include "base/file.h"
#include "base/log.h"

#include <malloc.h>
#include <stdio.h>

#define DRAIN_MS 3000
#define BODY_MAX                                                                                   \
    3145728 /* as a kube-apiserver; beyond twice of it the connection answers by itself */

/* ---- from HTTP to a request ---- */

static const char *copy(struct request *req, struct slice s)
{
    return s.p ? arena_strndup(&req->arena, s.p, s.n) : "";
}

static void on_gone(struct http_req *r, enum http_end_kind how, void *ctx)
{
    struct request *req = r->user;

    (void)how;
    (void)ctx;
    if (req)
        req->http = NULL; /* it lives on until its answer, which nobody hears */
}

static void not_found_page(struct request *req)
{
    request_bytes(req, 404, "text/plain; charset=utf-8", SLICE("404 page not found\n"));
}

static void answer_other_path(struct request *req)
{
    if (health_handle(req) || kinds_handle(req))
        return;
    bool api = strncmp(req->path, "/api/", 5) == 0;
    if (api)
        request_status(req, status_no_such_resource(&req->arena));
    else
        not_found_page(req);
}

static void dispatch(struct request *req)
{
    struct status *st;

    if (!auth_request(req->api->auth, req) && !health_is_open(req->path)) {
        request_status(req, status_new(&req->arena, ERR_UNAUTHORIZED, "Unauthorized"));
        return;
    }
    st = route(req);
    if (!st && req->body.n > BODY_MAX)
        st = status_new(&req->arena, ERR_TOO_LARGE, "Request entity too large: limit is %d",
                        BODY_MAX);
    if (!st && strncmp(req->path, "/openapi/", 9) != 0) /* it has media types of its own */
        st = accept_parse(req);
    if (st)
        request_status(req, st);
    else if (req->res)
        request_run(req);
    else
        answer_other_path(req);
}

static void on_request(struct http_req *r, void *ctx)
{
    struct request *req = request_new(ctx);

    r->user = req;
    req->http = r;
    http_on_close(r, on_gone, NULL);
    req->method = copy(req, r->method);
    req->content_type = copy(req, http_header(r, "content-type"));
    req->accept = copy(req, http_header(r, "accept"));
    req->body = r->body;
    req->path = percent_decode(&req->arena, r->path, false);
    query_parse(req, r->query);
    if (!req->path) {
        req->path = "";
        request_status(req, status_new(&req->arena, ERR_BAD_REQUEST, "malformed path"));
        return;
    }
    dispatch(req);
}

/* ---- start ---- */

static int split_listen(struct apiserver *api, char host[256], uint16_t *port, struct err *err)
{
    const char *text = api->opts.listen, *colon = strrchr(text, ':');
    int64_t n = -1;

    if (!colon || !slice_int64(slice_of(colon + 1), &n) || n < 0 || n > 65535)
        return err_set(err, ERR_BAD_REQUEST, "--listen wants ADDRESS:PORT, not \"%s\"", text);
    struct slice h = {text, (size_t)(colon - text)};
    if (h.n > 1 && h.p[0] == '[' && h.p[h.n - 1] == ']')
        h = (struct slice){h.p + 1, h.n - 2};
    if (h.n >= 256)
        return err_set(err, ERR_BAD_REQUEST, "--listen: the address is too long");
    snprintf(host, 256, "%.*s", SLICE_FMT(h));
    *port = (uint16_t)n;
    return 0;
}

static const struct resource *resolve(void *arg, const char *group, const char *plural)
{
    const struct apiserver *api = arg;

    for (size_t i = 0; i < api->registry.list.n; i++) {
        const struct resource *r = api->registry.list.v[i];

        if (r->stored == r && strcmp(r->plural, plural) == 0 && strcmp(r->group, group) == 0)
            return r;
    }
    return NULL;
}

static int open_parts(struct apiserver *api, const char *host, struct err *err)
{
    struct storage_options so = {
        .dir = api->opts.state, .loop = api->loop, .resolve = resolve, .arg = api};
    int r = storage_open(&so, &api->storage, err);

    if (r == 0)
        r = pki_load(&api->pki, api->opts.state, host, err);
    if (r == 0)
        r = token_signer_new(api->pki.sa_key, &api->signer, err);
    if (r == 0)
        r = auth_new(api, &api->auth, err);
    if (r < 0)
        return r;
    struct tls_server_opts to = {.cert = slice_of(api->pki.server_cert),
                                 .key = slice_of(api->pki.server_key),
                                 .client_ca = slice_of(api->pki.ca_cert)};
    r = tls_server_new(&to, &api->tls, err);
    if (r < 0)
        return r;
    api->watches = watches_new(api);
    api->kinds_started = true;
    return kinds_start(api, err);
}

static int start_listening(struct apiserver *api, const char *host, uint16_t port, struct err *err)
{
    static const char unknown_method[] = "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{"
                                         "},\"status\":\"Failure\",\"message\":"
                                         "\"the server does not allow this method on the requested "
                                         "resource\",\"reason\":\"MethodNotAllowed\","
                                         "\"details\":{},\"code\":405}\n";
    struct http_server_opts ho = {
        .on_request = on_request,
        .ctx = api,
        .body_limit = 2 * BODY_MAX,
        .unknown_method = 405,
        .unknown_method_type = "application/json",
        .unknown_method_body = {unknown_method, sizeof unknown_method - 1}};
    char server[320];
    int r;

    api->http = http_server_new(api->loop, &ho);
    r = http_server_listen(api->http, host, port, api->tls, &api->listener, err);
    if (r < 0)
        return r;
    api->port = http_listener_port(api->listener);
    kinds_listening(api, host, api->port);
    if (!api->opts.write_kubeconfig)
        return 0;
    bool any = !*host || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
    snprintf(server, sizeof server, strchr(host, ':') && !any ? "https://[%s]:%d" : "https://%s:%d",
             any ? "127.0.0.1" : host, api->port);
    return kubeconfig_write(api->opts.write_kubeconfig, api->opts.context, server, &api->pki, err);
}

static void copy_options(struct apiserver *api, const struct apiserver_options *o)
{
    struct arena *a = &api->arena;

    api->opts = (struct apiserver_options){
        .listen = arena_strdup(a, o->listen ? o->listen : "127.0.0.1:0"),
        .state = arena_strdup(a, o->state),
        .write_kubeconfig = o->write_kubeconfig ? arena_strdup(a, o->write_kubeconfig) : NULL,
        .context = arena_strdup(a, o->context ? o->context : "manta"),
        .token_auth_file = o->token_auth_file ? arena_strdup(a, o->token_auth_file) : NULL,
        .controllers = arena_strdup(a, o->controllers ? o->controllers : "*"),
        .disable_admission = arena_strdup(a, o->disable_admission ? o->disable_admission : ""),
    };
}

/* Big bodies and documents go back to the kernel when they are freed, and one heap serves all
 * threads. */
static void tune_malloc(void)
{
    mallopt(M_MMAP_THRESHOLD, 64 * 1024);
    mallopt(M_TRIM_THRESHOLD, 256 * 1024);
    mallopt(M_ARENA_MAX, 1);
}

int apiserver_new(const struct apiserver_options *opts, uv_loop_t *loop, struct apiserver **ret,
                  struct err *err)
{
    struct apiserver *api = xnew(struct apiserver);
    char host[256];
    uint16_t port = 0;

    tune_malloc();
    api->loop = loop;
    copy_options(api, opts);
    registry_init(&api->registry);
    kinds_register(&api->registry);
    api->namespaces = resolve(api, "", "namespaces");
    int r = split_listen(api, host, &port, err);
    if (r == 0)
        r = open_parts(api, host, err);
    if (r == 0)
        r = start_listening(api, host, port, err);
    if (r < 0) {
        apiserver_free(api);
        return r;
    }
    *ret = api;
    return 0;
}

/* ---- end ---- */

static void on_drained(void *ctx)
{
    struct apiserver *api = ctx;

    api->drained(api->drained_arg);
}

void apiserver_drain(struct apiserver *api, void (*done)(void *arg), void *arg)
{
    if (api->draining)
        return;
    api->draining = true;
    api->drained = done;
    api->drained_arg = arg;
    watches_drain(api->watches);
    http_server_drain(api->http, DRAIN_MS, on_drained, api);
}

void apiserver_free(struct apiserver *api)
{
    if (!api)
        return;
    if (api->http)
        http_server_free(api->http);
    if (api->kinds_started)
        kinds_stop(api);
    if (api->watches)
        watches_free(api->watches);
    storage_close(api->storage);
    auth_free(api->auth);
    token_signer_free(api->signer);
    tls_unref(api->tls);
    pki_done(&api->pki);
    registry_done(&api->registry);
    arena_done(&api->arena);
    free(api);
}

/* ---- accessors ---- */

struct registry *api_registry(struct apiserver *api)
{
    return &api->registry;
}

struct storage *api_storage(struct apiserver *api)
{
    return api->storage;
}

uv_loop_t *api_loop(struct apiserver *api)
{
    return api->loop;
}

const struct apiserver_options *api_options(const struct apiserver *api)
{
    return &api->opts;
}

const char *api_ca_pem(const struct apiserver *api)
{
    return api->pki.ca_cert;
}

int api_port(const struct apiserver *api)
{
    return api->port;
}

const struct resource *api_resource(struct apiserver *api, const char *group, const char *plural)
{
    return resolve(api, group, plural);
}

/* "*" is all, "name" one more, "-name" one less; the name by itself wins over the star. */
bool api_controller_enabled(const struct apiserver *api, const char *name)
{
    struct slice rest = slice_of(api->opts.controllers), part;
    bool star = false;

    while (slice_cut(&rest, ',', &part)) {
        part = slice_trim(part);
        if (slice_is(part, name))
            return true;
        if (part.n > 1 && part.p[0] == '-' &&
            slice_is((struct slice){part.p + 1, part.n - 1}, name))
            return false;
        star |= slice_is(part, "*");
    }
    return star;
}

bool api_admission_enabled(const struct apiserver *api, const char *plugin)
{
    struct slice rest = slice_of(api->opts.disable_admission), part;

    while (slice_cut(&rest, ',', &part))
        if (slice_is(slice_trim(part), plugin))
            return false;
    return true;
}
