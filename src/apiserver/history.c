#include "apiserver/storage_impl.h"
#include "base/timefmt.h"

void history_init(struct history *h, size_t max_events, uint64_t floor)
{
    *h = (struct history){.max_events = max_events, .floor = floor};
}

struct event *history_at(const struct history *h, size_t i)
{
    return &h->ring[(h->first + i) % h->cap];
}

static void release(struct event *e)
{
    object_unref(e->object);
    object_unref(e->prev);
}

void history_done(struct history *h)
{
    for (size_t i = 0; i < h->n; i++)
        release(history_at(h, i));
    free(h->ring);
    *h = (struct history){0};
}

static void grow(struct history *h)
{
    size_t cap = h->cap ? h->cap * 2 : 64;
    struct event *ring = xcalloc(cap, sizeof *ring);

    for (size_t i = 0; i < h->n; i++)
        ring[i] = *history_at(h, i);
    free(h->ring);
    h->ring = ring;
    h->cap = cap;
    h->first = 0;
}

/* What of an event is no longer current: its predecessor, and a deleted object's last state. */
static size_t dead_bytes(const struct event *e)
{
    return (e->prev ? e->prev->len : 0) + (e->type == EVENT_DELETED ? e->object->len : 0);
}

static void fall_asleep(struct event *e)
{
    if (e->prev)
        object_sleep(e->prev);
    if (e->type == EVENT_DELETED)
        object_sleep(e->object);
}

void history_push(struct history *h, const struct event *e, bool awake)
{
    if (h->n == h->cap)
        grow(h);
    struct event *slot = &h->ring[(h->first + h->n++) % h->cap];
    *slot = *e;
    object_ref(e->object);
    object_ref(e->prev);
    h->awake++;
    h->awake_bytes += dead_bytes(slot);
    while (h->awake && (!awake || h->awake_bytes > HISTORY_AWAKE_BYTES)) {
        struct event *old = history_at(h, h->n - h->awake--);

        h->awake_bytes -= dead_bytes(old);
        fall_asleep(old);
    }
}

static void drop_oldest(struct history *h, rv_list *trim)
{
    struct event *e = history_at(h, 0);

    if (h->awake == h->n) {
        h->awake--;
        h->awake_bytes -= dead_bytes(e);
    }
    if (e->prev)
        vec_push(trim, e->prev->rv);
    if (e->type == EVENT_DELETED)
        vec_push(trim, e->rv);
    h->floor = e->rv;
    release(e);
    h->first = (h->first + 1) % h->cap;
    h->n--;
}

void history_trim(struct history *h, int64_t now, rv_list *trim)
{
    while (h->n > h->max_events ||
           (h->n > HISTORY_KEEP && history_at(h, 0)->time < now - HISTORY_AGE_NS))
        drop_oldest(h, trim);
}

size_t history_after(const struct history *h, uint64_t rv)
{
    size_t lo = 0, hi = h->n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (history_at(h, mid)->rv <= rv)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}
