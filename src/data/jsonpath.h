/*
 * JSON paths of CRD printer columns, a part of kubectl's: `.spec.replicas`, `['a.b']`, `.a\.b`,
 * [0], [-1], [1:3], [*], .*, and filters [?(@.type=="Ready")] with == != < <= > >= or mere
 * existence. No recursive descent, no ranges of templates.
 */
#ifndef MANTA_DATA_JSONPATH_H
#define MANTA_DATA_JSONPATH_H

#include "data/json.h"

struct jsonpath;

/* Braces around the path are allowed. ERR_INVALID names the column of what is not understood. */
int jsonpath_parse(struct slice text, struct jsonpath **ret, struct err *err);
void jsonpath_free(struct jsonpath *p);
DEFINE_CLEANUP(struct jsonpath *, jsonpath_free)

/* Calls fn for each value found, in order, until it gives false. Gives the number of calls. */
size_t jsonpath_each(const struct jsonpath *p, yyjson_val *root,
                     bool (*fn)(void *ctx, yyjson_val *v), void *ctx);
yyjson_val *jsonpath_first(const struct jsonpath *p, yyjson_val *root); /* NULL: none */

#endif
