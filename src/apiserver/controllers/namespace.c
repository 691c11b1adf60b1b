/*
 * namespace-controller: a namespace that was deleted is emptied kind by kind, then its finalizer
 * `kubernetes` goes, and with it the namespace. What stays (finalizers of its objects) is said in
 * conditions, as kube-controller-manager does.
 */
#include "apiserver/controllers/controllers.h"

#include "apiserver/controllers/work.h"
#include "base/clock.h"
#include "base/timefmt.h"

#include <stdio.h>

#define LOOK_AGAIN_NS INT64_C(100000000)

struct spaces {
    struct apiserver *api;
    const struct resource *namespaces;
    struct work *work;
    struct subscription *sub;
};

/* ---- what is left ---- */

struct remains {
    VEC(struct object *) doomed;  /* to be deleted now */
    struct buf kinds, finalizers; /* of what stays, for the conditions */
    size_t total;
};

static bool collect(void *arg, const struct object *o)
{
    struct remains *r = arg;

    r->total++;
    if (!o->terminating)
        vec_push(&r->doomed, object_ref(o));
    return true;
}

static void note_kind(struct remains *r, const struct resource *res, size_t n)
{
    if (n)
        buf_printf(&r->kinds, "%s%s%s%s has %zu resource instances", r->kinds.len ? ", " : "",
                   res->plural, *res->group ? "." : ".", res->group, n);
}

/* Everything in the namespace, of each kind once (in its stored version). */
static void look(struct spaces *s, const char *ns, struct remains *r)
{
    struct registry *reg = api_registry(s->api);

    for (size_t i = 0; i < reg->list.n; i++) {
        const struct resource *res = reg->list.v[i];
        size_t before = r->total;
        if (!res->namespaced || !resource_has(res, VERB_LIST) || res->stored != res)
            continue;
        storage_each(api_storage(s->api), &(struct storage_scan){.res = res, .ns = ns}, collect, r,
                     NULL);
        note_kind(r, res, r->total - before);
    }
}

static void delete_all(struct spaces *s, struct remains *r)
{
    for (size_t i = 0; i < r->doomed.n; i++) {
        struct object *o = r->doomed.v[i];
        api_call(s->api,
                 &(struct api_call){
                     .verb = VERB_DELETE, .res = object_resource(o), .ns = o->ns, .name = o->name});
        object_unref(o);
    }
    vec_done(&r->doomed);
}

/* ---- saying so ---- */

static void put_condition(yyjson_mut_doc *doc, yyjson_mut_val *list, const char *type, bool is,
                          const char *reason, const char *message)
{
    yyjson_mut_val *c = yyjson_mut_arr_add_obj(doc, list);
    char now[TIME_TEXT];

    json_put_str(doc, c, "type", type);
    json_put_str(doc, c, "status", is ? "True" : "False");
    json_put_str(doc, c, "lastTransitionTime", time_rfc3339(clock_wall_ns(), now));
    json_put_str(doc, c, "reason", reason);
    json_put_str(doc, c, "message", message);
}

static void put_conditions(struct spaces *s, const char *ns, const struct remains *r)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_val *list = json_put_arr(doc, json_put_obj(doc, root, "status"), "conditions");
    char text[1100];

    put_condition(doc, list, "NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered",
                  "All resources successfully discovered");
    put_condition(doc, list, "NamespaceDeletionGroupVersionParsingFailure", false,
                  "ParsedGroupVersions", "All legacy kube types successfully parsed");
    put_condition(doc, list, "NamespaceDeletionContentFailure", false, "ContentDeleted",
                  "All content successfully deleted, may be waiting on finalization");
    snprintf(text, sizeof text, "Some resources are remaining: %s", buf_str(&r->kinds));
    put_condition(doc, list, "NamespaceContentRemaining", true, "SomeResourcesRemain", text);
    struct json *body autojson = json_freeze(root);
    api_call(s->api, &(struct api_call){.verb = VERB_PATCH,
                                        .res = s->namespaces,
                                        .name = ns,
                                        .subresource = "status",
                                        .body = json_root(body)});
}

static bool told(const struct object *o)
{
    struct json *doc autojson = object_parse(o);

    return json_at(json_root(doc), "status.conditions.0") != NULL;
}

/* ---- the end ---- */

static void finalize(struct spaces *s, const struct object *o)
{
    struct json *doc autojson = object_parse(o);
    yyjson_mut_doc *mut automut = json_mut_new();
    yyjson_mut_val *root = json_thaw(mut, json_root(doc));
    yyjson_mut_val *list = json_put_arr(mut, json_ensure(mut, root, "spec"), "finalizers");

    json_each(json_at(json_root(doc), "spec.finalizers"), f, i, n)
        if (strcmp(json_str(f, ""), "kubernetes"))
            yyjson_mut_arr_append(list, json_thaw(mut, f));
    struct json *body autojson = json_freeze(root);
    api_call(s->api, &(struct api_call){.verb = VERB_UPDATE,
                                        .res = s->namespaces,
                                        .name = o->name,
                                        .subresource = "finalize",
                                        .body = json_root(body)});
}

static void run(void *self, const char *name)
{
    struct spaces *s = self;
    struct object *o autoobject = storage_get(api_storage(s->api), s->namespaces, "", name);
    struct remains r = {0};

    if (o && o->terminating) {
        look(s, name, &r);
        bool waiting = r.total && !r.doomed.n;
        if (waiting && !told(o))
            put_conditions(s, name, &r);
        delete_all(s, &r);
        if (!r.total)
            finalize(s, o);
        else
            work_add_after(s->work, name, waiting ? LOOK_AGAIN_NS : LOOK_AGAIN_NS / 20);
    }
    buf_done(&r.kinds);
    work_done(s->work, name, WORK_FINE);
}

static void follow(void *arg, const struct event *e)
{
    struct spaces *s = arg;

    if (e->type != EVENT_DELETED && e->object->terminating)
        work_add(s->work, e->object->name);
}

static bool first_look(void *arg, const struct object *o)
{
    if (o->terminating)
        work_add(((struct spaces *)arg)->work, o->name);
    return true;
}

static void *start(struct apiserver *api)
{
    struct spaces *s = xnew(struct spaces);

    s->api = api;
    s->namespaces = api_resource(api, "", "namespaces");
    s->work = work_new(api_loop(api), run, s);
    s->sub = api_subscribe(api, s->namespaces, follow, s);
    storage_each(api_storage(api), &(struct storage_scan){.res = s->namespaces}, first_look, s,
                 NULL);
    return s;
}

static void stop(void *self)
{
    struct spaces *s = self;

    api_unsubscribe(s->sub);
    work_free(s->work);
    free(s);
}

const struct controller namespace_controller = {"namespace-controller", start, stop};
