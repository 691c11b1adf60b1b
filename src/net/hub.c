#include "net/hub.h"

#include "base/mem.h"

#include <assert.h>
#include <signal.h>

/* Rounds of work that breeds work before other sockets get their turn. */
#define MAX_ROUNDS 16

static _Thread_local struct hub *hubs;

/* ---- tasks ---- */

static void run_list(struct link *list)
{
    struct link mine;

    list_init(&mine);
    list_splice(&mine, list);
    for (struct link *l; (l = list_first(&mine));) {
        struct task *t = container_of(l, struct task, link);
        list_remove(l);
        t->fn(t);
    }
}

static void ignore_idle(unused uv_idle_t *idle)
{
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct hub *h = container_of(prepare, struct hub, prepare);

    h->refs++; /* a task may drop the last one */
    list_splice(&h->now, &h->later);
    for (int i = 0; i < MAX_ROUNDS && !list_empty(&h->now); i++)
        run_list(&h->now);
    if (list_empty(&h->now) && list_empty(&h->later))
        uv_idle_stop(&h->idle);
    hub_put(h);
}

/* The active idle handle keeps the loop alive and from sleeping until on_prepare() is through. */
static void post(struct hub *h, struct link *list, struct task *t)
{
    if (list_linked(&t->link))
        return;
    list_push_back(list, &t->link);
    uv_idle_start(&h->idle, ignore_idle);
}

void hub_post(struct hub *h, struct task *t)
{
    post(h, &h->now, t);
}

void hub_post_later(struct hub *h, struct task *t)
{
    post(h, &h->later, t);
}

/* ---- timers: a binary heap, earliest first ---- */

static void heap_put(struct hub *h, size_t i, struct timer *t)
{
    h->timers.v[i] = t;
    t->pos = i + 1;
}

static void heap_up(struct hub *h, size_t i, struct timer *t)
{
    for (; i > 0; i = (i - 1) / 2) {
        struct timer *parent = h->timers.v[(i - 1) / 2];
        if (parent->due <= t->due)
            break;
        heap_put(h, i, parent);
    }
    heap_put(h, i, t);
}

static void heap_down(struct hub *h, size_t i, struct timer *t)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= h->timers.n)
            break;
        if (child + 1 < h->timers.n && h->timers.v[child + 1]->due < h->timers.v[child]->due)
            child++;
        if (h->timers.v[child]->due >= t->due)
            break;
        heap_put(h, i, h->timers.v[child]);
        i = child;
    }
    heap_put(h, i, t);
}

static void heap_remove(struct hub *h, struct timer *t)
{
    size_t i = t->pos - 1;
    struct timer *last = h->timers.v[--h->timers.n];

    t->pos = 0;
    if (last == t)
        return;
    if (last->due < t->due)
        heap_up(h, i, last);
    else
        heap_down(h, i, last);
}

static void on_timer(uv_timer_t *timer);

/* Lets libuv wake us for the earliest timer, unless it will already do so in time. */
static void rearm(struct hub *h)
{
    if (h->closing || !h->timers.n)
        return;
    uint64_t now = uv_now(h->loop), due = h->timers.v[0]->due;
    uint64_t wait = due > now ? due - now : 0;

    if (uv_is_active((uv_handle_t *)&h->timer) && uv_timer_get_due_in(&h->timer) <= wait)
        return;
    uv_timer_start(&h->timer, on_timer, wait, 0);
    uv_unref((uv_handle_t *)&h->timer);
}

static void on_timer(uv_timer_t *timer)
{
    struct hub *h = container_of(timer, struct hub, timer);
    uint64_t now = uv_now(h->loop);

    h->refs++;
    while (h->timers.n && h->timers.v[0]->due <= now) {
        struct timer *t = h->timers.v[0];
        heap_remove(h, t);
        t->fn(t);
    }
    rearm(h);
    hub_put(h);
}

void hub_timer_set(struct hub *h, struct timer *t, uint64_t ms)
{
    uint64_t due = uv_now(h->loop) + ms;

    if (t->pos) {
        bool later = due >= t->due;
        t->due = due;
        if (later)
            heap_down(h, t->pos - 1, t);
        else
            heap_up(h, t->pos - 1, t);
    } else {
        t->due = due;
        if (h->timers.n == h->timers.cap) {
            h->timers.cap = h->timers.cap ? h->timers.cap * 2 : 16;
            h->timers.v = xrealloc(h->timers.v, h->timers.cap, sizeof *h->timers.v);
        }
        h->timers.n++;
        heap_up(h, h->timers.n - 1, t);
    }
    rearm(h);
}

void hub_timer_stop(struct hub *h, struct timer *t)
{
    if (t->pos)
        heap_remove(h, t);
}

/* ---- life ---- */

static void ignore_sigpipe(void)
{
    struct sigaction sa;

    if (sigaction(SIGPIPE, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL) {
        sa.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &sa, NULL);
    }
}

struct hub *hub_get(uv_loop_t *loop)
{
    for (struct hub *h = hubs; h; h = h->next)
        if (h->loop == loop) {
            h->refs++;
            return h;
        }
    struct hub *h = xnew(struct hub);
    *h = (struct hub){.loop = loop, .refs = 1, .next = hubs};
    h->read_space = xmalloc(HUB_READ_SIZE);
    list_init(&h->now);
    list_init(&h->later);
    uv_prepare_init(loop, &h->prepare);
    uv_idle_init(loop, &h->idle);
    uv_timer_init(loop, &h->timer);
    uv_prepare_start(&h->prepare, on_prepare);
    uv_unref((uv_handle_t *)&h->prepare);
    hubs = h;
    ignore_sigpipe();
    return h;
}

static void on_closed(uv_handle_t *handle)
{
    struct hub *h =
        handle->type == UV_PREPARE ? container_of((uv_prepare_t *)handle, struct hub, prepare)
        : handle->type == UV_IDLE  ? container_of((uv_idle_t *)handle, struct hub, idle)
                                   : container_of((uv_timer_t *)handle, struct hub, timer);

    if (--h->closing)
        return;
    buf_done(&h->scratch);
    free(h->read_space);
    free(h->timers.v);
    free(h);
}

void hub_put(struct hub *h)
{
    if (!h || --h->refs)
        return;
    assert(list_empty(&h->now) && list_empty(&h->later) && !h->timers.n);
    struct hub **at = &hubs;
    while (*at != h)
        at = &(*at)->next;
    *at = h->next;
    h->closing = 3;
    uv_close((uv_handle_t *)&h->prepare, on_closed);
    uv_close((uv_handle_t *)&h->idle, on_closed);
    uv_close((uv_handle_t *)&h->timer, on_closed);
}
