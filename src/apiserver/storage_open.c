/* Kinds, opening (replaying the log) and closing. */
#include "apiserver/storage_impl.h"
#include "base/clock.h"

#include <stdio.h>

/* The version of an empty database. Below it is no history: 0 and 1 mean something else to clients.
 */
#define FIRST_RV 2
#define HISTORY_EVENTS 20000

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

struct stored_kind *storage_kind(struct storage *s, const struct resource *res)
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
    storage_pending_clear(k);
    keyindex_done(&k->objects);
    free(k->group);
    free(k->plural);
    free(k);
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
    struct event e = storage_apply(l->s, (enum event_type)row->type, o, row->time);
    if (row->rv > l->floor)
        storage_remember(l->s, &e, false);
    else if (storage_is_cold(k))
        object_sleep(o);
    object_unref(e.prev);
    object_unref(o);
    return 0;
}

static int load(struct storage *s, struct err *err)
{
    struct loading l = {s, (uint64_t)db_meta(&s->db, "floor", FIRST_RV)};

    s->rv = MAX((uint64_t)db_meta(&s->db, "rv", FIRST_RV), FIRST_RV);
    history_init(&s->history, s->opts.history_events ? s->opts.history_events : HISTORY_EVENTS,
                 l.floor);
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
    s->writer = writer_new(opts->loop, &s->db, storage_on_batch, s);
    uv_prepare_init(opts->loop, &s->flush);
    s->flush.data = s;
    *ret = s;
    return 0;
}

static void storage_free(struct storage *s)
{
    history_done(&s->history);
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
            storage_submit(s);
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
    return storage_kind((struct storage *)s, res)->objects.n;
}
