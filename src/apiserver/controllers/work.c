#include "apiserver/controllers/work.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

struct item {
    int64_t due; /* clock_mono_ns; 0: not queued */
    unsigned failures;
    bool running;
};

struct work {
    uv_timer_t timer;
    void (*run)(void *self, const char *key);
    void *self;
    struct map items;
    int64_t armed; /* when the timer fires; 0: not set */
    bool inside;   /* of on_timer */
    bool closed;
};

#define MS INT64_C(1000000)

static void arm(struct work *w);

static struct item *item_of(struct work *w, const char *key)
{
    struct item *i = map_get(&w->items, key);

    if (!i) {
        i = xnew(struct item);
        map_put(&w->items, key, i);
    }
    return i;
}

/* The next key that is due; its name is the caller's. NULL when there is none. */
static char *next_due(struct work *w, int64_t now)
{
    struct map_item *best = NULL;

    for (struct map_item *m = map_next(&w->items, NULL); m; m = map_next(&w->items, m)) {
        struct item *i = m->value;
        if (!i->due || i->due > now || i->running)
            continue;
        if (!best || i->due < ((struct item *)best->value)->due)
            best = m;
    }
    return best ? xstrdup(best->key) : NULL;
}

static void on_timer(uv_timer_t *timer)
{
    struct work *w = timer->data;
    char *key;

    w->armed = 0;
    w->inside = true;
    for (unsigned n = 0; n < 64 && !w->closed && (key = next_due(w, clock_mono_ns())); n++) {
        struct item *i = map_get(&w->items, key);
        i->due = 0;
        i->running = true;
        w->run(w->self, key);
        free(key);
    }
    w->inside = false;
    arm(w);
}

static void arm(struct work *w)
{
    int64_t first = 0, now = clock_mono_ns();

    if (w->inside || w->closed)
        return;
    for (struct map_item *m = map_next(&w->items, NULL); m; m = map_next(&w->items, m)) {
        struct item *i = m->value;
        if (i->due && !i->running && (!first || i->due < first))
            first = i->due;
    }
    if (!first || (w->armed && w->armed <= first))
        return;
    w->armed = first;
    uv_update_time(w->timer.loop);
    uv_timer_start(&w->timer, on_timer, first <= now ? 0 : (uint64_t)((first - now + MS - 1) / MS),
                   0);
}

void work_add_after(struct work *w, const char *key, int64_t ns)
{
    struct item *i = item_of(w, key);
    int64_t due = clock_mono_ns() + MAX(ns, 0);

    if (!i->due || due < i->due)
        i->due = due;
    arm(w);
}

void work_add(struct work *w, const char *key)
{
    work_add_after(w, key, 0);
}

void work_done(struct work *w, const char *key, enum work_result result)
{
    struct item *i = map_get(&w->items, key);

    if (!i || w->closed)
        return;
    i->running = false;
    if (result == WORK_RETRY) {
        int64_t wait = 5 * MS << MIN(i->failures, 18);
        i->failures++;
        work_add_after(w, key, MIN(wait, 1000000 * MS));
        return;
    }
    i->failures = 0;
    if (i->due) {
        arm(w);
        return;
    }
    char *name = xstrdup(key); /* key may be the map's own */
    free(map_remove(&w->items, name));
    free(name);
}

struct work *work_new(uv_loop_t *loop, void (*run)(void *self, const char *key), void *self)
{
    struct work *w = xnew(struct work);

    w->run = run;
    w->self = self;
    uv_timer_init(loop, &w->timer);
    w->timer.data = w;
    uv_unref((uv_handle_t *)&w->timer);
    return w;
}

static void on_closed(uv_handle_t *handle)
{
    struct work *w = handle->data;

    for (struct map_item *m = map_next(&w->items, NULL); m; m = map_next(&w->items, m))
        free(m->value);
    map_done(&w->items);
    free(w);
}

void work_free(struct work *w)
{
    if (!w)
        return;
    w->closed = true;
    uv_close((uv_handle_t *)&w->timer, on_closed);
}
