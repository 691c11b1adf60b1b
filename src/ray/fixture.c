#include "ray/fixture.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>

void fixture_done(struct fixture *f)
{
    for (size_t i = 0; i < f->objects.n; i++)
        json_unref(f->objects.v[i]);
    for (size_t i = 0; i < f->gone.n; i++)
        json_unref(f->gone.v[i]);
    vec_done(&f->objects);
    vec_done(&f->gone);
}

enum ray_kind fixture_kind(yyjson_val *object)
{
    for (enum ray_kind k = 0; k < KIND_COUNT; k++)
        if (!strcmp(json_get_str(object, "kind", ""), kind_name(k)) &&
            !strcmp(json_get_str(object, "apiVersion", ""), kind_api_version(k)))
            return k;
    return KIND_COUNT;
}

static bool is(yyjson_val *o, enum ray_kind kind, const char *ns, const char *name)
{
    return fixture_kind(o) == kind &&
           !strcmp(json_str_at(o, "metadata.namespace", ""), ns ? ns : "") &&
           (!name || !strcmp(json_str_at(o, "metadata.name", ""), name));
}

static size_t find(struct fixture *f, enum ray_kind kind, const char *ns, const char *name)
{
    size_t i = 0;

    while (i < f->objects.n && !is(json_root(f->objects.v[i]), kind, ns, name))
        i++;
    return i;
}

yyjson_val *fixture_get(struct fixture *f, enum ray_kind kind, const char *ns, const char *name)
{
    size_t i = find(f, kind, ns, name);

    return i < f->objects.n ? json_root(f->objects.v[i]) : NULL;
}

bool fixture_remove(struct fixture *f, enum ray_kind kind, const char *ns, const char *name)
{
    size_t i = find(f, kind, ns, name);

    if (i == f->objects.n)
        return false;
    vec_push(&f->gone, f->objects.v[i]);
    vec_remove(&f->objects, i);
    return true;
}

/* Kept in order of name, as a world's list has to be. */
void fixture_put(struct fixture *f, yyjson_val *object)
{
    struct json *copy = json_copy(object);
    const char *name = json_str_at(object, "metadata.name", "");
    size_t at = 0;

    fixture_remove(f, fixture_kind(object), json_str_at(object, "metadata.namespace", ""), name);
    while (at < f->objects.n &&
           strcmp(json_str_at(json_root(f->objects.v[at]), "metadata.name", ""), name) < 0)
        at++;
    vec_push(&f->objects, copy);
    memmove(&f->objects.v[at + 1], &f->objects.v[at],
            (f->objects.n - 1 - at) * sizeof *f->objects.v);
    f->objects.v[at] = copy;
}

static yyjson_val *world_get(void *ctx, enum ray_kind kind, const char *ns, const char *name)
{
    return fixture_get(ctx, kind, ns, name);
}

static yyjson_val **world_list(void *ctx, struct arena *a, enum ray_kind kind, const char *ns,
                               const char *key, const char *value, size_t *ret_n)
{
    struct fixture *f = ctx;
    yyjson_val **r = arena_array(a, yyjson_val *, f->objects.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < f->objects.n; i++) {
        yyjson_val *o = json_root(f->objects.v[i]);
        const char *label = key ? json_get_str(json_at(o, "metadata.labels"), key, NULL) : NULL;

        if (is(o, kind, ns, NULL) && (!key || (label && !strcmp(label, value))))
            r[n++] = o;
    }
    *ret_n = n;
    return r;
}

static bool world_filled(void *ctx, enum ray_kind kind)
{
    (void)ctx;
    (void)kind;
    return true;
}

struct world fixture_world(struct fixture *f)
{
    return (struct world){.get = world_get, .list = world_list, .filled = world_filled, .ctx = f};
}

static const struct {
    const char *name;
    bool on;
} features[FEATURE_COUNT] = {
#define X(id, name, on) [FEATURE_##id] = {name, on},
    RAY_FEATURES(X)
#undef X
};

static const struct ray_env *options_env(struct arena *a, yyjson_val *v)
{
    struct ray_env *env = arena_array(a, struct ray_env, yyjson_obj_size(v) + 1);
    size_t n = 0;

    json_each_member(v, key, val)
        env[n++] = (struct ray_env){json_str(key, ""), json_str(val, "")};
    return env;
}

struct ray_options *fixture_options(struct arena *a, yyjson_val *v)
{
    struct ray_options *o = arena_new(a, struct ray_options);

    for (int i = 0; i < FEATURE_COUNT; i++)
        o->features[i] = json_bool_at(json_get(v, "gates"), features[i].name, features[i].on);
    o->env = options_env(a, json_get(v, "env"));
    o->batch_scheduler = json_get_str(v, "batchScheduler", NULL);
    o->openshift = json_bool_at(v, "openshift", false);
    o->cert_manager = json_bool_at(v, "certManager", false);
    o->head_sidecars = json_get(v, "headSidecars");
    o->worker_sidecars = json_get(v, "workerSidecars");
    o->default_pod_annotations = json_get(v, "podAnnotations");
    o->default_pod_labels = json_get(v, "podLabels");
    o->default_container_envs = json_get(v, "containerEnvs");
    return o;
}

const char *fixture_path(struct arena *a, const char *name)
{
    const char *root = getenv("MANTA_SOURCE");

    return arena_printf(a, "%s/tests/golden/ray/%s", root ? root : ".", name);
}

struct json *fixture_json(const char *name)
{
    struct arena a cleanup(arena_done) = {0};
    struct buf text cleanup(buf_done) = BUF_INIT;
    struct json *j = NULL;
    struct err err;

    if (file_read(fixture_path(&a, name), &text, &err) < 0 ||
        json_parse(buf_slice(&text), &j, &err) < 0) {
        fprintf(stderr, "%s: %s\n", name, err.msg);
        abort();
    }
    return j;
}
