#include "apiserver/server.h"
#include "base/clock.h"

static struct status *not_found(struct request *req)
{
    return status_not_found(&req->arena, req->res->group, req->res->plural, req->name);
}

struct status *check_body_name(struct request *req, yyjson_mut_val *obj)
{
    const char *name = json_mut_str_at(obj, "metadata.name", "");
    const char *ns = json_mut_str_at(obj, "metadata.namespace", "");

    if (!*name)
        return status_new(
            &req->arena, ERR_BAD_REQUEST,
            "the name of the object (%s based on URL) was undeterminable: name must be provided",
            req->name);
    if (strcmp(name, req->name) != 0)
        return status_new(&req->arena, ERR_BAD_REQUEST,
                          "the name of the object (%s) does not match the name on the URL (%s)",
                          name, req->name);
    if (req->res->namespaced && *ns && strcmp(ns, req->ns) != 0)
        return status_new(
            &req->arena, ERR_BAD_REQUEST,
            "the namespace of the object (%s) does not match the namespace on the request (%s)", ns,
            req->ns);
    return NULL;
}

#define MODIFIED                                                                                   \
    "the object has been modified; please apply your changes to the latest version and try again"

/* The resourceVersion that obj carries is the caller's precondition. */
static struct status *check_version(struct request *req, const struct object *old,
                                    yyjson_mut_val *obj)
{
    const char *text = json_mut_str_at(obj, "metadata.resourceVersion", "");
    int64_t rv = 0;

    if (*text && (!slice_int64(slice_of(text), &rv) || rv < 0))
        return status_plain(
            &req->arena, 500,
            arena_printf(&req->arena, "strconv.ParseUint: parsing \"%s\": invalid syntax", text));
    if (rv == 0 && req->verb == VERB_UPDATE && req->res->unconditional_update_refused) {
        field_error_add(&req->errs, FIELD_INVALID, "metadata.resourceVersion",
                        "Invalid value: 0: must be specified for an update");
        /* said by the storage, which knows the plural only */
        return status_invalid(&req->arena, req->res->group, req->res->plural, req->name,
                              &req->errs);
    }
    if (rv != 0 && (uint64_t)rv != old->rv)
        return status_conflict(&req->arena, req->res->group, req->res->plural, req->name, MODIFIED);
    return NULL;
}

/* Finalizers, and a grace period that runs, keep a deleted object. */
static bool must_stay(const struct resource *res, yyjson_mut_val *obj)
{
    return yyjson_mut_arr_size(json_mut_at(obj, "metadata.finalizers")) ||
           yyjson_mut_get_sint(json_mut_at(obj, "metadata.deletionGracePeriodSeconds")) > 0 ||
           (strcmp(res->plural, "namespaces") == 0 && !*res->group &&
            yyjson_mut_arr_size(json_mut_at(obj, "spec.finalizers")));
}

struct object *delete_write(struct request *req, const struct object *old)
{
    struct storage *s = req->api->storage;
    struct json *last autojson = object_parse(old);
    yyjson_mut_doc *doc = request_doc(req);
    struct object *o =
        object_new(s, req->res, storage_next_rv(s), doc, json_thaw(doc, json_root(last)));

    storage_write(s, &(struct write){.type = EVENT_DELETED,
                                     .object = o,
                                     .manager = req->manager,
                                     .subresource = req->subresource,
                                     .time = clock_wall_ns()});
    return o;
}

static void settle(struct request *req, struct change *ch, const struct object *old)
{
    struct json *now autojson = json_freeze(ch->obj);

    if (old->terminating && !must_stay(req->res, ch->obj)) {
        if (!req->dry_run)
            object_unref(delete_write(req, old));
        request_later_value(req, 200, ch->obj);
    } else if (json_equal(json_root(now), ch->old)) {
        request_later_object(req, 200, old); /* nothing changed: no write, no new version */
    } else if (req->dry_run) {
        request_later_value(req, 200, ch->obj);
    } else {
        struct object *o autoobject = change_write(ch, req, EVENT_MODIFIED);

        request_later_object(req, 200, o);
    }
}

void update_settle(struct request *req, const struct object *old, struct json *old_json,
                   yyjson_mut_val *obj)
{
    struct change ch;
    struct status *st = check_version(req, old, obj);

    change_init(&ch, req, VERB_UPDATE, obj, json_root(old_json));
    if (!st)
        st = change_run(&ch);
    if (st)
        request_later_status(req, st); /* what it clashed with may not be committed yet */
    else
        settle(req, &ch, old);
}

void verb_update(struct request *req)
{
    yyjson_mut_val *obj = NULL;
    struct object *old autoobject = NULL;
    struct json *old_json autojson = NULL;
    bool pending;
    struct status *st = options_parse(req, OPTIONS_UPDATE);

    if (!st)
        st = body_object(req, req->res, &obj);
    if (!st)
        st = check_body_name(req, obj);
    if (st) {
        request_status(req, st);
        return;
    }
    old = newest(req, &pending);
    if (old) {
        old_json = object_in_version(req->res, old);
        update_settle(req, old, old_json, obj);
    } else if (!req->res->create_on_update || *req->subresource) {
        request_later_status(req, not_found(req));
    } else if ((st = namespace_must_take(req))) {
        request_later_status(req, st);
    } else {
        json_remove(json_mut_get(obj, "metadata"), "resourceVersion");
        create_settle(req, obj, 201);
    }
}
