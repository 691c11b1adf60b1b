/*
 * What all connections of one libuv loop share: work to do before the loop polls next (so that
 * many writes of one turn leave as few records), a heap of timers (no uv_close() each), and scratch
 * memory. One hub a loop, found by hub_get(), gone with its last reference.
 *
 * SIGPIPE is ignored from the first hub on: TLS writes to sockets without MSG_NOSIGNAL.
 */
#ifndef MANTA_NET_HUB_H
#define MANTA_NET_HUB_H

#include "base/buf.h"
#include "net/list.h"
#include "net/loop.h"

#define HUB_READ_SIZE (64 * 1024)

struct task {
    struct link link;
    void (*fn)(struct task *t);
};

struct timer {
    uint64_t due; /* uv_now() milliseconds */
    size_t pos;   /* index in the heap plus one; 0: not set */
    void (*fn)(struct timer *t);
};

struct hub {
    uv_loop_t *loop;
    struct buf scratch;  /* bytes on their way to a socket */
    uint8_t *read_space; /* HUB_READ_SIZE bytes just read */

    /* private */
    unsigned refs, closing;
    uv_prepare_t prepare;
    uv_idle_t idle;
    uv_timer_t timer;
    struct link now, later;
    struct {
        struct timer **v;
        size_t n, cap;
    } timers;
    struct hub *next;
};

struct hub *hub_get(uv_loop_t *loop); /* a reference */
void hub_put(struct hub *h);          /* NULL is fine */

/* Runs fn once before the loop polls next; a posted task is not posted twice. */
void hub_post(struct hub *h, struct task *t);
/* Runs fn in the next turn, after other sockets were served; the loop does not sleep before. */
void hub_post_later(struct hub *h, struct task *t);
static inline void hub_unpost(struct task *t)
{
    list_remove(&t->link);
}

void hub_timer_set(struct hub *h, struct timer *t, uint64_t ms); /* from now; replaces */
void hub_timer_stop(struct hub *h, struct timer *t);

#endif
