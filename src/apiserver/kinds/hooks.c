#include "apiserver/kinds/hooks.h"

#include "apiserver/crd/crd.h"
#include "apiserver/kinds/kind.h"
#include "apiserver/kinds/rules_pod.h"
#include "apiserver/kinds/subresources.h"

#include "base/names.h"
#include "data/typed.h"

/* RBAC names may be whatever fits into a path. */
static const char *path_segment(struct slice s)
{
    if (slice_is(s, ".") || slice_is(s, ".."))
        return slice_is(s, ".") ? "may not be '.'" : "may not be '..'";
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '/' || s.p[i] == '%')
            return s.p[i] == '/' ? "may not contain '/'" : "may not contain '%'";
    return NULL;
}

#define FIELDS(...)                                                                                \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static const struct scale_paths replica_scale = {".spec.replicas", ".status.replicas", NULL};

#define EVENT_FIELDS(object, component)                                                            \
    FIELDS(object ".kind", object ".namespace", object ".name", object ".uid",                     \
           object ".apiVersion", object ".resourceVersion", object ".fieldPath", "reason",         \
           component, "type", "source")

#define RBAC "rbac.authorization.k8s.io"

static const struct kind_row rows[] = {
    {"", "configmaps", .rules = configmap_rules, .update_rules = configmap_update_rules},
    {"", "endpoints", .rules = endpoints_rules, .defaults = endpoints_defaults},
    {"", "events", .rules = event_rules,
     .fields = EVENT_FIELDS("involvedObject", "reportingComponent")},
    {"events.k8s.io", "events", .rules = new_event_rules,
     .fields = EVENT_FIELDS("regarding", "reportingController"),
     .hooks = {.from_stored = event_from_stored, .to_stored = event_to_stored}},
    {"", "limitranges", .rules = limit_range_rules, .defaults = limit_range_defaults},
    {"", "namespaces", .rules = namespace_rules, .defaults = namespace_defaults,
     .hooks = {.prepare = namespace_prepare, .check_name = name_dns1123_label},
     .fields = FIELDS("status.phase")},
    {"", "nodes", .rules = node_rules, .update_rules = node_update_rules,
     .hooks = {.admit = node_admit, .prepare = node_prepare},
     .fields = FIELDS("spec.unschedulable")},
    {"", "persistentvolumeclaims", .rules = claim_rules, .update_rules = claim_update_rules,
     .defaults = claim_defaults, .hooks = {.prepare = claim_prepare}},
    {"", "persistentvolumes", .rules = volume_rules_pv, .defaults = volume_defaults,
     .hooks = {.prepare = claim_prepare}},
    {"", "pods", .rules = pod_rules, .update_rules = pod_update_rules,
     .status_rules = pod_status_rules, .ephemeral_rules = pod_ephemeral_rules,
     .defaults = pod_defaults,
     .hooks = {.admit = pod_admit, .prepare = pod_prepare, .grace = pod_grace},
     .fields = FIELDS("spec.nodeName", "spec.restartPolicy", "spec.schedulerName",
                      "spec.serviceAccountName", "spec.hostNetwork", "status.phase", "status.podIP",
                      "status.podIPs", "status.nominatedNodeName")},
    {"", "podtemplates", .rules = pod_template_kind_rules, .defaults = pod_template_defaults},
    {"", "replicationcontrollers", .rules = controller_rules, .defaults = controller_defaults,
     .scale = &replica_scale, .fields = FIELDS("status.replicas")},
    {"", "resourcequotas", .rules = quota_rules},
    {"", "secrets", .rules = secret_rules, .update_rules = secret_update_rules,
     .defaults = secret_defaults, .hooks = {.prepare = secret_prepare}, .fields = FIELDS("type")},
    {"", "serviceaccounts", .rules = service_account_rules},
    {"", "services", .rules = service_rules, .update_rules = service_update_rules,
     .status_rules = service_status_rules, .defaults = service_defaults,
     .hooks = {.prepare = service_prepare, .check_name = service_name},
     .fields = FIELDS("spec.clusterIP", "spec.type")},
    {"apiregistration.k8s.io", "apiservices", .defaults = api_service_defaults},
    {"apps", "controllerrevisions", .rules = revision_rules},
    {"apps", "daemonsets", .rules = daemonset_rules, .update_rules = deployment_update_rules,
     .defaults = daemonset_defaults, .hooks = {.prepare = daemonset_prepare}},
    {"apps", "deployments", .rules = deployment_rules, .update_rules = deployment_update_rules,
     .defaults = deployment_defaults, .scale = &replica_scale},
    {"apps", "replicasets", .rules = replicaset_rules, .update_rules = deployment_update_rules,
     .defaults = replicaset_defaults, .scale = &replica_scale},
    {"apps", "statefulsets", .rules = statefulset_rules, .update_rules = statefulset_update_rules,
     .defaults = statefulset_defaults, .scale = &replica_scale},
    {"autoscaling", "horizontalpodautoscalers", .rules = autoscaler_rules,
     .defaults = autoscaler_defaults,
     .hooks = {.from_stored = autoscaler_from_stored, .to_stored = autoscaler_to_stored}},
    {"batch", "cronjobs", .rules = cronjob_rules, .defaults = cronjob_defaults},
    {"batch", "jobs", .rules = job_rules, .update_rules = job_update_rules,
     .defaults = job_defaults, .hooks = {.prepare = job_prepare},
     .fields = FIELDS("status.successful")},
    {"certificates.k8s.io", "certificatesigningrequests", .rules = signing_request_rules,
     .fields = FIELDS("spec.signerName")},
    {"networking.k8s.io", "ingressclasses", .rules = ingress_class_rules},
    {"networking.k8s.io", "ingresses", .rules = ingress_rules},
    {"networking.k8s.io", "networkpolicies", .rules = network_policy_rules,
     .defaults = network_policy_defaults},
    {"policy", "poddisruptionbudgets", .rules = budget_rules},
    {RBAC, "clusterrolebindings", .rules = cluster_binding_rules,
     .update_rules = binding_update_rules, .defaults = binding_defaults,
     .hooks = {.check_name = path_segment}},
    {RBAC, "clusterroles", .rules = cluster_role_rules, .defaults = role_defaults,
     .hooks = {.check_name = path_segment}},
    {RBAC, "rolebindings", .rules = binding_rules, .update_rules = binding_update_rules,
     .defaults = binding_defaults, .hooks = {.check_name = path_segment}},
    {RBAC, "roles", .rules = role_rules, .defaults = role_defaults,
     .hooks = {.check_name = path_segment}},
    {"storage.k8s.io", "csidrivers", .defaults = csi_driver_defaults},
    {"storage.k8s.io", "storageclasses", .rules = storage_class_rules,
     .update_rules = storage_class_update_rules, .defaults = storage_class_defaults},
    {"admissionregistration.k8s.io", "mutatingwebhookconfigurations", .defaults = webhook_defaults},
    {"admissionregistration.k8s.io", "validatingwebhookconfigurations",
     .defaults = webhook_defaults},
    {"apiextensions.k8s.io", "customresourcedefinitions",
     .hooks = {.defaults = crd_defaults, .prepare = crd_prepare, .validate = crd_validate}},
    {"scheduling.k8s.io", "priorityclasses", .rules = priority_rules,
     .update_rules = priority_update_rules, .defaults = priority_defaults},
    {"coordination.k8s.io", "leases", .rules = lease_rules, .defaults = lease_defaults},
    {"node.k8s.io", "runtimeclasses", .rules = runtime_class_rules},
    {"discovery.k8s.io", "endpointslices", .rules = slice_rules, .update_rules = slice_update_rules,
     .defaults = slice_defaults},
};

const struct kind_row *kind_row_find(const char *group, const char *plural)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (!strcmp(rows[i].plural, plural) && !strcmp(rows[i].group, group))
            return &rows[i];
    return NULL;
}

static const struct kind_row *row_of(const struct change *ch)
{
    return ch->res->data;
}

void kind_apply_defaults(struct change *ch)
{
    const struct kind_row *row = row_of(ch);

    if (row && row->defaults)
        defaults_apply(row->defaults, ch->doc, ch->obj, ch);
}

/* A new object's status is the zero value of its type, as Go would write it. */
static void put_zero_status(struct change *ch)
{
    const struct field *f = ch->res->type ? type_field_str(ch->res->type, "status") : NULL;
    yyjson_mut_val *zero = NULL;

    if (!f || !field_type(f) || json_mut_get(ch->obj, "status"))
        return;
    if (typed_copy(field_type(f), ch->doc, NULL, TYPED_LENIENT, &zero, NULL) == 0)
        json_put(ch->doc, ch->obj, "status", zero);
}

void kind_prepare(struct change *ch)
{
    const struct kind_row *row = row_of(ch);

    if (!ch->old && ch->res->has_status)
        put_zero_status(ch);
    if (row && row->hooks.prepare)
        row->hooks.prepare(ch);
    if (!ch->old && ch->res->has_status)
        kind_apply_defaults(ch);
}

void kind_validate(struct change *ch)
{
    const struct kind_row *row = row_of(ch);

    bool status = !strcmp(ch->subresource, "status");

    if (!row || (status ? !row->status_rules : !row->rules && !row->update_rules))
        return;
    struct json *now autojson = json_freeze(ch->obj);
    struct check c = {.errs = ch->errs, .root = json_root(now), .old_root = ch->old, .change = ch};
    if (status)
        rules_apply(&c, row->status_rules, c.root, c.old_root, "");
    else if (row->rules)
        rules_apply(&c, row->rules, c.root, c.old_root, "");
    if (row->ephemeral_rules && !strcmp(ch->subresource, "ephemeralcontainers"))
        rules_apply(&c, row->ephemeral_rules, c.root, c.old_root, "");
    /* A binding sets what an update may not touch: the node. */
    if (!status && row->update_rules && ch->old &&
        !str_in(ch->subresource, "binding|ephemeralcontainers|resize"))
        rules_apply(&c, row->update_rules, c.root, c.old_root, "");
}
