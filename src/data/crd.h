/*
 * CustomResourceDefinitions of the ray.io kinds, printed from the type table, and OpenAPI v3
 * schemas of any type in it. Descriptions are left out.
 */
#ifndef MANTA_DATA_CRD_H
#define MANTA_DATA_CRD_H

#include "base/buf.h"
#include "data/types.h"

/* "RayCluster", "RayJob", "RayService", "RayCronJob" in this order; NULL past the end. */
const char *crd_kind(size_t i);
/* The whole CRD object as compact JSON, members sorted. False: no such kind. */
bool crd_write(const char *kind, struct buf *out);

/*
 * components.schemas entries: type_openapi writes the schema object of one type, with $refs by
 * type_openapi_name() ("io.k8s.api.core.v1.Pod"). To collect what a kind needs, walk
 * type_openapi_ref(t, i), which gives the types that t refers to directly (NULL past the end).
 */
const char *type_openapi_name(const struct type *t);
const struct type *type_openapi_ref(const struct type *t, size_t i);
void type_openapi(const struct type *t, struct buf *out);

#endif
