#include "apiserver/discovery.h"

#include <ctype.h>
#include <stdio.h>

/* ---- groups and versions ---- */

struct version_parts {
    bool known; /* vN, vNbetaM or vNalphaM */
    int stage;  /* 2 stable, 1 beta, 0 alpha */
    int64_t major, minor;
};

static struct version_parts version_parse(const char *s)
{
    struct version_parts p = {.stage = 2};
    char *end;

    if (*s != 'v' || !isdigit((unsigned char)s[1]))
        return p;
    p.major = strtoll(s + 1, &end, 10);
    if (*end) {
        p.stage = !strncmp(end, "beta", 4) ? 1 : !strncmp(end, "alpha", 5) ? 0 : -1;
        const char *digits = end + (p.stage == 1 ? 4 : 5);
        if (p.stage < 0 || !isdigit((unsigned char)*digits))
            return p;
        p.minor = strtoll(digits, &end, 10);
    }
    p.known = !*end;
    return p;
}

int version_order(const char *a, const char *b)
{
    struct version_parts x = version_parse(a), y = version_parse(b);

    if (x.known != y.known)
        return x.known ? -1 : 1;
    if (!x.known)
        return strcmp(a, b);
    if (x.stage != y.stage)
        return y.stage - x.stage;
    if (x.major != y.major)
        return x.major > y.major ? -1 : 1;
    return x.minor == y.minor ? 0 : x.minor > y.minor ? -1 : 1;
}

static struct group_version *gv_of(struct group_versions *gvs, const struct resource *res)
{
    for (size_t i = 0; i < gvs->n; i++)
        if (!strcmp(gvs->v[i].group, res->group) && !strcmp(gvs->v[i].version, res->version))
            return &gvs->v[i];
    gvs->v = xrealloc(gvs->v, gvs->n + 1, sizeof *gvs->v);
    gvs->v[gvs->n] = (struct group_version){.group = res->group, .version = res->version};
    return &gvs->v[gvs->n++];
}

static int by_plural(const void *a, const void *b)
{
    return strcmp((*(const struct resource *const *)a)->plural,
                  (*(const struct resource *const *)b)->plural);
}

/* Groups stay where they are; versions of one group are moved into their order. */
static void sort_versions(struct group_versions *gvs)
{
    for (size_t i = 0; i < gvs->n; i++)
        for (size_t k = i + 1; k < gvs->n; k++) {
            if (strcmp(gvs->v[i].group, gvs->v[k].group))
                continue;
            if (version_order(gvs->v[i].version, gvs->v[k].version) <= 0)
                continue;
            struct group_version t = gvs->v[i];
            gvs->v[i] = gvs->v[k];
            gvs->v[k] = t;
        }
}

void group_versions_init(struct group_versions *gvs, const struct registry *reg)
{
    *gvs = (struct group_versions){0};
    for (size_t i = 0; i < reg->list.n; i++)
        vec_push(&gv_of(gvs, reg->list.v[i])->resources, reg->list.v[i]);
    sort_versions(gvs);
    for (size_t i = 0; i < gvs->n; i++)
        qsort(gvs->v[i].resources.v, gvs->v[i].resources.n, sizeof(struct resource *), by_plural);
}

void group_versions_done(struct group_versions *gvs)
{
    for (size_t i = 0; i < gvs->n; i++)
        vec_done(&gvs->v[i].resources);
    free(gvs->v);
    *gvs = (struct group_versions){0};
}

/* ---- parts of the documents ---- */

static void put_words(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key,
                      const char *const *words)
{
    if (!words || !*words)
        return;
    yyjson_mut_val *arr = json_put_arr(doc, o, key);
    for (; *words; words++)
        yyjson_mut_arr_add_strcpy(doc, arr, *words);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Those of a custom resource stand in an order of their own. */
static void put_custom_verbs(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
    static const enum api_verb order[] = {
        VERB_DELETE, VERB_DELETECOLLECTION, VERB_GET,    VERB_LIST,
        VERB_PATCH,  VERB_CREATE,           VERB_UPDATE, VERB_WATCH};
    yyjson_mut_val *arr = json_put_arr(doc, o, "verbs");

    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        yyjson_mut_arr_add_strcpy(doc, arr, verb_names[order[i]]);
}

static void put_verbs(yyjson_mut_doc *doc, yyjson_mut_val *o, unsigned verbs)
{
    const char *names[VERB_COUNT];
    size_t n = 0;

    for (unsigned v = 0; v < VERB_COUNT; v++)
        if (verbs & VERB_BIT(v))
            names[n++] = verb_names[v];
    qsort(names, n, sizeof *names, by_name);
    yyjson_mut_val *arr = json_put_arr(doc, o, "verbs");
    for (size_t i = 0; i < n; i++)
        yyjson_mut_arr_add_strcpy(doc, arr, names[i]);
}

static void put_kind(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *group, const char *version,
                     const char *kind)
{
    yyjson_mut_val *k = json_put_obj(doc, o, "responseKind");

    json_put_str(doc, k, "group", group);
    json_put_str(doc, k, "version", version);
    json_put_str(doc, k, "kind", kind);
}

static const char *sub_version(const struct subresource *sub)
{
    return sub->version ? sub->version : "";
}

static int by_sub(const void *a, const void *b)
{
    return strcmp((*(const struct subresource *const *)a)->name,
                  (*(const struct subresource *const *)b)->name);
}

/* The subresources sorted by name; gives how many. */
#define MAX_SUBS 16
static size_t sorted_subs(const struct resource *res, const struct subresource *out[MAX_SUBS])
{
    size_t n = 0;

    for (const struct subresource *s = res->subresources; s && s->name && n < MAX_SUBS; s++)
        out[n++] = s;
    qsort(out, n, sizeof *out, by_sub);
    return n;
}

/* ---- the aggregated document ---- */

const char *discovery_aggregated(const char *accept)
{
    static const char want[] = "as=APIGroupDiscoveryList";
    struct slice rest = slice_of(accept), one;

    while (slice_cut(&rest, ',', &one)) {
        one = slice_trim(one);
        bool aggregated = one.n && memmem(one.p, one.n, want, sizeof want - 1);
        bool json = slice_starts(one, SLICE("application/json"));
        if (aggregated && json && memmem(one.p, one.n, "v=v2beta1", 9))
            return "v2beta1";
        if (aggregated && json && memmem(one.p, one.n, "v=v2", 4))
            return "v2";
        if (!aggregated && json)
            return NULL;
    }
    return NULL;
}

static void aggregate_subs(yyjson_mut_doc *doc, yyjson_mut_val *r, const struct resource *res)
{
    const struct subresource *subs[MAX_SUBS];
    size_t n = sorted_subs(res, subs);

    if (!n)
        return;
    yyjson_mut_val *arr = json_put_arr(doc, r, "subresources");
    for (size_t i = 0; i < n; i++) {
        yyjson_mut_val *s = yyjson_mut_arr_add_obj(doc, arr);
        json_put_str(doc, s, "subresource", subs[i]->name);
        put_kind(doc, s, subs[i]->group ? subs[i]->group : "", sub_version(subs[i]), subs[i]->kind);
        put_verbs(doc, s, subs[i]->verbs);
    }
}

static void aggregate_resource(yyjson_mut_doc *doc, yyjson_mut_val *arr, const struct resource *res)
{
    yyjson_mut_val *r = yyjson_mut_arr_add_obj(doc, arr);

    json_put_str(doc, r, "resource", res->plural);
    put_kind(doc, r, res->built_in ? "" : res->group, res->built_in ? "" : res->version, res->kind);
    json_put_str(doc, r, "scope", res->namespaced ? "Namespaced" : "Cluster");
    json_put_str(doc, r, "singularResource", res->singular);
    if (res->built_in)
        put_verbs(doc, r, res->verbs);
    else
        put_custom_verbs(doc, r);
    put_words(doc, r, "shortNames", res->short_names);
    put_words(doc, r, "categories", res->categories);
    aggregate_subs(doc, r, res);
}

yyjson_mut_val *discovery_aggregate(yyjson_mut_doc *doc, const struct registry *reg, bool core,
                                    const char *version)
{
    struct group_versions gvs;
    yyjson_mut_val *o = yyjson_mut_obj(doc), *items, *versions = NULL;
    const char *group = NULL;

    group_versions_init(&gvs, reg);
    json_put_str(doc, o, "kind", "APIGroupDiscoveryList");
    json_put_str(doc, o, "apiVersion",
                 !strcmp(version, "v2") ? "apidiscovery.k8s.io/v2" : "apidiscovery.k8s.io/v2beta1");
    json_put_obj(doc, o, "metadata");
    items = json_put_arr(doc, o, "items");
    for (size_t i = 0; i < gvs.n; i++) {
        const struct group_version *gv = &gvs.v[i];
        if (core != !*gv->group)
            continue;
        if (!group || strcmp(group, gv->group)) {
            yyjson_mut_val *g = yyjson_mut_arr_add_obj(doc, items);
            yyjson_mut_val *meta = json_put_obj(doc, g, "metadata");
            if (*gv->group)
                json_put_str(doc, meta, "name", gv->group);
            json_put(doc, meta, "creationTimestamp", yyjson_mut_null(doc));
            versions = json_put_arr(doc, g, "versions");
            group = gv->group;
        }
        yyjson_mut_val *v = yyjson_mut_arr_add_obj(doc, versions);
        json_put_str(doc, v, "version", gv->version);
        yyjson_mut_val *resources = json_put_arr(doc, v, "resources");
        for (size_t k = 0; k < gv->resources.n; k++)
            aggregate_resource(doc, resources, gv->resources.v[k]);
        json_put_str(doc, v, "freshness", "Current");
    }
    group_versions_done(&gvs);
    return o;
}

/* ---- the older documents ---- */

yyjson_mut_val *discovery_versions(yyjson_mut_doc *doc, const char *address)
{
    yyjson_mut_val *o = yyjson_mut_obj(doc);

    json_put_str(doc, o, "kind", "APIVersions");
    yyjson_mut_arr_add_strcpy(doc, json_put_arr(doc, o, "versions"), "v1");
    yyjson_mut_val *a =
        yyjson_mut_arr_add_obj(doc, json_put_arr(doc, o, "serverAddressByClientCIDRs"));
    json_put_str(doc, a, "clientCIDR", "0.0.0.0/0");
    json_put_str(doc, a, "serverAddress", address);
    return o;
}

static void put_gv(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct group_version *gv)
{
    char text[400];

    snprintf(text, sizeof text, "%s/%s", gv->group, gv->version);
    json_put_str(doc, o, "groupVersion", text);
    json_put_str(doc, o, "version", gv->version);
}

/* An APIGroup of the versions from i on that share its group. */
static yyjson_mut_val *api_group(yyjson_mut_doc *doc, const struct group_versions *gvs, size_t i)
{
    yyjson_mut_val *o = yyjson_mut_obj(doc);
    const char *group = gvs->v[i].group;

    json_put_str(doc, o, "name", group);
    yyjson_mut_val *versions = json_put_arr(doc, o, "versions");
    put_gv(doc, json_put_obj(doc, o, "preferredVersion"), &gvs->v[i]);
    for (; i < gvs->n; i++)
        if (!strcmp(gvs->v[i].group, group))
            put_gv(doc, yyjson_mut_arr_add_obj(doc, versions), &gvs->v[i]);
    return o;
}

static bool first_of_group(const struct group_versions *gvs, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (!strcmp(gvs->v[k].group, gvs->v[i].group))
            return false;
    return *gvs->v[i].group;
}

yyjson_mut_val *discovery_groups(yyjson_mut_doc *doc, const struct registry *reg)
{
    struct group_versions gvs;
    yyjson_mut_val *o = yyjson_mut_obj(doc);

    group_versions_init(&gvs, reg);
    json_put_str(doc, o, "kind", "APIGroupList");
    json_put_str(doc, o, "apiVersion", "v1");
    yyjson_mut_val *groups = json_put_arr(doc, o, "groups");
    for (size_t i = 0; i < gvs.n; i++)
        if (first_of_group(&gvs, i))
            yyjson_mut_arr_append(groups, api_group(doc, &gvs, i));
    group_versions_done(&gvs);
    return o;
}

yyjson_mut_val *discovery_group(yyjson_mut_doc *doc, const struct registry *reg, const char *group)
{
    struct group_versions gvs;
    yyjson_mut_val *o = NULL;

    group_versions_init(&gvs, reg);
    for (size_t i = 0; i < gvs.n && !o; i++)
        if (*group && !strcmp(gvs.v[i].group, group)) {
            o = api_group(doc, &gvs, i);
            json_put_str(doc, o, "kind", "APIGroup");
            json_put_str(doc, o, "apiVersion", "v1");
        }
    group_versions_done(&gvs);
    return o;
}

/* Stands for the stored bytes' encoding: the same as long as group, version and kind are. */
static void put_storage_hash(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct resource *res)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const struct resource *s = res->stored ? res->stored : res;
    char text[700], out[13];

    if (!resource_has(res, VERB_LIST) || !resource_has(res, VERB_CREATE))
        return;
    snprintf(text, sizeof text, "%s/%s/%s", s->group, s->version, s->kind);
    uint64_t h =
        (uint64_t)hash_bytes(text, strlen(text)) << 32 | hash_bytes(text + 1, strlen(text) - 1);
    for (size_t i = 0; i < 11; i++, h >>= 6)
        out[i] = digits[h & 63];
    memcpy(out + 11, "=", 2);
    json_put_str(doc, o, "storageVersionHash", out);
}

static void list_subs(yyjson_mut_doc *doc, yyjson_mut_val *arr, const struct resource *res)
{
    const struct subresource *subs[MAX_SUBS];
    size_t n = sorted_subs(res, subs);
    char name[300];

    for (size_t i = 0; i < n; i++) {
        yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, arr);
        snprintf(name, sizeof name, "%s/%s", res->plural, subs[i]->name);
        json_put_str(doc, o, "name", name);
        json_put_str(doc, o, "singularName", "");
        json_put_bool(doc, o, "namespaced", res->namespaced);
        if (subs[i]->version) {
            json_put_str(doc, o, "group", subs[i]->group);
            json_put_str(doc, o, "version", subs[i]->version);
        }
        json_put_str(doc, o, "kind", subs[i]->kind);
        put_verbs(doc, o, subs[i]->verbs);
    }
}

yyjson_mut_val *discovery_resources(yyjson_mut_doc *doc, const struct registry *reg,
                                    const char *group, const char *version)
{
    struct group_versions gvs;
    yyjson_mut_val *o = NULL, *arr;
    char gv[400];

    group_versions_init(&gvs, reg);
    for (size_t i = 0; i < gvs.n && !o; i++) {
        if (strcmp(gvs.v[i].group, group) || strcmp(gvs.v[i].version, version))
            continue;
        o = yyjson_mut_obj(doc);
        json_put_str(doc, o, "kind", "APIResourceList");
        if (*group)
            json_put_str(doc, o, "apiVersion", "v1");
        snprintf(gv, sizeof gv, "%s%s%s", group, *group ? "/" : "", version);
        json_put_str(doc, o, "groupVersion", gv);
        arr = json_put_arr(doc, o, "resources");
        for (size_t k = 0; k < gvs.v[i].resources.n; k++) {
            const struct resource *res = gvs.v[i].resources.v[k];
            yyjson_mut_val *r = yyjson_mut_arr_add_obj(doc, arr);
            json_put_str(doc, r, "name", res->plural);
            json_put_str(doc, r, "singularName", res->singular);
            json_put_bool(doc, r, "namespaced", res->namespaced);
            json_put_str(doc, r, "kind", res->kind);
            if (res->built_in)
                put_verbs(doc, r, res->verbs);
            else
                put_custom_verbs(doc, r);
            put_words(doc, r, "shortNames", res->short_names);
            put_words(doc, r, "categories", res->categories);
            put_storage_hash(doc, r, res);
            list_subs(doc, arr, res);
        }
    }
    group_versions_done(&gvs);
    return o;
}
