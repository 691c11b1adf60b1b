/*
 * The objects: in memory what is current and a window of history, in SQLite the log of writes.
 *
 * An object at rest is immutable: its JSON bytes and a small header, shared by reference count.
 * Rules that hold everywhere:
 *   - one global resourceVersion, one higher with each write, that never goes back, not over a crash;
 *   - a write is settled against the newest state (storage_newest), queued, and committed in a
 *     batch by the writer thread (WAL, synchronous=FULL); only then is it visible to storage_get,
 *     lists and watchers, and only then is its done() called, in order of resourceVersion;
 *   - when a batch fails, it and all that was settled on top of it fail; nothing becomes visible;
 *   - history older than `floor` is gone: lists and watches from there are 410.
 *
 * Everything here belongs to the loop thread. Loop: libuv.
 */
#ifndef MANTA_APISERVER_STORAGE_H
#define MANTA_APISERVER_STORAGE_H

#include "apiserver/resources.h"

#include "net/loop.h"
#include "net/rcbuf.h"

struct storage;

struct object {
    unsigned refs;
    const struct resource *res; /* the stored resource; not referenced: see storage_drop_resource */
    uint64_t rv;
    char uid[37];
    bool terminating; /* has a deletionTimestamp */
    const char *ns;   /* "" for cluster-scoped */
    const char *name;
    /* "key\0value\0…" in the order of the object, n_labels pairs */
    const char *labels;
    unsigned n_labels;
    /* UIDs of the owners, n_owners of 37 bytes each (NUL-terminated) */
    const char *owners;
    unsigned n_owners;
    const char *fields; /* values of res->fields, NUL-terminated one after the other */
    size_t len;
    char *bytes; /* the JSON text, NUL-terminated; NULL while a cold object sleeps: object_text() */
    struct rcbuf *wire; /* the same bytes as the network shares them, made when first sent */
    struct storage *storage;
};

struct object *object_ref(const struct object *o);
void object_unref(const struct object *o);
DEFINE_CLEANUP(struct object *, object_unref)
#define autoobject cleanup(object_unref_p)

/* Makes one out of a complete object (its resourceVersion is set to rv on the way). */
struct object *object_new(struct storage *s, const struct resource *res, uint64_t rv, yyjson_mut_doc *doc,
                          yyjson_mut_val *root);
struct slice object_text(const struct object *o);         /* fetched from the database if it sleeps */
struct json *object_parse(const struct object *o);        /* one reference for the caller; never NULL */
const char *object_label(const struct object *o, const char *key); /* NULL if absent */
const char *object_field(const struct object *o, const char *path); /* of metadata.* or res->fields; NULL if unknown */

/* ---- opening ---- */
struct storage_options {
    const char *dir;      /* made if absent, mode 0700; one process a directory */
    uv_loop_t *loop;
    /* The resource of a stored row; NULL keeps the row asleep until storage_adopt(). */
    const struct resource *(*resolve)(void *arg, const char *group, const char *plural);
    void *arg;
    unsigned history_events; /* 0: default */
};
int storage_open(const struct storage_options *opts, struct storage **ret, struct err *err);
/* Waits for the writes under way, their done() are called; notes a clean stop. */
void storage_close(struct storage *s);

uint64_t storage_rv(const struct storage *s);    /* of the newest committed write; at least 1 */
uint64_t storage_floor(const struct storage *s); /* history after it is complete */
size_t storage_count(const struct storage *s, const struct resource *res);

/* ---- reading what is committed ---- */
/* A reference for the caller, or NULL. res may be any version. */
struct object *storage_get(struct storage *s, const struct resource *res, const char *ns, const char *name);

/*
 * A walk in key order (namespace, then name) over what was current at resourceVersion `at`
 * (0: now). ns NULL or "": all. `after` is the key to go on behind ("ns/name"), or NULL.
 * Writes during a walk with at = 0 are not allowed (they cannot happen within one turn).
 * visit gets a borrowed object; false ends the walk. ERR_EXPIRED when `at` is below the floor.
 */
struct storage_scan {
    const struct resource *res;
    const char *ns;
    const char *after;
    uint64_t at;
};
int storage_each(struct storage *s, const struct storage_scan *scan,
                 bool (*visit)(void *arg, const struct object *o), void *arg, struct err *err);

/* ---- writing ---- */
/* What a write would meet: with what is settled but not yet committed. *ret_pending tells which. */
struct object *storage_newest(struct storage *s, const struct resource *res, const char *ns,
                              const char *name, bool *ret_pending);
uint64_t storage_next_rv(struct storage *s); /* the next version; each is used by at most one write */

enum event_type { EVENT_ADDED, EVENT_MODIFIED, EVENT_DELETED };

struct write {
    enum event_type type;
    struct object *object; /* new state, or the last state of what is deleted, with the write's rv; referenced by the call */
    const char *manager;   /* field manager, copied */
    const char *subresource;
    int64_t time; /* ns since 1970 */
    void (*done)(void *arg, int error); /* 0, or negative: nothing happened; may be NULL */
    void *arg;
};
void storage_write(struct storage *s, const struct write *w);
/* Calls done when all that is settled now is committed (at once, later in this turn, if nothing is). */
void storage_after_commit(struct storage *s, void (*done)(void *arg, int error), void *arg);

/* ---- following ---- */
struct event {
    enum event_type type;
    uint64_t rv;
    struct object *object; /* as in struct write */
    struct object *prev;   /* what it replaced; NULL for ADDED */
    int64_t time;
};
typedef void storage_follower(void *arg, const struct event *e);
/* Called for every committed write in order, before its done(). Followers are few: fan out yourself. */
void storage_follow(struct storage *s, storage_follower *f, void *arg);
void storage_unfollow(struct storage *s, storage_follower *f, void *arg);
/* The history after rv of one resource (any version), oldest first. ERR_EXPIRED below the floor. */
int storage_history(struct storage *s, const struct resource *res, uint64_t after,
                    bool (*visit)(void *arg, const struct event *e), void *arg, struct err *err);

/* ---- kinds that come and go ---- */
/* Rows that resolve() did not know become objects of res. */
void storage_adopt(struct storage *s, const struct resource *res);
/* A CRD changed: objects point to the new row from here on. */
void storage_replace_resource(struct storage *s, const struct resource *old, const struct resource *res);
/* A CRD goes: its objects (deleted before) and history must not point to it any more. */
void storage_drop_resource(struct storage *s, const struct resource *res);

#endif
