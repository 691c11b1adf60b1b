#include "apiserver/server.h"

#define NAME_ATTEMPTS 8

static struct status *exists(struct change *ch)
{
    return status_already_exists(ch->arena, ch->res->group, ch->res->plural, ch->name);
}

/* Whether the name is free; a generated one is drawn anew a few times. */
static bool find_free_name(struct change *ch, struct request *req, bool generated)
{
    bool pending;

    for (int i = 0; i < NAME_ATTEMPTS; i++) {
        ch->name = arena_strdup(ch->arena, json_mut_str_at(ch->obj, "metadata.name", ""));
        struct object *o autoobject =
            storage_newest(req->api->storage, ch->res, ch->ns, ch->name, &pending);
        if (!o)
            return true;
        if (!generated)
            return false;
        meta_generate_name(ch);
    }
    return false;
}

void create_settle(struct request *req, yyjson_mut_val *obj, int http)
{
    struct change ch;
    struct object *o autoobject = NULL;

    change_init(&ch, req, VERB_CREATE, obj, NULL);
    bool generated = !*json_mut_str_at(obj, "metadata.name", "");
    ch.name = arena_strdup(&req->arena, json_mut_str_at(obj, "metadata.name", ""));
    struct status *st = change_run(&ch);
    if (!st && !find_free_name(&ch, req, generated)) {
        request_later_status(req, exists(&ch)); /* what exists may not be committed yet */
        return;
    }
    if (st) {
        request_status(req, st);
        return;
    }
    if (req->dry_run) {
        json_remove(json_mut_get(ch.obj, "metadata"), "resourceVersion");
        request_value(req, http, ch.obj);
        return;
    }
    o = change_write(&ch, req, EVENT_ADDED);
    request_later_object(req, http, o);
}

void verb_create(struct request *req)
{
    yyjson_mut_val *obj = NULL;
    struct status *st = options_parse(req, OPTIONS_CREATE);

    if (!st)
        st = body_object(req, req->res, &obj);
    if (!st)
        st = namespace_must_take(req);
    if (st)
        request_status(req, st);
    else
        create_settle(req, obj, 201);
}
