/*
 * One pass over a RayCluster (spec: raycluster §4): what its steps share. A step gives true to go
 * on and false to end the pass's actions; then error or requeue of the plan say why.
 */
#ifndef MANTA_RAY_PLAN_PASS_H
#define MANTA_RAY_PLAN_PASS_H

#include "ray/build/build.h"

struct pass {
    struct snapshot *s;
    struct plan *p;
    struct arena *a; /* the plan's */
    struct cluster c;
    yyjson_val **pods; /* all of the cluster's that carry a node type, by name */
    size_t n_pods;
    const char *hash; /* of the spec, once somebody asked */
    size_t creates;   /* worker pods made in this pass */
};

/* Worker pods that one pass makes at most, since their bodies are held at once and other clusters
 * have their turn between passes. What is missing comes in the next one. */
#define CREATES_MAX 256

#define REQUEUE_NS (2 * INT64_C(1000000000)) /* upstream's DefaultRequeueDuration */

struct pass pass_begin(struct snapshot *s, struct plan *p);
const char *pass_hash(struct pass *x);

/* Pods by their labels: an arena array, in order of name. group NULL: any. */
struct pods {
    yyjson_val **v;
    size_t n;
};
struct pods pass_pods(struct pass *x, const char *key, const char *value);
const char *pod_label(yyjson_val *pod, const char *key); /* "" if absent */
const char *object_name(yyjson_val *o);
bool object_deleting(yyjson_val *o);
/* Whether the object's controller is the owner with this UID. */
bool object_controlled_by(yyjson_val *o, const char *uid);

/* What an action is about, for its events: {"worker Pod", "CreatedWorkerPod", …}. */
struct words {
    const char *what, *ok, *failed, *marker;
};
/* POST body; ok and failed become events with action Create. */
struct action *pass_create(struct pass *x, enum ray_kind kind, yyjson_mut_val *body,
                           const struct words *w);
/* DELETE of one pod with its reason. */
struct action *pass_delete_pod(struct pass *x, yyjson_val *pod, const struct words *w,
                               const char *why);
/* One DELETE collection, if any of the pods is not being deleted yet; the event in any case. */
void pass_delete_all(struct pass *x, struct pods pods, const char *selector, const struct words *w);
/* PUT of the whole RayCluster; its metadata may be changed before. */
yyjson_mut_val *pass_cluster_body(struct pass *x);
void pass_remove_finalizer(struct pass *x, const char *why); /* of Redis, by PUT */
struct pods pass_head_services(struct pass *x);
struct action *pass_update_cluster(struct pass *x, yyjson_mut_val *body, const char *why);

/* The pass fails with this error; its actions and finish() still run. Always false. */
bool pass_fail(struct pass *x, const char *fmt, ...) printf_like(2, 3);

/* Steps. children.c: §9, in the order of §4 step 13 */
bool step_service_account(struct pass *x);
bool step_role(struct pass *x);
bool step_role_binding(struct pass *x);
bool step_ingress(struct pass *x);
bool step_auth_secret(struct pass *x);
bool step_head_service(struct pass *x);
bool step_headless_service(struct pass *x);
bool step_serve_service(struct pass *x);
bool step_gcs_pvc(struct pass *x); /* pvc.c: §10.3 */
bool step_pods(struct pass *x);    /* pods.c: §6 */
/* head.c, workers.c */
bool step_head(struct pass *x);
bool step_workers(struct pass *x);
/* redis.c: §10.4; false: nothing more happens in this pass */
bool step_redis(struct pass *x);

/* What head.c, workers.c and multihost.c share */
bool pod_should_go(struct pass *x, yyjson_val *pod, const char **ret_why); /* §6.6 */
bool tls_ready(struct pass *x);                                            /* §12.4; or fails */
/* A name from base that nobody has or is about to lose. */
const char *pass_name(struct pass *x, const char *base, const char *group, int ordinal);
bool group_wants_gone(yyjson_val *group, const char *pod_name); /* workersToDelete */

/* status.c, conditions.c: §17 */
const char *cluster_suspend_status(const struct cluster *c); /* the True condition, or "" */
bool pods_all_running(struct pods pods);
yyjson_val *pod_ready_condition(yyjson_val *pod); /* or NULL */
/* Why the status cannot be told, or NULL; the new status in *ret. */
const char *status_calculate(struct pass *x, const char *marker, const char *error,
                             yyjson_mut_val **ret);
const char *status_conditions(struct pass *x, yyjson_mut_val *status, struct pods heads,
                              const char *marker, const char *error);
bool status_differs(struct pass *x, yyjson_mut_val *status); /* §17.6 */

#endif
