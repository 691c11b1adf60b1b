#include "apiserver/tables/columns.h"

#include "apiserver/tables/cells.h"
#define NAME                                                                                       \
    {                                                                                              \
        "Name", "string", "name", 0, cell_text, "metadata.name", ""                                \
    }
#define AGE                                                                                        \
    {                                                                                              \
        "Age", "string", "", 0, cell_age, "metadata.creationTimestamp"                             \
    }
#define CREATED                                                                                    \
    {                                                                                              \
        "Created At", "date", "", 0, cell_time, "metadata.creationTimestamp"                       \
    }
#define TEXT(name, path)                                                                           \
    {                                                                                              \
        name, "string", "", 0, cell_text, path, ""                                                 \
    }
#define TEXT_OR(name, path, absent)                                                                \
    {                                                                                              \
        name, "string", "", 0, cell_text, path, absent                                             \
    }
#define WIDE(name, cell, path, absent)                                                             \
    {                                                                                              \
        name, "string", "", 1, cell, path, absent                                                  \
    }
#define INT(name, path)                                                                            \
    {                                                                                              \
        name, "integer", "", 0, cell_int, path                                                     \
    }
#define BOOL(name, path)                                                                           \
    {                                                                                              \
        name, "boolean", "", 0, cell_bool, path                                                    \
    }
#define CELLS(name, cell, path, absent)                                                            \
    {                                                                                              \
        name, "string", "", 0, cell, path, absent                                                  \
    }
#define CONTAINERS(path)                                                                           \
    {"Containers", "string", "", 1, cell_containers, path},                                        \
    {                                                                                              \
        "Images", "string", "", 1, cell_images, path                                               \
    }

/* clang-format off */
static const struct column fallback[] = {NAME, CREATED};

static const struct column pods[] = {
    NAME,
    CELLS("Ready", cell_pod_ready, NULL, NULL),
    CELLS("Status", cell_pod_status, NULL, NULL),
    CELLS("Restarts", cell_pod_restarts, NULL, NULL),
    AGE,
    WIDE("IP", cell_text, "status.podIP", "<none>"),
    WIDE("Node", cell_text, "spec.nodeName", "<none>"),
    WIDE("Nominated Node", cell_text, "status.nominatedNodeName", "<none>"),
    WIDE("Readiness Gates", cell_pod_gates, NULL, NULL),
};
static const struct column pod_templates[] = {
    NAME,
    CELLS("Containers", cell_containers, "template.spec.containers", ""),
    CELLS("Images", cell_images, "template.spec.containers", ""),
    CELLS("Pod Labels", cell_labels, "template.metadata.labels", "<none>"),
};
static const struct column services[] = {
    NAME,
    TEXT("Type", "spec.type"),
    TEXT_OR("Cluster-IP", "spec.clusterIP", "<none>"),
    CELLS("External-IP", cell_service_external, NULL, NULL),
    CELLS("Port(s)", cell_service_ports, NULL, NULL),
    AGE,
    WIDE("Selector", cell_labels, "spec.selector", "<none>"),
};
static const struct column configmaps[] = {
    NAME, {"Data", "string", "", 0, cell_data_count}, AGE,
};
static const struct column secrets[] = {
    NAME, TEXT("Type", "type"), {"Data", "string", "", 0, cell_len, "data"}, AGE,
};
static const struct column name_age[] = {NAME, AGE};
static const struct column namespaces[] = {NAME, TEXT("Status", "status.phase"), AGE};
static const struct column nodes[] = {
    NAME,
    CELLS("Status", cell_node_status, NULL, NULL),
    CELLS("Roles", cell_node_roles, NULL, NULL),
    AGE,
    TEXT("Version", "status.nodeInfo.kubeletVersion"),
    WIDE("Internal-IP", cell_node_address, "InternalIP", "<none>"),
    WIDE("External-IP", cell_node_address, "ExternalIP", "<none>"),
    WIDE("OS-Image", cell_text, "status.nodeInfo.osImage", "<unknown>"),
    WIDE("Kernel-Version", cell_text, "status.nodeInfo.kernelVersion", "<unknown>"),
    WIDE("Container-Runtime", cell_text, "status.nodeInfo.containerRuntimeVersion", "<unknown>"),
};
static const struct column events[] = {
    CELLS("Last Seen", cell_event_last, NULL, NULL),
    TEXT("Type", "type"),
    TEXT("Reason", "reason"),
    CELLS("Object", cell_event_object, NULL, NULL),
    WIDE("Subobject", cell_event_field, NULL, ""),
    WIDE("Source", cell_event_source, NULL, ""),
    CELLS("Message", cell_text, "message|note", ""),
    WIDE("First Seen", cell_event_first, NULL, NULL),
    WIDE("Count", cell_event_count, NULL, NULL),
    {"Name", "string", "name", 1, cell_text, "metadata.name", ""},
};
static const struct column endpoints[] = {NAME, CELLS("Endpoints", cell_endpoints, NULL, NULL), AGE};
static const struct column slices[] = {
    NAME, TEXT("AddressType", "addressType"),
    CELLS("Ports", cell_slice_ports, NULL, NULL),
    CELLS("Endpoints", cell_slice_endpoints, NULL, NULL), AGE,
};
static const struct column claims[] = {
    NAME,
    CELLS("Status", cell_claim_phase, NULL, NULL),
    TEXT("Volume", "spec.volumeName"),
    CELLS("Capacity", cell_claim_capacity, NULL, NULL),
    CELLS("Access Modes", cell_access_modes, "status.accessModes", ""),
    TEXT("StorageClass", "spec.storageClassName"),
    TEXT_OR("VolumeAttributesClass", "spec.volumeAttributesClassName", "<unset>"),
    AGE,
    WIDE("VolumeMode", cell_text, "spec.volumeMode", "<unset>"),
};
static const struct column volumes[] = {
    NAME,
    TEXT("Capacity", "spec.capacity.storage"),
    CELLS("Access Modes", cell_access_modes, "spec.accessModes", ""),
    TEXT("Reclaim Policy", "spec.persistentVolumeReclaimPolicy"),
    CELLS("Status", cell_claim_phase, NULL, NULL),
    CELLS("Claim", cell_volume_claim, NULL, NULL),
    TEXT("StorageClass", "spec.storageClassName"),
    TEXT_OR("VolumeAttributesClass", "spec.volumeAttributesClassName", "<unset>"),
    TEXT("Reason", "status.reason"),
    AGE,
    WIDE("VolumeMode", cell_text, "spec.volumeMode", "<unset>"),
};
static const struct column quotas[] = {
    NAME, CELLS("Request", cell_quota, "requests", NULL), CELLS("Limit", cell_quota, "limits", NULL), AGE,
};
static const struct column replicas[] = {
    NAME,
    INT("Desired", "spec.replicas"), INT("Current", "status.replicas"), INT("Ready", "status.readyReplicas"),
    AGE,
    CONTAINERS("spec.template.spec.containers"),
    WIDE("Selector", cell_selector, "spec.selector", "<none>"),
};
static const struct column controllers[] = {
    NAME,
    INT("Desired", "spec.replicas"), INT("Current", "status.replicas"), INT("Ready", "status.readyReplicas"),
    AGE,
    CONTAINERS("spec.template.spec.containers"),
    WIDE("Selector", cell_labels, "spec.selector", "<none>"),
};
static const struct column deployments[] = {
    NAME,
    {"Ready", "string", "", 0, cell_ratio, "status.readyReplicas", NULL, NULL, "spec.replicas"},
    {"Up-to-date", "string", "", 0, cell_int, "status.updatedReplicas"},
    {"Available", "string", "", 0, cell_int, "status.availableReplicas"},
    AGE,
    CONTAINERS("spec.template.spec.containers"),
    WIDE("Selector", cell_selector, "spec.selector", "<none>"),
};
static const struct column stateful_sets[] = {
    NAME,
    {"Ready", "string", "", 0, cell_ratio, "status.readyReplicas", NULL, NULL, "spec.replicas"},
    AGE,
    CONTAINERS("spec.template.spec.containers"),
};
static const struct column scales[] = {
    NAME, INT("Desired", "spec.replicas"), INT("Available", "status.replicas"), AGE,
};
static const struct column daemon_sets[] = {
    NAME,
    INT("Desired", "status.desiredNumberScheduled"), INT("Current", "status.currentNumberScheduled"),
    INT("Ready", "status.numberReady"), INT("Up-to-date", "status.updatedNumberScheduled"),
    INT("Available", "status.numberAvailable"),
    CELLS("Node Selector", cell_labels, "spec.template.spec.nodeSelector", "<none>"),
    AGE,
    CONTAINERS("spec.template.spec.containers"),
    WIDE("Selector", cell_selector, "spec.selector", "<none>"),
};
static const struct column revisions[] = {
    NAME, CELLS("Controller", cell_owner, NULL, "<none>"),
    {"Revision", "string", "", 0, cell_int, "revision"}, AGE,
};
static const struct column jobs[] = {
    NAME,
    CELLS("Status", cell_job_status, NULL, NULL),
    CELLS("Completions", cell_job_completions, NULL, NULL),
    CELLS("Duration", cell_job_duration, NULL, NULL),
    AGE,
    CONTAINERS("spec.template.spec.containers"),
    WIDE("Selector", cell_selector, "spec.selector", "<none>"),
};
static const struct column cron_jobs[] = {
    NAME,
    TEXT("Schedule", "spec.schedule"),
    TEXT_OR("Timezone", "spec.timeZone", "<none>"),
    {"Suspend", "boolean", "", 0, cell_bool_word, "spec.suspend", "<unset>"},
    {"Active", "integer", "", 0, cell_len, "status.active"},
    CELLS("Last Schedule", cell_age, "status.lastScheduleTime", "<none>"),
    AGE,
    CONTAINERS("spec.jobTemplate.spec.template.spec.containers"),
    WIDE("Selector", cell_selector, "spec.jobTemplate.spec.selector", "<none>"),
};
static const struct column autoscalers[] = {
    NAME,
    CELLS("Reference", cell_object_ref, "spec.scaleTargetRef", ""),
    CELLS("Targets", cell_hpa_targets, NULL, "<none>"),
    {"MinPods", "string", "", 0, cell_int, "spec.minReplicas", "<unset>"},
    {"MaxPods", "string", "", 0, cell_int, "spec.maxReplicas"},
    {"Replicas", "string", "", 0, cell_int, "status.currentReplicas"},
    AGE,
};
static const struct column requests[] = {
    NAME, AGE,
    TEXT_OR("SignerName", "spec.signerName", "<none>"),
    TEXT("Requestor", "spec.username"),
    TEXT_OR("RequestedDuration", "spec.expirationSeconds", "<none>"),
    CELLS("Condition", cell_csr_condition, NULL, NULL),
};
static const struct column leases[] = {NAME, TEXT("Holder", "spec.holderIdentity"), AGE};
static const struct column ingresses[] = {
    NAME,
    TEXT_OR("Class", "spec.ingressClassName", "<none>"),
    CELLS("Hosts", cell_ingress_hosts, NULL, NULL),
    CELLS("Address", cell_load_balancer, "status.loadBalancer.ingress", ""),
    CELLS("Ports", cell_ingress_ports, NULL, NULL),
    AGE,
};
static const struct column ingress_classes[] = {
    NAME, TEXT("Controller", "spec.controller"),
    CELLS("Parameters", cell_object_ref, "spec.parameters", "<none>"), AGE,
};
static const struct column addresses[] = {NAME, CELLS("ParentRef", cell_object_ref, "spec.parentRef", "")};
static const struct column policies[] = {
    NAME, CELLS("Pod-Selector", cell_selector, "spec.podSelector", "<none>"), AGE,
};
static const struct column service_cidrs[] = {NAME, CELLS("CIDRs", cell_join, "spec.cidrs", ""), AGE};
static const struct column budgets[] = {
    NAME,
    TEXT_OR("Min Available", "spec.minAvailable", "N/A"),
    TEXT_OR("Max Unavailable", "spec.maxUnavailable", "N/A"),
    INT("Allowed Disruptions", "status.disruptionsAllowed"),
    AGE,
};
static const struct column bindings[] = {
    NAME, CELLS("Role", cell_role_ref, NULL, NULL), AGE,
    WIDE("Users", cell_subjects, "User", ""),
    WIDE("Groups", cell_subjects, "Group", ""),
    WIDE("ServiceAccounts", cell_subjects, "ServiceAccount", ""),
};
static const struct column priority_classes[] = {
    NAME, INT("Value", "value"), BOOL("Global-Default", "globalDefault"), AGE,
    TEXT("PreemptionPolicy", "preemptionPolicy"),
};
static const struct column storage_classes[] = {
    {"Name", "string", "name", 0, cell_storage_class_name},
    TEXT("Provisioner", "provisioner"),
    TEXT_OR("ReclaimPolicy", "reclaimPolicy", "Delete"),
    TEXT_OR("VolumeBindingMode", "volumeBindingMode", "Immediate"),
    {"AllowVolumeExpansion", "string", "", 0, cell_bool, "allowVolumeExpansion"},
    AGE,
};
static const struct column csi_drivers[] = {
    NAME,
    BOOL("AttachRequired", "spec.attachRequired"), BOOL("PodInfoOnMount", "spec.podInfoOnMount"),
    BOOL("StorageCapacity", "spec.storageCapacity"),
    TEXT_OR("TokenRequests", "spec.tokenRequests.0.audience", "<unset>"),
    BOOL("RequiresRepublish", "spec.requiresRepublish"),
    CELLS("Modes", cell_join, "spec.volumeLifecycleModes", "<none>"),
    AGE,
};
static const struct column csi_nodes[] = {
    NAME, {"Drivers", "integer", "", 0, cell_len, "spec.drivers"}, AGE,
};
static const struct column attachments[] = {
    NAME, {"Attacher", "string", "name", 0, cell_text, "spec.attacher", ""},
    TEXT("PV", "spec.source.persistentVolumeName"), TEXT("Node", "spec.nodeName"),
    BOOL("Attached", "status.attached"), AGE,
};
static const struct column attributes_classes[] = {NAME, TEXT("DriverName", "driverName"), AGE};
static const struct column runtime_classes[] = {NAME, TEXT("Handler", "handler"), AGE};
static const struct column api_services[] = {
    NAME, CELLS("Service", cell_api_service, NULL, NULL),
    CELLS("Available", cell_api_available, NULL, NULL), AGE,
};
static const struct column webhooks[] = {
    NAME, {"Webhooks", "integer", "", 0, cell_len, "webhooks"}, AGE,
};
static const struct column mutating_policies[] = {
    NAME, {"Mutations", "integer", "", 0, cell_len, "spec.mutations"},
    TEXT_OR("ParamKind", "spec.paramKind.kind", "<unset>"), AGE,
};
static const struct column validating_policies[] = {
    NAME, {"Validations", "integer", "", 0, cell_len, "spec.validations"},
    TEXT_OR("ParamKind", "spec.paramKind.kind", "<unset>"), AGE,
};
static const struct column policy_bindings[] = {
    NAME, TEXT("PolicyName", "spec.policyName"), TEXT_OR("ParamRef", "spec.paramRef.name", "<unset>"), AGE,
};
static const struct column flow_schemas[] = {
    NAME,
    TEXT("PriorityLevel", "spec.priorityLevelConfiguration.name"),
    {"MatchingPrecedence", "string", "", 0, cell_int, "spec.matchingPrecedence"},
    TEXT_OR("DistinguisherMethod", "spec.distinguisherMethod.type", "<none>"),
    AGE,
    TEXT_OR("MissingPL", "status.conditions.0.status", "?"),
};
static const struct column priority_levels[] = {
    NAME, TEXT("Type", "spec.type"),
    TEXT_OR("NominalConcurrencyShares", "spec.limited.nominalConcurrencyShares", "<none>"),
    TEXT_OR("Queues", "spec.limited.limitResponse.queuing.queues", "<none>"),
    TEXT_OR("HandSize", "spec.limited.limitResponse.queuing.handSize", "<none>"),
    TEXT_OR("QueueLengthLimit", "spec.limited.limitResponse.queuing.queueLengthLimit", "<none>"),
    AGE,
};
static const struct column claims_dra[] = {NAME, TEXT_OR("State", "status.state", "pending"), AGE};
static const struct column device_slices[] = {
    NAME, TEXT_OR("Node", "spec.nodeName", "<unset>"), TEXT("Driver", "spec.driver"),
    TEXT("Pool", "spec.pool.name"), AGE,
};

#define ROW(group, plural, columns) {group, plural, columns, ARRAY_SIZE(columns)}
static const struct printer printers[] = {
    ROW("", "configmaps", configmaps),
    ROW("", "endpoints", endpoints),
    ROW("", "events", events),
    ROW("", "namespaces", namespaces),
    ROW("", "nodes", nodes),
    ROW("", "persistentvolumeclaims", claims),
    ROW("", "persistentvolumes", volumes),
    ROW("", "pods", pods),
    ROW("", "podtemplates", pod_templates),
    ROW("", "replicationcontrollers", controllers),
    ROW("", "resourcequotas", quotas),
    ROW("", "secrets", secrets),
    ROW("", "serviceaccounts", name_age),
    ROW("", "services", services),
    ROW("admissionregistration.k8s.io", "mutatingadmissionpolicies", mutating_policies),
    ROW("admissionregistration.k8s.io", "mutatingadmissionpolicybindings", policy_bindings),
    ROW("admissionregistration.k8s.io", "mutatingwebhookconfigurations", webhooks),
    ROW("admissionregistration.k8s.io", "validatingadmissionpolicies", validating_policies),
    ROW("admissionregistration.k8s.io", "validatingadmissionpolicybindings", policy_bindings),
    ROW("admissionregistration.k8s.io", "validatingwebhookconfigurations", webhooks),
    ROW("apiregistration.k8s.io", "apiservices", api_services),
    ROW("apps", "controllerrevisions", revisions),
    ROW("apps", "daemonsets", daemon_sets),
    ROW("apps", "deployments", deployments),
    ROW("apps", "replicasets", replicas),
    ROW("apps", "statefulsets", stateful_sets),
    ROW("autoscaling", "horizontalpodautoscalers", autoscalers),
    ROW("autoscaling", "scales", scales),
    ROW("batch", "cronjobs", cron_jobs),
    ROW("batch", "jobs", jobs),
    ROW("certificates.k8s.io", "certificatesigningrequests", requests),
    ROW("coordination.k8s.io", "leases", leases),
    ROW("discovery.k8s.io", "endpointslices", slices),
    ROW("events.k8s.io", "events", events),
    ROW("flowcontrol.apiserver.k8s.io", "flowschemas", flow_schemas),
    ROW("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations", priority_levels),
    ROW("networking.k8s.io", "ingressclasses", ingress_classes),
    ROW("networking.k8s.io", "ingresses", ingresses),
    ROW("networking.k8s.io", "ipaddresses", addresses),
    ROW("networking.k8s.io", "networkpolicies", policies),
    ROW("networking.k8s.io", "servicecidrs", service_cidrs),
    ROW("node.k8s.io", "runtimeclasses", runtime_classes),
    ROW("policy", "poddisruptionbudgets", budgets),
    ROW("rbac.authorization.k8s.io", "clusterrolebindings", bindings),
    ROW("rbac.authorization.k8s.io", "rolebindings", bindings),
    ROW("resource.k8s.io", "deviceclasses", name_age),
    ROW("resource.k8s.io", "resourceclaims", claims_dra),
    ROW("resource.k8s.io", "resourceclaimtemplates", name_age),
    ROW("resource.k8s.io", "resourceslices", device_slices),
    ROW("scheduling.k8s.io", "priorityclasses", priority_classes),
    ROW("storage.k8s.io", "csidrivers", csi_drivers),
    ROW("storage.k8s.io", "csinodes", csi_nodes),
    ROW("storage.k8s.io", "storageclasses", storage_classes),
    ROW("storage.k8s.io", "volumeattachments", attachments),
    ROW("storage.k8s.io", "volumeattributesclasses", attributes_classes),
};
/* clang-format on */

static const struct printer other = {"", "", fallback, ARRAY_SIZE(fallback)};

bool printer_is_fallback(const struct printer *p)
{
    return p == &other;
}

const struct printer *printer_find(const char *group, const char *plural)
{
    for (size_t i = 0; i < ARRAY_SIZE(printers); i++)
        if (!strcmp(printers[i].plural, plural) && !strcmp(printers[i].group, group))
            return &printers[i];
    return &other;
}
