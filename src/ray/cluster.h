/*
 * A RayCluster as planners see it: borrowed pointers into the object, and the questions that many
 * rules ask (spec: raycluster, util.go's predicates). Owns nothing; cheap to copy.
 *
 * RayJob and RayService have a RayCluster's spec inside: cluster_view_spec() looks at such a part,
 * then obj and what comes from it are NULL.
 */
#ifndef MANTA_RAY_CLUSTER_H
#define MANTA_RAY_CLUSTER_H

#include "base/arena.h"
#include "ray/options.h"
#include "ray/words.h"

struct cluster {
    yyjson_val *obj, *labels, *annotations, *spec, *status;
    yyjson_val *head;   /* spec.headGroupSpec */
    yyjson_val *groups; /* spec.workerGroupSpecs; NULL: none */
    const char *name, *ns, *uid;
    const struct ray_options *o;
};

struct cluster cluster_view(yyjson_val *obj, const struct ray_options *o);
struct cluster cluster_view_spec(yyjson_val *spec, yyjson_val *annotations,
                                 const struct ray_options *o);

const char *cluster_label(const struct cluster *c, const char *key);      /* NULL: absent */
const char *cluster_annotation(const struct cluster *c, const char *key); /* NULL: absent */
bool cluster_deleting(const struct cluster *c);
bool cluster_has_finalizer(const struct cluster *c, const char *name);
bool cluster_external(const struct cluster *c); /* spec.managedBy names another controller */

bool cluster_autoscaling(const struct cluster *c);   /* enableInTreeAutoscaling */
bool cluster_autoscaler_v2(const struct cluster *c); /* autoscalerOptions.version is v2 */
bool cluster_head_env_v2(const struct cluster *c);   /* the head's env turns autoscaler v2 on */
bool cluster_ft(const struct cluster *c);            /* §10.1 */
bool cluster_rocksdb(const struct cluster *c);       /* §10.1 embedded */
bool cluster_auth(const struct cluster *c);          /* §8.11: mode is token */
bool cluster_k8s_token(const struct cluster *c);
bool cluster_tls(const struct cluster *c);              /* §12.1 */
yyjson_val *cluster_collector(const struct cluster *c); /* collectorOptions if gated on, or NULL */
bool cluster_suspend(const struct cluster *c);          /* spec.suspend is true */

const char *cluster_creator(const struct cluster *c); /* RayCluster, RayJob or RayService */
const char *cluster_port(const struct cluster *c);    /* GCS port of the head, as text */
const char *cluster_head_service(struct arena *a, const struct cluster *c);
const char *cluster_fqdn(struct arena *a, const struct cluster *c);

/* Parts of a head or worker group */
yyjson_val *group_pod_spec(yyjson_val *group);  /* template.spec */
yyjson_val *group_container(yyjson_val *group); /* its first container, where Ray runs; or NULL */
const char *group_param(yyjson_val *group, const char *key); /* rayStartParams; NULL: absent */
const char *group_name(yyjson_val *group);
int32_t group_hosts(yyjson_val *group); /* numOfHosts as written */
bool group_suspended(yyjson_val *group);
int32_t group_replicas(yyjson_val *group); /* clamped to [min, max]; 0 while suspended */
int32_t group_desired(yyjson_val *group); /* §6.5.2 replicas × hosts; wraps as int32 does in Go */

/* Containers */
yyjson_val *container_env(yyjson_val *container, const char *name); /* the env item, or NULL */
yyjson_val *list_named(yyjson_val *list,
                       const char *name); /* the item whose `name` is name, or NULL */
bool is_true(const char *s);              /* "true" in any case; NULL is not */

#endif
