/*
 * Bodies: media type, syntax, kind and version, then what the schema says. Built-in kinds go
 * through their type (as Go's decoder would), custom ones through their structural schema.
 */
#include "apiserver/protobuf.h"
#include "apiserver/server.h"
#include "data/schema.h"
#include "data/typed.h"
#include "data/yaml.h"

#include <ctype.h>
#include <stdio.h>

/* ---- syntax ---- */

static struct slice media_type(const char *content_type)
{
    struct slice rest = slice_of(content_type), type = {0};

    slice_cut(&rest, ';', &type);
    return slice_trim(type);
}

/* The head of a body for an error message: as text if it is printable, else in hex, as Go has it.
 */
static const char *excerpt(struct arena *a, struct slice body)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    size_t n = MIN(body.n, 30);
    bool brace = body.n && *body.p == '{';

    if (!body.n)
        return "<empty>";
    for (size_t i = 0; i < n; i++) {
        if (brace)
            buf_addc(&b, body.p[i]);
        else
            buf_printf(&b, "%02x", (unsigned char)body.p[i]);
    }
    return arena_printf(a, "%s%s", buf_str(&b), n < body.n ? " ..." : "");
}

static struct status *unrecognized(struct request *req, const char *kind, const char *why)
{
    return status_new(&req->arena, ERR_BAD_REQUEST,
                      "the object provided is unrecognized (must be of type %s): %s (%s)", kind,
                      why, excerpt(&req->arena, req->body));
}

static struct status *parse_protobuf(struct request *req, const char *kind, struct json **ret)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *obj = NULL;
    struct err err = {0};

    if (protobuf_decode(req->body, doc, &obj, &err) < 0)
        return unrecognized(req, kind, err.msg);
    *ret = json_freeze(obj);
    return NULL;
}

static struct status *parse(struct request *req, const char *kind, struct json **ret)
{
    struct slice type = media_type(req->content_type);
    struct err err = {0};
    int r;

    if (slice_is(type, "application/yaml")) {
        r = yaml_parse(req->body, 0, ret, &err);
        return r < 0 ? unrecognized(req, kind, arena_printf(&req->arena, "yaml: %s", err.msg))
                     : NULL;
    }
    if (slice_is(type, "application/vnd.kubernetes.protobuf"))
        return parse_protobuf(req, kind, ret);
    if (type.n && !(type.n == 16 && strncasecmp(type.p, "application/json", 16) == 0))
        return status_new(
            &req->arena, ERR_UNSUPPORTED_MEDIA_TYPE,
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json, application/yaml, application/vnd.kubernetes.protobuf");
    if (!slice_trim(req->body).n)
        r = err_set(&err, ERR_BAD_REQUEST, "unexpected end of JSON input");
    else
        r = json_parse(req->body, ret, &err);
    if (r == 0 && !yyjson_is_obj(json_root(*ret)) && !yyjson_is_null(json_root(*ret)))
        r = err_set(&err, ERR_BAD_REQUEST, "json: cannot unmarshal %s into an object",
                    yyjson_get_type_desc(json_root(*ret)));
    if (r == 0)
        return NULL;
    json_unref(take(*ret));
    return unrecognized(
        req, kind,
        arena_printf(&req->arena, "couldn't get version/kind; json parse error: %s", err.msg));
}

struct status *body_json(struct request *req, struct json **ret)
{
    *ret = NULL;
    if (req->value) {
        *ret = json_copy(req->value);
        return NULL;
    }
    return slice_trim(req->body).n ? parse(req, "DeleteOptions", ret) : NULL;
}

/* ---- kind and version ---- */

static struct status *cannot_handle(struct request *req, const struct resource *res,
                                    const char *kind, const char *version, const char *why)
{
    const char *v = strrchr(version, '/');

    return status_new(&req->arena, ERR_BAD_REQUEST,
                      "%s in version \"%s\" cannot be handled as a %s: %s", kind,
                      v ? v + 1 : version, res->kind, why);
}

/* A custom object must say what it is: the server has no type to tell it from. */
static struct status *check_custom_kind(struct request *req, const struct resource *res,
                                        const char *kind, const char *version, const char *name)
{
    if (!*kind)
        return unrecognized(req, res->kind,
                            arena_printf(&req->arena, "Object 'Kind' is missing in '%.*s'",
                                         (int)MIN(req->body.n, 256),
                                         req->body.n ? req->body.p : ""));
    if (strcmp(version, res->api_version) != 0)
        return status_new(
            &req->arena, ERR_BAD_REQUEST,
            "the API version in the data (%s) does not match the expected API version (%s)",
            version, res->api_version);
    if (!strcmp(kind, res->kind))
        return NULL;
    field_invalid_str(&req->errs, "kind", kind, arena_printf(&req->arena, "must be %s", res->kind));
    return status_invalid(&req->arena, res->group,
                          arena_strdup(&req->arena, kind), /* outlives the body */
                          arena_strdup(&req->arena, name), &req->errs);
}

/* What is absent is what the path says. */
static struct status *check_kind(struct request *req, const struct resource *res, const char *kind,
                                 const char *version)
{
    if ((*kind && strcmp(kind, res->kind) != 0) ||
        (*version && strcmp(version, res->api_version) != 0)) {
        const char *why =
            arena_printf(&req->arena, "no kind \"%s\" is registered for version \"%s\"",
                         *kind ? kind : res->kind, *version ? version : res->api_version);

        return cannot_handle(req, res, *kind ? kind : res->kind,
                             *version ? version : res->api_version, why);
    }
    return NULL;
}

static void put_kind(struct request *req, const struct resource *res, yyjson_mut_val *obj)
{
    json_put_str(request_doc(req), obj, "kind", res->kind);
    json_put_str(request_doc(req), obj, "apiVersion", res->api_version);
}

/* ---- unknown and repeated fields ---- */

struct problems {
    struct request *req;
    struct buf strict; /* joined by ", " */
    const char *wrong; /* a value of the wrong kind */
};

static void note(struct problems *p, const char *message)
{
    if (p->req->field_validation == VALIDATE_WARN)
        warnings_add(&p->req->warnings, "%s", message);
    buf_printf(&p->strict, "%s%s", p->strict.len ? ", " : "", message);
}

static void on_problem(void *arg, enum typed_problem problem, const char *message)
{
    struct problems *p = arg;

    if (problem != TYPED_WRONG_KIND)
        note(p, message);
    else if (!p->wrong)
        p->wrong = arena_strdup(&p->req->arena, message);
}

/* Go's decoder keeps the last of repeated members; so do we, and say so. */
static void drop_repeated(struct problems *p, yyjson_mut_val *v, struct buf *path);

/* A value's place in its container is its next pointer. */
static void replace_value(yyjson_mut_val *at, const yyjson_mut_val *by)
{
    yyjson_mut_val *next = at->next;

    *at = *by;
    at->next = next;
}

static void drop_repeated_members(struct problems *p, yyjson_mut_val *obj, struct buf *path)
{
    struct map seen = {0};
    yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(obj);
    size_t base = path->len;

    for (yyjson_mut_val *key; (key = yyjson_mut_obj_iter_next(&it));) {
        const char *k = yyjson_mut_get_str(key);
        yyjson_mut_val *v = yyjson_mut_obj_iter_get_val(key), *first = map_get(&seen, k);

        buf_printf(path, "%s%s", base ? "." : "", k);
        if (first) {
            autofree char *message = xasprintf("duplicate field \"%s\"", buf_str(path));

            note(p, message);
            replace_value(first, v);
            yyjson_mut_obj_iter_remove(&it);
        } else {
            map_put(&seen, k, v);
            drop_repeated(p, v, path);
        }
        path->len = base;
        path->data[base] = '\0';
    }
    map_done(&seen);
}

static void drop_repeated(struct problems *p, yyjson_mut_val *v, struct buf *path)
{
    size_t base = path->len;

    if (yyjson_mut_is_obj(v)) {
        drop_repeated_members(p, v, path);
        return;
    }
    for (size_t i = 0; i < yyjson_mut_arr_size(v); i++) {
        buf_printf(path, "[%zu]", i);
        drop_repeated(p, yyjson_mut_arr_get(v, i), path);
        path->len = base;
        path->data[base] = '\0';
    }
}

/* ---- built-in kinds ---- */

/* Through the type: what Go would keep, in its order. */
static struct status *retype(struct request *req, const struct resource *res, yyjson_val *in,
                             yyjson_mut_val **obj, struct problems *p)
{
    struct err err = {0};

    typed_check(res->type, in, on_problem, p);
    if (!p->wrong && typed_copy(res->type, request_doc(req), in, 0, obj, &err) < 0)
        p->wrong = arena_strdup(&req->arena, err.msg);
    return p->wrong ? cannot_handle(req, res, res->kind, res->api_version, p->wrong) : NULL;
}

/* ---- custom kinds ---- */

static struct status *prune(struct request *req, const struct resource *res, yyjson_mut_val *obj,
                            struct problems *p)
{
    struct schema_paths unknown = {0};
    struct buf path cleanup(buf_done) = BUF_INIT;
    yyjson_mut_val *meta = json_mut_get(obj, "metadata"), *typed = NULL;
    const struct type *type = type_named("ObjectMeta");

    buf_adds(&path, "");
    drop_repeated(p, obj, &path);
    if (res->schema)
        schema_prune(res->schema, obj, &unknown);
    for (size_t i = 0; i < unknown.n; i++) {
        autofree char *message = xasprintf("unknown field \"%s\"", unknown.v[i]);

        note(p, message);
    }
    schema_paths_done(&unknown);
    if (!meta || !type)
        return NULL;
    struct json *in autojson = json_freeze(meta);
    struct err err = {0};
    if (typed_copy(type, request_doc(req), json_root(in), 0, &typed, &err) < 0)
        return cannot_handle(req, res, res->kind, res->api_version,
                             arena_strdup(&req->arena, err.msg));
    json_put(request_doc(req), obj, "metadata", typed);
    return NULL;
}

/* ---- both ---- */

static struct status *check_strict(struct request *req, const struct resource *res,
                                   struct problems *p)
{
    if (!p->strict.len || req->field_validation != VALIDATE_STRICT)
        return NULL;
    if (res->built_in)
        return cannot_handle(
            req, res, res->kind, res->api_version,
            arena_printf(&req->arena, "strict decoding error: %s", p->strict.data));
    return status_new(&req->arena, ERR_BAD_REQUEST, "strict decoding error: %s", p->strict.data);
}

/* From a parsed body to the tree that the hooks get. in is an object, or something empty. */
static struct status *by_schema(struct request *req, const struct resource *res, yyjson_val *in,
                                yyjson_mut_val **obj)
{
    struct problems p = {.req = req};
    const char *kind = json_get_str(in, "kind", ""), *version = json_get_str(in, "apiVersion", "");
    struct status *st =
        res->built_in || req->internal
            ? check_kind(req, res, kind, version)
            : check_custom_kind(req, res, kind, version, json_str_at(in, "metadata.name", ""));

    if (st)
        return st;
    if (res->type) {
        st = retype(req, res, in, obj, &p);
    } else {
        *obj =
            yyjson_is_obj(in) ? json_thaw(request_doc(req), in) : yyjson_mut_obj(request_doc(req));
        st = prune(req, res, *obj, &p);
    }
    if (!st)
        st = check_strict(req, res, &p);
    if (!st)
        put_kind(req, res, *obj);
    buf_done(&p.strict);
    return st;
}

struct status *body_object(struct request *req, const struct resource *res, yyjson_mut_val **ret)
{
    struct json *j autojson = NULL;
    struct status *st = req->value ? NULL : parse(req, res->kind, &j);

    if (st)
        return st;
    yyjson_val *root = req->value ? req->value : json_root(j);
    return by_schema(req, res, yyjson_is_obj(root) ? root : NULL, ret);
}

/* A patch may not make another kind, or another version, of a custom object. */
static struct status *check_custom_type(struct request *req, const struct resource *res,
                                        yyjson_val *in)
{
    const char *kind = json_get_str(in, "kind", ""), *version = json_get_str(in, "apiVersion", "");

    if (strcmp(kind, res->kind) != 0)
        field_invalid_str(&req->errs, "kind", kind,
                          arena_printf(&req->arena, "must be %s", res->kind));
    if (strcmp(version, res->api_version) != 0)
        field_invalid_str(&req->errs, "apiVersion", version,
                          arena_printf(&req->arena, "must be %s", res->api_version));
    return req->errs.n ? status_invalid(&req->arena, res->group, arena_strdup(&req->arena, kind),
                                        req->name, &req->errs)
                       : NULL;
}

struct status *body_retype(struct request *req, const struct resource *res, yyjson_mut_val **obj)
{
    struct buf text cleanup(buf_done) = BUF_INIT;
    struct json *in autojson = json_freeze(*obj);
    struct status *st = res->built_in ? NULL : check_custom_type(req, res, json_root(in));

    if (st)
        return st;
    st = by_schema(req, res, json_root(in), obj);
    if (!st)
        return NULL;
    json_write(&text, json_root(in));
    field_invalid_str(&req->errs, "patch", buf_str(&text), st->message);
    return status_invalid(&req->arena, "", "", "", &req->errs);
}
