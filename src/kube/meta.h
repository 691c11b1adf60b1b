/*
 * What every Kubernetes object has: type and metadata, read from JSON, and the names of resources
 * in URLs. Nothing here owns anything; strings point into the object.
 *
 *     static const struct gvr pods = {"v1", "pods", "Pod"};
 *     meta_name(obj), meta_label(obj, "ray.io/cluster")
 */
#ifndef MANTA_KUBE_META_H
#define MANTA_KUBE_META_H

#include "data/json.h"

/* A resource as URLs name it. api_version is "v1" or "group/version". */
struct gvr {
    const char *api_version, *plural, *kind;
    bool cluster_scoped; /* no namespace in its URLs */
};

/* Kinds that more than one part of manta uses. */
extern const struct gvr gvr_pods, gvr_nodes, gvr_namespaces, gvr_services, gvr_secrets,
    gvr_configmaps, gvr_serviceaccounts, gvr_core_events, gvr_events, gvr_leases, gvr_jobs,
    gvr_endpointslices, gvr_crds, gvr_rayclusters, gvr_rayjobs;

/* Path without query: "/apis/batch/v1/namespaces/ns/jobs/name/status". ns NULL or "": all
 * namespaces. name and subresource may be NULL. Parts are percent-encoded. */
void gvr_path(struct buf *out, const struct gvr *r, const char *ns, const char *name,
              const char *subresource);
/* Adds ?key=value or &key=value, percent-encoded; the first call decides between the two. */
void query_add(struct buf *out, const char *key, const char *value);

/* metadata of an object; "" where absent. */
const char *meta_name(yyjson_val *obj);
const char *meta_namespace(yyjson_val *obj);
const char *meta_uid(yyjson_val *obj);
const char *meta_rv_text(yyjson_val *obj);
uint64_t
meta_rv(yyjson_val *obj); /* as a number: Kubernetes ≥ 1.35 promises that; 0 if it is none */
int64_t meta_generation(yyjson_val *obj);
bool meta_deleting(yyjson_val *obj);                           /* deletionTimestamp is set */
const char *meta_label(yyjson_val *obj, const char *key);      /* NULL if absent */
const char *meta_annotation(yyjson_val *obj, const char *key); /* NULL if absent */
bool meta_has_finalizer(yyjson_val *obj, const char *finalizer);
yyjson_val *
meta_controller(yyjson_val *obj); /* the owner reference with controller: true, or NULL */

uint64_t rv_parse(const char *text); /* 0 unless all digits */

#endif
