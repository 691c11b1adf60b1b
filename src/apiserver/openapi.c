#include "apiserver/openapi.h"

#include "apiserver/discovery.h"
#include "data/crd.h"
#include "data/types.h"

#include <stdio.h>

#define META "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

void openapi_index(const struct registry *reg, struct buf *out)
{
    struct group_versions gvs;

    group_versions_init(&gvs, reg);
    buf_adds(out, "{\"paths\":{");
    for (size_t i = 0; i < gvs.n; i++) {
        const char *g = gvs.v[i].group, *v = gvs.v[i].version;
        char path[500];
        snprintf(path, sizeof path, "%s%s/%s", *g ? "apis/" : "api", g, v);
        buf_printf(out, "%s\"%s\":{\"serverRelativeURL\":\"/openapi/v3/%s?hash=%016llX%08X\"}",
                   i ? "," : "", path, path, (unsigned long long)reg->generation,
                   hash_bytes(path, strlen(path)));
    }
    buf_adds(out, "}}");
    group_versions_done(&gvs);
}

/* ---- paths ---- */

static void add_gvk(struct buf *b, const struct resource *res)
{
    buf_printf(b, "{\"group\":\"%s\",\"kind\":\"%s\",\"version\":\"%s\"}", res->group, res->kind,
               res->version);
}

static void add_parameters(struct buf *b, const char *const *names)
{
    buf_adds(b, "\"parameters\":[");
    for (size_t i = 0; names[i]; i++)
        buf_printf(b,
                   "%s{\"in\":\"query\",\"name\":\"%s\",\"schema\":{\"type\":\"string\","
                   "\"uniqueItems\":true}}",
                   i ? "," : "", names[i]);
    buf_adds(b, "],");
}

struct operation {
    const char *method;
    enum api_verb verb;
    bool item; /* on /{name} */
    const char *action;
    const char *parameters[8];
};
static const struct operation operations[] = {
    {"get",
     VERB_LIST,
     false,
     "list",
     {"continue", "fieldSelector", "labelSelector", "limit", "resourceVersion", "timeoutSeconds",
      "watch"}},
    {"post", VERB_CREATE, false, "post", {"dryRun", "fieldManager", "fieldValidation"}},
    {"delete",
     VERB_DELETECOLLECTION,
     false,
     "deletecollection",
     {"dryRun", "fieldSelector", "labelSelector", "gracePeriodSeconds", "propagationPolicy"}},
    {"get", VERB_GET, true, "get", {NULL}},
    {"put", VERB_UPDATE, true, "put", {"dryRun", "fieldManager", "fieldValidation"}},
    {"patch", VERB_PATCH, true, "patch", {"dryRun", "fieldManager", "fieldValidation", "force"}},
    {"delete", VERB_DELETE, true, "delete", {"dryRun", "gracePeriodSeconds", "propagationPolicy"}},
};

static void add_path(struct buf *b, const struct resource *res, bool item)
{
    bool any = false;

    buf_printf(b, "\"/%s%s/%s%s/%s%s\":{", *res->group ? "apis/" : "api", res->group, res->version,
               res->namespaced ? "/namespaces/{namespace}" : "", res->plural,
               item ? "/{name}" : "");
    for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
        const struct operation *o = &operations[i];
        if (o->item != item || !resource_has(res, o->verb))
            continue;
        buf_printf(b, "%s\"%s\":{", any ? "," : "", o->method);
        add_parameters(b, o->parameters);
        buf_printf(
            b,
            "\"responses\":{\"200\":{\"description\":\"OK\"}},\"x-kubernetes-action\":\"%s\","
            "\"x-kubernetes-group-version-kind\":",
            o->action);
        add_gvk(b, res);
        buf_addc(b, '}');
        any = true;
    }
    buf_addc(b, '}');
}

/* ---- schemas ---- */

struct schemas {
    struct buf *out;
    struct map seen; /* names written */
    VEC(const struct type *) queue;
};

static void want(struct schemas *s, const struct type *t)
{
    if (!t || map_has(&s->seen, type_openapi_name(t)))
        return;
    map_put(&s->seen, type_openapi_name(t), (void *)t);
    vec_push(&s->queue, t);
}

/* The schema of one type; of a resource's own type with its group, version and kind. */
static void add_type(struct schemas *s, const struct type *t, const struct resource *res)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    type_openapi(t, &b);
    if (res && b.len > 1 && b.data[b.len - 1] == '}' &&
        !strstr(b.data, "x-kubernetes-group-version-kind")) {
        b.len--;
        buf_printf(&b, "%s\"x-kubernetes-group-version-kind\":[",
                   b.data[b.len - 1] == '{' ? "" : ",");
        add_gvk(&b, res);
        buf_adds(&b, "]}");
    }
    buf_printf(s->out, "%s\"%s\":", s->out->data[s->out->len - 1] == '{' ? "" : ",",
               type_openapi_name(t));
    buf_add_slice(s->out, buf_slice(&b));
    for (size_t i = 0; type_openapi_ref(t, i); i++)
        want(s, type_openapi_ref(t, i));
}

static const struct resource *of_type(const struct group_version *gv, const struct type *t)
{
    for (size_t i = 0; i < gv->resources.n; i++)
        if (gv->resources.v[i]->type == t)
            return gv->resources.v[i];
    return NULL;
}

/* "ray.io" as "io.ray". */
static void add_reversed(struct buf *b, const char *group)
{
    for (const char *end = group + strlen(group); end > group;) {
        const char *dot = memrchr(group, '.', (size_t)(end - group));
        const char *from = dot ? dot + 1 : group;
        buf_printf(b, "%.*s.", (int)(end - from), from);
        end = dot ? dot : group;
    }
}

static void add_crd(struct schemas *s, const struct resource *res, yyjson_val *schema)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *root = schema ? json_thaw(doc, schema) : yyjson_mut_obj(doc);
    yyjson_mut_val *props = json_ensure(doc, root, "properties");
    static const char *const own[] = {"apiVersion", "kind"};

    for (size_t i = 0; i < ARRAY_SIZE(own); i++)
        json_put_str(doc, json_put_obj(doc, props, own[i]), "type", "string");
    yyjson_mut_val *all = json_put_arr(doc, json_put_obj(doc, props, "metadata"), "allOf");
    json_put_str(doc, yyjson_mut_arr_add_obj(doc, all), "$ref", "#/components/schemas/" META);
    yyjson_mut_val *gvk =
        yyjson_mut_arr_add_obj(doc, json_put_arr(doc, root, "x-kubernetes-group-version-kind"));
    json_put_str(doc, gvk, "group", res->group);
    json_put_str(doc, gvk, "kind", res->kind);
    json_put_str(doc, gvk, "version", res->version);

    buf_printf(s->out, "%s\"", s->out->data[s->out->len - 1] == '{' ? "" : ",");
    add_reversed(s->out, res->group);
    buf_printf(s->out, "%s.%s\":", res->version, res->kind);
    json_mut_write(s->out, root);
    want(s, type_named("ObjectMeta"));
}

static void add_schemas(struct buf *out, const struct group_version *gv, openapi_crd_fn *crd,
                        void *arg)
{
    struct schemas s = {.out = out};

    for (size_t i = 0; i < gv->resources.n; i++) {
        const struct resource *res = gv->resources.v[i];
        if (res->built_in)
            want(&s, res->type);
        else
            add_crd(&s, res, crd ? crd(arg, res) : NULL);
    }
    for (size_t i = 0; i < s.queue.n; i++)
        add_type(&s, s.queue.v[i], of_type(gv, s.queue.v[i]));
    map_done(&s.seen);
    vec_done(&s.queue);
}

static void add_document(struct buf *out, const struct group_version *gv, openapi_crd_fn *crd,
                         void *arg)
{
    buf_adds(out, "{\"openapi\":\"3.0.0\",\"info\":{\"title\":\"Kubernetes\",\"version\":\"v1.36."
                  "0\"},\"paths\":{");
    for (size_t i = 0; i < gv->resources.n; i++) {
        buf_adds(out, i ? "," : "");
        add_path(out, gv->resources.v[i], false);
        buf_addc(out, ',');
        add_path(out, gv->resources.v[i], true);
    }
    buf_adds(out, "},\"components\":{\"schemas\":{");
    add_schemas(out, gv, crd, arg);
    buf_adds(out, "}}}");
}

bool openapi_document(const struct registry *reg, const char *group, const char *version,
                      openapi_crd_fn *crd, void *arg, struct buf *out)
{
    struct group_versions gvs;
    bool found = false;

    group_versions_init(&gvs, reg);
    for (size_t i = 0; i < gvs.n && !found; i++) {
        if (strcmp(gvs.v[i].group, group) || strcmp(gvs.v[i].version, version))
            continue;
        add_document(out, &gvs.v[i], crd, arg);
        found = true;
    }
    group_versions_done(&gvs);
    return found;
}
