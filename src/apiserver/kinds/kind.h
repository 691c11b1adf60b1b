/* Parts of the rows in kinds/hooks.c: rules, defaults and hooks, a file a family of kinds. */
#ifndef MANTA_APISERVER_KINDS_KIND_H
#define MANTA_APISERVER_KINDS_KIND_H

#include "apiserver/apiserver.h"
#include "apiserver/kinds/defaults.h"
#include "apiserver/kinds/hooks.h"
#include "apiserver/kinds/rules.h"

/* workloads.c, job.c */
extern const struct rule revision_rules[];
extern const struct rule deployment_rules[], replicaset_rules[], statefulset_rules[],
    daemonset_rules[], controller_rules[], pod_template_kind_rules[];
extern const struct rule deployment_update_rules[], statefulset_update_rules[];
extern const struct kind_defaults deployment_defaults[], replicaset_defaults[],
    statefulset_defaults[], daemonset_defaults[], controller_defaults[], pod_template_defaults[];
void daemonset_prepare(struct change *ch);
extern const struct rule job_rules[], job_update_rules[], cronjob_rules[];
extern const struct kind_defaults job_defaults[], cronjob_defaults[];
void job_prepare(struct change *ch);

/* small.c, data.c, storage_kinds.c, rbac.c: kinds with a few fields */
extern const struct rule configmap_rules[], secret_rules[], claim_rules[], lease_rules[],
    event_rules[], quota_rules[], limit_range_rules[], service_account_rules[], namespace_rules[],
    endpoints_rules[], slice_rules[], priority_rules[], budget_rules[], role_rules[],
    cluster_role_rules[], binding_rules[], cluster_binding_rules[], storage_class_rules[],
    volume_rules_pv[], node_rules[], autoscaler_rules[], new_event_rules[], runtime_class_rules[],
    signing_request_rules[];
extern const struct rule configmap_update_rules[], secret_update_rules[], claim_update_rules[],
    priority_update_rules[], binding_update_rules[], node_update_rules[],
    storage_class_update_rules[], slice_update_rules[];
extern const struct kind_defaults lease_defaults[], role_defaults[], secret_defaults[],
    claim_defaults[], slice_defaults[], priority_defaults[], binding_defaults[],
    storage_class_defaults[], volume_defaults[], autoscaler_defaults[], limit_range_defaults[],
    endpoints_defaults[], namespace_defaults[], csi_driver_defaults[], webhook_defaults[],
    api_service_defaults[];
void secret_prepare(struct change *ch);
void claim_prepare(struct change *ch);
void namespace_prepare(struct change *ch);
void node_prepare(struct change *ch);
void node_admit(struct change *ch);

/* network.c */
extern const struct rule ingress_rules[], network_policy_rules[], ingress_class_rules[];
extern const struct kind_defaults network_policy_defaults[];

/* service.c */
extern const struct kind_defaults service_defaults[];
extern const struct rule service_rules[], service_update_rules[], service_status_rules[];
void service_prepare(struct change *ch);
const char *service_name(struct slice s);

/* pod.c */
void pod_admit(struct change *ch);
void pod_prepare(struct change *ch);
int64_t pod_grace(yyjson_val *obj);

/* events.c: the two groups' forms of an event */
yyjson_mut_val *event_from_stored(const struct resource *to, yyjson_mut_doc *doc,
                                  yyjson_val *stored);
void event_to_stored(const struct resource *from, yyjson_mut_doc *doc, yyjson_mut_val *obj);
yyjson_mut_val *autoscaler_from_stored(const struct resource *to, yyjson_mut_doc *doc,
                                       yyjson_val *stored);
void autoscaler_to_stored(const struct resource *from, yyjson_mut_doc *doc, yyjson_mut_val *obj);

/* ---- of several ---- */
/* The labels of a map, an object; a selector that does not match the template's labels. */
check_fn check_selector_matches; /* at a spec: selector and template.metadata.labels */
check_fn check_always;           /* a pod template's restartPolicy must be Always */

#endif
