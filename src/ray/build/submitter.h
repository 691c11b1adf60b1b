/* The submitter of a RayJob (spec rayjob §7.3-7.7). */
#ifndef MANTA_RAY_SUBMITTER_H
#define MANTA_RAY_SUBMITTER_H

#include "ray/plan/rayjob.h"

/* Pod template of the submitter Job, and container of SidecarMode; NULL with the plan's error set.
 */
yyjson_mut_val *submitter_pod_template(struct rayjob *j, yyjson_val *cluster_spec);
yyjson_mut_val *submitter_sidecar(struct rayjob *j, yyjson_val *cluster_spec);
/* The pod as the user gave it, or the default one, before anything is put in: for sums. The caller
 * unrefs. */
struct json *submitter_plain_spec(struct rayjob *j, yyjson_val *cluster_spec);
void submitter_labels(struct rayjob *j, yyjson_mut_val *labels); /* of the Job and its pods */

#endif
