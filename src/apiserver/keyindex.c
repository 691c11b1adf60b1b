#include "apiserver/storage_impl.h"

void keyindex_done(struct keyindex *ix)
{
    for (size_t i = 0; i < ix->chunks.n; i++) {
        for (unsigned j = 0; j < ix->chunks.v[i]->n; j++)
            object_unref(ix->chunks.v[i]->v[j]);
        free(ix->chunks.v[i]);
    }
    vec_done(&ix->chunks);
    ix->n = 0;
}

/* The last chunk whose first key is <= key, or 0. */
static size_t chunk_for(const struct keyindex *ix, const char *key)
{
    size_t lo = 0, hi = ix->chunks.n;

    while (hi - lo > 1) {
        size_t mid = (lo + hi) / 2;

        if (strcmp(ix->chunks.v[mid]->v[0]->key, key) <= 0)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

/* The first place in c whose key is >= key. */
static unsigned place_in(const struct chunk *c, const char *key, bool *ret_equal)
{
    unsigned lo = 0, hi = c->n;

    *ret_equal = false;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        int cmp = strcmp(c->v[mid]->key, key);

        if (cmp == 0) {
            *ret_equal = true;
            return mid;
        }
        if (cmp < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct object *keyindex_find(const struct keyindex *ix, const char *key)
{
    bool equal;

    if (!ix->chunks.n)
        return NULL;
    const struct chunk *c = ix->chunks.v[chunk_for(ix, key)];
    unsigned at = place_in(c, key, &equal);
    return equal ? c->v[at] : NULL;
}

static void split(struct keyindex *ix, size_t i)
{
    struct chunk *left = ix->chunks.v[i], *right = xnew(struct chunk);

    right->n = left->n / 2;
    left->n -= right->n;
    memcpy(right->v, left->v + left->n, right->n * sizeof *right->v);
    vec_push(&ix->chunks, NULL);
    memmove(&ix->chunks.v[i + 2], &ix->chunks.v[i + 1],
            (ix->chunks.n - i - 2) * sizeof *ix->chunks.v);
    ix->chunks.v[i + 1] = right;
}

struct object *keyindex_put(struct keyindex *ix, struct object *o)
{
    bool equal;

    object_ref(o);
    if (!ix->chunks.n)
        vec_push(&ix->chunks, xnew(struct chunk));
    size_t i = chunk_for(ix, o->key);
    struct chunk *c = ix->chunks.v[i];
    unsigned at = place_in(c, o->key, &equal);
    if (equal) {
        struct object *old = c->v[at];

        c->v[at] = o;
        return old;
    }
    if (c->n == CHUNK_MAX) {
        split(ix, i);
        if (at > c->n) {
            at -= c->n;
            c = ix->chunks.v[i + 1];
        }
    }
    memmove(&c->v[at + 1], &c->v[at], (c->n - at) * sizeof *c->v);
    c->v[at] = o;
    c->n++;
    ix->n++;
    return NULL;
}

struct object *keyindex_remove(struct keyindex *ix, const char *key)
{
    bool equal;

    if (!ix->chunks.n)
        return NULL;
    size_t i = chunk_for(ix, key);
    struct chunk *c = ix->chunks.v[i];
    unsigned at = place_in(c, key, &equal);
    if (!equal)
        return NULL;
    struct object *old = c->v[at];
    memmove(&c->v[at], &c->v[at + 1], (c->n - at - 1) * sizeof *c->v);
    ix->n--;
    if (--c->n == 0) {
        free(c);
        vec_remove(&ix->chunks, i);
    }
    return old;
}

struct keyindex_pos keyindex_seek(const struct keyindex *ix, const char *key, bool behind)
{
    bool equal;

    if (!key || !ix->chunks.n)
        return (struct keyindex_pos){0, 0};
    size_t i = chunk_for(ix, key);
    unsigned at = place_in(ix->chunks.v[i], key, &equal);
    return (struct keyindex_pos){i, at + (equal && behind)};
}

struct object *keyindex_next(const struct keyindex *ix, struct keyindex_pos *pos)
{
    while (pos->chunk < ix->chunks.n) {
        const struct chunk *c = ix->chunks.v[pos->chunk];

        if (pos->at < c->n)
            return c->v[pos->at++];
        pos->chunk++;
        pos->at = 0;
    }
    return NULL;
}
