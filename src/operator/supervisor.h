/*
 * The small process above the operator's worker: starts it by fork, starts it again within
 * milliseconds when it crashes, aborts it when one plan takes longer than GUARD_PLAN_NS, and keeps
 * the account of which object was being planned (guard.h).
 *
 * SIGTERM and SIGINT are handed on; the supervisor ends with the worker's exit code. A worker that
 * exits by itself (a fatal condition, a lost lease) ends the supervisor, too: that is a decision,
 * no crash.
 */
#ifndef MANTA_OPERATOR_SUPERVISOR_H
#define MANTA_OPERATOR_SUPERVISOR_H

#include "operator/guard.h"

/* Runs work(g, ctx) in a child, again after each crash. Gives the exit code of the process. */
int supervise(int (*work)(struct guard *g, void *ctx), void *ctx);

#endif
