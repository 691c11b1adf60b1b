/*
 * What upstream's operator refuses before it does anything (spec: raycluster §5). The order is
 * upstream's: the first rule that fails names the reason. Each check gives NULL when all is well,
 * or a sentence for the Event, in the arena.
 */
#ifndef MANTA_RAY_VALIDATE_H
#define MANTA_RAY_VALIDATE_H

#include "ray/cluster.h"

const char *validate_cluster_metadata(struct arena *a, const char *name);       /* §5.1 */
const char *validate_cluster_spec(struct arena *a, const struct cluster *c);    /* §5.2 */
const char *validate_cluster_upgrade(struct arena *a, const struct cluster *c); /* §5.3 */
const char *validate_cluster_status(struct arena *a, const struct cluster *c);  /* §4 step 8 */

#endif
