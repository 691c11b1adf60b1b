/*
 * The objects: in memory what is current and a window of history, in SQLite the log of writes.
 *
 * An object at rest is immutable: its JSON bytes and a small header, shared by reference count.
 * Rules that hold everywhere:
 *   - one global resourceVersion, one higher with each write, that never goes back, not over a
 * crash;
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

/* All objects of one group and plural. res is NULL while nobody knows the kind (a removed CRD). */
struct stored_kind;

struct object {
    unsigned refs;
    bool terminating; /* has a deletionTimestamp */
    uint64_t rv;
    struct stored_kind *kind;
    char uid[37];
    const char *key; /* "namespace/name", or the name alone: lists are sorted by it */
    const char *ns;  /* "" for cluster-scoped */
    const char *name;
    const char *labels; /* "key\0value\0…", n_labels pairs */
    const char *owners; /* UIDs of the owners, n_owners of 37 bytes each, NUL-terminated */
    unsigned n_labels, n_owners;
    char *fields;       /* values of res->fields, NUL-terminated one after the other */
    size_t len;         /* of the text */
    struct rcbuf *text; /* compact JSON and a newline; NULL while it sleeps in the database */
};

struct object *object_ref(const struct object *o);
void object_unref(const struct object *o);
DEFINE_CLEANUP(struct object *, object_unref)
#define autoobject cleanup(object_unref_p)

/* Makes one out of a complete object (its resourceVersion is set to rv on the way). */
struct object *object_new(struct storage *s, const struct resource *res, uint64_t rv,
                          yyjson_mut_doc *doc, yyjson_mut_val *root);
const struct resource *
object_resource(const struct object *o); /* the stored version; NULL: unknown kind */
/*
 * The text and the parsed object, one reference for the caller. NULL only for a superseded object
 * that fell out of history: who keeps one for long keeps its JSON.
 */
struct rcbuf *object_bytes(const struct object *o);
struct json *object_parse(const struct object *o);
const char *object_label(const struct object *o, const char *key); /* NULL if absent */
/* metadata.name, metadata.namespace or one of res->fields; NULL if it is none of them. */
const char *object_field(const struct object *o, const char *path);

/* ---- opening ---- */
struct storage_options {
    const char *dir; /* made if absent, mode 0700; one process a directory */
    uv_loop_t *loop;
    /* The resource of a stored row; NULL keeps the row asleep until storage_adopt(). */
    const struct resource *(*resolve)(void *arg, const char *group, const char *plural);
    void *arg;
    unsigned history_events; /* how many at most; 0: 20,000 */
};
int storage_open(const struct storage_options *opts, struct storage **ret, struct err *err);
/* Waits for the writes under way, their done() are called; notes a clean stop. */
void storage_close(struct storage *s);

uint64_t storage_rv(const struct storage *s);    /* of the newest committed write; at least 1 */
uint64_t storage_floor(const struct storage *s); /* history after it is complete */
size_t storage_count(const struct storage *s, const struct resource *res);

/* ---- reading what is committed ---- */
/* A reference for the caller, or NULL. res may be any version. */
struct object *storage_get(struct storage *s, const struct resource *res, const char *ns,
                           const char *name);

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
uint64_t
storage_next_rv(struct storage *s); /* the next version; each is used by at most one write */

enum event_type { EVENT_ADDED, EVENT_MODIFIED, EVENT_DELETED };

struct write {
    enum event_type type;
    struct object *object; /* new state, or the last state of what is deleted, with the write's rv;
                              referenced by the call */
    const char *manager;   /* field manager, copied */
    const char *subresource;
    int64_t time;                       /* ns since 1970 */
    void (*done)(void *arg, int error); /* 0, or negative: nothing happened; may be NULL */
    void *arg;
};
void storage_write(struct storage *s, const struct write *w);
/* Calls done when all that is settled now is committed (at once, later in this turn, if nothing
 * is). */
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
/* Called for every committed write in order, before its done(). Followers are few: fan out
 * yourself. */
void storage_follow(struct storage *s, storage_follower *f, void *arg);
void storage_unfollow(struct storage *s, storage_follower *f, void *arg);
/* The history after rv of one resource (any version), oldest first. ERR_EXPIRED below the floor. */
int storage_history(struct storage *s, const struct resource *res, uint64_t after,
                    bool (*visit)(void *arg, const struct event *e), void *arg, struct err *err);

/* ---- kinds that come and go ---- */
/* From here on res is the row of its objects: of those nobody knew, or after a CRD changed. */
void storage_adopt(struct storage *s, const struct resource *res);
/* A CRD goes: its objects (deleted before) and history must not point to it any more. */
void storage_drop_resource(struct storage *s, const struct resource *res);

#endif
