/* k8s.io/kubernetes pkg/apis/core/validation: pods, containers, volumes, probes. */
#include "apiserver/kinds/rules_pod.h"

#include "base/names.h"
#include "data/quantity.h"

#include <stdio.h>

/* ---- handlers and probes ---- */

/* Exactly one handler: the second one is forbidden, none is required. */
static void check_handlers(struct check *c, const struct rule *r, const struct site *s)
{
    struct slice rest = slice_of(r->text), one;
    size_t n = 0;

    if (!s->v)
        return;
    while (slice_cut(&rest, '|', &one)) {
        if (!yyjson_obj_getn(s->v, one.p, one.n) || !n++)
            continue;
        field_forbidden(c->errs, check_at(c, s->path, ".%.*s", SLICE_FMT(one)),
                        "may not specify more than 1 handler type");
    }
    if (!n)
        field_required(c->errs, s->path, "must specify a handler type");
}

static void check_headers(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    json_each(s->v, h, i, n) {
        const char *name = json_get_str(h, "name", "");
        size_t len =
            strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-");
        if (!*name || name[len])
            field_invalid(
                c->errs, s->path, json_get(h, "name"),
                "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. "
                "'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')");
    }
}

static const struct rule handler_rules[] = {
    {"exec.command", check_required},
    {"httpGet.path", check_required},
    {"httpGet.port", check_port_number_or_name},
    {"httpGet.scheme", check_enum_needed, "HTTP|HTTPS"},
    {"httpGet.httpHeaders", check_headers},
    {"tcpSocket.port", check_port_number_or_name},
    {"grpc.port", check_port},
    {NULL},
};

#define NOT_NEGATIVE NULL

static const struct rule probe_rules[] = {
    {"", check_handlers, "exec|httpGet|tcpSocket|grpc"},
    {"", check_rules, .rules = handler_rules},
    {"initialDelaySeconds", check_min, NOT_NEGATIVE},
    {"timeoutSeconds", check_min, NOT_NEGATIVE},
    {"periodSeconds", check_min, NOT_NEGATIVE},
    {"successThreshold", check_min, NOT_NEGATIVE},
    {"failureThreshold", check_min, NOT_NEGATIVE},
    {"terminationGracePeriodSeconds", check_min, "must be greater than 0", .min = 1},
    {NULL},
};

/* Liveness and startup probes succeed once or not at all. */
static const struct rule once_rules[] = {
    {"successThreshold", check_range, "must be 1", .min = 1, .max = 1}, {NULL}};

static yyjson_val *spec_of(const struct check *c, const char *path);

/* No longer than the pod's grace period. */
static void check_sleep(struct check *c, const struct rule *r, const struct site *s)
{
    int64_t grace = json_int_at(spec_of(c, s->path), "terminationGracePeriodSeconds", 30);
    int64_t n = json_int_at(s->v, "seconds", 0);

    (void)r;
    if (s->v && (n < 0 || n > grace))
        field_invalid(c->errs, s->path, json_get(s->v, "seconds"),
                      "must be non-negative and less than terminationGracePeriodSeconds");
}

static const struct rule lifecycle_rules[] = {
    {"postStart.sleep", check_sleep},
    {"preStop.sleep", check_sleep},
    {"postStart", check_handlers, "exec|httpGet|tcpSocket|sleep"},
    {"postStart", check_rules, .rules = handler_rules},
    {"preStop", check_handlers, "exec|httpGet|tcpSocket|sleep"},
    {"preStop", check_rules, .rules = handler_rules},
    {NULL},
};

/* ---- environment ---- */

static bool field_path_known(const char *path)
{
    static const char *const whole[] = {
        "metadata.name", "metadata.namespace",      "metadata.uid",        "spec.nodeName",
        "status.hostIP", "spec.serviceAccountName", "status.podIP",        "status.hostIPs",
        "status.podIPs", "metadata.labels",         "metadata.annotations"};

    for (size_t i = 0; i < ARRAY_SIZE(whole); i++)
        if (!strcmp(path, whole[i]))
            return true;
    return !strncmp(path, "metadata.labels['", 17) || !strncmp(path, "metadata.annotations['", 22);
}

void check_field_path(struct check *c, const struct rule *r, const struct site *s)
{
    const char *path = json_str(s->v, "");
    char why[400];

    (void)r;
    if (!*path) {
        field_required(c->errs, s->path, NULL);
        return;
    }
    if (field_path_known(path))
        return;
    snprintf(why, sizeof why, "error converting fieldPath: field label not supported: %s", path);
    check_add_invalid(c, s, why);
}

void check_resource_name(struct check *c, const struct rule *r, const struct site *s)
{
    const char *name = json_str(s->v, "");

    (void)r;
    if (!*name)
        field_required(c->errs, s->path, NULL);
    else if (!str_in(name, "limits.cpu|limits.memory|limits.ephemeral-storage|requests.cpu|"
                           "requests.memory|requests.ephemeral-storage") &&
             strncmp(name, "limits.hugepages-", 17) && strncmp(name, "requests.hugepages-", 19))
        field_not_supported(c->errs, s->path, s->v,
                            (const char *const[]){"limits.cpu", "limits.ephemeral-storage",
                                                  "limits.memory", "requests.cpu",
                                                  "requests.ephemeral-storage", "requests.memory"},
                            6);
}

/* Whole maps are only for volumes. */
static void check_env_field_path(struct check *c, const struct rule *r, const struct site *s)
{
    static const char *const known[] = {"metadata.name",
                                        "metadata.namespace",
                                        "metadata.uid",
                                        "spec.nodeName",
                                        "spec.serviceAccountName",
                                        "status.hostIP",
                                        "status.hostIPs",
                                        "status.podIP",
                                        "status.podIPs"};

    if (str_in(json_str(s->v, ""), "metadata.labels|metadata.annotations"))
        field_not_supported(c->errs, s->path, s->v, known, ARRAY_SIZE(known));
    else
        check_field_path(c, r, s);
}

/* A name that is not there is no name. */
static void check_ref_name(struct check *c, const struct rule *r, const struct site *s)
{
    const char *why = name_dns1123_subdomain(slice_of(json_str(s->v, "")));

    (void)r;
    if (why)
        field_invalid_str(c->errs, s->path, json_str(s->v, ""), why);
}

static const struct rule env_source_rules[] = {
    {"fieldRef.fieldPath", check_env_field_path},
    {"resourceFieldRef.resource", check_resource_name},
    {"configMapKeyRef.name", check_ref_name},
    {"configMapKeyRef.key", check_name_needed, .name = name_config_key},
    {"secretKeyRef.name", check_ref_name},
    {"secretKeyRef.key", check_name_needed, .name = name_config_key},
    {NULL},
};

/* env[].valueFrom: exactly one source, and no value beside it. */
static void check_value_from(struct check *c, const struct rule *r, const struct site *s)
{
    size_t n = yyjson_obj_size(s->v);
    const char *value = json_get_str(s->parent, "value", "");

    (void)r;
    if (!s->v)
        return;
    if (*value)
        field_invalid_str(c->errs, s->path, "", "may not be specified when `value` is not empty");
    else if (n > 1)
        field_invalid_str(c->errs, s->path, "",
                          "may not have more than one field specified at a time");
    else if (!n)
        field_invalid_str(c->errs, s->path, "",
                          "must specify one of: `fieldRef`, `resourceFieldRef`, "
                          "`configMapKeyRef` or `secretKeyRef`");
}

static void check_env_from(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    json_each(s->v, e, i, k) { /* the list is named, not the item */
        size_t n = (json_get(e, "configMapRef") != NULL) + (json_get(e, "secretRef") != NULL);
        if (!n)
            field_invalid_str(c->errs, s->path, "",
                              "must specify one of: `configMapRef` or `secretRef`");
        else if (n > 1)
            field_invalid_str(c->errs, s->path, "",
                              "may not have more than one field specified at a time");
    }
}

/* ---- ports and mounts ---- */

static yyjson_val *named(yyjson_val *list, const char *name)
{
    json_each(list, v, i, n)
        if (!strcmp(json_get_str(v, "name", ""), name))
            return v;
    return NULL;
}

/* The PodSpec that a place lies in: the path names it. */
static yyjson_val *spec_of(const struct check *c, const char *path)
{
    const char *at = NULL;
    static const char *const lists[] = {"containers[", "initContainers[", "ephemeralContainers["};
    char prefix[256];

    for (size_t i = 0; i < ARRAY_SIZE(lists) && !at; i++) {
        at = strstr(path, lists[i]);
        if (at && at > path && at[-1] != '.')
            at = NULL;
    }
    size_t n = at ? (size_t)(at - path) : 0;
    if (!n || n >= sizeof prefix)
        return NULL;
    memcpy(prefix, path, n - 1);
    prefix[n - 1] = 0;
    return json_at(c->root, prefix);
}

/* A StatefulSet's claims become volumes of its pods. */
static bool is_claim_template(const struct check *c, const char *name)
{
    json_each(json_at(c->root, "spec.volumeClaimTemplates"), claim, i, n)
        if (!strcmp(json_str_at(claim, "metadata.name", ""), name))
            return true;
    return false;
}

static void check_mount_name(struct check *c, const struct rule *r, const struct site *s)
{
    const char *name = json_str(s->v, "");

    (void)r;
    if (!*name)
        field_required(c->errs, s->path, NULL);
    if (!named(json_get(spec_of(c, s->path), "volumes"), name) && !is_claim_template(c, name))
        field_not_found(c->errs, s->path, s->v);
}

static void check_mount_paths(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    json_each(s->v, m, i, n) {
        yyjson_val *path = json_get(m, "mountPath");
        if (json_is_empty(path))
            continue;
        for (size_t k = 0; k < i; k++) {
            if (!json_equal(path, json_get(yyjson_arr_get(s->v, k), "mountPath")))
                continue;
            field_invalid(c->errs, check_at(c, s->path, "[%zu].mountPath", i), path,
                          "must be unique");
            break;
        }
    }
}

bool path_has_dotdot(const char *path)
{
    struct slice rest = slice_of(path), one;

    while (slice_cut(&rest, '/', &one))
        if (slice_is(one, ".."))
            return true;
    return false;
}

void check_relative(struct check *c, const struct rule *r, const struct site *s)
{
    const char *path = json_str(s->v, "");

    (void)r;
    if (*path == '/')
        check_add_invalid(c, s, "must be a relative path");
    else if (path_has_dotdot(path))
        check_add_invalid(c, s, "must not contain '..'");
}

/* "volumeMounts.subPath": Kubernetes leaves the item's number out of these two. */
static void check_mount_extras(struct check *c, const struct rule *r, const struct site *s)
{
    static const char *const kinds[] = {"Bidirectional", "HostToContainer", "None"};

    (void)r;
    json_each(s->v, m, i, n) {
        const char *sub = json_get_str(m, "subPath", ""),
                   *propagation = json_get_str(m, "mountPropagation", "");
        if (*sub == '/' || path_has_dotdot(sub))
            field_invalid(c->errs, check_at(c, s->path, ".subPath"), json_get(m, "subPath"),
                          *sub == '/' ? "must be a relative path" : "must not contain '..'");
        if (*propagation && !str_in(propagation, "Bidirectional|HostToContainer|None"))
            field_not_supported(c->errs, check_at(c, s->path, ".mountPropagation"),
                                json_get(m, "mountPropagation"), kinds, ARRAY_SIZE(kinds));
    }
}

/* In the host's network a container's port is the host's. */
static void check_host_network_ports(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (!json_bool_at(spec_of(c, s->path), "hostNetwork", false))
        return;
    json_each(json_get(s->v, "ports"), p, i, n)
        if (json_int_at(p, "hostPort", 0) != json_int_at(p, "containerPort", 0))
            field_invalid(c->errs, check_at(c, s->path, ".ports[%zu].hostPort", i),
                          json_get(p, "hostPort"),
                          "must match `containerPort` when `hostNetwork` is true");
}

static const struct rule port_rules[] = {
    {"name", check_name, .name = name_service_port},
    {"containerPort", check_port, "required"},
    {"hostPort", check_range, .min = 0, .max = 65535},
    {"protocol", check_enum_needed, "SCTP|TCP|UDP"},
    {NULL},
};

static const struct rule mount_rules[] = {
    {"name", check_mount_name},
    {"mountPath", check_required},
    {NULL},
};

/* ---- resources ---- */

static bool quantity_of(yyjson_val *v, struct quantity *q)
{
    return yyjson_is_str(v) &&
           quantity_parse((struct slice){yyjson_get_str(v), yyjson_get_len(v)}, q, NULL) == 0;
}

void check_pod_requests(struct check *c, const struct rule *r, const struct site *s)
{
    yyjson_val *limits = json_get(s->v, "limits");
    char detail[300];

    (void)r;
    json_each_member(json_get(s->v, "requests"), key, val) {
        const char *name = yyjson_get_str(key);
        yyjson_val *limit = json_get(limits, name);
        struct quantity q, l;
        if (!limit && (strchr(name, '/') || !strncmp(name, "hugepages-", 10)))
            field_required(c->errs, check_at(c, s->path, ".limits"),
                           "Limit must be set for non overcommitable resources");
        if (!limit || !quantity_of(val, &q) || !quantity_of(limit, &l))
            continue;
        bool whole = strchr(name, '/') || !strncmp(name, "hugepages-", 10);
        if (whole && quantity_cmp(&q, &l)) {
            snprintf(detail, sizeof detail, "must be equal to %s limit of %s", name,
                     json_str(limit, ""));
            field_invalid(c->errs, check_at(c, s->path, ".requests"), val, detail);
        } else if (quantity_cmp(&q, &l) > 0) {
            snprintf(detail, sizeof detail, "must be less than or equal to %s limit of %s", name,
                     json_str(limit, ""));
            field_invalid(c->errs, check_at(c, s->path, ".requests"), val, detail);
        }
    }
}

/* Standard names, hugepages, or names with a domain; whole numbers for the latter. */
static void check_resource_list(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    json_each_member(s->v, key, val) {
        const char *name = json_str(key, ""), *at = check_at(c, s->path, "[%s]", name);
        struct quantity q;
        const char *why = name_qualified(slice_of(name));
        if (why)
            field_invalid(c->errs, at, key, why);
        else if (!strchr(name, '/') && !str_in(name, "cpu|memory|ephemeral-storage") &&
                 strncmp(name, "hugepages-", 10)) {
            if (strcmp(name, "storage")) /* a standard name, but not a container's */
                field_invalid(c->errs, at, key,
                              "must be a standard resource type or fully qualified");
            field_invalid(c->errs, at, key, "must be a standard resource for containers");
        }
        if (strchr(name, '/') && quantity_of(val, &q) && quantity_milli(&q) % 1000)
            field_invalid(c->errs, at, val, "must be an integer");
    }
}

/* Pages that are huge come with ordinary memory, or with CPU. */
static void check_huge_pages(struct check *c, const struct rule *r, const struct site *s)
{
    static const char *const lists[] = {"limits", "requests"};
    bool huge = false, other = false;

    (void)r;
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        json_each_member(json_get(s->v, lists[i]), key, val) {
            huge |= val && !strncmp(yyjson_get_str(key), "hugepages-", 10);
            other |= str_in(yyjson_get_str(key), "cpu|memory");
        }
    if (huge && !other)
        field_forbidden(c->errs, s->path, "HugePages require cpu or memory");
}

static const struct rule resource_rules[] = {
    {"", check_huge_pages},
    {"limits", check_resource_list},
    {"limits{}", check_quantity_nonneg},
    {"requests", check_resource_list},
    {"requests{}", check_quantity_nonneg},
    {"", check_pod_requests},
    {NULL},
};

/* ---- containers ---- */

static void check_image(struct check *c, const struct rule *r, const struct site *s)
{
    const char *image = json_str(s->v, "");
    size_t n = strlen(image);

    (void)r;
    if (!n)
        field_required(c->errs, s->path, NULL);
    else if (image[0] == ' ' || image[n - 1] == ' ')
        check_add_invalid(c, s, "must not have leading or trailing whitespace");
}

static void check_security(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (json_bool_at(s->v, "privileged", false) && json_get(s->v, "allowPrivilegeEscalation") &&
        !json_bool_at(s->v, "allowPrivilegeEscalation", true))
        check_add_invalid(
            c, s, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
}

static const struct rule container_rules[] = {
    {"name", check_name_needed, .name = name_dns1123_label},
    {"image", check_image},
    {"imagePullPolicy", check_enum_needed, "Always|IfNotPresent|Never"},
    {"ports[]", check_rules, .rules = port_rules},
    {"ports", check_unique, "name"},
    {"", check_host_network_ports},
    {"env[].name", check_env_name},
    {"env[].valueFrom", check_value_from},
    {"env[].valueFrom", check_rules, .rules = env_source_rules},
    {"envFrom[].prefix", check_name, .name = name_env},
    {"envFrom", check_env_from},
    {"envFrom[].configMapRef.name", check_name_needed, .name = name_dns1123_subdomain},
    {"envFrom[].secretRef.name", check_name_needed, .name = name_dns1123_subdomain},
    {"volumeMounts[]", check_rules, .rules = mount_rules},
    {"volumeMounts", check_mount_paths},
    {"volumeMounts", check_mount_extras},
    {"volumeMounts", check_mount_rare},
    {"resources.claims", check_claims},
    {"resources", check_rules, .rules = resource_rules},
    {"securityContext.runAsUser", check_range, "must be between 0 and 2147483647, inclusive",
     .max = 2147483647},
    {"securityContext", check_security},
    {"securityContext.seccompProfile.type", check_seccomp_type},
    {"securityContext.procMount", check_proc_mount},
    {"terminationMessagePolicy", check_enum, "FallbackToLogsOnError|File"},
    {"restartPolicy", check_enum, "Always|Never|OnFailure"},
    {NULL},
};

static void check_absent(struct check *c, const struct rule *r, const struct site *s)
{
    if (s->v)
        check_add_invalid(c, s, r->text);
}

static const struct rule main_rules[] = {
    {"", check_rules, .rules = container_rules},
    {"lifecycle", check_rules, .rules = lifecycle_rules},
    {"livenessProbe", check_rules, .rules = probe_rules},
    {"livenessProbe", check_rules, .rules = once_rules},
    {"readinessProbe", check_rules, .rules = probe_rules},
    {"readinessProbe.terminationGracePeriodSeconds", check_absent,
     "must not be set for readinessProbes"},
    {"startupProbe", check_rules, .rules = probe_rules},
    {"startupProbe", check_rules, .rules = once_rules},
    {NULL},
};

/* An init container has no lifecycle and no probes, unless it is a sidecar. */
static void check_init_extras(struct check *c, const struct rule *r, const struct site *s)
{
    static const char *const extras[] = {"lifecycle", "livenessProbe", "readinessProbe",
                                         "startupProbe"};

    (void)r;
    if (!strcmp(json_get_str(s->v, "restartPolicy", ""), "Always")) {
        char path[1024];
        snprintf(path, sizeof path, "%s", s->path);
        rules_apply(c, main_rules + 1, s->v, s->old, path);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(extras); i++)
        if (json_get(s->v, extras[i]))
            field_forbidden(c->errs, check_at(c, s->path, ".%s", extras[i]),
                            "may not be set for init containers without restartPolicy=Always");
}

/* Names are unique over all containers of a pod. */
static void check_init_names(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    json_each(json_get(s->v, "initContainers"), init, i, n) {
        yyjson_val *name = json_get(init, "name");
        if (!json_is_empty(name) && named(json_get(s->v, "containers"), json_str(name, "")))
            field_duplicate(c->errs, check_at(c, s->path, ".initContainers[%zu].name", i), name);
    }
}

/* ---- scheduling ---- */

static void check_toleration(struct check *c, const struct rule *r, const struct site *s)
{
    const char *key = json_get_str(s->v, "key", ""), *op = json_get_str(s->v, "operator", "");
    const char *effect = json_get_str(s->v, "effect", "");
    const char *why = *key ? name_qualified(slice_of(key)) : NULL;

    (void)r;
    if (why)
        field_invalid(c->errs, check_at(c, s->path, ".key"), json_get(s->v, "key"), why);
    if (!*key && strcmp(op, "Exists"))
        field_invalid_str(c->errs, check_at(c, s->path, ".operator"), op,
                          "operator must be Exists when `key` is empty, which means \"match all "
                          "values and all keys\"");
    if (json_get(s->v, "tolerationSeconds") && strcmp(effect, "NoExecute"))
        field_invalid_str(c->errs, check_at(c, s->path, ".effect"), effect,
                          "effect must be 'NoExecute' when `tolerationSeconds` is set");
    if (!strcmp(op, "Exists") && *json_get_str(s->v, "value", ""))
        field_invalid(c->errs, check_at(c, s->path, ".operator"), s->v,
                      "value must be empty when `operator` is 'Exists'");
}

static const struct rule toleration_rules[] = {
    {"", check_toleration},
    {"operator", check_enum, "Equal|Exists"},
    {"effect", check_enum, "NoSchedule|PreferNoSchedule|NoExecute"},
    {NULL},
};

static const struct rule spread_rules[] = {
    {"maxSkew", check_min, "must be greater than zero", .min = 1},
    {"topologyKey", check_required, "can not be empty"},
    {"whenUnsatisfiable", check_enum_needed, "DoNotSchedule|ScheduleAnyway"},
    {"labelSelector", check_label_selector},
    {NULL},
};

/* An empty key is said three times over. */
static void check_topology_key(struct check *c, const struct rule *r, const struct site *s)
{
    const char *key = json_str(s->v, ""), *why = name_qualified(slice_of(key));

    (void)r;
    if (!*key)
        field_required(c->errs, s->path, "can not be empty");
    if (why)
        field_invalid_str(c->errs, s->path, key, why);
    if (!*key)
        field_invalid_str(c->errs, s->path, key, "name part must be non-empty");
}

static const struct rule affinity_term_rules[] = {
    {"topologyKey", check_topology_key},
    {"labelSelector", check_label_selector},
    {"namespaceSelector", check_label_selector},
    {"namespaces[]", check_name, .name = name_dns1123_label},
    {NULL},
};

#define WEIGHT                                                                                     \
    {                                                                                              \
        "weight", check_range, "must be in the range 1-100", .min = 1, .max = 100                  \
    }
static const struct rule weighted_rules[] = {
    WEIGHT, {"podAffinityTerm", check_rules, .rules = affinity_term_rules}, {NULL}};

static const struct rule pod_affinity_rules[] = {
    {"requiredDuringSchedulingIgnoredDuringExecution[]", check_rules, .rules = affinity_term_rules},
    {"preferredDuringSchedulingIgnoredDuringExecution[]", check_rules, .rules = weighted_rules},
    {NULL},
};

static void check_node_expression(struct check *c, const struct rule *r, const struct site *s)
{
    const char *op = json_get_str(s->v, "operator", "");
    size_t n = yyjson_arr_size(json_get(s->v, "values"));

    (void)r;
    if (str_in(op, "In|NotIn") && !n)
        field_required(c->errs, check_at(c, s->path, ".values"),
                       "must be specified when `operator` is 'In' or 'NotIn'");
    else if (str_in(op, "Exists|DoesNotExist") && n)
        field_forbidden(c->errs, check_at(c, s->path, ".values"),
                        "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    else if (str_in(op, "Gt|Lt") && n != 1)
        field_required(c->errs, check_at(c, s->path, ".values"),
                       "must be specified single value when `operator` is 'Lt' or 'Gt'");
}

static const struct rule node_term_rules[] = {
    {"matchExpressions[]", check_node_expression},
    {"matchExpressions[].key", check_name, .name = name_qualified},
    {"matchExpressions[].operator", check_enum, "In|NotIn|Exists|DoesNotExist|Gt|Lt"},
    {"matchFields[].key", check_match_field},
    {NULL},
};
static const struct rule preferred_node_rules[] = {
    WEIGHT, {"preference", check_rules, .rules = node_term_rules}, {NULL}};

static const struct rule affinity_rules[] = {
    {"nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms",
     check_required, "must have at least one node selector term"},
    {"nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[]", check_rules,
     .rules = node_term_rules},
    {"nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[]", check_rules,
     .rules = preferred_node_rules},
    {"podAffinity", check_rules, .rules = pod_affinity_rules},
    {"podAntiAffinity", check_rules, .rules = pod_affinity_rules},
    {NULL},
};

static void check_dns_option(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (!*json_get_str(s->v, "name", ""))
        field_required(c->errs, s->path, "must not be empty");
}

static void check_dns_none(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (!strcmp(json_get_str(s->v, "dnsPolicy", ""), "None") &&
        !yyjson_arr_size(json_at(s->v, "dnsConfig.nameservers")))
        field_required(
            c->errs,
            check_at(c, s->path,
                     json_get(s->v, "dnsConfig") ? ".dnsConfig.nameservers" : ".dnsConfig"),
            "must provide at least one DNS nameserver when `dnsPolicy` is None");
}

static void check_seccomp(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (s->v && !strcmp(json_get_str(s->v, "type", ""), "Localhost") &&
        !*json_get_str(s->v, "localhostProfile", ""))
        field_required(c->errs, check_at(c, s->path, ".localhostProfile"),
                       "must be set when seccomp type is Localhost ");
}

static void check_os(struct check *c, const struct rule *r, const struct site *s)
{
    static const char *const names[] = {"linux", "windows"};

    (void)r;
    if (s->v && !str_in(json_get_str(s->v, "name", ""), "linux|windows"))
        field_not_supported(c->errs, s->path, json_get(s->v, "name"), names, ARRAY_SIZE(names));
}

static void check_shared_processes(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (json_bool_at(s->v, "shareProcessNamespace", false) && json_bool_at(s->v, "hostPID", false))
        field_invalid(c->errs, check_at(c, s->path, ".securityContext.shareProcessNamespace"),
                      json_get(s->v, "shareProcessNamespace"),
                      "ShareProcessNamespace and HostPID cannot both be enabled");
}

/* A port of the host is one container's. */
static void check_host_ports(struct check *c, const struct rule *r, const struct site *s)
{
    yyjson_val *seen[64];
    size_t n_seen = 0;

    (void)r;
    json_each(s->v, container, i, n)
        json_each(json_get(container, "ports"), p, k, kn) {
            if (!json_int_at(p, "hostPort", 0))
                continue;
            for (size_t j = 0; j < n_seen; j++)
                if (json_equal(json_get(p, "hostPort"), json_get(seen[j], "hostPort")) &&
                    json_equal(json_get(p, "protocol"), json_get(seen[j], "protocol")) &&
                    json_equal(json_get(p, "hostIP"), json_get(seen[j], "hostIP"))) {
                    field_duplicate(c->errs,
                                    check_at(c, s->path, "[%zu].ports[%zu].hostPort", i, k), p);
                    break;
                }
            if (n_seen < ARRAY_SIZE(seen))
                seen[n_seen++] = p;
        }
}

const struct rule pod_spec_rules[] = {
    {"containers", check_host_ports},
    {"securityContext.seccompProfile", check_seccomp},
    {"os", check_os},
    {"", check_shared_processes},
    {"", check_gates},
    {"", check_host_users},
    {"", check_windows},
    {"topologySpreadConstraints", check_spreads},
    {"dnsConfig.nameservers", check_nameservers},
    {"dnsConfig.searches[]", check_search},
    {"hostAliases[].hostnames[]", check_name, .name = name_dns1123_subdomain},
    {"securityContext.seccompProfile.type", check_seccomp_type},
    {"securityContext.supplementalGroups[]", check_range,
     "must be between 0 and 2147483647, inclusive", .max = 2147483647},
    {"securityContext.sysctls[].name", check_sysctl_name},
    {"volumes[]", check_rules, .rules = volume_rules},
    {"volumes", check_unique, "name"},
    {"containers", check_required},
    {"containers[]", check_rules, .rules = main_rules},
    {"containers", check_unique, "name"},
    {"initContainers[]", check_rules, .rules = container_rules},
    {"initContainers[]", check_init_extras},
    {"initContainers", check_unique, "name"},
    {"", check_init_names},
    {"ephemeralContainers[]", check_rules, .rules = container_rules},
    {"restartPolicy", check_enum_needed, "Always|OnFailure|Never"},
    {"dnsPolicy", check_enum_needed, "ClusterFirstWithHostNet|ClusterFirst|Default|None"},
    {"", check_dns_none},
    {"dnsConfig.nameservers[]", check_ip},
    {"dnsConfig.options[]", check_dns_option},
    {"nodeSelector", check_labels},
    {"affinity", check_rules, .rules = affinity_rules},
    {"tolerations[]", check_rules, .rules = toleration_rules},
    {"topologySpreadConstraints[]", check_rules, .rules = spread_rules},
    {"securityContext.runAsUser", check_range, "must be between 0 and 2147483647, inclusive",
     .max = 2147483647},
    {"securityContext.fsGroup", check_range, "must be between 0 and 2147483647, inclusive",
     .max = 2147483647},
    {"securityContext.fsGroupChangePolicy", check_enum, "Always|OnRootMismatch"},
    {"serviceAccountName", check_name, .name = name_dns1123_subdomain},
    {"nodeName", check_name, .name = name_dns1123_subdomain},
    {"hostname", check_name, .name = name_dns1123_label},
    {"subdomain", check_name, .name = name_dns1123_label},
    {"activeDeadlineSeconds", check_range, "must be between 1 and 2147483647, inclusive", .min = 1,
     .max = 2147483647},
    {"runtimeClassName", check_name, .name = name_dns1123_subdomain},
    {"hostAliases[].ip", check_ip},
    {"readinessGates[].conditionType", check_name, .name = name_qualified},
    {NULL},
};

static void check_no_ephemeral_template(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (yyjson_arr_size(s->v))
        field_forbidden(c->errs, s->path, "ephemeral containers not allowed in pod template");
}

const struct rule pod_template_rules[] = {
    {"spec.ephemeralContainers", check_no_ephemeral_template},
    {"metadata.labels", check_labels},
    {"metadata.annotations", check_annotations},
    {"spec", check_rules, .rules = pod_spec_rules},
    {NULL},
};

/* They come by their subresource, never with the pod. */
static void check_no_ephemeral(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (s->v && !c->old_root)
        field_forbidden(c->errs, s->path, "cannot be set on create");
}

/* A token is some account's. Of pods only: a template may leave the account to admission. */
static void check_token_account(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (*json_get_str(s->v, "serviceAccountName", ""))
        return;
    json_each(json_get(s->v, "volumes"), volume, i, n)
        json_each(json_at(volume, "projected.sources"), source, k, kn)
            if (json_get(source, "serviceAccountToken"))
                field_forbidden(c->errs,
                                check_at(c, s->path,
                                         ".volumes[%zu].projected.sources[%zu]"
                                         ".serviceAccountToken",
                                         i, k),
                                "must not be specified when serviceAccountName is not set");
}

const struct rule pod_rules[] = {
    {"spec.ephemeralContainers", check_no_ephemeral},
    {"spec", check_rules, .rules = pod_spec_rules},
    {"spec", check_token_account},
    {NULL},
};

/* Kubernetes names the item, not its member. */
static void check_pod_ip(struct check *c, const struct rule *r, const struct site *s)
{
    yyjson_val *ip = json_get(s->v, "ip");

    (void)r;
    if (!is_ip(json_str(ip, "")))
        field_invalid(c->errs, s->path, ip,
                      "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
}

const struct rule pod_status_rules[] = {
    {"status.podIPs[]", check_pod_ip},
    {"status.hostIPs[]", check_pod_ip},
    {NULL},
};
