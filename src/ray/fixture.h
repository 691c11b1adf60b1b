/*
 * For tests of planners: a world made of JSON objects, options from JSON, files of
 * tests/golden/ray. Not part of the library: it reads files.
 */
#ifndef MANTA_RAY_FIXTURE_H
#define MANTA_RAY_FIXTURE_H

#include "base/vec.h"
#include "ray/plan.h"

struct fixture {
    VEC(struct json *) objects;
    VEC(struct json *) gone; /* replaced or removed; plans may still point into them */
};

void fixture_done(struct fixture *f);
/* Puts a copy in; replaces the object of the same kind, namespace and name. */
void fixture_put(struct fixture *f, yyjson_val *object);
bool fixture_remove(struct fixture *f, enum ray_kind kind, const char *ns, const char *name);
yyjson_val *fixture_get(struct fixture *f, enum ray_kind kind, const char *ns, const char *name);
struct world fixture_world(struct fixture *f);
/* KIND_COUNT when it is none of ours. */
enum ray_kind fixture_kind(yyjson_val *object);

/*
 * {"gates": {"RayCronJob": true}, "env": {"A": "b"}, "openshift": true, "certManager": true,
 *  "batchScheduler": "volcano", "headSidecars": […], "workerSidecars": […], "podAnnotations": {…},
 *  "podLabels": {…}, "containerEnvs": […]}; v may be NULL. Borrows from v.
 */
struct ray_options *fixture_options(struct arena *a, yyjson_val *v);

/* tests/golden/ray/NAME of the source tree; aborts the test program when it cannot be read. */
const char *fixture_path(struct arena *a, const char *name);
struct json *fixture_json(const char *name);

#endif
