/*
 * What stands between the deletion of a CustomResourceDefinition and its end: its objects are
 * deleted first, and when the last one is gone (their finalizers may take a while) the finalizer of
 * the definition is removed.
 */
#ifndef MANTA_APISERVER_CRD_CLEANUP_H
#define MANTA_APISERVER_CRD_CLEANUP_H

#include "apiserver/apiserver.h"

struct crds;
struct crd_cleanup;

struct crd_cleanup *crd_cleanup_new(struct apiserver *api, struct crds *crds);
void crd_cleanup_free(struct crd_cleanup *c);
void crd_cleanup_start(struct crd_cleanup *c, const char *crd_name); /* again: no harm */

/* The stored version of a registered definition, or NULL (crd.c). */
const struct resource *crds_stored(struct crds *crds, const char *name);

#endif
