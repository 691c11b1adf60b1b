/*
 * What the operator was told, as planners see it: read once at the start from flags, config file
 * and environment (src/operator/options.c) and never changed. Planners read no environment.
 */
#ifndef MANTA_RAY_OPTIONS_H
#define MANTA_RAY_OPTIONS_H

#include "data/json.h"

#define KUBERAY_VERSION "v1.7.0"

/* Feature gates: name, on by default. Facts of upstream's pkg/features. */
#define RAY_FEATURES(X)                                                                            \
    X(STATUS_CONDITIONS, "RayClusterStatusConditions", true)                                       \
    X(DELETION_POLICY, "RayJobDeletionPolicy", true)                                               \
    X(MULTI_HOST_INDEXING, "RayMultiHostIndexing", true)                                           \
    X(INCREMENTAL_UPGRADE, "RayServiceIncrementalUpgrade", true)                                   \
    X(CRON_JOB, "RayCronJob", false)                                                               \
    X(SIDECAR_RESTART, "SidecarSubmitterRestart", false)                                           \
    X(NETWORK_POLICY, "RayClusterNetworkPolicy", false)                                            \
    X(MTLS, "RayClusterMTLS", false)                                                               \
    X(HISTORY_SERVER, "RayClusterHistoryServer", false)                                            \
    X(GCS_EMBEDDED, "GCSFaultToleranceEmbeddedStorage", false)                                     \
    X(KUBERNETES_WAS, "KubernetesWAS", false)

enum ray_feature {
#define X(id, name, on) FEATURE_##id,
    RAY_FEATURES(X)
#undef X
        FEATURE_COUNT
};

/* Environment variables that planners ask for by name; values as given, absent is NULL. */
struct ray_env {
    const char *name, *value;
};

struct ray_options {
    bool features[FEATURE_COUNT];
    const struct ray_env *env;   /* ends with a NULL name */
    const char *batch_scheduler; /* NULL: none; "volcano", "yunikorn", "scheduler-plugins",
                                    "kai-scheduler", … */
    bool use_kubernetes_proxy;
    bool openshift, cert_manager;                /* found in discovery at the start */
    yyjson_val *head_sidecars, *worker_sidecars; /* arrays of containers; NULL: none */
    yyjson_val *default_pod_annotations, *default_pod_labels;
    yyjson_val *default_container_envs;
    const char *operator_namespace; /* of the operator's own pod; NULL outside a cluster */
    const char *operator_name;      /* value of the label and annotations that name the operator */
};

const char *ray_env(const struct ray_options *o, const char *name);         /* NULL: not set */
bool ray_env_true(const struct ray_options *o, const char *name, bool def); /* "true", any case */
int64_t ray_env_int(const struct ray_options *o, const char *name, int64_t def);
static inline bool ray_feature(const struct ray_options *o, enum ray_feature f)
{
    return o->features[f];
}

#endif
