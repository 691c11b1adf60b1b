/*
 * The memory side of the storage: indexes, the queue of writes, what is settled but not committed.
 *
 * Life of a write: storage_write() puts it into `queue` and into `pending`; a prepare handle hands
 * the queue to the writer as `running` once it is idle; when that is committed, each op goes into the
 * index and the history, followers hear of it, and done() is called.
 */
#include "apiserver/storage_impl.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>

/* The version of an empty database. Below it is no history: 0 and 1 mean something else to clients. */
#define FIRST_RV 2

#define TRIM_BATCH 500       /* superseded rows that are worth a write of their own */
#define CHECKPOINT_PAGES 1000 /* of 4 KiB in the log */

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
    struct map pending;   /* "group/plural/key" → struct pending */
    op_list queue, running;
    struct db_batch batch;
    rv_list trim; /* for a coming batch */
    struct writer *writer;
    uv_prepare_t flush;
    VEC(struct follower) followers;
    bool checkpointing, closing;
};

/* ---- kinds ---- */

static struct stored_kind *kind_named(struct storage *s, const char *group, const char *plural)
{
    char key[512];

    snprintf(key, sizeof key, "%s/%s", group, plural);
    struct stored_kind *k = map_get(&s->kinds, key);
    if (!k) {
        k = xnew(struct stored_kind);
        k->storage = s;
        k->group = xstrdup(group);
        k->plural = xstrdup(plural);
        map_put(&s->kinds, key, k);
    }
    return k;
}

static struct stored_kind *kind_of(struct storage *s, const struct resource *res)
{
    struct resource *stored = (struct resource *)res->stored;

    if (stored->store && stored->store->storage == s)
        return stored->store;
    struct stored_kind *k = kind_named(s, stored->group, stored->plural);
    if (!k->res) {
        k->res = stored;
        stored->store = k;
    }
    return k;
}

static void reindex(struct stored_kind *k)
{
    struct keyindex_pos pos = {0, 0};

    for (struct object *o; (o = keyindex_next(&k->objects, &pos));)
        object_index_fields(o);
}

void storage_adopt(struct storage *s, const struct resource *res)
{
    struct resource *stored = (struct resource *)res->stored;
    struct stored_kind *k = kind_named(s, stored->group, stored->plural);

    if (k->res)
        ((struct resource *)k->res)->store = NULL;
    k->res = stored;
    stored->store = k;
    reindex(k);
}

void storage_drop_resource(struct storage *s, const struct resource *res)
{
    struct resource *stored = (struct resource *)res->stored;
    struct stored_kind *k = kind_named(s, stored->group, stored->plural);

    if (k->res == stored)
        k->res = NULL;
    stored->store = NULL;
}

/* The resources live on without us, and may be gone before our handles are closed. */
static void let_go(struct storage *s)
{
    for (struct map_item *i = map_next(&s->kinds, NULL); i; i = map_next(&s->kinds, i)) {
        struct stored_kind *k = i->value;
        if (k->res)
            ((struct resource *)k->res)->store = NULL;
        k->res = NULL;
    }
}

static void kind_free(struct stored_kind *k)
{
    keyindex_done(&k->objects);
    free(k->group);
    free(k->plural);
    free(k);
}

/* ---- making one event visible ---- */

static bool is_cold(const struct stored_kind *k)
{
    return k->res && k->res->cold;
}

/* Moves the committed state on by one event; gives it with prev set (a reference of the caller). */
static struct event apply(struct storage *s, enum event_type type, struct object *o, int64_t time)
{
    struct stored_kind *k = o->kind;
    struct event e = {.type = type, .rv = o->rv, .object = o, .time = time};

    if (type == EVENT_DELETED)
        e.prev = keyindex_remove(&k->objects, o->key);
    else
        e.prev = keyindex_put(&k->objects, o);
    if (o->rv > s->rv)
        s->rv = o->rv;
    return e;
}

static void remember(struct storage *s, const struct event *e, bool awake)
{
    history_push(&s->history, e, awake);
    if (is_cold(e->object->kind)) {
        object_sleep(e->object);
        if (e->prev)
            object_sleep(e->prev);
    }
}

/* ---- the pending state ---- */

static void pending_key(char *out, size_t n, const struct stored_kind *k, const char *key)
{
    snprintf(out, n, "%s/%s/%s", k->group, k->plural, key);
}

static void pending_put(struct storage *s, struct object *o, bool deleted)
{
    char key[1024];

    pending_key(key, sizeof key, o->kind, o->key);
    struct pending *p = map_get(&s->pending, key);
    if (!p) {
        p = xnew(struct pending);
        map_put(&s->pending, key, p);
    }
    object_unref(p->object);
    p->object = deleted ? NULL : object_ref(o);
    p->rv = o->rv;
}

static void pending_committed(struct storage *s, const struct object *o)
{
    char key[1024];

    pending_key(key, sizeof key, o->kind, o->key);
    struct pending *p = map_get(&s->pending, key);
    if (!p || p->rv != o->rv)
        return;
    map_remove(&s->pending, key);
    object_unref(p->object);
    free(p);
}

static void pending_clear(struct storage *s)
{
    for (struct map_item *i = map_next(&s->pending, NULL); i; i = map_next(&s->pending, i)) {
        struct pending *p = i->value;

        object_unref(p->object);
        free(p);
    }
    map_done(&s->pending);
    s->pending = (struct map){0};
}

/* ---- batches ---- */

static void op_done(struct op *op, int error)
{
    if (op->done)
        op->done(op->arg, error);
    object_unref(op->object);
    free(op->manager);
    free(op->subresource);
}

static void tell_followers(struct storage *s, const struct event *e)
{
    for (size_t i = 0; i < s->followers.n; i++)
        s->followers.v[i].f(s->followers.v[i].arg, e);
}

static void commit_op(struct storage *s, struct op *op)
{
    if (op->object) {
        struct event e = apply(s, op->type, op->object, op->time);

        pending_committed(s, op->object);
        tell_followers(s, &e);
        remember(s, &e, true);
        object_unref(e.prev);
    }
    op_done(op, 0);
}

static void free_batch(struct storage *s)
{
    free(s->batch.rows);
    vec_done(&s->batch.trim);
    s->batch = (struct db_batch){0};
}

/* The batch failed, and with it all that was settled on top of it. */
static void fail_all(struct storage *s, op_list *running)
{
    op_list queued = s->queue;

    s->queue = (op_list){0};
    pending_clear(s);
    for (size_t i = 0; i < running->n; i++)
        op_done(&running->v[i], ERR_INTERNAL);
    for (size_t i = 0; i < queued.n; i++)
        op_done(&queued.v[i], ERR_INTERNAL);
    vec_done(&queued);
}

static void checkpoint_work(uv_work_t *work)
{
    db_checkpoint(((struct storage *)work->data)->db.path);
}

static void checkpoint_done(uv_work_t *work, unused int status)
{
    ((struct storage *)work->data)->checkpointing = false;
    free(work);
}

static void maybe_checkpoint(struct storage *s)
{
    if (s->checkpointing || s->closing ||
        __atomic_load_n(&s->db.wal_pages, __ATOMIC_RELAXED) < CHECKPOINT_PAGES)
        return;
    uv_work_t *work = xnew(uv_work_t);
    work->data = s;
    s->checkpointing = true;
    uv_queue_work(s->opts.loop, work, checkpoint_work, checkpoint_done);
}

static void update_flush(struct storage *s);

static void on_batch(void *arg, int error, const char *message)
{
    struct storage *s = arg;
    op_list running = s->running;

    s->running = (op_list){0};
    if (error < 0) {
        log_error("a batch of writes failed", "error", message, NULL);
        for (size_t i = 0; i < s->batch.trim.n; i++)
            vec_push(&s->trim, s->batch.trim.v[i]);
        fail_all(s, &running);
    } else {
        for (size_t i = 0; i < running.n; i++)
            commit_op(s, &running.v[i]);
        history_trim(&s->history, clock_wall_ns(), &s->trim);
    }
    free_batch(s);
    vec_done(&running);
    maybe_checkpoint(s);
    update_flush(s);
}

static void fill_row(struct db_row *row, const struct op *op)
{
    const struct object *o = op->object;

    *row = (struct db_row){
        .rv = o->rv,
        .type = op->type,
        .group = o->kind->group,
        .plural = o->kind->plural,
        .ns = o->ns,
        .name = o->name,
        .manager = op->manager,
        .subresource = op->subresource,
        .time = op->time,
        .object = {o->text->data, o->text->len},
    };
}

static void submit(struct storage *s)
{
    struct db_batch *b = &s->batch;

    s->running = s->queue;
    s->queue = (op_list){0};
    *b = (struct db_batch){.rows = xcalloc(s->running.n + 1, sizeof *b->rows)};
    for (size_t i = 0; i < s->running.n; i++)
        if (s->running.v[i].object)
            fill_row(&b->rows[b->n++], &s->running.v[i]);
    if (s->trim.n >= TRIM_BATCH) {
        b->trim.v = s->trim.v;
        b->trim.n = s->trim.n;
        b->trim.cap = s->trim.cap;
        memset(&s->trim, 0, sizeof s->trim);
        b->floor = s->history.floor;
        b->rv = s->rv;
    }
    writer_submit(s->writer, b);
}

static void on_prepare(uv_prepare_t *h)
{
    struct storage *s = h->data;

    if (s->queue.n && !writer_busy(s->writer))
        submit(s);
    update_flush(s);
}

static void update_flush(struct storage *s)
{
    if (s->closing)
        return;
    if (s->queue.n && !writer_busy(s->writer))
        uv_prepare_start(&s->flush, on_prepare);
    else
        uv_prepare_stop(&s->flush);
}

static void enqueue(struct storage *s, const struct op *op)
{
    vec_push(&s->queue, *op);
    update_flush(s);
}

void storage_write(struct storage *s, const struct write *w)
{
    struct op op = {
        .object = object_ref(w->object),
        .type = w->type,
        .manager = xstrdup(w->manager ? w->manager : ""),
        .subresource = xstrdup(w->subresource ? w->subresource : ""),
        .time = w->time,
        .done = w->done,
        .arg = w->arg,
    };

    pending_put(s, w->object, w->type == EVENT_DELETED);
    enqueue(s, &op);
}

void storage_after_commit(struct storage *s, void (*done)(void *arg, int error), void *arg)
{
    enqueue(s, &(struct op){.done = done, .arg = arg});
}

uint64_t storage_next_rv(struct storage *s)
{
    return ++s->next_rv;
}

/* ---- objects ---- */

struct object *object_new(struct storage *s, const struct resource *res, uint64_t rv, yyjson_mut_doc *doc,
                          yyjson_mut_val *root)
{
    struct buf text cleanup(buf_done) = BUF_INIT;
    struct object *o = NULL;
    char version[24];

    snprintf(version, sizeof version, "%llu", (unsigned long long)rv);
    json_put_str(doc, json_ensure(doc, root, "metadata"), "resourceVersion", version);
    json_mut_write(&text, root);
    buf_addc(&text, '\n');
    struct rcbuf *shared = rcbuf_new(buf_slice(&text));
    if (object_from_text(kind_of(s, res), rv, shared, &o, NULL) < 0)
        rcbuf_unref(shared);
    return o;
}

struct rcbuf *storage_fetch(struct storage *s, uint64_t rv)
{
    return db_fetch(&s->db, rv);
}

/* ---- opening and closing ---- */

struct loading {
    struct storage *s;
    uint64_t floor;
};

static int load_row(void *arg, const struct db_row *row, struct err *err)
{
    struct loading *l = arg;
    struct stored_kind *k = kind_named(l->s, row->group, row->plural);
    struct object *o = NULL;

    if (!k->res && l->s->opts.resolve) {
        k->res = l->s->opts.resolve(l->s->opts.arg, row->group, row->plural);
        if (k->res)
            ((struct resource *)k->res)->store = k;
    }
    struct rcbuf *text = rcbuf_new(row->object);
    int r = object_from_text(k, row->rv, text, &o, err);
    if (r < 0) {
        rcbuf_unref(text);
        return err_wrap(err, "row %llu of the log", (unsigned long long)row->rv);
    }
    struct event e = apply(l->s, (enum event_type)row->type, o, row->time);
    if (row->rv > l->floor)
        remember(l->s, &e, false);
    else if (is_cold(k))
        object_sleep(o);
    object_unref(e.prev);
    object_unref(o);
    return 0;
}

static int load(struct storage *s, struct err *err)
{
    struct loading l = {s, (uint64_t)db_meta(&s->db, "floor", FIRST_RV)};

    s->rv = MAX((uint64_t)db_meta(&s->db, "rv", FIRST_RV), FIRST_RV);
    history_init(&s->history, s->opts.history_events ? s->opts.history_events : 20000, l.floor);
    int r = db_load(&s->db, load_row, &l, err);
    history_trim(&s->history, clock_wall_ns(), &s->trim);
    s->next_rv = s->rv;
    return r;
}

int storage_open(const struct storage_options *opts, struct storage **ret, struct err *err)
{
    struct storage *s = xnew(struct storage);
    int r;

    s->opts = *opts;
    r = db_open(&s->db, opts->dir, err);
    if (r == 0)
        r = load(s, err);
    if (r < 0) {
        storage_close(s);
        return r;
    }
    s->writer = writer_new(opts->loop, &s->db, on_batch, s);
    uv_prepare_init(opts->loop, &s->flush);
    s->flush.data = s;
    *ret = s;
    return 0;
}

static void storage_free(struct storage *s)
{
    history_done(&s->history);
    pending_clear(s);
    for (struct map_item *i = map_next(&s->kinds, NULL); i; i = map_next(&s->kinds, i))
        kind_free(i->value);
    map_done(&s->kinds);
    vec_done(&s->queue);
    vec_done(&s->trim);
    vec_done(&s->followers);
    free(s);
}

static void on_flush_closed(uv_handle_t *h)
{
    storage_free(h->data);
}

void storage_close(struct storage *s)
{
    if (!s)
        return;
    if (!s->writer) { /* it never opened */
        let_go(s);
        if (s->db.path)
            db_close(&s->db, false);
        storage_free(s);
        return;
    }
    do {
        writer_wait(s->writer);
        if (s->queue.n)
            submit(s);
    } while (writer_busy(s->writer));
    while (s->checkpointing)
        uv_run(s->opts.loop, UV_RUN_ONCE);
    let_go(s);
    s->closing = true;
    writer_free(s->writer);
    db_close(&s->db, true);
    uv_prepare_stop(&s->flush);
    uv_close((uv_handle_t *)&s->flush, on_flush_closed);
}

uint64_t storage_rv(const struct storage *s)
{
    return s->rv;
}

uint64_t storage_floor(const struct storage *s)
{
    return s->history.floor;
}

size_t storage_count(const struct storage *s, const struct resource *res)
{
    return kind_of((struct storage *)s, res)->objects.n;
}

/* ---- following ---- */

void storage_follow(struct storage *s, storage_follower *f, void *arg)
{
    vec_push(&s->followers, (struct follower){f, arg});
}

void storage_unfollow(struct storage *s, storage_follower *f, void *arg)
{
    for (size_t i = 0; i < s->followers.n; i++) {
        if (s->followers.v[i].f == f && s->followers.v[i].arg == arg) {
            vec_remove(&s->followers, i);
            return;
        }
    }
}

static int expired(const struct storage *s, uint64_t rv, struct err *err)
{
    return err_set(err, ERR_EXPIRED, "too old resource version: %llu (%llu)", (unsigned long long)rv,
                   (unsigned long long)s->history.floor);
}

int storage_history(struct storage *s, const struct resource *res, uint64_t after,
                    bool (*visit)(void *arg, const struct event *e), void *arg, struct err *err)
{
    const struct stored_kind *k = kind_of(s, res);

    if (after < s->history.floor)
        return expired(s, after, err);
    for (size_t i = history_after(&s->history, after); i < s->history.n; i++) {
        const struct event *e = history_at(&s->history, i);

        if (e->object->kind == k && !visit(arg, e))
            break;
    }
    return 0;
}

/* ---- reading ---- */

struct object *storage_get(struct storage *s, const struct resource *res, const char *ns, const char *name)
{
    char key[1024];

    snprintf(key, sizeof key, "%s%s%s", ns ? ns : "", ns && *ns ? "/" : "", name);
    return object_ref(keyindex_find(&kind_of(s, res)->objects, key));
}

struct object *storage_newest(struct storage *s, const struct resource *res, const char *ns,
                              const char *name, bool *ret_pending)
{
    struct stored_kind *k = kind_of(s, res);
    char key[1024], full[1536];

    snprintf(key, sizeof key, "%s%s%s", ns ? ns : "", ns && *ns ? "/" : "", name);
    pending_key(full, sizeof full, k, key);
    const struct pending *p = map_get(&s->pending, full);
    *ret_pending = p != NULL;
    return object_ref(p ? p->object : keyindex_find(&k->objects, key));
}

static bool in_namespace(const struct object *o, const char *ns)
{
    return !ns || !*ns || strcmp(o->ns, ns) == 0;
}

/* What differed at an old version: the state then of each key that was written since. */
struct undo {
    const char *key;
    struct object *then; /* NULL: it did not exist */
};
typedef VEC(struct undo) undo_list;

static int undo_order(const void *a, const void *b)
{
    return strcmp(((const struct undo *)a)->key, ((const struct undo *)b)->key);
}

static void collect_undo(struct storage *s, const struct stored_kind *k, uint64_t at, undo_list *ret)
{
    struct map seen = {0};

    for (size_t i = history_after(&s->history, at); i < s->history.n; i++) {
        struct event *e = history_at(&s->history, i);

        if (e->object->kind != k || map_has(&seen, e->object->key))
            continue;
        map_put(&seen, e->object->key, e);
        vec_push(ret, (struct undo){e->object->key, e->prev});
    }
    map_done(&seen);
    if (ret->n)
        qsort(ret->v, ret->n, sizeof *ret->v, undo_order);
}

/* Merges two sorted runs: the present and what was different. */
static void walk(const struct keyindex *ix, const undo_list *undo, const struct storage_scan *scan,
                 struct keyindex_pos pos, bool (*visit)(void *arg, const struct object *o), void *arg)
{
    struct object *now = keyindex_next(ix, &pos);
    size_t u = 0;

    while (u < undo->n && scan->after && strcmp(undo->v[u].key, scan->after) <= 0)
        u++;
    while (now || u < undo->n) {
        int order = !now ? 1 : u == undo->n ? -1 : strcmp(now->key, undo->v[u].key);
        struct object *o = order < 0 ? now : undo->v[u].then;

        if (order >= 0)
            u++;
        if (order <= 0)
            now = keyindex_next(ix, &pos);
        if (o && in_namespace(o, scan->ns) && !visit(arg, o))
            return;
    }
}

/* All of one namespace stands together: from "ns/" to the first key of another. */
static void walk_namespace(const struct keyindex *ix, const struct storage_scan *scan,
                           bool (*visit)(void *arg, const struct object *o), void *arg)
{
    char first[300];
    struct keyindex_pos pos;

    snprintf(first, sizeof first, "%s/", scan->ns);
    pos = keyindex_seek(ix, scan->after ? scan->after : first, scan->after != NULL);
    for (struct object *o; (o = keyindex_next(ix, &pos));)
        if (!in_namespace(o, scan->ns) || !visit(arg, o))
            return;
}

int storage_each(struct storage *s, const struct storage_scan *scan,
                 bool (*visit)(void *arg, const struct object *o), void *arg, struct err *err)
{
    struct stored_kind *k = kind_of(s, scan->res);
    undo_list undo = {0};

    if (scan->at && scan->at < s->history.floor)
        return expired(s, scan->at, err);
    if (scan->at && scan->at < s->rv)
        collect_undo(s, k, scan->at, &undo);
    if (!undo.n && scan->ns && *scan->ns)
        walk_namespace(&k->objects, scan, visit, arg);
    else
        walk(&k->objects, &undo, scan, keyindex_seek(&k->objects, scan->after, true), visit, arg);
    vec_done(&undo);
    return 0;
}
