/*
 * Resource names and sums (spec: raycluster §§8.6.8, 17.2). Quantities are borrowed from the
 * documents they were read from (their spelling is).
 */
#ifndef MANTA_RAY_RESOURCES_H
#define MANTA_RAY_RESOURCES_H

#include "base/arena.h"
#include "base/vec.h"
#include "data/json.h"
#include "data/quantity.h"

bool resource_is_gpu(const char *name); /* §8.6.8 */

/* A quantity written as string or number; false: absent or malformed. */
bool resource_read(struct arena *a, yyjson_val *v, struct quantity *ret);
/* Go's AsApproximateFloat64: mantissa and power of ten multiplied as doubles, errors included. */
double resource_float(const struct quantity *q);
/* As Go's JSON prints it: "4", "1.5". */
const char *resource_float_text(struct arena *a, double v);

struct resource {
    const char *name;
    struct quantity amount;
};
struct resources {
    VEC(struct resource) list;
};

void resources_done(struct resources *r);
void resources_add(struct resources *r, const char *name, const struct quantity *q);
/* Adds what a pod of this template spec asks for (CalculatePodResource), as it is or so many times:
 * what is multiplied loses its spelling. */
void resources_add_pod(struct resources *r, struct arena *a, yyjson_val *pod_spec,
                       const int64_t *times);
const struct quantity *resources_get(const struct resources *r, const char *name); /* or NULL */
/* Printed in the arena; "0" for NULL. */
const char *resource_text(struct arena *a, const struct quantity *q);

#endif
