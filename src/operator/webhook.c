#include "operator/webhook.h"
#include "operator/metrics.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/server.h"
#include "ray/validate/validate.h"

#include <stdio.h>
#include <string.h>

#define API "admission.k8s.io/v1"
#define PEM_MAX ((size_t)1 << 20)

struct webhook {
    char *dir;
    struct http_server *server;
    struct http_listener *listener;
    uv_fs_event_t *watch; /* of dir; heap: it closes after us */
};

static const struct hook {
    const char *path, *name; /* name: for metrics */
    enum ray_kind kind;
} hooks[] = {
    {"/validate-ray-io-v1-raycluster", "/validate-ray-io-v1-raycluster", KIND_RAYCLUSTER},
    {"/validate-ray-io-v1-rayjob", "/validate-ray-io-v1-rayjob", KIND_RAYJOB},
    {"/validate-ray-io-v1-rayservice", "/validate-ray-io-v1-rayservice", KIND_RAYSERVICE},
};

static const struct hook *hook_of(struct slice path)
{
    for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
        if (slice_is(path, hooks[i].path))
            return &hooks[i];
    return NULL;
}

/* ---- one review ---- */

static void put_code(yyjson_mut_doc *doc, yyjson_mut_val *response, bool allowed, int code,
                     const char *message)
{
    yyjson_mut_val *status = json_put_obj(doc, response, "status");

    json_put_bool(doc, response, "allowed", allowed);
    json_put_obj(doc, status, "metadata");
    if (message)
        json_put_str(doc, status, "message", message);
    json_put_int(doc, status, "code", code);
}

static void put_causes(yyjson_mut_doc *doc, yyjson_mut_val *details,
                       const struct field_errors *errs)
{
    yyjson_mut_val *causes = json_put_arr(doc, details, "causes");

    for (size_t i = 0; i < errs->n; i++) {
        yyjson_mut_val *c = yyjson_mut_arr_add_obj(doc, causes);
        json_put_str(doc, c, "reason", field_error_reason(errs->v[i].type));
        json_put_str(doc, c, "message", errs->v[i].message);
        json_put_str(doc, c, "field", errs->v[i].field);
    }
}

/* The Status that apimachinery makes of field errors. */
static void put_refusal(yyjson_mut_doc *doc, yyjson_mut_val *response, enum ray_kind kind,
                        const char *name, const struct field_errors *errs)
{
    struct buf text cleanup(buf_done) = BUF_INIT;
    yyjson_mut_val *status = json_put_obj(doc, response, "status"), *details;

    buf_printf(&text, "%s.ray.io \"%s\" is invalid: ", kind_name(kind), name);
    field_errors_text(errs, &text);
    json_put_bool(doc, response, "allowed", false);
    json_put_obj(doc, status, "metadata");
    json_put_str(doc, status, "status", "Failure");
    json_put_str(doc, status, "message", buf_str(&text));
    json_put_str(doc, status, "reason", "Invalid");
    details = json_put_obj(doc, status, "details");
    json_put_str(doc, details, "name", name);
    json_put_str(doc, details, "group", "ray.io");
    json_put_str(doc, details, "kind", kind_name(kind));
    put_causes(doc, details, errs);
    json_put_int(doc, status, "code", 422);
}

static bool is_checked(yyjson_val *request)
{
    const char *operation = json_get_str(request, "operation", "");

    return !strcmp(operation, "CREATE") || !strcmp(operation, "UPDATE");
}

static void judge(yyjson_mut_doc *doc, yyjson_mut_val *response, enum ray_kind kind,
                  yyjson_val *request)
{
    struct field_errors errs cleanup(field_errors_done) = {0};
    struct arena a cleanup(arena_done) = {0};
    yyjson_val *object = json_get(request, "object");

    json_put_str(doc, response, "uid", json_get_str(request, "uid", ""));
    if (is_checked(request))
        validate_admission(&a, kind, object, &errs);
    if (errs.n)
        put_refusal(doc, response, kind, json_str_at(object, "metadata.name", ""), &errs);
    else
        put_code(doc, response, true, 200, NULL);
}

/* Why it is no review, or NULL. */
static const char *unreadable(struct slice content_type, struct slice body, struct json **ret)
{
    yyjson_val *review;

    if (!body.n)
        return "request body is empty";
    if (!slice_is(content_type, "application/json"))
        return "content type must be application/json";
    if (json_parse(body, ret, NULL) < 0)
        return "the body is no JSON";
    review = json_root(*ret);
    if (strcmp(json_get_str(review, "kind", ""), "AdmissionReview") != 0 ||
        strcmp(json_get_str(review, "apiVersion", ""), API) != 0 ||
        !yyjson_is_obj(json_get(review, "request")))
        return "the body is no AdmissionReview of " API;
    return NULL;
}

bool webhook_review(struct slice path, struct slice content_type, struct slice body,
                    struct buf *out)
{
    const struct hook *hook = hook_of(path);
    automut yyjson_mut_doc *doc = NULL;
    autojson struct json *review = NULL;
    yyjson_mut_val *answer, *response;
    const char *why;

    if (!hook)
        return false;
    doc = json_mut_new();
    answer = yyjson_mut_obj(doc);
    json_put_str(doc, answer, "kind", "AdmissionReview");
    json_put_str(doc, answer, "apiVersion", API);
    response = json_put_obj(doc, answer, "response");
    why = unreadable(content_type, body, &review);
    if (why) {
        json_put_str(doc, response, "uid", "");
        put_code(doc, response, false, 400, why);
    } else {
        judge(doc, response, hook->kind, json_get(json_root(review), "request"));
    }
    json_mut_write(out, answer);
    return true;
}

static void on_request(struct http_req *r, unused void *ctx)
{
    const struct hook *hook = hook_of(r->path);
    struct buf answer cleanup(buf_done) = BUF_INIT;
    int64_t began = clock_mono_ns();

    if (!hook) {
        http_reply(r, 404, "text/plain; charset=utf-8", SLICE("404 page not found\n"));
        return;
    }
    webhook_review(r->path, http_header(r, "content-type"), r->body, &answer);
    buf_addc(&answer, '\n');
    http_reply(r, 200, "application/json", buf_slice(&answer));
    metrics_add(METRIC_WEBHOOK_TOTAL, 1, "200", hook->name);
    metrics_observe(METRIC_WEBHOOK_SECONDS, (double)(clock_mono_ns() - began) / 1e9, hook->name);
}

/* ---- certificates ---- */

static int read_pem(const char *dir, const char *name, struct buf *out, struct err *err)
{
    autofree char *path = xasprintf("%s/%s", dir, name);

    out->max = PEM_MAX;
    return file_read(path, out, err);
}

static int load(const char *dir, struct tls **ret, struct err *err)
{
    struct buf cert cleanup(buf_done) = BUF_INIT, key cleanup(buf_done) = BUF_INIT;
    int code = read_pem(dir, "tls.crt", &cert, err);

    if (code == 0)
        code = read_pem(dir, "tls.key", &key, err);
    if (code == 0)
        code = tls_server_new(
            &(struct tls_server_opts){.cert = buf_slice(&cert), .key = buf_slice(&key)}, ret, err);
    if (key.len)
        explicit_bzero(key.data, key.len);
    metrics_add(METRIC_CERT_READS, 1);
    if (code < 0)
        metrics_add(METRIC_CERT_READ_ERRORS, 1);
    return code;
}

/* Certificate and key may not match while somebody replaces them: then the old ones stay, and the
 * next event is the second file's. */
static void on_change(uv_fs_event_t *e, unused const char *file, unused int events,
                      unused int status)
{
    struct webhook *w = e->data;
    struct tls *tls cleanup(tls_unref_p) = NULL;
    struct err err = {0};

    if (load(w->dir, &tls, &err) < 0)
        log_info("the webhook's certificate cannot be read yet", "error", err.msg, NULL);
    else
        http_listener_set_tls(w->listener, tls);
}

static int watch_dir(uv_loop_t *loop, struct webhook *w, struct err *err)
{
    int code;

    w->watch = xnew(uv_fs_event_t);
    uv_fs_event_init(loop, w->watch);
    w->watch->data = w;
    code = uv_fs_event_start(w->watch, on_change, w->dir, 0);
    return code ? err_set(err, ERR_IO, "watching %s: %s", w->dir, uv_strerror(code)) : 0;
}

/* ---- start and end ---- */

char *webhook_dir(const char *tmpdir)
{
    return xasprintf("%s/k8s-webhook-server/serving-certs", tmpdir && *tmpdir ? tmpdir : "/tmp");
}

static void prepare_metrics(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
        metrics_set(METRIC_WEBHOOK_IN_FLIGHT, 0, hooks[i].name);
        metrics_add(METRIC_WEBHOOK_TOTAL, 0, "200", hooks[i].name);
        metrics_add(METRIC_WEBHOOK_TOTAL, 0, "500", hooks[i].name);
    }
}

int webhook_start(uv_loop_t *loop, const struct webhook_opts *o, struct webhook **ret,
                  struct err *err)
{
    struct tls *tls cleanup(tls_unref_p) = NULL;
    struct webhook *w;
    int code = load(o->dir, &tls, err);

    if (code < 0)
        return err_wrap(err, "the certificate of the webhooks");
    w = xnew(struct webhook);
    w->dir = xstrdup(o->dir);
    w->server = http_server_new(loop, &(struct http_server_opts){.on_request = on_request});
    code = http_server_listen(w->server, o->host, o->port, tls, &w->listener, err);
    if (code == 0)
        code = watch_dir(loop, w, err);
    if (code < 0) {
        webhook_stop(w);
        return code;
    }
    prepare_metrics();
    *ret = w;
    return 0;
}

uint16_t webhook_port(const struct webhook *w)
{
    return http_listener_port(w->listener);
}

static void free_handle(uv_handle_t *h)
{
    free(h);
}

void webhook_stop(struct webhook *w)
{
    if (!w)
        return;
    if (w->watch)
        uv_close((uv_handle_t *)w->watch, free_handle);
    http_server_free(w->server);
    free(w->dir);
    free(w);
}
