/* The JSON that goes to Ray with a job: runtime environment, metadata, and HTTPMode's request. */
#ifndef MANTA_RAY_SUBMIT_JSON_H
#define MANTA_RAY_SUBMIT_JSON_H

#include "ray/plan/rayjob.h"

/* Both add nothing when the spec has none; -1 and the text of an error when it cannot be made. */
int submit_runtime_env(struct rayjob *j, struct buf *out, const char **ret_error);
int submit_metadata(struct rayjob *j, struct buf *out, const char **ret_error);

#endif
