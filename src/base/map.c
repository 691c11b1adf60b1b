#include "base/map.h"
#include "base/mem.h"

static char removed[] = ""; /* marks a slot whose item is gone */

uint32_t hash_bytes(const void *p, size_t n)
{
    const unsigned char *c = p;
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ c[i]) * 16777619u;
    return h;
}

static bool is_live(const struct map_item *i)
{
    return i->key && i->key != removed;
}

static struct map_item *find(const struct map *m, struct slice key, uint32_t hash)
{
    if (!m->cap)
        return NULL;
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct map_item *it = &m->items[i];
        if (!it->key)
            return NULL;
        if (it->key != removed && it->hash == hash && it->len == key.n &&
            memcmp(it->key, key.p, key.n) == 0)
            return it;
    }
}

static void place(struct map *m, struct map_item item)
{
    size_t i = item.hash & (m->cap - 1);

    while (m->items[i].key)
        i = (i + 1) & (m->cap - 1);
    m->items[i] = item;
}

static void grow(struct map *m)
{
    struct map_item *old = m->items;
    size_t old_cap = m->cap;

    if (m->cap && (m->used + 1) * 4 <= m->cap * 3)
        return;
    m->cap = 8;
    while (m->cap * 3 < (m->n + 1) * 6)
        m->cap *= 2;
    m->items = xcalloc(m->cap, sizeof *m->items);
    m->used = m->n;
    for (size_t i = 0; i < old_cap; i++)
        if (is_live(&old[i]))
            place(m, old[i]);
    free(old);
}

void map_done(struct map *m)
{
    for (size_t i = 0; i < m->cap; i++)
        if (is_live(&m->items[i]))
            free(m->items[i].key);
    free(m->items);
    *m = (struct map){0};
}

void *map_get_slice(const struct map *m, struct slice key)
{
    struct map_item *it = find(m, key, hash_bytes(key.p, key.n));

    return it ? it->value : NULL;
}

void *map_get(const struct map *m, const char *key)
{
    return map_get_slice(m, slice_of(key));
}

bool map_has(const struct map *m, const char *key)
{
    struct slice k = slice_of(key);

    return find(m, k, hash_bytes(k.p, k.n)) != NULL;
}

void *map_put(struct map *m, const char *key, void *value)
{
    struct slice k = slice_of(key);
    uint32_t hash = hash_bytes(k.p, k.n);
    struct map_item *it = find(m, k, hash);

    if (it) {
        void *old = it->value;
        it->value = value;
        return old;
    }
    grow(m);
    place(m, (struct map_item){xstrndup(k.p, k.n), value, hash, (uint32_t)k.n});
    m->n++;
    m->used++;
    return NULL;
}

void *map_remove(struct map *m, const char *key)
{
    struct slice k = slice_of(key);
    struct map_item *it = find(m, k, hash_bytes(k.p, k.n));

    if (!it)
        return NULL;
    void *old = it->value;
    free(it->key);
    *it = (struct map_item){.key = removed};
    m->n--;
    return old;
}

struct map_item *map_next(const struct map *m, const struct map_item *after)
{
    for (size_t i = after ? (size_t)(after - m->items) + 1 : 0; i < m->cap; i++)
        if (is_live(&m->items[i]))
            return &m->items[i];
    return NULL;
}
