/*
 * What the files of the storage share: object.c (objects), keyindex.c (sorted sets), history.c (the
 * window of events), storage.c, storage_open.c, storage_read.c (memory), database.c (SQLite),
 * writer.c (the thread).
 */
#ifndef MANTA_APISERVER_STORAGE_IMPL_H
#define MANTA_APISERVER_STORAGE_IMPL_H

#include "apiserver/storage.h"

#include <sqlite3.h>

/* ---- keyindex.c: objects sorted by key, in chunks so that an insert moves little ---- */
#define CHUNK_MAX 256
struct chunk {
    unsigned n;
    struct object *v[CHUNK_MAX];
};
struct keyindex {
    VEC(struct chunk *) chunks; /* none is empty */
    size_t n;
};
struct keyindex_pos {
    size_t chunk;
    unsigned at;
};
void keyindex_done(struct keyindex *ix); /* drops a reference of each */
struct object *keyindex_find(const struct keyindex *ix, const char *key);
/* Takes a reference of o; gives the object that it replaced (its reference is the caller's), or
 * NULL. */
struct object *keyindex_put(struct keyindex *ix, struct object *o);
struct object *keyindex_remove(struct keyindex *ix, const char *key);
/* The first object whose key is >= key (> key if behind); key NULL: the first. */
struct keyindex_pos keyindex_seek(const struct keyindex *ix, const char *key, bool behind);
struct object *keyindex_next(const struct keyindex *ix,
                             struct keyindex_pos *pos); /* NULL at the end */

/* ---- history.c: the last events, in a ring ---- */
struct history {
    struct event *ring;
    size_t cap, first, n;
    size_t awake;       /* events of the newest end whose dead objects are in memory */
    size_t awake_bytes; /* of those */
    size_t max_events;
    uint64_t floor; /* resourceVersion of the last event that was dropped */
};
#define HISTORY_AWAKE_BYTES (4u << 20)
#define HISTORY_AGE_NS (600 * SECOND_NS) /* older ones go, but for the last HISTORY_KEEP */
#define HISTORY_KEEP 1000

void history_init(struct history *h, size_t max_events, uint64_t floor);
void history_done(struct history *h);
/* References are taken. Dropped events' rows that nobody needs any more are added to trim. */
void history_push(struct history *h, const struct event *e, bool awake);
typedef VEC(uint64_t) rv_list;
void history_trim(struct history *h, int64_t now, rv_list *trim);
/* The i-th event, oldest first; the index of the first with a resourceVersion above rv. */
struct event *history_at(const struct history *h, size_t i);
size_t history_after(const struct history *h, uint64_t rv);

/* ---- object.c ---- */
/* text is taken over. ERR_BAD_REQUEST when it is no object with a name. */
int object_from_text(struct stored_kind *kind, uint64_t rv, struct rcbuf *text, struct object **ret,
                     struct err *err);
void object_sleep(struct object *o);        /* lets the text go; it must be committed */
void object_index_fields(struct object *o); /* anew, after kind->res changed */

/* ---- database.c ---- */
struct db {
    char *path;
    sqlite3 *writer; /* the writer thread's, once it runs */
    sqlite3 *reader; /* the loop's */
    sqlite3_stmt *insert, *trim, *set_meta, *fetch;
    int lock_fd;
    int wal_pages; /* written by the writer's hook */
};
struct db_row {
    uint64_t rv;
    int type;
    const char *group, *plural, *ns, *name, *manager, *subresource;
    int64_t time;
    struct slice object;
};
struct db_batch { /* owned by whoever runs it; strings live elsewhere */
    struct db_row *rows;
    size_t n;
    rv_list trim;
    uint64_t floor, rv;
};
int db_open(struct db *db, const char *dir, struct err *err);
void db_close(struct db *db, bool clean);
int db_load(struct db *db, int (*row)(void *arg, const struct db_row *row, struct err *err),
            void *arg, struct err *err);
int64_t db_meta(struct db *db, const char *key, int64_t def);
int db_run_batch(struct db *db, const struct db_batch *batch, struct err *err); /* writer thread */
/* A row's object by resourceVersion, from the loop's connection; NULL if it is gone. */
struct rcbuf *db_fetch(struct db *db, uint64_t rv);
/* Moves the log into the database from a connection of its own: any thread. */
void db_checkpoint(const char *path);

/* ---- writer.c: one thread, one batch at a time ---- */
struct writer;
struct writer *writer_new(uv_loop_t *loop, struct db *db,
                          void (*done)(void *arg, int error, const char *message), void *arg);
bool writer_busy(const struct writer *w);
void writer_submit(struct writer *w, const struct db_batch *batch); /* borrowed until done */
void writer_wait(struct writer *w); /* blocks until idle; done is called within */
void writer_free(struct writer *w); /* idle; its handles close in the next turns of the loop */

/* ---- storage.c, storage_open.c, storage_read.c ---- */
struct stored_kind {
    struct storage *storage;
    char *group, *plural;
    const struct resource *res;
    struct keyindex objects;
    struct map pending; /* key → struct pending */
};

struct op {
    struct object *object; /* NULL: a barrier */
    enum event_type type;
    char *manager, *subresource;
    int64_t time;
    void (*done)(void *arg, int error);
    void *arg;
};

typedef VEC(struct op) op_list;

struct pending { /* the newest settled state of a key; object is NULL once deleted */
    struct object *object;
    uint64_t rv;
};

struct follower {
    storage_follower *f;
    void *arg;
};

struct storage {
    struct db db;
    struct storage_options opts;
    struct map kinds; /* "group/plural" → struct stored_kind */
    struct history history;
    uint64_t rv, next_rv; /* committed; given out */
    op_list queue, running;
    struct db_batch batch;
    rv_list trim; /* for a coming batch */
    struct writer *writer;
    uv_prepare_t flush;
    VEC(struct follower) followers;
    bool checkpointing, closing;
};

/* storage_open.c */
struct stored_kind *storage_kind(struct storage *s,
                                 const struct resource *res); /* made when asked for */
/* storage.c */
void storage_pending_clear(struct stored_kind *k);
/* Moves the committed state on by one event; gives it with prev set (a reference of the caller). */
struct event storage_apply(struct storage *s, enum event_type type, struct object *o, int64_t time);
void storage_remember(struct storage *s, const struct event *e, bool awake);
void storage_on_batch(void *arg, int error, const char *message); /* the writer's done */
bool storage_is_cold(const struct stored_kind *k);                /* its texts sleep */
void storage_submit(struct storage *s); /* the queue becomes the running batch */
struct rcbuf *storage_fetch(struct storage *s, uint64_t rv);

#endif
