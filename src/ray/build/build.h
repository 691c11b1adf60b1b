/*
 * From a RayCluster to the objects that belong to it (spec: raycluster §§8-10). Each builder gives
 * a tree in the plan's doc that is ready to be sent: typed as upstream's client would send it, with
 * the owner reference. Nothing here decides whether an object is wanted.
 */
#ifndef MANTA_RAY_BUILD_H
#define MANTA_RAY_BUILD_H

#include "ray/cluster.h"
#include "ray/plan.h"

/* Which place of its group a worker takes. */
struct replica {
    int32_t index;
    const char *name; /* multi-host groups: shared by the pods of a replica; else NULL */
    int32_t host;
};

/* Pods have their generateName, and a whole name beside it. name: for a head that has no fixed one;
 * NULL leaves it to the API server. hash: for ANN_RECREATE_HASH; NULL: no such annotations. */
yyjson_mut_val *build_head_pod(struct plan *p, const struct cluster *c, const char *hash,
                               const char *name);
/* A worker for any place of the group: give each its own by build_place(). */
yyjson_mut_val *build_worker_pod(struct plan *p, const struct cluster *c, yyjson_val *group);
/* A copy of a worker for its place, with this name. */
yyjson_mut_val *build_place(struct plan *p, const struct cluster *c, yyjson_mut_val *worker,
                            const struct replica *replica, const char *name);

yyjson_mut_val *build_head_service(struct plan *p, const struct cluster *c);
yyjson_mut_val *build_headless_service(struct plan *p, const struct cluster *c);
yyjson_mut_val *build_serve_service(struct plan *p, const struct cluster *c); /* NULL: no port */
yyjson_mut_val *build_ingress(struct plan *p, const struct cluster *c);
yyjson_mut_val *build_route(struct plan *p, const struct cluster *c);
yyjson_mut_val *build_service_account(struct plan *p, const struct cluster *c);
yyjson_mut_val *build_role(struct plan *p, const struct cluster *c);
yyjson_mut_val *build_role_binding(struct plan *p, const struct cluster *c);
yyjson_mut_val *build_auth_secret(struct plan *p, const struct cluster *c,
                                  const uint8_t random[32]);
yyjson_mut_val *build_gcs_pvc(struct plan *p, const struct cluster *c);
yyjson_mut_val *build_redis_cleanup_job(struct plan *p, const struct cluster *c);

/* Names that planners look for, too */
const char *build_service_account_name(struct arena *a, const struct cluster *c); /* as looked up */
int build_port(const struct cluster *c, const char *name, int def); /* of the service-port map */

/* §15: the hash of a spec, 32 letters. NULL: the spec cannot be written (a value of a wrong kind).
 */
const char *spec_hash(struct arena *a, yyjson_val *spec);
/* The JSON that it is taken over, into out. */
int spec_hash_json(yyjson_val *spec, struct buf *out, struct err *err);

/* For builders of other planners */

/* apiVersion and kind, metadata with name and namespace; the tree to fill. */
yyjson_mut_val *build_object(struct plan *p, enum ray_kind kind, const char *ns, const char *name);
/* Appends {apiVersion, kind, name, uid, controller, blockOwnerDeletion}. */
void build_owner(struct plan *p, yyjson_mut_val *object, yyjson_val *owner, bool controller);
/* LABEL_CLUSTER, app name and created-by. */
yyjson_mut_val *build_labels(struct plan *p, yyjson_mut_val *object, const struct cluster *c);
/* The tree in the words of the type table; the tree itself when the kind is none of its types. */
yyjson_mut_val *build_typed(struct plan *p, enum ray_kind kind, yyjson_mut_val *object);

#endif
