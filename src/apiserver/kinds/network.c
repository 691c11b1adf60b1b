/* Ingresses and network policies (pkg/apis/networking). */
#include "apiserver/kinds/kind.h"

#include "base/names.h"

#include <arpa/inet.h>
#include <stdio.h>

/* ---- Ingress ---- */

static void check_backend(struct check *c, const struct rule *r, const struct site *s)
{
    yyjson_val *service = json_get(s->v, "service"), *resource = json_get(s->v, "resource");
    yyjson_val *port = json_get(service, "port");
    const char *name = json_get_str(port, "name", "");
    int64_t number = json_int_at(port, "number", 0);

    (void)r;
    if (!s->v)
        return;
    if (service && resource)
        field_invalid_str(c->errs, s->path, "", "cannot set both resource and service backends");
    else if (!service && !resource)
        field_invalid_str(c->errs, s->path, "", "resource or service backend is required");
    if (!service)
        return;
    if (!*json_get_str(service, "name", ""))
        field_required(c->errs, check_at(c, s->path, ".service.name"), NULL);
    else if (name_dns1035_label(slice_of(json_get_str(service, "name", ""))))
        field_invalid(c->errs, check_at(c, s->path, ".service.name"), json_get(service, "name"),
                      name_dns1035_label(slice_of(json_get_str(service, "name", ""))));
    if (*name && number)
        field_invalid_str(c->errs, s->path, "", "cannot set both port name & port number");
    else if (!*name && !number)
        field_required(c->errs, s->path, "port name or number is required");
    else if (!*name && (number < 1 || number > 65535))
        field_invalid(c->errs, check_at(c, s->path, ".service.port.number"),
                      json_get(port, "number"), "must be between 1 and 65535, inclusive");
}

static const char *wildcard_name(struct slice s)
{
    if (!name_dns1123_subdomain((struct slice){s.p + 2, s.n - 2}))
        return NULL;
    return "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, "
           "which must consist of lower case alphanumeric characters, '-' or '.' and end with an "
           "alphanumeric character (e.g. '*.example.com', regex used for validation is "
           "'\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
}

static void check_host(struct check *c, const struct rule *r, const struct site *s)
{
    const char *host = json_str(s->v, ""), *why;

    (void)r;
    if (!*host)
        return;
    if (is_ip(host))
        why = "must be a DNS name, not an IP address";
    else if (strchr(host, '*'))
        why = strncmp(host, "*.", 2) ? wildcard_name(SLICE("*.*")) : wildcard_name(slice_of(host));
    else
        why = name_dns1123_subdomain(slice_of(host));
    if (why)
        check_add_invalid(c, s, why);
}

static void check_path(struct check *c, const struct rule *r, const struct site *s)
{
    static const char *const types[] = {"Exact", "ImplementationSpecific", "Prefix"};
    const char *type = json_get_str(s->v, "pathType", ""), *path = json_get_str(s->v, "path", "");

    (void)r;
    if (!*type) {
        field_required(c->errs, check_at(c, s->path, ".pathType"), "pathType must be specified");
    } else if (!str_in(type, "Exact|ImplementationSpecific|Prefix")) {
        field_not_supported(c->errs, check_at(c, s->path, ".pathType"), json_get(s->v, "pathType"),
                            types, 3);
    } else if (*path != '/' && (*path || strcmp(type, "ImplementationSpecific"))) {
        field_invalid(c->errs, check_at(c, s->path, ".path"), json_get(s->v, "path"),
                      "must be an absolute path");
    }
}

static void check_rules_or_default(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (!json_get(s->v, "defaultBackend") && !yyjson_arr_size(json_get(s->v, "rules")))
        field_invalid(c->errs, s->path, json_get(s->v, "rules"),
                      "either `defaultBackend` or `rules` must be specified");
}

const struct rule ingress_rules[] = {
    {"spec", check_rules_or_default},
    {"spec.defaultBackend", check_backend},
    {"spec.rules[].host", check_host},
    {"spec.rules[].http.paths", check_required},
    {"spec.rules[].http.paths[]", check_path},
    {"spec.rules[].http.paths[].backend", check_backend},
    {"spec.tls[].hosts[]", check_host},
    {"spec.ingressClassName", check_name, .name = name_dns1123_subdomain},
    {NULL},
};

const struct rule ingress_class_rules[] = {{"spec.controller", check_required}, {NULL}};

/* ---- NetworkPolicy ---- */

static void check_cidr(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (!*json_str(s->v, ""))
        field_required(c->errs, s->path, NULL);
    else if (!is_cidr(json_str(s->v, "")))
        check_add_invalid(c, s, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
}

static void check_peer(struct check *c, const struct rule *r, const struct site *s)
{
    bool block = json_get(s->v, "ipBlock");
    bool other = json_get(s->v, "podSelector") || json_get(s->v, "namespaceSelector");

    (void)r;
    if (block && other)
        field_forbidden(c->errs, s->path, "may not specify both ipBlock and another peer");
    else if (!block && !other)
        field_required(c->errs, s->path, "must specify a peer");
}

struct range {
    unsigned char ip[16];
    size_t bytes;
    unsigned bits;
};

static bool range_parse(const char *cidr, struct range *ret)
{
    const char *slash = strchr(cidr, '/');
    char ip[64];

    if (!is_cidr(cidr))
        return false;
    snprintf(ip, sizeof ip, "%.*s", (int)(slash - cidr), cidr);
    ret->bytes = strchr(ip, ':') ? 16 : 4;
    ret->bits = (unsigned)strtoul(slash + 1, NULL, 10);
    return inet_pton(ret->bytes == 16 ? AF_INET6 : AF_INET, ip, ret->ip) == 1;
}

/* Whether inner is a smaller range within outer. */
static bool range_within(const struct range *inner, const struct range *outer)
{
    unsigned whole = outer->bits / 8, rest = outer->bits % 8;

    if (inner->bytes != outer->bytes || inner->bits <= outer->bits ||
        memcmp(inner->ip, outer->ip, whole))
        return false;
    return !rest || (inner->ip[whole] ^ outer->ip[whole]) >> (8 - rest) == 0;
}

static void check_except(struct check *c, const struct rule *r, const struct site *s)
{
    struct range outer, inner;

    (void)r;
    if (!range_parse(json_get_str(s->v, "cidr", ""), &outer))
        return;
    json_each(json_get(s->v, "except"), e, i, n)
        if (range_parse(json_str(e, ""), &inner) && !range_within(&inner, &outer))
            field_invalid(c->errs, check_at(c, s->path, ".except[%zu]", i), e,
                          "must be a strict subset of `cidr`");
}

static void check_end_port(struct check *c, const struct rule *r, const struct site *s)
{
    yyjson_val *end = json_get(s->v, "endPort"), *port = json_get(s->v, "port");

    (void)r;
    if (!end)
        return;
    if (!yyjson_is_int(port))
        field_invalid(c->errs, check_at(c, s->path, ".endPort"), end,
                      "may not be specified when `port` is not a number");
    else if (yyjson_get_sint(end) < yyjson_get_sint(port))
        field_invalid(c->errs, check_at(c, s->path, ".endPort"), end,
                      "must be greater than or equal to `port`");
}

static const struct rule peer_rules[] = {
    {"ipBlock", check_except},
    {"", check_peer},
    {"podSelector", check_label_selector},
    {"namespaceSelector", check_label_selector},
    {"ipBlock.cidr", check_cidr},
    {"ipBlock.except[]", check_cidr},
    {NULL},
};
static const struct rule policy_port_rules[] = {
    {"protocol", check_enum, "TCP|UDP|SCTP"},
    {"port", check_port_number_or_name},
    {"", check_end_port},
    {NULL},
};
static const struct rule flow_rules[] = {
    {"from[]", check_rules, .rules = peer_rules},
    {"to[]", check_rules, .rules = peer_rules},
    {"ports[]", check_rules, .rules = policy_port_rules},
    {NULL},
};

const struct rule network_policy_rules[] = {
    {"spec.podSelector", check_label_selector},
    {"spec.ingress[]", check_rules, .rules = flow_rules},
    {"spec.egress[]", check_rules, .rules = flow_rules},
    {"spec.policyTypes[]", check_enum, "Ingress|Egress"},
    {NULL},
};

static void policy_types(yyjson_mut_doc *doc, yyjson_mut_val *at, const struct change *ch)
{
    (void)ch;
    if (yyjson_mut_arr_size(json_mut_get(at, "policyTypes")))
        return;
    yyjson_mut_val *types = json_put_arr(doc, at, "policyTypes");
    yyjson_mut_arr_add_strcpy(doc, types, "Ingress");
    if (yyjson_mut_arr_size(json_mut_get(at, "egress")))
        yyjson_mut_arr_add_strcpy(doc, types, "Egress");
}

const struct kind_defaults network_policy_defaults[] = {
    {"spec.ingress[].ports[].protocol", "\"TCP\""},
    {"spec.egress[].ports[].protocol", "\"TCP\""},
    {"spec", .fn = policy_types},
    {NULL},
};
