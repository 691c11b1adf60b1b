#include "apiserver/server.h"

#include <stdio.h>

struct request *request_new(struct apiserver *api)
{
    struct request *req = xnew(struct request);

    req->api = api;
    req->ns = req->name = req->subresource = req->rest = "";
    req->content_type = req->accept = req->manager = "";
    req->method = req->path = "";
    req->warnings.arena = &req->arena;
    return req;
}

void request_free(struct request *req)
{
    if (req->http)
        req->http->user = NULL;
    object_unref(req->later_object);
    buf_done(&req->later_text);
    resource_unref(req->res);
    warnings_done(&req->warnings);
    field_errors_done(&req->errs);
    vec_done(&req->params);
    if (req->doc)
        yyjson_mut_doc_free(req->doc);
    arena_done(&req->arena);
    free(req);
}

yyjson_mut_doc *request_doc(struct request *req)
{
    if (!req->doc)
        req->doc = json_mut_new();
    return req->doc;
}

/* ---- headers ---- */

/* 299 - "text", with what HTTP's quoted strings cannot have escaped or dropped. */
static const char *warning_value(struct arena *a, const char *text)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    buf_adds(&b, "299 - \"");
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\')
            buf_addc(&b, '\\');
        if ((unsigned char)*p >= 0x20 && *p != 0x7f)
            buf_addc(&b, *p);
    }
    buf_addc(&b, '"');
    return arena_strdup(a, buf_str(&b));
}

struct http_field *request_fields(struct request *req, int http, const char *content_type,
                                  size_t *ret_n)
{
    size_t n = 0, max = 4 + req->warnings.list.n;
    struct http_field *f = arena_array(&req->arena, struct http_field, max);

    f[n++] = (struct http_field)HTTP_FIELD("Cache-Control", "no-cache, private");
    if (content_type)
        f[n++] = (struct http_field)HTTP_FIELD("Content-Type", content_type);
    if (http == 401)
        f[n++] = (struct http_field)HTTP_FIELD("WWW-Authenticate", "Bearer");
    for (size_t i = 0; i < req->warnings.list.n; i++)
        f[n++] = (struct http_field)HTTP_FIELD("Warning",
                                               warning_value(&req->arena, req->warnings.list.v[i]));
    *ret_n = n;
    return f;
}

static void respond(struct request *req, int http, const char *content_type, struct rcbuf *body)
{
    size_t n;

    if (req->http) {
        const struct http_field *fields = request_fields(req, http, content_type, &n);

        http_respond_rc(req->http, http, fields, n, body);
    }
    rcbuf_unref(body);
    request_free(req);
}

/* ---- answers ---- */

/* The answer to a call from inside; false: it came by HTTP. */
static bool inside(struct request *req, const struct status *st, const struct object *o)
{
    if (!req->internal)
        return false;
    if (req->done)
        req->done(req->arg, st, o);
    request_free(req);
    return true;
}

void request_status(struct request *req, const struct status *st)
{
    struct buf text cleanup(buf_done) = BUF_INIT;

    if (inside(req, st->http < 400 ? NULL : st, NULL))
        return;
    status_write(st, &text);
    req->view.rep = REP_OBJECT;
    request_json(req, st->http, &text);
}

void request_object(struct request *req, int http, const struct object *o)
{
    if (inside(req, NULL, o))
        return;
    if (req->shape) {
        struct json *j autojson = object_in_version(req->res, o);

        request_value(req, http, json_thaw(request_doc(req), json_root(j)));
        return;
    }
    struct rcbuf *body = view_object(&req->view, req->res, o);
    respond(req, http, view_content_type(&req->view), body);
}

void request_value(struct request *req, int http, yyjson_mut_val *root)
{
    struct buf text cleanup(buf_done) = BUF_INIT;
    struct json *j autojson = json_freeze(root);

    if (inside(req, NULL, NULL))
        return;
    if (req->shape) {
        struct json *whole autojson = take(j);

        j = json_freeze(req->shape(req, json_root(whole)));
    }
    view_value(&req->view, req->shape ? NULL : req->res, json_root(j), &text);
    request_json(req, http, &text);
}

void request_json(struct request *req, int http, struct buf *text)
{
    if (inside(req, NULL, NULL))
        return;
    view_finish(&req->view, text);
    respond(req, http, view_content_type(&req->view), rcbuf_take_buf(text));
}

void request_bytes(struct request *req, int http, const char *content_type, struct slice body)
{
    respond(req, http, content_type, rcbuf_new(body));
}

/* ---- answers that wait for their commit ---- */

static void on_committed(void *arg, int error)
{
    struct request *req = arg;

    if (error < 0) {
        request_status(
            req, status_new(&req->arena, ERR_INTERNAL, "the write could not be made durable"));
    } else if (req->later_status) {
        request_status(req, req->later_status);
    } else if (req->later_text.len) {
        struct buf text cleanup(buf_done) = req->later_text;

        req->later_text = (struct buf){0};
        request_json(req, req->later_http, &text);
    } else if (req->later_value) {
        request_value(req, req->later_http, req->later_value);
    } else {
        request_object(req, req->later_http, req->later_object);
    }
}

static void wait_for_commit(struct request *req)
{
    storage_after_commit(req->api->storage, on_committed, req);
}

void request_later_status(struct request *req, const struct status *st)
{
    req->later_status = st;
    wait_for_commit(req);
}

void request_later_object(struct request *req, int http, const struct object *o)
{
    req->later_object = object_ref(o);
    req->later_http = http;
    wait_for_commit(req);
}

void request_later_value(struct request *req, int http, yyjson_mut_val *root)
{
    req->later_value = root;
    req->later_http = http;
    wait_for_commit(req);
}

void request_later_json(struct request *req, int http, struct buf *text)
{
    req->later_text = *text;
    *text = (struct buf){0};
    req->later_http = http;
    wait_for_commit(req);
}
