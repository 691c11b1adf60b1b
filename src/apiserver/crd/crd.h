/*
 * CustomResourceDefinitions: from stored objects to rows of the registry and back.
 *
 * Each served version of a CRD is a resource whose data is a struct crd_version: its compiled
 * schema (equal subtrees shared by all CRDs through one pool) and its printer. The text of a CRD
 * stays in the database; crd_schema_of() fetches it for /openapi/v3.
 *
 * The life of a definition: created -> conditions NamesAccepted and Established are set and it is
 * registered -> changed: its rows are replaced, watches go on -> deleted: its objects are deleted
 * first (finalizer customresourcecleanup.apiextensions.k8s.io), then its rows go.
 */
#ifndef MANTA_APISERVER_CRD_CRD_H
#define MANTA_APISERVER_CRD_CRD_H

#include "apiserver/apiserver.h"
#include "apiserver/kinds/rules.h"
#include "apiserver/tables/columns.h"
#include "data/schema.h"

#define CRD_FINALIZER "customresourcecleanup.apiextensions.k8s.io"

struct crds; /* what is registered, one an API server */

struct crds *crds_new(struct apiserver *api);
void crds_free(struct crds *crds);
/* Registers what is stored and follows changes. */
int crds_start(struct crds *crds, struct err *err);

/* Defaults, validation and status of the CustomResourceDefinition kind itself (crd/definition.c).
 */
void crd_defaults(struct change *ch);
void crd_prepare(struct change *ch);
void crd_validate(struct change *ch);

/* ---- of one registered version ---- */
const struct printer *crd_printer(const struct resource *res);

/* For openapi_document(): schemas of custom resources, each valid until the next call. */
struct crd_schemas {
    struct apiserver *api;
    struct json *doc;
};
yyjson_val *crd_schema_of(void *schemas, const struct resource *res);
void crd_schemas_done(struct crd_schemas *schemas);

/* ---- printer columns (crd/columns.c) ---- */
/* From spec.versions[i]; the caller's. Columns that do not compile print nothing. */
struct printer *crd_printer_new(yyjson_val *version);
void crd_printer_free(struct printer *p);

#endif
