/*
 * The words that KubeRay's objects carry: labels, annotations, finalizers, container names
 * (spec: raycluster §§8-10). One place, since a letter changed here restarts clusters.
 */
#ifndef MANTA_RAY_WORDS_H
#define MANTA_RAY_WORDS_H

#define LABEL_CLUSTER "ray.io/cluster"
#define LABEL_NODE_TYPE "ray.io/node-type"
#define LABEL_GROUP "ray.io/group"
#define LABEL_IS_RAY_NODE "ray.io/is-ray-node"
#define LABEL_IDENTIFIER "ray.io/identifier"
#define LABEL_SERVE "ray.io/serve"
#define LABEL_HEADLESS "ray.io/headless-worker-svc"
#define LABEL_FROM_CR "ray.io/originated-from-cr-name"
#define LABEL_FROM_CRD "ray.io/originated-from-crd"
#define LABEL_SUBMISSION_MODE "ray.io/job-submission-mode"
#define LABEL_REPLICA_INDEX "ray.io/worker-group-replica-index"
#define LABEL_REPLICA_NAME "ray.io/worker-group-replica-name"
#define LABEL_HOST_INDEX "ray.io/replica-host-index"
#define LABEL_APP "app.kubernetes.io/name"
#define LABEL_CREATED_BY "app.kubernetes.io/created-by"
#define LABEL_COMPONENT "app.kubernetes.io/component"
#define LABEL_GANG "ray.io/gang-scheduling-enabled"
#define LABEL_PRIORITY_CLASS "ray.io/priority-class-name"

#define APP_NAME "kuberay"
#define CREATED_BY "kuberay-operator"
#define MANAGED_BY "ray.io/kuberay-operator"

#define NODE_HEAD "head"
#define NODE_WORKER "worker"
#define NODE_CLEANUP "redis-cleanup"
#define HEAD_GROUP "headgroup"

#define ANN_FT_ENABLED "ray.io/ft-enabled"
#define ANN_STORAGE_NS "ray.io/external-storage-namespace"
#define ANN_OVERWRITE_CMD "ray.io/overwrite-container-cmd"
#define ANN_SERVE_SERVICE "ray.io/enable-serve-service"
#define ANN_RECREATE_HASH "ray.io/upgrade-strategy-recreate-hash"
#define ANN_VERSION "ray.io/kuberay-version"
#define ANN_NO_HEAD_RESTART "ray.io/disable-provisioned-head-restart"
#define ANN_DELETION_TIMEOUT "ray.io/gcs-ft-deletion-timeout"
#define ANN_INGRESS_CLASS "kubernetes.io/ingress.class"

#define FINALIZER_REDIS "ray.io/gcs-ft-redis-cleanup-finalizer"

#define CONTAINER_COLLECTOR "ray-history-collector"
#define CONTAINER_AUTOSCALER "autoscaler"
#define CONTAINER_WAIT_GCS "wait-gcs-ready"
#define CONTAINER_WAIT_SAN "wait-for-tls-ip-san"

#define API_RAY "ray.io/v1"
#define CRD_RAYCLUSTER "RayCluster"
#define CRD_RAYJOB "RayJob"
#define CRD_RAYSERVICE "RayService"

#endif
