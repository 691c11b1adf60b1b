/*
 * The objects of one kind as last heard of, from three sources: the watch, lists, and answers to
 * our own writes. The sources run on different connections, so they arrive in any order. The
 * contract:
 *
 *   - Per UID the higher resourceVersion wins, whether it came by answer, watch or list.
 *   - Of two UIDs of one name the higher resourceVersion wins: names are unique, the other is gone.
 *   - A delete leaves a tombstone, so that nothing older brings the object back, until the watch
 * has passed it (and, bounded in number, a while longer).
 *   - A list older than a write that was applied removes nothing newer.
 *   - Bookmarks move the floor: the version up to which the watch has told everything. An answer
 * about an unknown UID at or below the floor is late news of something deleted, and is dropped.
 *   - 410 is a list into a shadow, then a diff, then a swap. The shadow is a mark on each entry
 * seen (items enter by the first rule at once); the diff at the end removes what was not seen.
 *   - A partial page never deletes: a list that is aborted has only added news.
 *
 * Objects are held trimmed to what the kind's reader needs (`trim`). Trimmed kinds are never PUT
 * from here. They rest packed (pack.h); reading one opens it. Objects given out are immutable and
 * stay open until the store changes or store_rest(); json_ref() keeps one longer.
 */
#ifndef MANTA_KUBE_STORE_H
#define MANTA_KUBE_STORE_H

#include "base/arena.h"
#include "base/vec.h"
#include "kube/meta.h"

struct store;

#define STORE_LABEL_INDEXES 4

struct store_opts {
    /* Cuts v (an object just received, the store's own copy) down to what is kept. NULL: only
     * managedFields are dropped. */
    void (*trim)(yyjson_mut_doc *doc, yyjson_mut_val *v);
    /* What the watch's selector lets through, for news that did not come by it (answers). An answer
     * that it refuses removes the object, as the watch would. NULL: everything. */
    bool (*keep)(yyjson_val *obj);
    const char *labels[STORE_LABEL_INDEXES]; /* keys by which store_by_label() is fast */
    bool by_owner;                           /* store_by_owner() is there */
    /* After each change: was and now are NULL for added and removed. Must not change the store. */
    void (*on_change)(void *ctx, struct json *was, struct json *now);
    void *ctx;
};

struct store *store_new(const struct store_opts *opts);
void store_free(struct store *s);

/* ---- news ---- */

/* An object from the watch (ADDED, MODIFIED) or from an answer. True if it was news. */
bool store_watched(struct store *s, yyjson_val *obj);
bool store_answered(struct store *s, yyjson_val *obj);
/* DELETED from the watch; obj is the last state, its resourceVersion that of the deletion. */
bool store_watched_deleted(struct store *s, yyjson_val *obj);
/* The answer to our DELETE of ns/name: a Status of success or an object without finalizers and
 * grace is gone at once; an object that is only being deleted is an answer like any other. */
bool store_answered_deleted(struct store *s, const char *ns, const char *name, yyjson_val *answer);
void store_bookmark(struct store *s, uint64_t rv);

/* A LIST, perhaps in pages. end: it was complete at version rv. */
void store_list_begin(struct store *s);
void store_list_item(struct store *s, yyjson_val *obj);
void store_list_end(struct store *s, uint64_t rv);
void store_list_abort(struct store *s);

/* ---- reading ---- */

bool store_synced(const struct store *s);    /* a list was completed at least once */
uint64_t store_floor(const struct store *s); /* see above */
size_t store_count(const struct store *s);

struct json *store_get(struct store *s, const char *ns, const char *name); /* borrowed */

/* Arrays in order of namespace and name, in the arena; items borrowed. ns NULL: all. label NULL:
 * any. */
struct json **store_list(struct store *s, struct arena *a, const char *ns, const char *label,
                         const char *value, size_t *ret_n);
struct json **store_by_owner(struct store *s, struct arena *a, const char *uid, size_t *ret_n);

/* Visits all, in no order; fn must not change the store, and obj is open only meanwhile. */
void store_each(struct store *s, void (*fn)(void *ctx, struct json *obj), void *ctx);

void store_rest(struct store *s); /* closes what was given out: no more of it is looked at */

size_t store_tombstones(const struct store *s); /* for tests */

#endif
