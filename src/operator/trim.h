/*
 * What the operator's store keeps of an object: the fields that planners read, no others, because
 * memory a pod is what matters at ten thousand clusters. Trimmed objects are never PUT.
 */
#ifndef MANTA_OPERATOR_TRIM_H
#define MANTA_OPERATOR_TRIM_H

#include "data/json.h"

void trim_managed(yyjson_mut_doc *doc, yyjson_mut_val *v); /* only managedFields go */
void trim_pod(yyjson_mut_doc *doc, yyjson_mut_val *v);
/* Data only of Ray's own Secrets, and of others the key auth_token. */
void trim_secret(yyjson_mut_doc *doc, yyjson_mut_val *v);

#endif
