/*
 * rayStartParams and the command line that they make (spec: raycluster §§8.6.1-8.6.4).
 * A small map in byte order of its keys; keys and values live in the arena or in documents.
 */
#ifndef MANTA_RAY_BUILD_PARAMS_H
#define MANTA_RAY_BUILD_PARAMS_H

#include "base/arena.h"
#include "data/json.h"

struct param {
    const char *key, *value;
};
struct params {
    struct arena *a;
    struct param *v;
    size_t n, cap;
};

const char *params_get(const struct params *p, const char *key); /* NULL: absent */
void params_set(struct params *p, const char *key, const char *value);
void params_missing(struct params *p, const char *key, const char *value);

/* rayStartParams of the group, then what its `resources` and `labels` add. */
struct params params_of_group(struct arena *a, yyjson_val *group);
/* §8.6.3; address: where a worker finds the head, NULL for the head. */
void params_complete(struct params *p, const char *address);
/* §8.6.4: from the resources of the Ray container, then the text. Changes p. */
const char *params_start_command(struct params *p, yyjson_val *container, bool head);

#endif
