#include "operator/observe.h"
#include "operator/trim.h"
#include "base/mem.h"

#include <string.h>

/* What is watched of a kind: the selector upstream's caches have, what is kept, what is looked up
 * by. */
struct watched {
    const char *label_selector;
    bool (*keep)(yyjson_val *object);
    void (*trim)(yyjson_mut_doc *doc, yyjson_mut_val *v);
    const char *second; /* a label to look up by, beside ray.io/cluster */
    bool cluster_scoped;
};

static bool is_ray_pod(yyjson_val *pod)
{
    const char *type = meta_label(pod, "ray.io/node-type");

    return type &&
           (!strcmp(type, "head") || !strcmp(type, "worker") || !strcmp(type, "redis-cleanup"));
}

static bool is_our_job(yyjson_val *job)
{
    const char *by = meta_label(job, "app.kubernetes.io/created-by");

    return by && !strcmp(by, "kuberay-operator");
}

static const struct watched watched[KIND_COUNT] = {
    [KIND_POD] = {"ray.io/node-type in (head,redis-cleanup,worker)", is_ray_pod, trim_pod, NULL,
                  false},
    [KIND_JOB] = {"app.kubernetes.io/created-by=kuberay-operator", is_our_job, trim_managed, NULL,
                  false},
    [KIND_SECRET] = {NULL, NULL, trim_secret, NULL, false},
    [KIND_SERVICE] = {NULL, NULL, trim_managed, "ray.io/headless-worker-svc", false},
    [KIND_INGRESSCLASS] = {NULL, NULL, NULL, NULL, true},
};

struct source {
    struct observe *o;
    enum ray_kind kind;
    const char *ns; /* NULL: all */
    struct store *store;
    struct kube_watch *watch;
};

struct observe {
    struct observe_opts opts;
    struct source *sources[KIND_COUNT]; /* one a namespace; NULL: not needed so far */
    bool filled[KIND_COUNT];
    size_t n; /* sources a kind */
};

static struct gvr gvrs[KIND_COUNT];

const struct gvr *kind_gvr(enum ray_kind kind)
{
    if (!gvrs[kind].plural)
        gvrs[kind] = (struct gvr){kind_api_version(kind), kind_plural(kind), kind_name(kind),
                                  watched[kind].cluster_scoped};
    return &gvrs[kind];
}

/* Equal but for the version: what else changed is not kept. */
static bool is_no_news(yyjson_val *was, yyjson_val *now, const char *inside)
{
    if (yyjson_obj_size(was) != yyjson_obj_size(now))
        return false;
    json_each_member(was, key, val) {
        const char *name = yyjson_get_str(key);
        yyjson_val *other = json_get(now, name);
        if (inside ? !strcmp(name, "resourceVersion") : !strcmp(name, "metadata"))
            continue;
        if (!json_equal(val, other))
            return false;
    }
    return inside || is_no_news(json_get(was, "metadata"), json_get(now, "metadata"), "metadata");
}

static void on_store_change(void *ctx, struct json *was, struct json *now)
{
    struct source *s = ctx;

    if (was && now && is_no_news(json_root(was), json_root(now), NULL))
        return;
    s->o->opts.on_change(s->o->opts.ctx, s->kind, json_root(was), json_root(now),
                         !s->o->filled[s->kind]);
}

static void on_synced(void *ctx)
{
    struct source *s = ctx;
    struct observe *o = s->o;

    for (size_t i = 0; i < o->n; i++)
        if (!store_synced(o->sources[s->kind][i].store))
            return;
    if (o->filled[s->kind])
        return;
    o->filled[s->kind] = true;
    o->opts.on_filled(o->opts.ctx, s->kind);
}

struct observe *observe_new(const struct observe_opts *opts)
{
    struct observe *o = xnew(struct observe);

    o->opts = *opts;
    o->n = opts->n ? opts->n : 1;
    return o;
}

static void start(struct source *s)
{
    const struct watched *w = &watched[s->kind];

    s->store = store_new(&(struct store_opts){.trim = w->trim ? w->trim : trim_managed,
                                              .keep = w->keep,
                                              .labels = {"ray.io/cluster", w->second},
                                              .on_change = on_store_change,
                                              .ctx = s});
    s->watch =
        kube_watch_new(s->o->opts.kube, &(struct watch_opts){.gvr = kind_gvr(s->kind),
                                                             .ns = s->ns,
                                                             .label_selector = w->label_selector,
                                                             .store = s->store,
                                                             .on_synced = on_synced,
                                                             .ctx = s});
}

void observe_need(struct observe *o, enum ray_kind kind)
{
    if (o->sources[kind])
        return;
    o->sources[kind] = xcalloc(o->n, sizeof **o->sources);
    for (size_t i = 0; i < o->n; i++) {
        struct source *s = &o->sources[kind][i];
        *s = (struct source){.o = o, .kind = kind, .ns = o->opts.n ? o->opts.namespaces[i] : NULL};
        start(s);
    }
}

void observe_free(struct observe *o)
{
    if (!o)
        return;
    for (size_t k = 0; k < KIND_COUNT; k++) {
        for (size_t i = 0; o->sources[k] && i < o->n; i++) {
            kube_watch_free(o->sources[k][i].watch);
            store_free(o->sources[k][i].store);
        }
        free(o->sources[k]);
    }
    free(o);
}

void observe_rest(struct observe *o)
{
    for (size_t k = 0; k < KIND_COUNT; k++)
        for (size_t i = 0; o->sources[k] && i < o->n; i++)
            store_rest(o->sources[k][i].store);
}

bool observe_filled(const struct observe *o, enum ray_kind kind)
{
    return o->filled[kind];
}

struct visit {
    void (*fn)(void *ctx, yyjson_val *object);
    void *ctx;
};

static void visit(void *ctx, struct json *object)
{
    struct visit *v = ctx;

    v->fn(v->ctx, json_root(object));
}

void observe_each(struct observe *o, enum ray_kind kind, void (*fn)(void *ctx, yyjson_val *object),
                  void *ctx)
{
    struct visit v = {fn, ctx};

    for (size_t i = 0; o->sources[kind] && i < o->n; i++)
        store_each(o->sources[kind][i].store, visit, &v);
}

static struct source *source_of(struct observe *o, enum ray_kind kind, const char *ns)
{
    for (size_t i = 0; o->sources[kind] && i < o->n; i++)
        if (!o->sources[kind][i].ns || (ns && !strcmp(o->sources[kind][i].ns, ns)))
            return &o->sources[kind][i];
    return NULL;
}

static yyjson_val *world_get(void *ctx, enum ray_kind kind, const char *ns, const char *name)
{
    struct source *s = source_of(ctx, kind, ns);

    return s ? json_root(store_get(s->store, ns, name)) : NULL;
}

static yyjson_val **world_list(void *ctx, struct arena *a, enum ray_kind kind, const char *ns,
                               const char *key, const char *value, size_t *ret_n)
{
    struct source *s = source_of(ctx, kind, ns);
    struct json **found;
    yyjson_val **list;

    *ret_n = 0;
    if (!s)
        return NULL;
    found = store_list(s->store, a, ns, key, value, ret_n);
    list = arena_array(a, yyjson_val *, *ret_n + 1);
    for (size_t i = 0; i < *ret_n; i++)
        list[i] = json_root(found[i]);
    return list;
}

static yyjson_val *pin(struct pins *pins, struct json *doc)
{
    if (doc)
        vec_push(&pins->docs, json_ref(doc));
    return json_root(doc);
}

static yyjson_val *pinned_get(void *ctx, enum ray_kind kind, const char *ns, const char *name)
{
    struct pins *pins = ctx;
    struct source *s = source_of(pins->o, kind, ns);

    yyjson_val *object = s ? pin(pins, store_get(s->store, ns, name)) : NULL;
    if (s)
        store_rest(s->store); /* the pins have it; a store that seldom changes would keep it, too */
    return object;
}

static yyjson_val **pinned_list(void *ctx, struct arena *a, enum ray_kind kind, const char *ns,
                                const char *key, const char *value, size_t *ret_n)
{
    struct pins *pins = ctx;
    struct source *s = source_of(pins->o, kind, ns);

    *ret_n = 0;
    if (!s)
        return NULL;
    struct json **found = store_list(s->store, a, ns, key, value, ret_n);
    yyjson_val **list = arena_array(a, yyjson_val *, *ret_n + 1);
    for (size_t i = 0; i < *ret_n; i++)
        list[i] = pin(pins, found[i]);
    store_rest(s->store);
    return list;
}

static bool pinned_filled(void *ctx, enum ray_kind kind)
{
    return observe_filled(((struct pins *)ctx)->o, kind);
}

struct world observe_pinned(struct observe *o, struct pins *pins)
{
    pins->o = o;
    return (struct world){pinned_get, pinned_list, pinned_filled, pins};
}

void pins_done(struct pins *pins)
{
    for (size_t i = 0; i < pins->docs.n; i++)
        json_unref(pins->docs.v[i]);
    vec_done(&pins->docs);
}

static bool world_filled(void *ctx, enum ray_kind kind)
{
    return observe_filled(ctx, kind);
}

struct world observe_world(struct observe *o)
{
    return (struct world){world_get, world_list, world_filled, o};
}

void observe_answer(struct observe *o, enum ray_kind kind, yyjson_val *object)
{
    struct source *s = source_of(o, kind, meta_namespace(object));

    if (s && object)
        store_answered(s->store, object);
}

void observe_deleted(struct observe *o, enum ray_kind kind, const char *ns, const char *name,
                     yyjson_val *answer)
{
    struct source *s = source_of(o, kind, ns);

    if (s)
        store_answered_deleted(s->store, ns, name, answer);
}
