/* Kinds with a few fields each: rules and defaults only (hooks are in small_hooks.c). */
#include "apiserver/kinds/kind.h"

#include "apiserver/kinds/rules_pod.h"
#include "base/base64.h"
#include "base/names.h"
#include "data/quantity.h"

#include <stdio.h>

/* ---- ServiceAccount, Namespace ---- */

const struct rule service_account_rules[] = {
    {"imagePullSecrets[].name", check_name, .name = name_dns1123_subdomain}, {NULL}};

const struct rule namespace_rules[] = {{"spec.finalizers[]", check_name, .name = name_qualified},
                                       {NULL}};
const struct kind_defaults namespace_defaults[] = {{"+status.phase", "\"Active\""}, {NULL}};

/* ---- Lease, Event ---- */

const struct rule lease_rules[] = {
    {"spec.leaseDurationSeconds", check_min, "must be greater than 0", .min = 1},
    {"spec.leaseTransitions", check_min},
    {NULL},
};
/* Fields of a feature that is off by default are not kept. */
static void drop_strategy(yyjson_mut_doc *doc, yyjson_mut_val *at, const struct change *ch)
{
    (void)doc;
    (void)ch;
    json_remove(at, "strategy");
    json_remove(at, "preferredHolder");
}
const struct kind_defaults lease_defaults[] = {{"spec", .fn = drop_strategy}, {NULL}};

static void check_event_namespace(struct check *c, const struct rule *r, const struct site *s)
{
    const char *own = json_str_at(c->root, "metadata.namespace", "");
    const char *ns = json_str(s->v, "");

    (void)r;
    if (*ns ? strcmp(ns, own) : strcmp(own, "default"))
        check_add_invalid(c, s, "does not match event.namespace");
}

/* Events of the newer group are held to more, as long as they say when they happened. */
static void check_new_event(struct check *c, const struct rule *r, const struct site *s)
{
    static const char *const needed[] = {"reportingController", "reportingInstance", "action",
                                         "reason"};
    const char *type = json_get_str(s->v, "type", "");

    (void)r;
    if (!*json_get_str(s->v, "eventTime", "")) {
        field_required(c->errs, "eventTime", NULL);
    } else {
        for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
            if (!*json_get_str(s->v, needed[i], ""))
                field_required(c->errs, needed[i], NULL);
    }
    if (!str_in(type, "Normal|Warning"))
        field_invalid(c->errs, "type", json_get(s->v, "type"), "has invalid value");
}
const struct rule new_event_rules[] = {
    {"", check_new_event}, {"regarding.namespace", check_event_namespace}, {NULL}};

const struct rule event_rules[] = {{"involvedObject.namespace", check_event_namespace}, {NULL}};

/* ---- ResourceQuota, PriorityClass, PodDisruptionBudget, autoscalers ---- */

static bool quota_name(const char *name)
{
    return str_in(name,
                  "cpu|memory|ephemeral-storage|requests.cpu|requests.memory|requests.storage|"
                  "requests.ephemeral-storage|limits.cpu|limits.memory|limits.ephemeral-storage|"
                  "pods|resourcequotas|services|replicationcontrollers|secrets|"
                  "persistentvolumeclaims|configmaps|services.nodeports|services.loadbalancers") ||
           !strncmp(name, "count/", 6) || strchr(name, '/') ||
           !strncmp(name, "requests.hugepages-", 19);
}

static bool quota_integer(const char *name)
{
    return str_in(name,
                  "pods|resourcequotas|services|replicationcontrollers|secrets|"
                  "persistentvolumeclaims|configmaps|services.nodeports|services.loadbalancers");
}

static void check_hard(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    json_each_member(s->v, key, val) {
        const char *name = yyjson_get_str(key), *at = check_at(c, s->path, "[%s]", name);
        struct quantity q;
        if (!quota_name(name)) {
            field_invalid(c->errs, at, key, "must be a standard resource type or fully qualified");
            field_invalid(c->errs, at, key, "must be a standard resource for quota");
        }
        if (quantity_parse(slice_of(json_str(val, "")), &q, NULL) < 0)
            continue;
        if (q.mantissa < 0)
            field_invalid(c->errs, at, val, "must be greater than or equal to 0");
        if (quota_integer(name) && quantity_milli(&q) % 1000)
            field_invalid(c->errs, at, val, "must be an integer");
    }
}

static void check_scopes(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    json_each(s->v, scope, i, n)
        if (!str_in(json_str(scope, ""),
                    "Terminating|NotTerminating|BestEffort|NotBestEffort|PriorityClass|"
                    "CrossNamespacePodAffinity|VolumeAttributesClass")) {
            check_add_invalid(c, s, "unsupported scope");
            return;
        }
}

const struct rule quota_rules[] = {{"spec.scopes", check_scopes},
                                   {"spec.hard", check_hard},
                                   {"status.hard", check_hard},
                                   {"status.used", check_hard},
                                   {NULL}};

static void check_system_priority(struct check *c, const struct rule *r, const struct site *s)
{
    const char *name = json_str_at(s->v, "metadata.name", "");
    bool system = str_in(name, "system-node-critical|system-cluster-critical");
    char why[400];

    (void)r;
    if (!strncmp(name, "system-", 7) && !system) {
        snprintf(why, sizeof why,
                 "priority class names with 'system-' prefix are reserved for system "
                 "use only. error: %s is not a known system priority class",
                 name);
        field_forbidden(c->errs, "metadata.name", why);
    } else if (!system && json_int_at(s->v, "value", 0) > 1000000000) {
        field_forbidden(c->errs, "value",
                        "maximum allowed value of a user defined priority is 1000000000");
    }
}

const struct rule priority_rules[] = {
    {"", check_system_priority},
    {"preemptionPolicy", check_enum, "PreemptLowerPriority|Never"},
    {NULL}};

static void check_value_kept(struct check *c, const struct rule *r, const struct site *s)
{
    if (!json_equal(s->v, s->old))
        field_forbidden(c->errs, s->path, r->text);
}

const struct rule priority_update_rules[] = {
    {"value", check_value_kept, "may not be changed in an update."},
    {"preemptionPolicy", check_immutable},
    {NULL},
};
const struct kind_defaults priority_defaults[] = {{"preemptionPolicy", "\"PreemptLowerPriority\""},
                                                  {NULL}};

static void check_budget(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (json_get(s->v, "minAvailable") && json_get(s->v, "maxUnavailable"))
        check_add_invalid(c, s, "minAvailable and maxUnavailable cannot be both set");
}

const struct rule budget_rules[] = {
    {"spec", check_budget},
    {"spec.minAvailable", check_percent_or_int},
    {"spec.minAvailable", check_hundred},
    {"spec.maxUnavailable", check_percent_or_int},
    {"spec.maxUnavailable", check_hundred},
    {"spec.selector", check_label_selector},
    {"spec.unhealthyPodEvictionPolicy", check_enum, "AlwaysAllow|IfHealthyBudget"},
    {NULL},
};

static void check_replica_range(struct check *c, const struct rule *r, const struct site *s)
{
    int64_t min = json_int_at(s->v, "minReplicas", 1), max = json_int_at(s->v, "maxReplicas", 0);

    (void)r;
    if (max < 1)
        field_invalid(c->errs, check_at(c, s->path, ".maxReplicas"), json_get(s->v, "maxReplicas"),
                      "must be greater than 0");
    if (!max)
        field_required(c->errs, check_at(c, s->path, ".maxReplicas"), NULL);
    if (!min)
        field_forbidden(c->errs, check_at(c, s->path, ".metrics"),
                        "must specify at least one Object or External metric to support scaling to "
                        "zero replicas");
    if (max > 0 && max < min)
        field_invalid(c->errs, check_at(c, s->path, ".maxReplicas"), json_get(s->v, "maxReplicas"),
                      "must be greater than or equal to `minReplicas`");
}

static void check_scale_target(struct check *c, const struct rule *r, const struct site *s)
{
    static const char *const needed[] = {"kind", "name"};

    (void)r;
    if (!*json_get_str(s->v, "apiVersion", ""))
        field_invalid_str(c->errs, check_at(c, s->path, ".apiVersion"), "",
                          "apiVersion must specify API group");
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
        if (!*json_get_str(s->v, needed[i], ""))
            field_required(c->errs, check_at(c, s->path, ".%s", needed[i]), NULL);
}

const struct rule autoscaler_rules[] = {
    {"spec.minReplicas", check_min, "must be greater than or equal to 1", .min = 1},
    {"spec", check_replica_range},
    {"spec.scaleTargetRef", check_scale_target},
    {NULL},
};

/* Only the newer version has metrics; the older one's CPU target becomes one when it is stored. */
static void default_metrics(yyjson_mut_doc *doc, yyjson_mut_val *at, const struct change *ch)
{
    if (ch && !strcmp(ch->res->version, "v1"))
        return;
    yyjson_mut_val *metric = yyjson_mut_arr_add_obj(doc, json_put_arr(doc, at, "metrics"));
    json_put_str(doc, metric, "type", "Resource");
    yyjson_mut_val *resource = json_put_obj(doc, metric, "resource");
    json_put_str(doc, resource, "name", "cpu");
    yyjson_mut_val *target = json_put_obj(doc, resource, "target");
    json_put_str(doc, target, "type", "Utilization");
    json_put_int(doc, target, "averageUtilization", 80);
}

static void metrics_unless_given(yyjson_mut_doc *doc, yyjson_mut_val *at, const struct change *ch)
{
    if (!yyjson_mut_arr_size(json_mut_get(at, "metrics")))
        default_metrics(doc, at, ch);
}

static const struct kind_defaults behavior[] = {
    {"+scaleUp.stabilizationWindowSeconds", "0"},
    {"scaleUp.selectPolicy", "\"Max\""},
    {"scaleUp.policies", "[{\"type\":\"Pods\",\"value\":4,\"periodSeconds\":15},"
                         "{\"type\":\"Percent\",\"value\":100,\"periodSeconds\":15}]"},
    {"+scaleDown.selectPolicy", "\"Max\""},
    {"scaleDown.policies", "[{\"type\":\"Percent\",\"value\":100,\"periodSeconds\":15}]"},
    {NULL},
};
const struct kind_defaults autoscaler_defaults[] = {
    {"+spec.minReplicas", "1"},
    {"spec", .fn = metrics_unless_given},
    {"spec.behavior", .table = behavior},
    {NULL},
};

/* ---- endpoints ---- */

/* Why no pod can have the address. The server itself may: it need not listen for others. */
static const char *special_ip(const struct check *c, const char *ip)
{
    if (c->change && c->change->user && !strcmp(c->change->user->name, "system:apiserver"))
        return NULL;
    if (!strcmp(ip, "0.0.0.0") || !strcmp(ip, "::"))
        return !strcmp(ip, "::") ? "may not be unspecified (::)"
                                 : "may not be unspecified (0.0.0.0)";
    if (!strncmp(ip, "127.", 4) || !strcmp(ip, "::1"))
        return "may not be in the loopback range (127.0.0.0/8, ::1/128)";
    if (!strncmp(ip, "169.254.", 8) || !strncasecmp(ip, "fe80:", 5))
        return "may not be in the link-local range (169.254.0.0/16, fe80::/10)";
    if (!strncmp(ip, "224.0.0.", 8) || !strncasecmp(ip, "ff02:", 5))
        return "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)";
    return NULL;
}

void check_pod_address(struct check *c, const struct rule *r, const struct site *s)
{
    const char *why = special_ip(c, json_str(s->v, ""));

    (void)r;
    if (why)
        check_add_invalid(c, s, why);
}

/* Kubernetes looks at the text twice: is it an address, and one that a pod may have? */
static void check_endpoint_ip(struct check *c, const struct rule *r, const struct site *s)
{
    const char *ip = json_str(s->v, "");

    (void)r;
    if (!is_ip(ip)) {
        check_add_invalid(c, s, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
        check_add_invalid(c, s, "must be a valid IP address");
    } else if (special_ip(c, ip)) {
        check_add_invalid(c, s, special_ip(c, ip));
    }
}

static void check_subset(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (!yyjson_arr_size(json_get(s->v, "addresses")) &&
        !yyjson_arr_size(json_get(s->v, "notReadyAddresses")))
        field_required(c->errs, s->path, "must specify `addresses` or `notReadyAddresses`");
    json_each(json_get(s->v, "ports"), p, i, n)
        if (n > 1 && !*json_get_str(p, "name", ""))
            field_required(c->errs, check_at(c, s->path, ".ports[%zu].name", i), NULL);
}

static const struct rule subset_rules[] = {
    {"", check_subset},
    {"addresses[].ip", check_endpoint_ip},
    {"addresses[].hostname", check_name, .name = name_dns1123_label},
    {"ports[].name", check_name, .name = name_dns1123_label},
    {"notReadyAddresses[].ip", check_endpoint_ip},
    {"ports[].port", check_port},
    {"ports[].protocol", check_enum_needed, "SCTP|TCP|UDP"},
    {NULL},
};
const struct rule endpoints_rules[] = {{"subsets[]", check_rules, .rules = subset_rules}, {NULL}};
const struct kind_defaults endpoints_defaults[] = {{"subsets[].ports[].protocol", "\"TCP\""},
                                                   {NULL}};

static void check_slice_address(struct check *c, const struct rule *r, const struct site *s)
{
    const char *type = json_str_at(c->root, "addressType", "");

    (void)r;
    if (c->old_root && strcmp(type, json_str_at(c->old_root, "addressType", "")))
        return; /* the type is what is wrong */
    if (str_in(type, "IPv4|IPv6") &&
        (!is_ip(json_str(s->v, "")) || !strchr(json_str(s->v, ""), ':') != !strcmp(type, "IPv4")))
        check_add_invalid(c, s, "must be a valid IP address of the slice's type");
    else if (!strcmp(type, "FQDN") && name_dns1123_subdomain(slice_of(json_str(s->v, ""))))
        check_add_invalid(c, s, name_dns1123_subdomain(slice_of(json_str(s->v, ""))));
    else if (str_in(type, "IPv4|IPv6") && special_ip(c, json_str(s->v, "")))
        check_add_invalid(c, s, special_ip(c, json_str(s->v, "")));
}

static const struct rule endpoint_rules[] = {
    {"addresses[]", check_slice_address},
    {"addresses", check_required, "must contain at least 1 endpoint"},
    {"hostname", check_name, .name = name_dns1123_label},
    {NULL},
};
const struct rule slice_rules[] = {
    {"addressType", check_enum_needed, "FQDN|IPv4|IPv6"},
    {"endpoints[]", check_rules, .rules = endpoint_rules},
    {"ports[].protocol", check_enum_needed, "SCTP|TCP|UDP"},
    {"ports[].name", check_name, .name = name_dns1123_label},
    {"ports", check_unique, "name"},
    {NULL},
};
const struct rule slice_update_rules[] = {{"addressType", check_immutable}, {NULL}};
const struct kind_defaults slice_defaults[] = {
    {"ports[].name", "\"\""}, {"ports[].protocol", "\"TCP\""}, {NULL}};

/* ---- Node ---- */

/* An empty key is refused twice, as a name part and as a whole. */
static void check_taint_key(struct check *c, const struct rule *r, const struct site *s)
{
    const char *why = name_qualified(slice_of(json_str(s->v, "")));

    (void)r;
    if (why)
        check_add_invalid(c, s, why);
    if (!*json_str(s->v, ""))
        check_add_invalid(c, s, "name part must be non-empty");
}

static const struct rule taint_rules[] = {
    {"key", check_taint_key},
    {"value", check_name, .name = name_label_value},
    {"effect", check_enum_needed, "NoSchedule|PreferNoSchedule|NoExecute"},
    {NULL},
};

/* Kubernetes calls the place metadata.taints. */
static void check_taints(struct check *c, const struct rule *r, const struct site *s)
{
    char path[64];

    (void)r;
    json_each(s->v, t, i, n) {
        snprintf(path, sizeof path, "metadata.taints[%zu]", i);
        rules_apply(c, taint_rules, t, NULL, path);
        for (size_t k = 0; k < i; k++) {
            yyjson_val *u = yyjson_arr_get(s->v, k);
            if (json_equal(json_get(t, "key"), json_get(u, "key")) &&
                json_equal(json_get(t, "effect"), json_get(u, "effect"))) {
                field_duplicate(c->errs, path, t);
                break;
            }
        }
    }
}

static void check_pod_cidr(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (!is_cidr(json_str(s->v, "")))
        check_add_invalid(c, s, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
}

static void check_node_cidr(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (s->old && !json_is_empty(s->old) && !json_equal(s->v, s->old))
        field_forbidden(c->errs, s->path,
                        "node updates may not change podCIDR except from \"\" to valid");
}

const struct rule node_rules[] = {
    {"spec.taints", check_taints}, {"spec.podCIDRs[]", check_pod_cidr}, {NULL}};
const struct rule node_update_rules[] = {
    {"spec.taints", check_taints}, {"spec.podCIDRs", check_node_cidr}, {NULL}};

/* ---- others ---- */

const struct rule runtime_class_rules[] = {
    {"handler", check_name_needed, .name = name_dns1123_label}, {NULL}};

static void check_request_pem(struct check *c, const struct rule *r, const struct site *s)
{
    struct buf text cleanup(buf_done) = BUF_INIT;

    (void)r;
    base64_decode(&text, slice_of(json_str(s->v, "")));
    if (!strstr(buf_str(&text), "-----BEGIN CERTIFICATE REQUEST-----"))
        check_add_invalid(c, s, "PEM block type must be CERTIFICATE REQUEST");
}
const struct rule signing_request_rules[] = {{"spec.request", check_request_pem}, {NULL}};

const struct kind_defaults csi_driver_defaults[] = {
    {"+spec.attachRequired", "true"},    {"spec.podInfoOnMount", "false"},
    {"spec.storageCapacity", "false"},   {"spec.fsGroupPolicy", "\"ReadWriteOnceWithFSType\""},
    {"spec.requiresRepublish", "false"}, {"spec.volumeLifecycleModes", "[\"Persistent\"]"},
    {"spec.seLinuxMount", "false"},      {NULL},
};
static const struct kind_defaults webhook[] = {
    {"failurePolicy", "\"Fail\""},
    {"matchPolicy", "\"Equivalent\""},
    {"namespaceSelector", "{}"},
    {"objectSelector", "{}"},
    {"timeoutSeconds", "10"},
    {"rules[].scope", "\"*\""},
    {"clientConfig.service.port", "443"},
    {NULL},
};
const struct kind_defaults webhook_defaults[] = {{"webhooks[]", .table = webhook}, {NULL}};
const struct kind_defaults api_service_defaults[] = {{"spec.service.port", "443"}, {NULL}};
