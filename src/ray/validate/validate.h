/*
 * What upstream's operator refuses before it does anything (spec: raycluster §5). The order is
 * upstream's: the first rule that fails names the reason. Each check gives NULL when all is well,
 * or a sentence for the Event, in the arena.
 */
#ifndef MANTA_RAY_VALIDATE_H
#define MANTA_RAY_VALIDATE_H

#include "data/field_error.h"
#include "ray/cluster.h"
#include "ray/plan.h"

const char *validate_cluster_metadata(struct arena *a, const char *name);       /* §5.1 */
const char *validate_cluster_spec(struct arena *a, const struct cluster *c);    /* §5.2 */
const char *validate_cluster_upgrade(struct arena *a, const struct cluster *c); /* §5.3 */
const char *validate_cluster_status(struct arena *a, const struct cluster *c);  /* §4 step 8 */

/* The same of a RayJob's and a RayService's name; of the latter an annotation, too. */
const char *validate_job_metadata(struct arena *a, const char *name);
const char *validate_service_metadata(struct arena *a, const char *name, yyjson_val *annotations);

/* What the validating webhooks refuse when an object is created or updated (platform §2.4). */
void validate_admission(struct arena *a, enum ray_kind kind, yyjson_val *object,
                        struct field_errors *ret);

#endif
