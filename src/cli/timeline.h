/*
 * The start of something as lines with seconds, on standard error. On a terminal the step under way
 * stands on the last line with a running clock; in a pipe only finished steps are printed.
 *
 *     timeline_begin(&t, loop, "API server");
 *     timeline_done(&t, "https://127.0.0.1:6443");       "   0.08s  API server  https://…"
 */
#ifndef MANTA_CLI_TIMELINE_H
#define MANTA_CLI_TIMELINE_H

#include "base/macro.h"
#include "net/loop.h"

struct timeline {
    uv_timer_t tick;
    int64_t start;     /* monotonic ns; of the whole */
    char step[80];     /* under way; "" none */
    char waiting[160]; /* what it waits for */
    bool live;         /* a terminal */
    bool shown;        /* the last line is ours, to be wiped */
    bool ticking;
};

void timeline_init(struct timeline *t);
void timeline_loop(struct timeline *t, uv_loop_t *loop); /* the clock runs from here on */
void timeline_begin(struct timeline *t, const char *step);
void timeline_wait(struct timeline *t, const char *fmt, ...) printf_like(2, 3);
void timeline_done(struct timeline *t, const char *fmt, ...) printf_like(2, 3);
/* A line of its own, of something that went wrong or is worth knowing. */
void timeline_note(struct timeline *t, const char *fmt, ...) printf_like(2, 3);
void timeline_wipe(struct timeline *t); /* before others print */
void timeline_end(struct timeline *t);  /* closes the clock; the loop must run once more */

#endif
