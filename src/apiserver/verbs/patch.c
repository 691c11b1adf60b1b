/*
 * PATCH: the patch is applied to the newest state in the version of the path, and the result goes
 * the way of a PUT. Nothing can come between reading and settling, so there is no conflict to
 * retry.
 */
#include "apiserver/server.h"
#include "data/patch.h"
#include "data/typed.h"
#include "data/yaml.h"

enum patch_kind { PATCH_JSON_OPS, PATCH_MERGE_DOC, PATCH_STRATEGIC_DOC, PATCH_APPLY };

static const struct {
    const char *media_type;
    enum patch_kind kind;
} kinds[] = {
    {"application/json-patch+json", PATCH_JSON_OPS},
    {"application/merge-patch+json", PATCH_MERGE_DOC},
    {"application/strategic-merge-patch+json", PATCH_STRATEGIC_DOC},
    {"application/apply-patch+yaml", PATCH_APPLY},
};

static struct status *pick_kind(struct request *req, enum patch_kind *ret)
{
    struct slice rest = slice_of(req->content_type), type = {0};

    if (!req->http) {
        *ret = PATCH_MERGE_DOC;
        return NULL;
    }
    slice_cut(&rest, ';', &type);
    type = slice_trim(type);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (!slice_is(type, kinds[i].media_type))
            continue;
        *ret = kinds[i].kind;
        if (*ret == PATCH_STRATEGIC_DOC && !req->res->type)
            return status_new(
                &req->arena, ERR_UNSUPPORTED_MEDIA_TYPE,
                "the body of the request was in an unknown format - accepted media types include: "
                "application/json-patch+json, application/merge-patch+json, "
                "application/apply-patch+yaml");
        return NULL;
    }
    return status_generic(&req->arena, ERR_UNSUPPORTED_MEDIA_TYPE, "415: Unsupported Media Type");
}

static struct status *bad_patch(struct request *req, const char *why)
{
    return status_new(&req->arena, ERR_BAD_REQUEST, "error decoding patch: %s", why);
}

/* What of JSON the patch has to be, in the words of Go's decoder. */
static struct status *check_form(struct request *req, enum patch_kind kind, yyjson_val *patch)
{
    if (kind == PATCH_JSON_OPS)
        return yyjson_is_arr(patch)
                   ? NULL
                   : bad_patch(req, "json: cannot unmarshal into a list of operations");
    if (yyjson_is_null(patch))
        return status_new(&req->arena, ERR_BAD_REQUEST, "Invalid JSON Patch");
    if (!yyjson_is_obj(patch))
        return bad_patch(req, arena_printf(&req->arena, "json: cannot unmarshal %s into an object",
                                           yyjson_get_type_desc(patch)));
    return NULL;
}

static struct status *read_patch(struct request *req, enum patch_kind kind, struct json **ret)
{
    struct err err = {0};
    int r;

    if (req->value)
        *ret = json_copy(req->value);
    else if (kind == PATCH_APPLY ? (r = yaml_or_json(req->body, 0, ret, &err)) < 0
                                 : (r = json_parse(req->body, ret, &err)) < 0)
        return kind == PATCH_APPLY
                   ? status_new(&req->arena, ERR_BAD_REQUEST, "error decoding YAML: %s", err.msg)
                   : bad_patch(req, err.msg);
    return check_form(req, kind, json_root(*ret));
}

/* A JSON patch that does not apply says no more than this. */
static struct status *patch_failed(struct request *req, const struct err *err)
{
    if (err->code == ERR_TOO_LARGE)
        return status_new(&req->arena, ERR_TOO_LARGE, "Request entity too large: %s", err->msg);
    if (err->code == ERR_INVALID)
        return status_generic(&req->arena, ERR_INVALID,
                              "the server rejected our request due to an error in our request");
    if (err->code == ERR_INTERNAL)
        return status_plain(&req->arena, 500, arena_strdup(&req->arena, err->msg));
    return status_from_err(&req->arena, err);
}

static struct status *apply_patch(struct request *req, enum patch_kind kind, yyjson_mut_val **obj,
                                  yyjson_val *patch)
{
    struct patch_meta meta = {patch_lookup_types, req->res->type};
    yyjson_mut_doc *doc = request_doc(req);
    struct err err = {0};
    int r = 0;

    if (kind == PATCH_JSON_OPS)
        r = patch_json(doc, obj, patch, &err);
    else if (kind == PATCH_STRATEGIC_DOC || (kind == PATCH_APPLY && req->res->type))
        r = patch_strategic(doc, obj, patch, &meta, &err);
    else
        *obj = patch_merge(doc, *obj, patch);
    if (r < 0)
        return patch_failed(req, &err);
    if (!yyjson_mut_is_obj(*obj))
        return bad_patch(req, "the result is no object");
    if (kind == PATCH_STRATEGIC_DOC) { /* it is applied to the struct: its type is not a member */
        json_put_str(doc, *obj, "kind", req->res->kind);
        json_put_str(doc, *obj, "apiVersion", req->res->api_version);
    }
    return NULL;
}

/* ---- apply, without ownership of fields: what is not named stays as it is ---- */

static void first_wrong(void *arg, enum typed_problem problem, const char *message)
{
    struct request *req = ((void **)arg)[0];
    const char **wrong = ((void **)arg)[1];

    if (problem == TYPED_WRONG_KIND && !*wrong)
        *wrong = arena_strdup(&req->arena, message);
}

static struct status *check_apply(struct request *req, yyjson_val *patch)
{
    const char *wrong = NULL;

    if (req->res->type)
        typed_check(req->res->type, patch, first_wrong, (void *[]){req, &wrong});
    if (wrong)
        return status_plain(
            &req->arena, 500,
            arena_printf(&req->arena, "failed to create typed patch object: %s", wrong));
    const char *name = json_str_at(patch, "metadata.name", "");
    if (*name && strcmp(name, req->name) != 0)
        return status_new(&req->arena, ERR_BAD_REQUEST,
                          "the name of the object (%s) does not match the name on the URL (%s)",
                          name, req->name);
    return NULL;
}

static void apply_create(struct request *req, yyjson_val *patch)
{
    yyjson_mut_val *obj = json_thaw(request_doc(req), patch);
    struct status *st = *req->subresource ? status_not_found(&req->arena, req->res->group,
                                                             req->res->plural, req->name)
                                          : namespace_must_take(req);

    json_put_str(request_doc(req), json_ensure(request_doc(req), obj, "metadata"), "name",
                 req->name);
    if (!st)
        st = body_retype(req, req->res, &obj);
    if (st)
        request_later_status(req, st);
    else
        create_settle(req, obj, 201);
}

/* ---- the verb ---- */

static void patch_existing(struct request *req, enum patch_kind kind, const struct object *old,
                           yyjson_val *patch)
{
    struct json *old_json autojson = object_in_version(req->res, old);
    yyjson_mut_val *obj = json_thaw(request_doc(req), json_root(old_json)), *rv;
    struct status *st;

    /* only a resourceVersion that the patch itself brings is a precondition */
    json_remove(json_mut_get(obj, "metadata"), "resourceVersion");
    st = apply_patch(req, kind, &obj, patch);
    rv = st ? NULL : json_mut_at(obj, "metadata.resourceVersion");
    if (rv && !yyjson_mut_is_str(rv))
        json_remove(json_mut_get(obj, "metadata"), "resourceVersion");
    if (!st)
        st = body_retype(req, req->res, &obj);
    if (!st)
        st = check_body_name(req, obj);
    if (st)
        request_later_status(req, st);
    else
        update_settle(req, old, old_json, obj);
}

struct status *patch_value(struct request *req, yyjson_mut_val **value)
{
    enum patch_kind kind = PATCH_MERGE_DOC;
    struct json *patch autojson = NULL;
    struct status *st = pick_kind(req, &kind);

    if (!st)
        st = read_patch(req, kind, &patch);
    if (!st && (kind == PATCH_STRATEGIC_DOC || kind == PATCH_APPLY))
        kind = PATCH_MERGE_DOC; /* the small kinds that this is for have no merge keys */
    return st ? st : apply_patch(req, kind, value, json_root(patch));
}

void verb_patch(struct request *req)
{
    enum patch_kind kind = PATCH_MERGE_DOC;
    struct json *patch autojson = NULL;
    struct object *old autoobject = NULL;
    bool pending;
    struct status *st = pick_kind(req, &kind);

    if (!st)
        st = options_parse(req, OPTIONS_PATCH);
    if (!st)
        st = read_patch(req, kind, &patch);
    if (!st && kind == PATCH_APPLY)
        st = check_apply(req, json_root(patch));
    if (st) {
        request_status(req, st);
        return;
    }
    old = newest(req, &pending);
    if (old)
        patch_existing(req, kind, old, json_root(patch));
    else if (kind == PATCH_APPLY)
        apply_create(req, json_root(patch));
    else
        request_later_status(
            req, status_not_found(&req->arena, req->res->group, req->res->plural, req->name));
}
