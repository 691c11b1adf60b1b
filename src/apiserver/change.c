/* What every write has in common: hooks in their order, the split of spec and status, generations.
 */
#include "apiserver/server.h"
#include "base/clock.h"
#include "data/schema.h"

#include <stdio.h>

void change_init(struct change *ch, struct request *req, enum api_verb verb, yyjson_mut_val *obj,
                 yyjson_val *old)
{
    *ch = (struct change){
        .api = req->api,
        .res = req->res,
        .verb = verb,
        .request_verb = req->verb,
        .subresource = req->subresource,
        .ns = req->ns,
        .name = req->name,
        .user = &req->user,
        .dry_run = req->dry_run,
        .now = clock_wall_ns(),
        .doc = request_doc(req),
        .obj = obj,
        .old = old,
        .arena = &req->arena,
        .errs = &req->errs,
        .warnings = &req->warnings,
    };
}

struct object *newest(struct request *req, bool *ret_pending)
{
    return storage_newest(req->api->storage, req->res, req->ns, req->name, ret_pending);
}

struct status *namespace_must_take(struct request *req)
{
    const struct resource *res;
    bool pending;

    if (!req->res->namespaced)
        return NULL;
    res = req->api->namespaces;
    if (!res)
        return NULL;
    struct object *ns autoobject = storage_newest(req->api->storage, res, "", req->ns, &pending);
    if (!ns)
        return status_not_found(&req->arena, "", "namespaces", req->ns);
    if (!ns->terminating)
        return NULL;
    struct status *st = status_forbidden(
        &req->arena, req->res->group, req->res->plural, req->name,
        arena_printf(&req->arena,
                     "unable to create new content in namespace %s because it is being terminated",
                     req->ns));
    struct cause *cause = arena_new(&req->arena, struct cause);
    *cause = (struct cause){
        .reason = "NamespaceTerminating",
        .message = arena_printf(&req->arena, "namespace %s is being terminated", req->ns),
        .field = "metadata.namespace"};
    st->causes = cause;
    st->n_causes = 1;
    return st;
}

/* ---- spec and status ---- */

static void keep_member(struct change *ch, const char *key)
{
    yyjson_val *old = json_get(ch->old, key);

    if (old)
        json_put(ch->doc, ch->obj, key, json_thaw(ch->doc, old));
    else
        json_remove(ch->obj, key);
}

/* PUT …/status: all but status (and mostly metadata) is what it was. */
static void keep_all_but_status(struct change *ch)
{
    yyjson_mut_val *old = json_thaw(ch->doc, ch->old);
    yyjson_mut_val *status = json_mut_get(ch->obj, "status"),
                   *meta = json_mut_get(ch->obj, "metadata");

    if (status)
        json_put(ch->doc, old, "status", status);
    else
        json_remove(old, "status");
    if (!ch->res->status_keeps_meta && meta)
        json_put(ch->doc, old, "metadata", meta);
    ch->obj = old;
}

static void split_status(struct change *ch)
{
    if (!ch->res->has_status)
        return;
    if (strcmp(ch->subresource, "status") == 0)
        keep_all_but_status(ch);
    else if (ch->old)
        keep_member(ch, "status");
    else
        json_remove(ch->obj, "status");
}

/* ---- generation ---- */

static bool counts(const struct resource *res, const char *key)
{
    return strcmp(key, "metadata") != 0 && strcmp(key, "apiVersion") != 0 &&
           strcmp(key, "kind") != 0 && !(res->has_status && strcmp(key, "status") == 0);
}

static bool same_content(const struct resource *res, yyjson_val *a, yyjson_val *b)
{
    json_each_member(a, key, val) {
        const char *k = yyjson_get_str(key);

        if (counts(res, k) && !json_equal(val, json_get(b, k)))
            return false;
    }
    json_each_member(b, other, ignored) {
        const char *k = yyjson_get_str(other);

        (void)ignored;
        if (counts(res, k) && !json_get(a, k))
            return false;
    }
    return true;
}

static void bump_generation(struct change *ch)
{
    struct json *now autojson = NULL;
    int64_t generation = json_int_at(ch->old, "metadata.generation", 0);

    if (!ch->old || !ch->res->has_generation || strcmp(ch->subresource, "status") == 0 ||
        strcmp(ch->subresource, "binding") == 0)
        return;
    now = json_freeze(ch->obj);
    /* a Deployment's revision history is in its annotations */
    bool noted =
        ch->res->counts_annotations && !json_equal(json_at(json_root(now), "metadata.annotations"),
                                                   json_at(ch->old, "metadata.annotations"));
    if (noted || !same_content(ch->res, json_root(now), ch->old))
        json_put_int(ch->doc, json_ensure(ch->doc, ch->obj, "metadata"), "generation",
                     generation + 1);
}

/* ---- the run ---- */

static void call(struct change *ch, void (*hook)(struct change *))
{
    if (hook && !ch->refuse)
        hook(ch);
}

static void validate(struct change *ch, const struct resource_hooks *hooks)
{
    meta_validate(ch);
    if (ch->res->schema) {
        struct json *now autojson = json_freeze(ch->obj);

        schema_validate(ch->res->schema, json_root(now), ch->old, ch->errs);
    }
    call(ch, hooks->validate);
}

struct status *change_run(struct change *ch)
{
    static const struct resource_hooks none;
    const struct resource_hooks *hooks = ch->res->hooks ? ch->res->hooks : &none;
    struct status *st;

    call(ch, hooks->defaults);
    if (ch->res->schema)
        schema_default(ch->res->schema, ch->doc, ch->obj);
    if (ch->old)
        split_status(ch);
    st = ch->old ? meta_on_update(ch) : meta_on_create(ch);
    if (st)
        return st;
    call(ch, hooks->admit);
    if (!ch->old)
        split_status(ch);
    call(ch, hooks->prepare);
    bump_generation(ch);
    if (ch->refuse)
        return ch->refuse;
    validate(ch, hooks);
    if (ch->refuse)
        return ch->refuse;
    if (ch->errs->n)
        return status_invalid(ch->arena, ch->res->stored->group, ch->res->kind,
                              json_mut_str_at(ch->obj, "metadata.name", ""), ch->errs);
    return NULL;
}

/* ---- the write ---- */

/* kind and apiVersion of the stored version stand first: view.c counts on it. */
static yyjson_mut_val *stored_form(struct change *ch)
{
    const struct resource *res = ch->res, *stored = res->stored;
    yyjson_mut_val *obj = ch->obj;

    if (res != stored && res->hooks && res->hooks->to_stored)
        res->hooks->to_stored(res, ch->doc, obj);
    json_remove(obj, "kind");
    json_remove(obj, "apiVersion");
    yyjson_mut_obj_insert(obj, yyjson_mut_str(ch->doc, "apiVersion"),
                          yyjson_mut_strcpy(ch->doc, stored->api_version), 0);
    yyjson_mut_obj_insert(obj, yyjson_mut_str(ch->doc, "kind"),
                          yyjson_mut_strcpy(ch->doc, stored->kind), 0);
    return obj;
}

struct object *change_write(struct change *ch, struct request *req, enum event_type type)
{
    struct storage *s = req->api->storage;
    struct object *o = object_new(s, ch->res, storage_next_rv(s), ch->doc, stored_form(ch));

    storage_write(s, &(struct write){.type = type,
                                     .object = o,
                                     .manager = req->manager,
                                     .subresource = req->subresource,
                                     .time = ch->now});
    return o;
}
