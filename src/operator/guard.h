/*
 * The page that the operator's worker shares with its supervisor, so that a crash of one object is
 * one object's matter. Before the worker plans an object it notes which; when it dies inside such a
 * section the supervisor counts that against the object, and an object that killed two workers is
 * quarantined until its generation changes: nothing is planned for it, all others are served.
 *
 *     guard_enter(g, uid, generation);  plan …  guard_leave(g);
 *
 * Only the worker writes the section, only the supervisor the records; the memory is shared by
 * fork.
 */
#ifndef MANTA_OPERATOR_GUARD_H
#define MANTA_OPERATOR_GUARD_H

#include "base/macro.h"

#define GUARD_UID 64
#define GUARD_RECORDS 128                 /* suspects remembered; the oldest is forgotten first */
#define GUARD_KILLS 2                     /* workers an object may kill before it is quarantined */
#define GUARD_PLAN_NS INT64_C(2000000000) /* a planner that runs longer is aborted */

struct guard_record {
    char uid[GUARD_UID];
    int64_t generation;
    int kills;
};

struct guard {
    /* the section */
    volatile uint64_t entered; /* counts sections; odd while inside one */
    volatile int64_t since;    /* monotonic ns */
    char uid[GUARD_UID];
    int64_t generation;
    /* the records */
    struct guard_record records[GUARD_RECORDS];
    size_t next; /* the slot that is used next */
};

struct guard *guard_new(void); /* shared with children of fork; aborts without memory */
void guard_free(struct guard *g);

/* The worker's side. A NULL guard does nothing. */
void guard_enter(struct guard *g, const char *uid, int64_t generation);
void guard_leave(struct guard *g);
bool guard_quarantined(const struct guard *g, const char *uid, int64_t generation);

/* The supervisor's side: how a worker ended. Gives true when the end counts against an object. */
bool guard_blame(struct guard *g, int signal);
bool guard_too_long(const struct guard *g, int64_t now_ns);
void guard_reset(struct guard *g); /* before the next worker: outside any section */

#endif
