/*
 * garbage-collector-controller. An object whose owners are all gone goes, too; one of whose owners
 * some are gone loses those references. An owner that is being deleted with the finalizer
 * foregroundDeletion waits for the dependents that block it; one with orphan sets its dependents
 * free first. Rules: Kubernetes' documentation of garbage collection and its collector
 * (attemptToDeleteItem, attemptToOrphan), with the graph in place of look-ups: an owner is absent
 * if no object with its UID, kind, name and (for namespaced kinds) the dependent's namespace
 * exists.
 */
#include "apiserver/controllers/controllers.h"

#include "apiserver/controllers/graph.h"
#include "apiserver/controllers/work.h"

#define LOOK_AGAIN_NS INT64_C(50000000)
#define FOREGROUND "foregroundDeletion"
#define ORPHAN "orphan"

struct gc {
    struct apiserver *api;
    struct graph graph;
    struct work *work; /* keys are UIDs */
    struct subscription *sub;
};

/* ---- calls ---- */

struct call {
    struct gc *gc;
    char uid[37];
};

static void called(void *arg, const struct status *st, const struct object *obj)
{
    struct call *c = arg;
    bool again = st && st->http != 404;

    (void)obj;
    work_done(c->gc->work, c->uid, again ? WORK_RETRY : WORK_FINE);
    free(c);
}

static const struct resource *kind_of(struct gc *gc, const struct node *n)
{
    const struct graph_kind *k = &gc->graph.kinds.v[n->kind];

    return api_resource(gc->api, k->group, k->plural);
}

static void submit(struct gc *gc, const struct node *n, enum api_verb verb, yyjson_mut_val *body,
                   bool counted)
{
    struct json *frozen autojson = json_freeze(body);
    struct call *c = NULL;

    if (counted) {
        c = xnew(struct call);
        c->gc = gc;
        memcpy(c->uid, n->uid, sizeof c->uid);
    }
    api_call(gc->api, &(struct api_call){
                          .verb = verb,
                          .res = kind_of(gc, n),
                          .ns = n->ns,
                          .name = n->name,
                          .body = json_root(frozen),
                          .manager = "kube-controller-manager",
                          .done = counted ? called : NULL,
                          .arg = c,
                      });
}

static void delete_node(struct gc *gc, const struct node *n, const char *policy)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *body = yyjson_mut_obj(doc);

    json_put_str(doc, body, "propagationPolicy", policy);
    json_put_str(doc, json_put_obj(doc, body, "preconditions"), "uid", n->uid);
    submit(gc, n, VERB_DELETE, body, true);
}

/* A merge patch of one metadata list, bound to the version that was looked at. */
static void patch_list(struct gc *gc, const struct node *n, yyjson_val *obj, const char *key,
                       bool (*keep)(void *arg, yyjson_val *item), void *arg, bool counted)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *body = yyjson_mut_obj(doc), *meta = json_put_obj(doc, body, "metadata");
    yyjson_mut_val *list = json_put_arr(doc, meta, key);

    json_each(json_get(json_get(obj, "metadata"), key), item, i, k)
        if (keep(arg, item))
            yyjson_mut_arr_append(list, json_thaw(doc, item));
    json_put_str(doc, meta, "uid", n->uid);
    json_put_str(doc, meta, "resourceVersion", json_str_at(obj, "metadata.resourceVersion", ""));
    submit(gc, n, VERB_PATCH, body, counted);
}

/* ---- looking at one object ---- */

static struct json *object_of(struct gc *gc, const struct node *n)
{
    const struct resource *res = kind_of(gc, n);
    struct object *o autoobject =
        res ? storage_get(api_storage(gc->api), res, n->ns, n->name) : NULL;

    return o && !strcmp(o->uid, n->uid) ? object_parse(o) : NULL;
}

static bool has_finalizer(yyjson_val *obj, const char *name)
{
    json_each(json_at(obj, "metadata.finalizers"), f, i, n)
        if (!strcmp(json_str(f, ""), name))
            return true;
    return false;
}

static bool waits_for_dependents(struct gc *gc, const struct node *n)
{
    if (!n->exists || !n->terminating)
        return false;
    struct json *doc autojson = object_of(gc, n);
    return has_finalizer(json_root(doc), FOREGROUND);
}

enum owner_state { OWNER_SOLID, OWNER_ABSENT, OWNER_WAITING };

static const struct resource *owner_kind(struct gc *gc, yyjson_val *ref)
{
    const char *version = json_get_str(ref, "apiVersion", ""), *slash = strchr(version, '/');
    char group[256] = "";

    if (slash && (size_t)(slash - version) < sizeof group)
        memcpy(group, version, (size_t)(slash - version));
    return registry_by_kind(api_registry(gc->api), group, slash ? slash + 1 : version,
                            json_get_str(ref, "kind", ""));
}

static enum owner_state owner_state(struct gc *gc, const struct node *n, yyjson_val *ref)
{
    const struct resource *kind = owner_kind(gc, ref);
    const struct node *owner = graph_find(&gc->graph, json_get_str(ref, "uid", ""));

    /* What cannot be resolved is never collected: an unknown kind, a namespaced owner of a
     * cluster's object. */
    if (!kind || (kind->namespaced && !*n->ns))
        return OWNER_SOLID;
    if (!owner || !owner->exists || strcmp(owner->name, json_get_str(ref, "name", "")) ||
        kind_of(gc, owner) != kind->stored || (kind->namespaced && strcmp(owner->ns, n->ns)))
        return OWNER_ABSENT;
    return waits_for_dependents(gc, owner) ? OWNER_WAITING : OWNER_SOLID;
}

struct looking {
    struct gc *gc;
    const struct node *node;
};

static bool is_solid(void *arg, yyjson_val *ref)
{
    struct looking *l = arg;

    return owner_state(l->gc, l->node, ref) == OWNER_SOLID;
}

/* Whether something was sent, whose answer ends the run. */
static bool collect(struct gc *gc, const struct node *n, yyjson_val *obj)
{
    size_t count[3] = {0};
    struct looking l = {gc, n};
    yyjson_val *refs = json_at(obj, "metadata.ownerReferences");

    json_each(refs, ref, i, k)
        count[owner_state(gc, n, ref)]++;
    if (count[OWNER_SOLID] == yyjson_arr_size(refs))
        return false;
    if (count[OWNER_SOLID])
        patch_list(gc, n, obj, "ownerReferences", is_solid, &l, true);
    else if (has_finalizer(obj, ORPHAN))
        delete_node(gc, n, "Orphan");
    else if (has_finalizer(obj, FOREGROUND) || (count[OWNER_WAITING] && n->dependents.n))
        delete_node(gc, n, "Foreground");
    else
        delete_node(gc, n, "Background");
    return true;
}

/* ---- owners that are being deleted ---- */

static bool is_not(void *arg, yyjson_val *item)
{
    return strcmp(json_str(item, ""), arg) != 0;
}

static bool refers_not(void *arg, yyjson_val *ref)
{
    return strcmp(json_get_str(ref, "uid", ""), arg) != 0;
}

static bool blocks(struct gc *gc, const struct node *dependent, const char *owner_uid)
{
    struct json *doc autojson = object_of(gc, dependent);

    json_each(json_at(json_root(doc), "metadata.ownerReferences"), ref, i, n)
        if (!strcmp(json_get_str(ref, "uid", ""), owner_uid))
            return json_bool_at(ref, "blockOwnerDeletion", false);
    return false;
}

static bool wait_in_foreground(struct gc *gc, struct node *n, yyjson_val *obj)
{
    bool blocked = false;

    for (size_t i = 0; i < n->dependents.n; i++) {
        struct node *d = n->dependents.v[i];
        if (!d->exists)
            continue;
        blocked |= blocks(gc, d, n->uid);
        if (!d->terminating)
            work_add(gc->work, d->uid);
    }
    if (!blocked)
        patch_list(gc, n, obj, "finalizers", is_not, FOREGROUND, true);
    return !blocked; /* the end of a dependent comes back here */
}

static bool set_free(struct gc *gc, struct node *n, yyjson_val *obj)
{
    bool any = false;

    for (size_t i = 0; i < n->dependents.n; i++) {
        struct node *d = n->dependents.v[i];
        struct json *doc autojson = d->exists ? object_of(gc, d) : NULL;
        if (!doc)
            continue;
        patch_list(gc, d, json_root(doc), "ownerReferences", refers_not, n->uid, false);
        any = true;
    }
    if (any) {
        work_add_after(gc->work, n->uid, LOOK_AGAIN_NS);
        return false;
    }
    patch_list(gc, n, obj, "finalizers", is_not, ORPHAN, true);
    return true;
}

static void run(void *self, const char *uid)
{
    struct gc *gc = self;
    struct node *n = graph_find(&gc->graph, uid);
    struct json *doc autojson = n && n->exists ? object_of(gc, n) : NULL;
    yyjson_val *obj = json_root(doc);
    bool sent = false;

    if (obj && !n->terminating)
        sent = collect(gc, n, obj);
    else if (obj && has_finalizer(obj, ORPHAN))
        sent = set_free(gc, n, obj);
    else if (obj && has_finalizer(obj, FOREGROUND))
        sent = wait_in_foreground(gc, n, obj);
    if (!sent)
        work_done(gc->work, uid, WORK_FINE);
}

/* ---- following ---- */

static bool is_event(const struct resource *res)
{
    return !strcmp(res->plural, "events") && !*res->group;
}

/* A new or changed object: is there something to do about it? */
static void consider(struct gc *gc, struct node *n)
{
    bool absent = false;

    for (size_t i = 0; i < n->owners.n; i++) {
        struct node *o = n->owners.v[i];
        absent |= !o->exists || o->terminating || strcmp(o->ns, n->ns);
    }
    if (absent || n->terminating)
        work_add(gc->work, n->uid);
}

static void gone(struct gc *gc, const struct object *o)
{
    struct node *n = graph_find(&gc->graph, o->uid);

    if (!n)
        return;
    for (size_t i = 0; i < n->owners.n; i++)
        if (n->owners.v[i]->exists && n->owners.v[i]->terminating)
            work_add(gc->work, n->owners.v[i]->uid);
    graph_remove(&gc->graph, o->uid);
    for (size_t i = 0; i < n->dependents.n; i++)
        if (n->dependents.v[i]->exists)
            work_add(gc->work, n->dependents.v[i]->uid);
    graph_tidy(&gc->graph, n);
}

static void follow(void *arg, const struct event *e)
{
    struct gc *gc = arg;
    const struct resource *res = object_resource(e->object);

    if (!res || is_event(res))
        return;
    if (e->type == EVENT_DELETED)
        gone(gc, e->object);
    else
        consider(gc, graph_put(&gc->graph, e->object));
}

static bool first_look(void *arg, const struct object *o)
{
    struct gc *gc = arg;

    graph_put(&gc->graph, o);
    return true;
}

static void *start(struct apiserver *api)
{
    struct gc *gc = xnew(struct gc);
    struct registry *reg = api_registry(api);

    gc->api = api;
    gc->work = work_new(api_loop(api), run, gc);
    for (size_t i = 0; i < reg->list.n; i++) {
        const struct resource *res = reg->list.v[i];
        if (res->stored == res && resource_has(res, VERB_LIST) && !is_event(res))
            storage_each(api_storage(api), &(struct storage_scan){.res = res}, first_look, gc,
                         NULL);
    }
    for (struct map_item *i = map_next(&gc->graph.nodes, NULL); i;
         i = map_next(&gc->graph.nodes, i))
        consider(gc, i->value);
    gc->sub = api_subscribe(api, NULL, follow, gc);
    return gc;
}

static void stop(void *self)
{
    struct gc *gc = self;

    api_unsubscribe(gc->sub);
    work_free(gc->work);
    graph_done(&gc->graph);
    free(gc);
}

const struct controller gc_controller = {"garbage-collector-controller", start, stop};
