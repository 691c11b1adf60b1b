/* Services: defaults, addresses, what depends on the type (pkg/registry/core/service,
 * pkg/apis/core). */
#include "apiserver/kinds/kind.h"

#include "apiserver/kinds/addresses.h"
#include "base/names.h"

#include <stdio.h>

const char *service_name(struct slice s)
{
    return name_dns1123_label(s);
}

/* ---- what a type has ---- */

static bool has_ip(const char *type)
{
    return str_in(type, "ClusterIP|NodePort|LoadBalancer");
}

static bool is_external(const char *type)
{
    return str_in(type, "NodePort|LoadBalancer");
}

static const char *type_of(yyjson_mut_val *service)
{
    return json_mut_str_at(service, "spec.type", "ClusterIP");
}

/* ---- defaults ---- */

static void target_port(yyjson_mut_doc *doc, yyjson_mut_val *at, const struct change *ch)
{
    yyjson_mut_val *t = json_mut_get(at, "targetPort");
    bool unset = !t || yyjson_mut_is_null(t) || (yyjson_mut_is_int(t) && !yyjson_mut_get_sint(t)) ||
                 (yyjson_mut_is_str(t) && !yyjson_mut_get_len(t));

    (void)ch;
    if (unset)
        json_put_int(doc, at, "targetPort", yyjson_mut_get_sint(json_mut_get(at, "port")));
}

static void by_type(yyjson_mut_doc *doc, yyjson_mut_val *at, const struct change *ch)
{
    const char *type = json_mut_str_at(at, "type", "ClusterIP");
    bool external = is_external(type) || yyjson_mut_arr_size(json_mut_get(at, "externalIPs"));

    (void)ch;
    if (external && !json_mut_get(at, "externalTrafficPolicy"))
        json_put_str(doc, at, "externalTrafficPolicy", "Cluster");
    if (has_ip(type) && !json_mut_get(at, "internalTrafficPolicy"))
        json_put_str(doc, at, "internalTrafficPolicy", "Cluster");
    if (!strcmp(type, "LoadBalancer") && !json_mut_get(at, "allocateLoadBalancerNodePorts"))
        json_put_bool(doc, at, "allocateLoadBalancerNodePorts", true);
    if (!strcmp(json_mut_str_at(at, "sessionAffinity", ""), "ClientIP") &&
        !json_mut_at(at, "sessionAffinityConfig.clientIP.timeoutSeconds"))
        json_put_int(doc, json_ensure(doc, at, "sessionAffinityConfig.clientIP"), "timeoutSeconds",
                     10800);
    if (!strcmp(json_mut_str_at(at, "sessionAffinity", "None"), "None"))
        json_remove(at, "sessionAffinityConfig");
}

const struct kind_defaults service_defaults[] = {
    {"+spec.sessionAffinity", "\"None\""},
    {"spec.type", "\"ClusterIP\""},
    {"spec.ports[].protocol", "\"TCP\""},
    {"spec.ports[]", .fn = target_port},
    {"spec", .fn = by_type},
    {"+status.+loadBalancer", "{}"},
    {NULL},
};

/* ---- what an update keeps ---- */

static void copy_absent(struct change *ch, yyjson_mut_val *spec, const char *key)
{
    yyjson_val *old = json_at(ch->old, "spec");

    if (json_get(old, key) && (!json_mut_get(spec, key) || !*json_mut_str_at(spec, key, "x")))
        json_put(ch->doc, spec, key, json_thaw(ch->doc, json_get(old, key)));
}

static bool same_port(yyjson_mut_val *port, yyjson_val *old)
{
    return yyjson_mut_get_sint(json_mut_get(port, "port")) == json_int_at(old, "port", 0) &&
           !strcmp(json_mut_str_at(port, "protocol", ""), json_get_str(old, "protocol", ""));
}

static void keep_node_ports(struct change *ch, yyjson_mut_val *spec)
{
    size_t i, n;
    yyjson_mut_val *port;

    yyjson_mut_arr_foreach(json_mut_get(spec, "ports"), i, n, port) {
        if (yyjson_mut_get_sint(json_mut_get(port, "nodePort")))
            continue;
        json_each(json_at(ch->old, "spec.ports"), old, k, kn)
            if (same_port(port, old) && json_get(old, "nodePort"))
                json_put_int(ch->doc, port, "nodePort", json_int_at(old, "nodePort", 0));
    }
}

/* clusterIP and clusterIPs say the same; the one that changed leads. */
static void agree_ips(struct change *ch, yyjson_mut_val *spec)
{
    yyjson_mut_val *ips = json_mut_get(spec, "clusterIPs");
    const char *ip = json_mut_str_at(spec, "clusterIP", ""),
               *old_ip = json_str_at(ch->old, "spec.clusterIP", "");
    const char *first = yyjson_mut_get_str(yyjson_mut_arr_get_first(ips));
    const char *old_first = json_str_at(ch->old, "spec.clusterIPs.0", "");

    if (!ch->old && !*ip && yyjson_mut_arr_size(ips) && first)
        return; /* refused: clusterIP leads */
    if (!ch->old && *ip && !yyjson_mut_arr_size(ips)) {
        yyjson_mut_arr_add_strcpy(ch->doc, json_put_arr(ch->doc, spec, "clusterIPs"), ip);
        return;
    }
    if (!ch->old || !strcmp(ip, old_ip) || strcmp(first ? first : "", old_first))
        return;
    if (*ip)
        yyjson_mut_arr_add_strcpy(ch->doc, json_put_arr(ch->doc, spec, "clusterIPs"), ip);
    else
        json_remove(spec, "clusterIPs");
}

static bool unchanged(struct change *ch, yyjson_mut_val *spec, const char *key)
{
    yyjson_mut_val *v = json_mut_get(spec, key);
    struct json *now autojson = v ? json_freeze(v) : NULL;

    return json_equal(json_root(now), json_get(json_at(ch->old, "spec"), key));
}

static void drop_unchanged(struct change *ch, yyjson_mut_val *spec, const char *const *keys,
                           size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (unchanged(ch, spec, keys[i]))
            json_remove(spec, keys[i]);
}

static void drop_node_ports(struct change *ch, yyjson_mut_val *spec)
{
    size_t i, n;
    yyjson_mut_val *port;

    yyjson_mut_arr_foreach(json_mut_get(spec, "ports"), i, n, port)
        json_each(json_at(ch->old, "spec.ports"), old, k, kn)
            if (yyjson_mut_get_sint(json_mut_get(port, "nodePort")) ==
                json_int_at(old, "nodePort", -1))
                json_remove(port, "nodePort");
}

/* Fields that the old type had and the new one has not go, unless the caller changed them. */
static void drop_of_old_type(struct change *ch, yyjson_mut_val *spec, const char *old,
                             const char *new)
{
    static const char *const ips[] = {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy",
                                      "internalTrafficPolicy"};
    static const char *const outer[] = {"externalTrafficPolicy", "healthCheckNodePort"};
    static const char *const balancer[] = {"allocateLoadBalancerNodePorts", "loadBalancerClass"};

    if (has_ip(old) && !has_ip(new))
        drop_unchanged(ch, spec, ips, ARRAY_SIZE(ips));
    if (is_external(old) && !is_external(new)) {
        drop_node_ports(ch, spec);
        drop_unchanged(ch, spec, outer, ARRAY_SIZE(outer));
    }
    if (!strcmp(old, "LoadBalancer") && strcmp(new, "LoadBalancer"))
        drop_unchanged(ch, spec, balancer, ARRAY_SIZE(balancer));
}

static void keep_allocated(struct change *ch, yyjson_mut_val *spec)
{
    const char *old = json_str_at(ch->old, "spec.type", "ClusterIP"), *new = type_of(ch->obj);

    if (has_ip(old) && has_ip(new)) {
        copy_absent(ch, spec, "clusterIP");
        if (unchanged(ch, spec, "clusterIP"))
            copy_absent(ch, spec, "clusterIPs");
        copy_absent(ch, spec, "ipFamilies");
        copy_absent(ch, spec, "ipFamilyPolicy");
    }
    if (is_external(old) && is_external(new))
        keep_node_ports(ch, spec);
    agree_ips(ch, spec);
    if (strcmp(old, new))
        drop_of_old_type(ch, spec, old, new);
}

/* ---- allocation ---- */

static void put_families(struct change *ch, yyjson_mut_val *spec)
{
    bool headless = !strcmp(json_mut_str_at(spec, "clusterIP", ""), "None");
    bool both = headless && !yyjson_mut_obj_size(json_mut_get(spec, "selector"));
    const char *policy = json_mut_str_at(spec, "ipFamilyPolicy", "");

    if (!yyjson_mut_arr_size(json_mut_get(spec, "ipFamilies"))) {
        yyjson_mut_val *families = json_put_arr(ch->doc, spec, "ipFamilies");
        yyjson_mut_arr_add_strcpy(ch->doc, families, "IPv4");
        if (both && strcmp(policy, "SingleStack"))
            yyjson_mut_arr_add_strcpy(ch->doc, families, "IPv6");
    }
    if (!*policy)
        json_put_str(ch->doc, spec, "ipFamilyPolicy", both ? "RequireDualStack" : "SingleStack");
}

static void allocate_ip(struct change *ch, struct addresses *a, yyjson_mut_val *spec,
                        const char *uid)
{
    const char *ip = json_mut_str_at(spec, "clusterIP", "");
    char fresh[IP_TEXT], why[200];
    struct json *ips autojson = NULL;

    if (!*ip && (ch->dry_run ? addresses_dry_ip(fresh) : addresses_pick_ip(a, fresh))) {
        json_put_str(ch->doc, spec, "clusterIP", fresh);
        yyjson_mut_arr_add_strcpy(ch->doc, json_put_arr(ch->doc, spec, "clusterIPs"), fresh);
        ip = fresh;
    } else if (strcmp(ip, "None") && is_ip(ip) && !strchr(ip, ':')) {
        bool outside = !addresses_in_range(ip), used = addresses_ip_taken(a, ip, uid);
        if (outside || used) {
            snprintf(why, sizeof why, "failed to allocate IP %s: %s", ip,
                     outside ? "the provided IP is not in the valid range. The range of valid IPs "
                               "is " CLUSTER_CIDR
                             : "provided IP is already allocated");
            ips = json_freeze(json_mut_get(spec, "clusterIPs"));
            field_invalid(ch->errs, "spec.clusterIPs", json_root(ips), why);
            return;
        }
    }
    if (!ch->dry_run)
        addresses_take_ip(a, ip, uid);
}

static void allocate_port(struct change *ch, struct addresses *a, yyjson_mut_val *port, size_t i,
                          const char *uid)
{
    unsigned n = (unsigned)yyjson_mut_get_sint(json_mut_get(port, "nodePort"));
    char path[64];
    struct json *value autojson = NULL;
    const char *why = NULL;

    if (!n && addresses_pick_port(a, &n))
        json_put_int(ch->doc, port, "nodePort", n);
    else if (ch->dry_run)
        return; /* a dry run asks nobody */
    else if (n < NODE_PORT_MIN || n > NODE_PORT_MAX)
        why = "provided port is not in the valid range. The range of valid ports is 30000-32767";
    else if (addresses_port_taken(a, n, uid))
        why = "provided port is already allocated";
    if (why) {
        snprintf(path, sizeof path, "spec.ports[%zu].nodePort", i);
        value = json_freeze(json_mut_get(port, "nodePort"));
        field_invalid(ch->errs, path, json_root(value), why);
    } else if (!ch->dry_run) {
        addresses_take_port(a, n, uid);
    }
}

static void allocate_ports(struct change *ch, struct addresses *a, yyjson_mut_val *spec,
                           const char *uid)
{
    yyjson_mut_val *wanted = json_mut_get(spec, "allocateLoadBalancerNodePorts"), *port;
    bool none = wanted && !yyjson_mut_get_bool(wanted);
    size_t i, n;

    yyjson_mut_arr_foreach(json_mut_get(spec, "ports"), i, n, port)
        if (!none || json_mut_get(port, "nodePort"))
            allocate_port(ch, a, port, i, uid);
}

/* A balancer that sends only to nodes with a local pod asks them by this port. */
static void allocate_health_port(struct change *ch, struct addresses *a, yyjson_mut_val *spec,
                                 const char *uid)
{
    unsigned port;

    if (strcmp(json_mut_str_at(spec, "externalTrafficPolicy", ""), "Local") ||
        yyjson_mut_get_sint(json_mut_get(spec, "healthCheckNodePort")) ||
        !addresses_pick_port(a, &port))
        return;
    json_put_int(ch->doc, spec, "healthCheckNodePort", port);
    if (!ch->dry_run)
        addresses_take_port(a, port, uid);
}

void service_prepare(struct change *ch)
{
    yyjson_mut_val *spec = json_mut_get(ch->obj, "spec");
    struct addresses *a = addresses_of(ch->api);
    const char *uid = json_mut_str_at(ch->obj, "metadata.uid", ""), *type = type_of(ch->obj);

    if (*ch->subresource)
        return;
    if (ch->old)
        keep_allocated(ch, spec);
    else
        agree_ips(ch, spec);
    if (!a || !has_ip(type))
        return;
    put_families(ch, spec);
    allocate_ip(ch, a, spec, uid);
    if (is_external(type))
        allocate_ports(ch, a, spec, uid);
    if (!strcmp(type, "LoadBalancer"))
        allocate_health_port(ch, a, spec, uid);
}

/* ---- validation ---- */

static void check_ports_needed(struct check *c, const struct rule *r, const struct site *s)
{
    bool headless = !strcmp(json_get_str(s->v, "clusterIP", ""), "None");
    bool external = !strcmp(json_get_str(s->v, "type", ""), "ExternalName");

    (void)r;
    if (!yyjson_arr_size(json_get(s->v, "ports")) && !headless && !external)
        field_required(c->errs, check_at(c, s->path, ".ports"), NULL);
}

static bool same_member(yyjson_val *a, yyjson_val *b, const char *key)
{
    return json_equal(json_get(a, key), json_get(b, key));
}

static void check_service_ports(struct check *c, const struct rule *r, const struct site *s)
{
    bool many = yyjson_arr_size(s->v) > 1;

    (void)r;
    json_each(s->v, p, i, n) {
        if (many && !*json_get_str(p, "name", ""))
            field_required(c->errs, check_at(c, s->path, "[%zu].name", i), NULL);
        for (size_t k = 0; k < i; k++) {
            yyjson_val *q = yyjson_arr_get(s->v, k);
            if (same_member(p, q, "port") && same_member(p, q, "protocol")) {
                field_duplicate(c->errs, check_at(c, s->path, "[%zu]", i), p);
                break;
            }
        }
    }
}

static void check_node_port_use(struct check *c, const struct rule *r, const struct site *s)
{
    const char *type = json_str_at(c->root, "spec.type", "");
    char why[96];

    (void)r;
    if (!yyjson_get_sint(s->v) || is_external(type))
        return;
    snprintf(why, sizeof why, "may not be used when `type` is '%s'", type);
    field_forbidden(c->errs, s->path, why);
}

static void check_service_type(struct check *c, const struct rule *r, const struct site *s)
{
    const char *type = json_get_str(s->v, "type", "");
    yyjson_val *ip = json_at(s->v, "clusterIPs.0");
    char why[96], at[64];

    (void)r;
    snprintf(at, sizeof at, "%s.clusterIPs[0]", s->path);
    if (!strcmp(type, "ExternalName")) {
        if (ip)
            field_forbidden(c->errs, check_at(c, s->path, ".clusterIPs"),
                            "may not be set for ExternalName services");
        const char *name = json_get_str(s->v, "externalName", "");
        const char *bad = *name ? name_dns1123_subdomain(slice_of(name)) : NULL;
        if (!*name)
            field_required(c->errs, check_at(c, s->path, ".externalName"), NULL);
        else if (bad)
            field_invalid(c->errs, check_at(c, s->path, ".externalName"),
                          json_get(s->v, "externalName"), bad);
        return;
    }
    if (is_external(type) && !strcmp(json_str(ip, ""), "None")) {
        snprintf(why, sizeof why, "may not be set to 'None' for %s services", type);
        field_invalid(c->errs, at, ip, why);
    } else if (*json_str(ip, "") && strcmp(json_str(ip, ""), "None") && !is_ip(json_str(ip, ""))) {
        field_invalid(c->errs, at, ip,
                      "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
    }
}

static bool both_v4(yyjson_val *ips)
{
    return yyjson_arr_size(ips) == 2 && !strchr(json_str(yyjson_arr_get(ips, 0), ":"), ':') &&
           !strchr(json_str(yyjson_arr_get(ips, 1), ":"), ':');
}

static void check_ips(struct check *c, const struct rule *r, const struct site *s)
{
    yyjson_val *ips = json_get(s->v, "clusterIPs"), *ip = json_get(s->v, "clusterIP");
    const char *at = check_at(c, s->path, ".clusterIPs");

    (void)r;
    if (yyjson_arr_size(ips) && *json_str(ip, "") && !json_equal(yyjson_arr_get(ips, 0), ip))
        field_invalid(c->errs, at, ips, "first value must match `clusterIP`");
    if (yyjson_arr_size(ips) && !*json_str(ip, ""))
        field_invalid(c->errs, at, ips, "must be empty when `clusterIP` is not specified");
    if (both_v4(ips))
        field_invalid(c->errs, at, ips, "may only hold up to 1 values of each IP family");
    if (yyjson_arr_size(ips) > 1 &&
        !str_in(json_get_str(s->v, "ipFamilyPolicy", ""), "PreferDualStack|RequireDualStack"))
        field_invalid(c->errs, at, ips, "may only hold up to 1 value for single-stack services");
}

/* One family is what this server has. */
static void check_family(struct check *c, const struct rule *r, const struct site *s)
{
    bool headless = !strcmp(json_str_at(c->root, "spec.clusterIP", ""), "None");

    (void)r;
    if (!strcmp(json_str(s->v, ""), "IPv6") && !headless)
        check_add_invalid(c, s, "not configured on this cluster");
}

static void check_family_policy(struct check *c, const struct rule *r, const struct site *s)
{
    bool headless = !strcmp(json_str_at(c->root, "spec.clusterIP", ""), "None");

    (void)r;
    if (!strcmp(json_str(s->v, ""), "RequireDualStack") && !headless)
        check_add_invalid(c, s, "this cluster is not configured for dual-stack services");
}

static void check_balancer_only(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (*json_str(s->v, "") && strcmp(json_str_at(c->root, "spec.type", ""), "LoadBalancer"))
        field_forbidden(c->errs, s->path, "may only be used when `type` is 'LoadBalancer'");
}

static void check_source_ranges(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    json_each(s->v, range, i, n)
        if (!is_cidr(json_str(range, "")))
            field_invalid(c->errs, check_at(c, "spec.LoadBalancerSourceRanges", "[%zu]", i), range,
                          "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
}

static void check_no_ingress(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (yyjson_arr_size(s->v) && strcmp(json_str_at(c->root, "spec.type", ""), "LoadBalancer"))
        field_forbidden(c->errs, s->path, "may only be used when `spec.type` is LoadBalancer");
}

const struct rule service_status_rules[] = {{"status.loadBalancer.ingress", check_no_ingress},
                                            {NULL}};

static void check_outer_policy(struct check *c, const struct rule *r, const struct site *s)
{
    const char *type = json_str_at(c->root, "spec.type", "");

    (void)r;
    if (s->v && !is_external(type) && !yyjson_arr_size(json_at(c->root, "spec.externalIPs")))
        check_add_invalid(c, s, "may only be set for externally-accessible services");
}

static void check_timeout(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (strcmp(json_str_at(c->root, "spec.sessionAffinity", ""), "ClientIP"))
        return;
    int64_t n = yyjson_get_sint(s->v);
    if (n < 1 || n > 86400)
        check_add_invalid(c, s, "must be greater than 0 and less than 86400");
}

const struct rule service_rules[] = {
    {"spec", check_ports_needed},
    {"spec.ports[].name", check_name, .name = name_dns1123_label},
    {"spec.ports[].port", check_port},
    {"spec.ports[].protocol", check_enum_needed, "SCTP|TCP|UDP"},
    {"spec.ports[].targetPort", check_port_number_or_name},
    {"spec.ports[].appProtocol", check_name, .name = name_qualified},
    {"spec.ports[].nodePort", check_node_port_use},
    {"spec.ports", check_service_ports},
    {"spec.ports", check_unique, "name"},
    {"spec.selector", check_labels},
    {"spec.sessionAffinity", check_enum_needed, "ClientIP|None"},
    {"spec.sessionAffinityConfig.clientIP.timeoutSeconds", check_timeout},
    {"spec.type", check_enum_needed, "ClusterIP|ExternalName|LoadBalancer|NodePort"},
    {"spec", check_service_type},
    {"spec.externalIPs[]", check_ip},
    {"spec.externalIPs[]", check_pod_address},
    {"spec.trafficDistribution", check_enum, "PreferClose|PreferSameNode|PreferSameZone"},
    {"spec.externalTrafficPolicy", check_enum, "Cluster|Local"},
    {"spec.externalTrafficPolicy", check_outer_policy},
    {"spec.internalTrafficPolicy", check_enum, "Cluster|Local"},
    {"spec.ipFamilyPolicy", check_enum, "SingleStack|PreferDualStack|RequireDualStack"},
    {"spec.ipFamilyPolicy", check_family_policy},
    {"spec.ipFamilies[]", check_enum, "IPv4|IPv6"},
    {"spec.ipFamilies[]", check_family},
    {"spec", check_ips},
    {"spec.loadBalancerClass", check_balancer_only},
    {"spec.loadBalancerSourceRanges", check_source_ranges},
    {NULL},
};

/* The first cluster IP stays as long as the Service has one. */
static void check_ip_kept(struct check *c, const struct rule *r, const struct site *s)
{
    const char *old = json_str_at(s->old, "clusterIPs.0", ""),
               *new = json_str_at(s->v, "clusterIPs.0", "");

    (void)r;
    if (!*old || !has_ip(json_get_str(s->old, "type", "")) ||
        !has_ip(json_get_str(s->v, "type", "")))
        return;
    if (strcmp(old, new))
        field_invalid(c->errs, check_at(c, s->path, ".clusterIPs[0]"), json_get(s->v, "clusterIPs"),
                      "may not change once set");
}

const struct rule service_update_rules[] = {{"spec", check_ip_kept}, {NULL}};
