/*
 * The work queue of a controller: keys (mostly "ns/name"), each once, run one after the other from
 * the loop; failures come back after 5 ms · 2ⁿ (at most 1,000 s), and anything may ask to come back
 * later. A key that is added while it runs runs again.
 *
 *     static void sync_job(void *self, const char *key) { … work_done(w, key, WORK_FINE); }
 *
 * run() may finish later (its API calls answer in later turns): the key counts as running until
 * work_done() is called for it, exactly once a run.
 */
#ifndef MANTA_APISERVER_CONTROLLERS_WORK_H
#define MANTA_APISERVER_CONTROLLERS_WORK_H

#include "base/macro.h"
#include "net/loop.h"

struct work;

struct work *work_new(uv_loop_t *loop, void (*run)(void *self, const char *key), void *self);
void work_free(struct work *w); /* the loop must run once more */

void work_add(struct work *w, const char *key);
void work_add_after(struct work *w, const char *key,
                    int64_t ns); /* the earlier of two times wins */

enum work_result { WORK_FINE, WORK_RETRY };
void work_done(struct work *w, const char *key, enum work_result result);

#endif
