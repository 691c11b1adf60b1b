/* Rows of the registry from CustomResourceDefinitions. */
#include "apiserver/crd/crd.h"

#include "apiserver/crd/cleanup.h"
#include "base/log.h"

#include <stdio.h>

/* One version: a row of the registry and what belongs to it. */
struct crd_version {
    struct resource res; /* first: res.data points here */
    struct arena arena;
    struct schema *schema;
    struct printer *printer;
    struct scale_paths scale;
    struct subresource subs[3];
    char *definition;        /* metadata.name */
    struct resource *stored; /* referenced, unless it is res itself */
    bool served;
};

/* A CRD as it is registered. */
struct definition {
    char *name;
    int64_t generation;
    VEC(struct crd_version *) versions; /* a reference each */
    struct crd_version *stored;
};

struct crds {
    struct apiserver *api;
    struct schema_pool *pool;
    struct map definitions; /* by name */
    struct subscription *sub;
    struct crd_cleanup *cleanup;
};

/* ---- making a row ---- */

static void version_free(struct resource *res)
{
    struct crd_version *v = res->data;

    schema_unref(v->schema);
    crd_printer_free(v->printer);
    if (v->stored)
        resource_unref(v->stored);
    arena_done(&v->arena);
    free(v);
}

static const char *const *strings(struct arena *a, yyjson_val *list, const char *prefix_to_drop)
{
    size_t n = yyjson_arr_size(list), k = 0, skip = strlen(prefix_to_drop);

    if (!n)
        return NULL;
    const char **v = arena_array(a, const char *, n + 1);
    json_each(list, item, i, m) {
        const char *s =
            yyjson_is_str(item) ? yyjson_get_str(item) : json_get_str(item, "jsonPath", "");
        v[k++] = arena_strdup(a, strncmp(s, prefix_to_drop, skip) ? s : s + skip);
    }
    return v;
}

static void add_subresources(struct crd_version *v, yyjson_val *subs)
{
    struct arena *a = &v->arena;
    yyjson_val *scale = json_get(subs, "scale");
    const unsigned verbs = VERB_BIT(VERB_GET) | VERB_BIT(VERB_PATCH) | VERB_BIT(VERB_UPDATE);
    size_t n = 0;

    if (json_get(subs, "status")) {
        v->subs[n++] = (struct subresource){
            .name = "status", .group = "", .kind = v->res.kind, .verbs = verbs};
        v->res.has_status = v->res.status_keeps_meta = true;
    }
    if (scale) {
        v->subs[n++] = (struct subresource){.name = "scale",
                                            .group = "autoscaling",
                                            .version = "v1",
                                            .kind = "Scale",
                                            .verbs = verbs};
        v->scale = (struct scale_paths){
            .spec_replicas = arena_strdup(a, json_get_str(scale, "specReplicasPath", "")),
            .status_replicas = arena_strdup(a, json_get_str(scale, "statusReplicasPath", "")),
        };
        if (json_get(scale, "labelSelectorPath"))
            v->scale.label_selector = arena_strdup(a, json_get_str(scale, "labelSelectorPath", ""));
        v->res.scale = &v->scale;
    }
    v->res.subresources = v->subs;
}

/*
 * Conversion None: another version of an object is the same members under another apiVersion, less
 * what that version's schema does not know and with what it defaults.
 */
static yyjson_mut_val *from_stored(const struct resource *to, yyjson_mut_doc *doc,
                                   yyjson_val *stored)
{
    yyjson_mut_val *obj = json_thaw(doc, stored);

    json_put_str(doc, obj, "apiVersion", to->api_version);
    if (to->schema) {
        schema_prune(to->schema, obj, NULL);
        schema_default(to->schema, doc, obj);
    }
    return obj;
}

static void to_stored(const struct resource *from, yyjson_mut_doc *doc, yyjson_mut_val *obj)
{
    const struct resource *stored = from->stored;

    json_put_str(doc, obj, "apiVersion", stored->api_version);
    if (stored->schema)
        schema_default(stored->schema, doc, obj);
}

static const struct resource_hooks version_hooks = {.from_stored = from_stored,
                                                    .to_stored = to_stored};

/* What clients of a deprecated version are told, or NULL. */
static const char *deprecation(struct arena *a, yyjson_val *version, const struct resource *res)
{
    const char *text = json_get_str(version, "deprecationWarning", NULL);

    if (!json_bool_at(version, "deprecated", false))
        return NULL;
    return text ? arena_strdup(a, text)
                : arena_printf(a, "%s %s is deprecated", res->api_version, res->kind);
}

static struct crd_version *version_new(struct crds *crds, yyjson_val *crd, yyjson_val *version)
{
    struct crd_version *v = xnew(struct crd_version);
    struct arena *a = &v->arena;
    yyjson_val *spec = json_get(crd, "spec"), *names = json_get(spec, "names");
    struct err err = {0};

    const char *group = arena_strdup(a, json_get_str(spec, "group", ""));
    const char *name = arena_strdup(a, json_get_str(version, "name", ""));
    v->definition = arena_strdup(a, json_str_at(crd, "metadata.name", ""));
    v->served = json_bool_at(version, "served", false);
    v->res = (struct resource){
        .refs = 1,
        .group = group,
        .version = name,
        .plural = arena_strdup(a, json_get_str(names, "plural", "")),
        .singular = arena_strdup(a, json_get_str(names, "singular", "")),
        .kind = arena_strdup(a, json_get_str(names, "kind", "")),
        .list_kind = arena_strdup(a, json_get_str(names, "listKind", "")),
        .api_version = arena_printf(a, "%s/%s", group, name),
        .short_names = strings(a, json_get(names, "shortNames"), ""),
        .categories = strings(a, json_get(names, "categories"), ""),
        .fields = strings(a, json_get(version, "selectableFields"), "."),
        .namespaced = strcmp(json_get_str(spec, "scope", ""), "Cluster") != 0,
        .verbs = VERBS_ALL,
        .has_generation = true,
        .unconditional_update_refused = true,
        .data = v,
        .free = version_free,
    };
    v->res.stored = &v->res;
    v->res.deprecation = deprecation(a, version, &v->res);
    add_subresources(v, json_get(version, "subresources"));
    if (schema_compile(crds->pool, json_at(version, "schema.openAPIV3Schema"), &v->schema, &err) <
        0)
        log_warn("a schema does not compile, its objects are not validated", "crd", v->definition,
                 "version", name, "error", err.msg, NULL);
    v->res.schema = v->schema;
    v->printer = crd_printer_new(version);
    return v;
}

const struct printer *crd_printer(const struct resource *res)
{
    return ((const struct crd_version *)res->data)->printer;
}

/* ---- definitions ---- */

static void definition_free(struct definition *d)
{
    for (size_t i = 0; i < d->versions.n; i++)
        resource_unref(&d->versions.v[i]->res);
    vec_done(&d->versions);
    free(d->name);
    free(d);
}

static struct definition *definition_new(struct crds *crds, yyjson_val *crd)
{
    struct definition *d = xnew(struct definition);

    d->name = xstrdup(json_str_at(crd, "metadata.name", ""));
    d->generation = json_int_at(crd, "metadata.generation", 0);
    json_each(json_at(crd, "spec.versions"), version, i, n) {
        struct crd_version *v = version_new(crds, crd, version);
        vec_push(&d->versions, v);
        if (json_bool_at(version, "storage", false))
            d->stored = v;
    }
    for (size_t i = 0; d->stored && i < d->versions.n; i++) {
        struct crd_version *v = d->versions.v[i];
        v->res.stored = &d->stored->res;
        if (v == d->stored)
            continue;
        v->stored = resource_ref(&d->stored->res);
        v->res.hooks = &version_hooks;
    }
    return d;
}

static void withdraw(struct crds *crds, struct definition *d)
{
    for (size_t i = 0; i < d->versions.n; i++) {
        struct crd_version *v = d->versions.v[i];
        if (!v->served)
            continue;
        registry_remove(api_registry(crds->api), v->res.group, v->res.version, v->res.plural);
        api_resource_gone(crds->api, &v->res);
    }
}

static void offer(struct crds *crds, struct definition *d)
{
    struct registry *reg = api_registry(crds->api);

    for (size_t i = 0; i < d->versions.n; i++) {
        struct crd_version *v = d->versions.v[i];
        if (v->served)
            registry_add(reg, resource_ref(&v->res));
    }
}

/* A kind of this group that another definition has: the newcomer is not served. */
static bool conflicts(struct crds *crds, const struct definition *d)
{
    for (size_t i = 0; i < d->versions.n; i++) {
        const struct resource *res = &d->versions.v[i]->res;
        const struct resource *other =
            registry_by_kind(api_registry(crds->api), res->group, res->version, res->kind);
        if (other && strcmp(other->plural, res->plural))
            return true;
    }
    return false;
}

static void define(struct crds *crds, yyjson_val *crd)
{
    struct definition *old = map_get(&crds->definitions, json_str_at(crd, "metadata.name", "")), *d;

    if (old && old->generation == json_int_at(crd, "metadata.generation", 0))
        return;
    d = definition_new(crds, crd);
    if (!d->stored || conflicts(crds, d)) {
        definition_free(d);
        return;
    }
    if (old)
        withdraw(crds, old);
    map_put(&crds->definitions, d->name, d);
    offer(crds, d);
    storage_adopt(api_storage(crds->api), &d->stored->res);
    if (old)
        definition_free(old);
}

static void undefine(struct crds *crds, const char *name)
{
    struct definition *d = map_remove(&crds->definitions, name);

    if (!d)
        return;
    withdraw(crds, d);
    storage_drop_resource(api_storage(crds->api), &d->stored->res);
    definition_free(d);
}

const struct resource *crds_stored(struct crds *crds, const char *name)
{
    struct definition *d = map_get(&crds->definitions, name);

    return d ? &d->stored->res : NULL;
}

/* ---- life ---- */

static void follow(void *arg, const struct event *e)
{
    struct crds *crds = arg;

    if (e->type == EVENT_DELETED) {
        undefine(crds, e->object->name);
        return;
    }
    struct json *doc autojson = object_parse(e->object);
    define(crds, json_root(doc));
    if (e->object->terminating)
        crd_cleanup_start(crds->cleanup, e->object->name);
}

static bool visit(void *arg, const struct object *o)
{
    struct json *doc autojson = object_parse(o);
    struct crds *crds = arg;

    define(crds, json_root(doc));
    if (o->terminating)
        crd_cleanup_start(crds->cleanup, o->name);
    return true;
}

struct crds *crds_new(struct apiserver *api)
{
    struct crds *crds = xnew(struct crds);

    crds->api = api;
    crds->pool = schema_pool_new();
    crds->cleanup = crd_cleanup_new(api, crds);
    return crds;
}

int crds_start(struct crds *crds, struct err *err)
{
    const struct resource *res =
        api_resource(crds->api, "apiextensions.k8s.io", "customresourcedefinitions");
    int r =
        storage_each(api_storage(crds->api), &(struct storage_scan){.res = res}, visit, crds, err);

    if (r < 0)
        return err_wrap(err, "reading the stored CustomResourceDefinitions");
    crds->sub = api_subscribe(crds->api, res, follow, crds);
    return 0;
}

static void free_pool(void *pool)
{
    schema_pool_free(pool);
}

void crds_free(struct crds *crds)
{
    if (!crds)
        return;
    api_unsubscribe(crds->sub);
    crd_cleanup_free(crds->cleanup);
    for (struct map_item *i = map_next(&crds->definitions, NULL); i;
         i = map_next(&crds->definitions, i))
        definition_free(i->value);
    map_done(&crds->definitions);
    registry_at_end(api_registry(crds->api), free_pool, crds->pool); /* rows still point into it */
    free(crds);
}

/* ---- schemas for /openapi/v3 ---- */

yyjson_val *crd_schema_of(void *arg, const struct resource *res)
{
    struct crd_schemas *s = arg;
    const struct crd_version *v = res->data;
    const struct resource *crds =
        api_resource(s->api, "apiextensions.k8s.io", "customresourcedefinitions");
    struct object *o autoobject = storage_get(api_storage(s->api), crds, "", v->definition);

    crd_schemas_done(s);
    if (!o)
        return NULL;
    s->doc = object_parse(o);
    json_each(json_at(json_root(s->doc), "spec.versions"), version, i, n)
        if (!strcmp(json_get_str(version, "name", ""), res->version))
            return json_at(version, "schema.openAPIV3Schema");
    return NULL;
}

void crd_schemas_done(struct crd_schemas *s)
{
    json_unref(take(s->doc));
}
