#include "kube/queue.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/vec.h"

enum place { IDLE, READY, READY_LOW, DELAYED };

struct item {
    char *key;
    enum place place;
    bool running;
    bool again; /* added while it runs: ready when it ends */
    unsigned failures;
    int64_t due_ns;           /* DELAYED */
    int64_t ready_ns;         /* since when; then, while it runs, for how long it was */
    size_t heap;              /* DELAYED: its index there */
    struct item *prev, *next; /* READY, READY_LOW */
};

struct fifo {
    struct item *first, *last;
    size_t n;
};

struct queue {
    struct queue_opts opts;
    uv_loop_t *loop;
    uv_timer_t *timer; /* heap: it closes after the queue is gone */
    struct map items;
    struct fifo ready, low;
    VEC(struct item *) heap; /* by due_ns */
    size_t running;
    size_t lent; /* of them, keys that wait and do not count */
    uint64_t adds, retries;
    bool paused;
};

int64_t queue_backoff_ns(unsigned failures)
{
    const int64_t base = 5 * INT64_C(1000000), cap = 1000 * INT64_C(1000000000);

    return failures >= 28 ? cap : MIN(base << failures, cap);
}

/* ---- first in, first out ---- */

static void fifo_push(struct fifo *f, struct item *i)
{
    i->prev = f->last;
    i->next = NULL;
    if (f->last)
        f->last->next = i;
    else
        f->first = i;
    f->last = i;
    f->n++;
}

static void fifo_remove(struct fifo *f, struct item *i)
{
    if (i->prev)
        i->prev->next = i->next;
    else
        f->first = i->next;
    if (i->next)
        i->next->prev = i->prev;
    else
        f->last = i->prev;
    f->n--;
}

/* ---- the heap of delayed keys, earliest first ---- */

static void heap_set(struct queue *q, size_t at, struct item *i)
{
    q->heap.v[at] = i;
    i->heap = at;
}

static void heap_up(struct queue *q, size_t at)
{
    struct item *i = q->heap.v[at];

    while (at && q->heap.v[(at - 1) / 2]->due_ns > i->due_ns) {
        heap_set(q, at, q->heap.v[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_set(q, at, i);
}

static void heap_down(struct queue *q, size_t at)
{
    struct item *i = q->heap.v[at];

    for (size_t child; (child = 2 * at + 1) < q->heap.n; at = child) {
        if (child + 1 < q->heap.n && q->heap.v[child + 1]->due_ns < q->heap.v[child]->due_ns)
            child++;
        if (q->heap.v[child]->due_ns >= i->due_ns)
            break;
        heap_set(q, at, q->heap.v[child]);
    }
    heap_set(q, at, i);
}

static void heap_push(struct queue *q, struct item *i)
{
    vec_push(&q->heap, i);
    heap_up(q, q->heap.n - 1);
}

static void heap_remove(struct queue *q, struct item *i)
{
    size_t at = i->heap;
    struct item *last = q->heap.v[--q->heap.n];

    if (last == i)
        return;
    heap_set(q, at, last);
    heap_up(q, at);
    heap_down(q, last->heap);
}

/* ---- where a key stands ---- */

static void leave(struct queue *q, struct item *i)
{
    if (i->place == READY)
        fifo_remove(&q->ready, i);
    else if (i->place == READY_LOW)
        fifo_remove(&q->low, i);
    else if (i->place == DELAYED)
        heap_remove(q, i);
    i->place = IDLE;
}

static void enter(struct queue *q, struct item *i, enum place place, int64_t due_ns)
{
    q->adds += place != DELAYED && i->place != READY && i->place != READY_LOW;
    leave(q, i);
    i->place = place;
    i->due_ns = due_ns;
    i->ready_ns = place == DELAYED ? 0 : clock_mono_ns();
    if (place == READY)
        fifo_push(&q->ready, i);
    else if (place == READY_LOW)
        fifo_push(&q->low, i);
    else if (place == DELAYED)
        heap_push(q, i);
}

static struct item *item_of(struct queue *q, const char *key)
{
    struct item *i = map_get(&q->items, key);

    if (!i) {
        i = xnew(struct item);
        i->key = xstrdup(key);
        map_put(&q->items, key, i);
    }
    return i;
}

static void item_free(struct item *i)
{
    free(i->key);
    free(i);
}

static void forget_if_idle(struct queue *q, struct item *i)
{
    if (i->place != IDLE || i->running || i->failures)
        return;
    map_remove(&q->items, i->key);
    item_free(i);
}

/* ---- the loop ---- */

static void on_timer(uv_timer_t *t);

static bool can_start(const struct queue *q)
{
    return !q->paused && q->running < q->opts.concurrency + q->lent && q->ready.n + q->low.n;
}

/* Timers of the loop are in milliseconds: rounded up, so that none fires early. */
static void schedule(struct queue *q)
{
    int64_t wait = 0;

    if (!can_start(q)) {
        if (!q->heap.n) {
            uv_timer_stop(q->timer);
            return;
        }
        wait = q->heap.v[0]->due_ns - clock_mono_ns();
        wait = MAX(wait, 0);
    }
    uv_update_time(q->loop);
    uv_timer_start(q->timer, on_timer, (uint64_t)(wait + 999999) / 1000000, 0);
}

static void wake_due(struct queue *q)
{
    int64_t now = clock_mono_ns();

    while (q->heap.n && q->heap.v[0]->due_ns <= now) {
        struct item *i = q->heap.v[0];
        if (i->running) {
            leave(q, i);
            i->again = true;
        } else {
            enter(q, i, READY, 0);
        }
    }
}

static void on_timer(uv_timer_t *t)
{
    struct queue *q = t->data;

    wake_due(q);
    /* Only what is ready now: a run that ends at once and comes back waits for the next turn. */
    for (size_t turn = q->ready.n + q->low.n; turn && can_start(q); turn--) {
        struct item *i = q->ready.first ? q->ready.first : q->low.first;
        leave(q, i);
        i->running = true;
        i->ready_ns = clock_mono_ns() - i->ready_ns;
        q->running++;
        q->opts.run(q->opts.ctx, i->key);
    }
    schedule(q);
}

struct queue *queue_new(uv_loop_t *loop, const struct queue_opts *opts)
{
    struct queue *q = xnew(struct queue);

    q->opts = *opts;
    q->opts.concurrency = opts->concurrency ? opts->concurrency : 1;
    q->loop = loop;
    q->timer = xnew(uv_timer_t);
    uv_timer_init(loop, q->timer);
    q->timer->data = q;
    return q;
}

static void free_handle(uv_handle_t *h)
{
    free(h);
}

void queue_free(struct queue *q)
{
    if (!q)
        return;
    uv_timer_stop(q->timer);
    uv_close((uv_handle_t *)q->timer, free_handle);
    for (struct map_item *m = map_next(&q->items, NULL); m; m = map_next(&q->items, m))
        item_free(m->value);
    map_done(&q->items);
    vec_done(&q->heap);
    free(q);
}

/* ---- adding and ending ---- */

static void add_ready(struct queue *q, const char *key, enum place place)
{
    struct item *i = item_of(q, key);

    if (i->running)
        i->again = true;
    if (i->running || i->place == READY || i->place == place)
        return;
    enter(q, i, place, 0);
    schedule(q);
}

void queue_add(struct queue *q, const char *key)
{
    add_ready(q, key, READY);
}

void queue_add_low(struct queue *q, const char *key)
{
    add_ready(q, key, READY_LOW);
}

void queue_add_after(struct queue *q, const char *key, int64_t ns)
{
    if (ns <= 0) {
        queue_add(q, key);
        return;
    }
    q->retries++;
    struct item *i = item_of(q, key);
    int64_t due = clock_mono_ns() + ns;

    if (i->again || i->place == READY || i->place == READY_LOW ||
        (i->place == DELAYED && i->due_ns <= due))
        return;
    enter(q, i, DELAYED, due);
    schedule(q);
}

void queue_done(struct queue *q, const char *key, enum queue_result result, int64_t after_ns)
{
    struct item *i = map_get(&q->items, key);

    if (!i || !i->running)
        return;
    i->running = false;
    q->running--;
    if (result == QUEUE_AGAIN)
        i->again = true;
    if (result == QUEUE_FORGET)
        i->failures = 0;
    if (result == QUEUE_RETRY)
        after_ns = queue_backoff_ns(i->failures++);
    if (i->again) {
        i->again = false;
        enter(q, i, READY, 0);
    } else if (after_ns > 0 && result != QUEUE_AGAIN) {
        queue_add_after(q, i->key, after_ns);
    }
    forget_if_idle(q, i);
    schedule(q);
}

void queue_lend(struct queue *q, int places)
{
    q->lent -= (size_t)places;
    schedule(q);
}

void queue_pause(struct queue *q, bool paused)
{
    q->paused = paused;
    schedule(q);
}

size_t queue_depth(const struct queue *q)
{
    return q->ready.n + q->low.n;
}

uint64_t queue_adds(const struct queue *q)
{
    return q->adds;
}

uint64_t queue_retries(const struct queue *q)
{
    return q->retries;
}

size_t queue_depth_low(const struct queue *q)
{
    return q->low.n;
}

int64_t queue_waited_ns(const struct queue *q, const char *key)
{
    const struct item *i = map_get(&q->items, key);

    return i && i->running ? i->ready_ns : 0;
}

size_t queue_running(const struct queue *q)
{
    return q->running;
}

size_t queue_delayed(const struct queue *q)
{
    return q->heap.n;
}

unsigned queue_failures(const struct queue *q, const char *key)
{
    const struct item *i = map_get(&q->items, key);

    return i ? i->failures : 0;
}
