/*
 * A hash map from strings to pointers. Keys are copied; values are the caller's.
 *
 *     struct map m = {0};
 *     map_put(&m, "a", obj);
 *     for (struct map_item *i = map_next(&m, NULL); i; i = map_next(&m, i)) ...
 *     map_done(&m);
 *
 * The order of a walk is unspecified. Putting or removing ends a walk's validity, except that
 * the item just visited may be removed.
 */
#ifndef MANTA_BASE_MAP_H
#define MANTA_BASE_MAP_H

#include "base/slice.h"

struct map_item {
    char *key; /* NULL: never used */
    void *value;
    uint32_t hash;
    uint32_t len;
};

struct map {
    struct map_item *items;
    size_t n;    /* live items */
    size_t used; /* live and removed slots */
    size_t cap;  /* a power of two, or 0 */
};

void map_done(struct map *m);
void *map_get(const struct map *m, const char *key); /* NULL if absent */
void *map_get_slice(const struct map *m, struct slice key);
bool map_has(const struct map *m, const char *key);
void *map_put(struct map *m, const char *key, void *value); /* gives the value it replaced */
void *map_remove(struct map *m, const char *key);           /* gives the value that was there */
struct map_item *map_next(const struct map *m, const struct map_item *after);

uint32_t hash_bytes(const void *p, size_t n); /* FNV-1a, the same in every process */

#endif
