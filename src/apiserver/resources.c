#include "apiserver/resources.h"

#include <assert.h>
#include <stdio.h>

const char *const verb_names[VERB_COUNT] = {
    [VERB_GET] = "get",       [VERB_LIST] = "list",
    [VERB_WATCH] = "watch",   [VERB_CREATE] = "create",
    [VERB_UPDATE] = "update", [VERB_PATCH] = "patch",
    [VERB_DELETE] = "delete", [VERB_DELETECOLLECTION] = "deletecollection",
};

struct resource *resource_ref(const struct resource *res)
{
    struct resource *r = (struct resource *)res;

    if (r)
        r->refs++;
    return r;
}

void resource_unref(const struct resource *res)
{
    struct resource *r = (struct resource *)res;

    if (r && --r->refs == 0 && r->free)
        r->free(r);
}

const struct subresource *resource_sub(const struct resource *res, const char *name)
{
    for (const struct subresource *s = res->subresources; s && s->name; s++)
        if (strcmp(s->name, name) == 0)
            return s;
    return NULL;
}

const char *resource_qualified(const struct resource *res, struct arena *a)
{
    return *res->group ? arena_printf(a, "%s.%s", res->plural, res->group) : res->plural;
}

void registry_init(struct registry *reg)
{
    *reg = (struct registry){.generation = 1};
}

void registry_done(struct registry *reg)
{
    for (size_t i = 0; i < reg->list.n; i++)
        resource_unref(reg->list.v[i]);
    vec_done(&reg->list);
    map_done(&reg->by_path);
    for (size_t i = 0; i < reg->ends.n; i++)
        reg->ends.v[i].fn(reg->ends.v[i].arg);
    vec_done(&reg->ends);
}

void registry_at_end(struct registry *reg, void (*fn)(void *arg), void *arg)
{
    vec_push(&reg->ends, (struct registry_end){fn, arg});
}

static void path_of(char *out, size_t n, const char *group, const char *version, const char *plural)
{
    snprintf(out, n, "%s/%s/%s", group, version, plural);
}

void registry_add(struct registry *reg, struct resource *res)
{
    char path[600];

    path_of(path, sizeof path, res->group, res->version, res->plural);
    assert(!map_has(&reg->by_path, path));
    if (!res->refs)
        res->refs = 1; /* a static row */
    map_put(&reg->by_path, path, res);
    vec_push(&reg->list, res);
    reg->generation++;
}

void registry_remove(struct registry *reg, const char *group, const char *version,
                     const char *plural)
{
    char path[600];

    path_of(path, sizeof path, group, version, plural);
    struct resource *res = map_remove(&reg->by_path, path);
    for (size_t i = 0; i < reg->list.n; i++) {
        if (reg->list.v[i] == res) {
            vec_remove(&reg->list, i);
            break;
        }
    }
    reg->generation++;
    resource_unref(res);
}

const struct resource *registry_find(const struct registry *reg, const char *group,
                                     const char *version, const char *plural)
{
    char path[600];

    path_of(path, sizeof path, group, version, plural);
    return map_get(&reg->by_path, path);
}

const struct resource *registry_by_kind(const struct registry *reg, const char *group,
                                        const char *version, const char *kind)
{
    for (size_t i = 0; i < reg->list.n; i++) {
        const struct resource *r = reg->list.v[i];

        if (strcmp(r->kind, kind) == 0 && strcmp(r->group, group) == 0 &&
            strcmp(r->version, version) == 0)
            return r;
    }
    return NULL;
}

bool registry_has_group(const struct registry *reg, const char *group, const char *version)
{
    for (size_t i = 0; i < reg->list.n; i++) {
        const struct resource *r = reg->list.v[i];

        if (strcmp(r->group, group) == 0 && (!version || strcmp(r->version, version) == 0))
            return true;
    }
    return false;
}
