/* The subresource scale: a small view of three values of the object, writable in one. */
#include "apiserver/server.h"

static const struct scale_paths usual = {".spec.replicas", ".status.replicas", NULL};

static const char *below_root(const char *path)
{
    return path && *path == '.' ? path + 1 : path;
}

/* Built-in kinds have a LabelSelector (or a plain map); custom ones say where its text form is. */
static void add_selector_text(struct buf *b, yyjson_val *selector)
{
    yyjson_val *labels = json_get(selector, "matchLabels");

    json_each_member(labels ? labels : selector, key, val) {
        if (yyjson_is_str(val))
            buf_printf(b, "%s%s=%s", b->len ? "," : "", yyjson_get_str(key), yyjson_get_str(val));
    }
}

static void put_selector(struct request *req, const struct scale_paths *p, yyjson_val *obj,
                         yyjson_mut_val *status)
{
    struct buf text cleanup(buf_done) = BUF_INIT;

    if (p->label_selector)
        buf_adds(&text, json_str_at(obj, below_root(p->label_selector), ""));
    else if (req->res->built_in)
        add_selector_text(&text, json_at(obj, "spec.selector"));
    if (text.len)
        json_put_str(request_doc(req), status, "selector", text.data);
}

static yyjson_mut_val *scale_of(struct request *req, const struct scale_paths *p, yyjson_val *obj)
{
    static const char *const kept[] = {"name", "namespace", "uid", "resourceVersion",
                                       "creationTimestamp"};
    yyjson_mut_doc *doc = request_doc(req);
    yyjson_mut_val *scale = yyjson_mut_obj(doc), *meta;
    yyjson_val *old = json_get(obj, "metadata");

    json_put_str(doc, scale, "kind", "Scale");
    json_put_str(doc, scale, "apiVersion", "autoscaling/v1");
    meta = json_put_obj(doc, scale, "metadata");
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
        if (json_get(old, kept[i]))
            json_put(doc, meta, kept[i], json_thaw(doc, json_get(old, kept[i])));
    yyjson_mut_val *spec = json_put_obj(doc, scale, "spec"),
                   *status = json_put_obj(doc, scale, "status");
    int64_t replicas = json_int_at(obj, below_root(p->spec_replicas), 0);
    if (replicas)
        json_put_int(doc, spec, "replicas", replicas);
    json_put_int(doc, status, "replicas", json_int_at(obj, below_root(p->status_replicas), 0));
    put_selector(req, p, obj, status);
    return scale;
}

/* The object with other replicas, as a PUT would bring it. */
static void put_replicas(struct request *req, const struct scale_paths *p, yyjson_mut_val *obj,
                         int64_t n)
{
    const char *path = below_root(p->spec_replicas), *dot = strrchr(path, '.');
    yyjson_mut_doc *doc = request_doc(req);
    yyjson_mut_val *parent = obj;

    if (dot)
        parent = json_ensure(doc, obj, arena_strndup(&req->arena, path, (size_t)(dot - path)));
    json_put_int(doc, parent, dot ? dot + 1 : path, n);
}

static yyjson_mut_val *shape(struct request *req, yyjson_val *obj)
{
    return scale_of(req, req->res->scale ? req->res->scale : &usual, obj);
}

/* The wanted Scale: of a PUT the body, of a PATCH the present one with the patch applied. */
static struct status *wanted_scale(struct request *req, yyjson_val *obj, yyjson_mut_val **ret)
{
    struct json *body autojson = NULL;
    struct status *st;

    if (req->verb == VERB_PATCH) {
        *ret = shape(req, obj);
        return patch_value(req, ret);
    }
    st = body_json(req, &body);
    *ret = json_thaw(request_doc(req), json_root(body));
    return st;
}

static void write_scale(struct request *req, const struct object *old)
{
    const struct scale_paths *p = req->res->scale ? req->res->scale : &usual;
    struct json *old_json autojson = object_in_version(req->res, old);
    yyjson_mut_val *scale = NULL, *obj = json_thaw(request_doc(req), json_root(old_json)),
                   *replicas;
    struct status *st = wanted_scale(req, json_root(old_json), &scale);

    replicas = json_mut_at(scale, "spec.replicas");
    int64_t n = yyjson_mut_get_sint(replicas);
    if (!st && n < 0) {
        field_error_add(&req->errs, FIELD_INVALID, "spec.replicas",
                        arena_printf(&req->arena,
                                     "Invalid value: %lld: must be greater than or equal to 0",
                                     (long long)n));
        st = status_invalid(&req->arena, "autoscaling", "Scale", req->name, &req->errs);
    }
    if (st) {
        request_later_status(req, st);
        return;
    }
    const char *rv = json_mut_str_at(scale, "metadata.resourceVersion", "");
    put_replicas(req, p, obj, n);
    json_put_str(request_doc(req), json_mut_get(obj, "metadata"), "resourceVersion", rv);
    req->shape = shape;
    update_settle(req, old, old_json, obj);
}

void verb_scale(struct request *req)
{
    struct object *old autoobject = NULL;
    bool pending;
    struct status *st = NULL;

    if (req->verb != VERB_GET)
        st = options_parse(req, req->verb == VERB_PATCH ? OPTIONS_PATCH : OPTIONS_UPDATE);
    if (st) {
        request_status(req, st);
        return;
    }
    old = newest(req, &pending);
    if (!old) {
        request_later_status(
            req, status_not_found(&req->arena, req->res->group, req->res->plural, req->name));
    } else if (req->verb == VERB_GET) {
        req->shape = shape;
        request_later_object(req, 200, old);
    } else {
        write_scale(req, old);
    }
}
