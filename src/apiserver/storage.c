/*
 * The memory side of the storage: indexes, the queue of writes, what is settled but not committed.
 *
 * Life of a write: storage_write() puts it into `queue` and into `pending`; a prepare handle hands
 * the queue to the writer as `running` once it is idle; when that is committed, each op goes into
 * the index and the history, followers hear of it, and done() is called.
 */
#include "apiserver/storage_impl.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>

#define CHECKPOINT_PAGES 1000 /* of 8 KiB in the log */
#define TRIM_BATCH 500        /* superseded rows that are worth a write of their own */

/* ---- making one event visible ---- */

bool storage_is_cold(const struct stored_kind *k)
{
    return k->res && k->res->cold;
}

/* Moves the committed state on by one event; gives it with prev set (a reference of the caller). */
struct event storage_apply(struct storage *s, enum event_type type, struct object *o, int64_t time)
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

void storage_remember(struct storage *s, const struct event *e, bool awake)
{
    history_push(&s->history, e, awake);
    if (storage_is_cold(e->object->kind)) {
        object_sleep(e->object);
        if (e->prev)
            object_sleep(e->prev);
    }
}

/* ---- the pending state ---- */

static void pending_put(struct object *o, bool deleted)
{
    struct map *pending = &o->kind->pending;
    struct pending *p = map_get(pending, o->key);

    if (!p) {
        p = xnew(struct pending);
        map_put(pending, o->key, p);
    }
    object_unref(p->object);
    p->object = deleted ? NULL : object_ref(o);
    p->rv = o->rv;
}

static void pending_committed(const struct object *o)
{
    struct pending *p = map_get(&o->kind->pending, o->key);

    if (!p || p->rv != o->rv)
        return;
    map_remove(&o->kind->pending, o->key);
    object_unref(p->object);
    free(p);
}

void storage_pending_clear(struct stored_kind *k)
{
    for (struct map_item *i = map_next(&k->pending, NULL); i; i = map_next(&k->pending, i)) {
        struct pending *p = i->value;

        object_unref(p->object);
        free(p);
    }
    map_done(&k->pending);
    k->pending = (struct map){0};
}

static void forget_pending(struct storage *s)
{
    for (struct map_item *i = map_next(&s->kinds, NULL); i; i = map_next(&s->kinds, i))
        storage_pending_clear(i->value);
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
        struct event e = storage_apply(s, op->type, op->object, op->time);

        pending_committed(op->object);
        tell_followers(s, &e);
        storage_remember(s, &e, true);
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
    forget_pending(s);
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

void storage_on_batch(void *arg, int error, const char *message)
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

void storage_submit(struct storage *s)
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
        storage_submit(s);
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

    pending_put(w->object, w->type == EVENT_DELETED);
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

struct object *object_new(struct storage *s, const struct resource *res, uint64_t rv,
                          yyjson_mut_doc *doc, yyjson_mut_val *root)
{
    struct buf text cleanup(buf_done) = BUF_INIT;
    struct object *o = NULL;
    char version[24];

    snprintf(version, sizeof version, "%llu", (unsigned long long)rv);
    json_put_str(doc, json_ensure(doc, root, "metadata"), "resourceVersion", version);
    json_mut_write(&text, root);
    buf_addc(&text, '\n');
    struct rcbuf *shared = rcbuf_new(buf_slice(&text));
    if (object_from_text(storage_kind(s, res), rv, shared, &o, NULL) < 0)
        rcbuf_unref(shared);
    return o;
}

struct rcbuf *storage_fetch(struct storage *s, uint64_t rv)
{
    return db_fetch(&s->db, rv);
}
