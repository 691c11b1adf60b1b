/*
 * Plays a scenario (a JSON file: objects applied, patched, deleted; how pods behave) on a simulated
 * cluster, and compares what is left with recorded facts.
 */
#ifndef MANTA_TESTS_SCENARIO_H
#define MANTA_TESTS_SCENARIO_H

#include "sim.h"

typedef void record_fn(void *arg, struct sim *s, const char *label);

/* Options that the scenario's profile stands for. NULL: a profile or step we cannot play. */
struct ray_options *scenario_options(struct arena *a, yyjson_val *scenario);
/* budget: writes until the operator dies and is started again; -1: never. Verbose: keep the story.
 */
void scenario_play(struct sim *s, yyjson_val *scenario, record_fn *record, void *arg);

/* Everything in the world, one object a line, in an order and in words that do not depend on
 * generated names, addresses and times; then the events. Status only of custom resources. */
void scenario_dump(struct sim *s, struct buf *out);

/* facts.c: compares with one record of the recorded outcomes; appends differences to out. */
void facts_compare(struct sim *s, yyjson_val *record, struct buf *out);

#endif
