/*
 * /openapi/v3: an index, and one document a group and version, made from the type table and from
 * the stored CRDs when asked for. kubectl reads them to explain kinds, to find out that the server
 * validates fields (the PATCH operations' parameter fieldValidation), and for the merge keys of
 * strategic merge patches. Descriptions are left out.
 *
 * /openapi/v2 names no kind (paths.c): kubectl 1.27 and later needs no more of it.
 */
#ifndef MANTA_APISERVER_OPENAPI_H
#define MANTA_APISERVER_OPENAPI_H

#include "apiserver/resources.h"

void openapi_index(const struct registry *reg, struct buf *out);
/*
 * False: no such group and version. crd gives the schema of a custom resource (openAPIV3Schema) and
 * keeps it alive until the next call; NULL for none.
 */
typedef yyjson_val *openapi_crd_fn(void *arg, const struct resource *res);
bool openapi_document(const struct registry *reg, const char *group, const char *version,
                      openapi_crd_fn *crd, void *arg, struct buf *out);

#endif
