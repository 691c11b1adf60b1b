/*
 * What the core asks of the kinds' side (resources' data, discovery, openapi, tables, CRDs,
 * controllers). The core calls these; they are defined in kinds/, discovery.c, openapi.c, tables.c,
 * crd/ and controllers/.
 */
#ifndef MANTA_APISERVER_KINDS_H
#define MANTA_APISERVER_KINDS_H

#include "apiserver/apiserver.h"

/* Adds every built-in resource. Called before the storage opens. */
void kinds_register(struct registry *reg);

/*
 * The storage is open, nothing is served yet: resources of stored CRDs (storage_adopt), objects
 * that always exist (namespaces default, kube-system, …), controllers.
 */
int kinds_start(struct apiserver *api, struct err *err);
/* The server listens at host (an address, a name or "" for all) and port: service kubernetes says
 * so. */
void kinds_listening(struct apiserver *api, const char *host, int port);
void kinds_stop(struct apiserver *api);

/*
 * Paths that are no resource: /api, /apis, /apis/G, /apis/G/V, /openapi/v2, /openapi/v3[/…].
 * True if it answered (or will answer) req; false gives 404.
 */
bool kinds_handle(struct request *req);

/* Table: columnDefinitions as a JSON array, and the cells of one row as a JSON array. */
void table_columns(const struct resource *res, struct buf *out);
/* Whether the kind has no columns of its own. */
bool table_is_plain(const struct resource *res);
/* What follows the cells in a row: nothing, or a member "conditions" with its comma. */
void table_conditions(const struct resource *res, yyjson_val *obj, struct buf *out);
void table_cells(const struct resource *res, yyjson_val *obj, int64_t now, struct buf *out);

#endif
