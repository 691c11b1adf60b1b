#include "kube/pack.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"

#define NAMES_MAX 4096 /* member names shared; more (of labels, say) are held by each document */
#define LOOK_BACK 48   /* strings of a document that a new one is compared with */

/* Values that nearly every object has; their text is shared, too. */
static const char *const words[] = {
    "True",        "False",      "Ready",     "Running",   "Pending",
    "Never",       "Always",     "OnFailure", "ray.io/v1", "RayCluster",
    "RayJob",      "RayService", "worker",    "head",      "ContainersNotReady",
    "ray-head",    "ray-worker", "ClusterIP", "None",      "kuberay-operator",
    "kuberay",     "ray",        "TCP",       "tcp",       "IPv4",
    "SingleStack", "Cluster",    "v1.7.0",
};

static struct map shared; /* text → the one copy of it */

struct packer {
    yyjson_val *at;
    char *pool;
    size_t vals, bytes;
    VEC(struct slice) strings; /* of this document, in order */
    VEC(const char *) places;  /* where each is, once the pool is there */
};

static const char *share(struct slice s, bool add)
{
    const char *found = map_get_slice(&shared, s);

    if (found || !add || shared.n >= NAMES_MAX)
        return found;
    char *copy = xstrndup(s.p, s.n);
    if (strlen(copy) != s.n) { /* a NUL inside: the map's keys have none */
        free(copy);
        return NULL;
    }
    map_put(&shared, copy, copy);
    return copy;
}

static void share_words(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        share(slice_of(words[i]), true);
}

static struct slice text_of(yyjson_mut_val *v)
{
    return (struct slice){yyjson_mut_get_str(v), yyjson_mut_get_len(v)};
}

static ssize_t seen(const struct packer *p, struct slice s)
{
    for (size_t i = p->strings.n, n = 0; i-- && n < LOOK_BACK; n++)
        if (slice_eq(p->strings.v[i], s))
            return (ssize_t)i;
    return -1;
}

/* ---- first walk: what it takes ---- */

static void measure_string(struct packer *p, yyjson_mut_val *v, bool name)
{
    struct slice s = text_of(v);

    if (share(s, name) || seen(p, s) >= 0)
        return;
    vec_push(&p->strings, s);
    p->bytes += s.n + 1;
}

static void measure(struct packer *p, yyjson_mut_val *v)
{
    size_t i, n;
    yyjson_mut_val *key, *item;

    p->vals++;
    if (yyjson_mut_is_str(v)) {
        measure_string(p, v, false);
    } else if (yyjson_mut_is_arr(v)) {
        yyjson_mut_arr_foreach(v, i, n, item)
            measure(p, item);
    } else if (yyjson_mut_is_obj(v)) {
        yyjson_mut_obj_foreach(v, i, n, key, item)
        {
            p->vals++;
            measure_string(p, key, true);
            measure(p, item);
        }
    }
}

/* ---- second walk: into place ---- */

static void fill_pool(struct packer *p)
{
    for (size_t i = 0; i < p->strings.n; i++) {
        struct slice s = p->strings.v[i];
        vec_push(&p->places, p->pool);
        memcpy(p->pool, s.p, s.n);
        p->pool[s.n] = 0;
        p->pool += s.n + 1;
    }
}

/* The pool holds every string that is not shared, so a search without limit finds it. */
static const char *place_of(const struct packer *p, struct slice s)
{
    const char *one = share(s, false);

    for (size_t i = 0; !one; i++)
        if (slice_eq(p->strings.v[i], s))
            one = p->places.v[i];
    return one;
}

static void put_scalar(struct packer *p, yyjson_mut_val *v)
{
    yyjson_val *to = p->at++;

    to->tag = v->tag;
    to->uni = v->uni;
    if (yyjson_mut_is_str(v))
        to->uni.str = place_of(p, text_of(v));
}

static void put(struct packer *p, yyjson_mut_val *v)
{
    yyjson_val *to = p->at;
    size_t i, n;
    yyjson_mut_val *key, *item;

    if (!yyjson_mut_is_ctn(v)) {
        put_scalar(p, v);
        return;
    }
    p->at++;
    to->tag = v->tag;
    if (yyjson_mut_is_arr(v)) {
        yyjson_mut_arr_foreach(v, i, n, item)
            put(p, item);
    } else {
        yyjson_mut_obj_foreach(v, i, n, key, item)
        {
            put_scalar(p, key);
            put(p, item);
        }
    }
    to->uni.ofs = (size_t)((char *)p->at - (char *)to);
}

static void *no_malloc(void *ctx, size_t n)
{
    (void)ctx, (void)n;
    return NULL;
}
static void *no_realloc(void *ctx, void *p, size_t was, size_t n)
{
    (void)ctx, (void)p, (void)was, (void)n;
    return NULL;
}
static void just_free(void *ctx, void *p)
{
    (void)ctx;
    free(p);
}

struct json *json_pack(yyjson_mut_val *v)
{
    struct packer p = {0};
    struct json *j = xnew(struct json);

    if (shared.n == 0)
        share_words();
    measure(&p, v);
    yyjson_doc *doc = xmalloc(sizeof *doc + p.vals * sizeof(yyjson_val) + p.bytes);
    *doc = (yyjson_doc){.root = (yyjson_val *)(void *)(doc + 1),
                        .alc = {no_malloc, no_realloc, just_free, NULL},
                        .dat_read = 1,
                        .val_read = p.vals};
    p.at = doc->root;
    p.pool = (char *)(doc->root + p.vals);
    fill_pool(&p);
    put(&p, v);
    vec_done(&p.strings);
    vec_done(&p.places);
    *j = (struct json){doc, 1};
    return j;
}
