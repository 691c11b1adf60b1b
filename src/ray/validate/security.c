/* Authentication, network policies and TLS: spec raycluster §5.2 rules 15 to 17. */
#include "base/names.h"
#include "ray/validate/rules.h"
#include "ray/version.h"

#include <string.h>

static const char *auth_version(struct arena *a, const struct cluster *c, unsigned minor)
{
    const char *text = json_get_str(c->spec, "rayVersion", "");
    struct version v;

    if (!version_parse(text, &v))
        return arena_printf(
            a, "token authentication needs spec.rayVersion, and \"%s\" is no version", text);
    if (!version_at_least(text, 2, minor))
        return arena_printf(a, "this token authentication needs Ray 2.%u.0 or later", minor);
    return NULL;
}

const char *rule_auth(struct arena *a, const struct cluster *c)
{
    const char *why;

    if (!cluster_auth(c))
        return cluster_k8s_token(c) ? "authOptions.enableK8sTokenAuth needs mode token" : NULL;
    if ((why = auth_version(a, c, 52)) || !cluster_k8s_token(c))
        return why;
    if ((why = auth_version(a, c, 55)))
        return why;
    return *json_str_at(c->spec, "authOptions.secretName", "")
               ? "authOptions: enableK8sTokenAuth and secretName cannot both be set"
               : NULL;
}

static const char *policy_rules(struct arena *a, yyjson_val *rules, const char *mode,
                                const char *who)
{
    static const struct {
        const char *mode, *forbids;
    } table[] = {{"DenyAllEgress", "ingressRules"}, {"DenyAllIngress", "egressRules"}};

    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (!strcmp(mode, table[i].mode) && yyjson_arr_size(json_get(rules, table[i].forbids)))
            return arena_printf(a, "networkPolicy.%s: mode %s allows no %s", who, mode,
                                table[i].forbids);
    return NULL;
}

static bool has_group(const struct cluster *c, const char *name)
{
    json_each(c->groups, group, i, n)
        if (!strcmp(group_name(group), name))
            return true;
    return false;
}

static const char *policy_groups(struct arena *a, const struct cluster *c, yyjson_val *policy)
{
    json_each(c->groups, group, i, n) {
        const char *why = name_dns1123_label(slice_of(group_name(group)));

        if (why)
            return arena_printf(a, "networkPolicy: worker group \"%s\": %s", group_name(group),
                                why);
    }
    json_each(json_get(policy, "workerGroups"), rules, k, m)
        if (!has_group(c, group_name(rules)))
            return arena_printf(a,
                                "networkPolicy.workerGroups: "
                                "there is no worker group \"%s\"",
                                group_name(rules));
    return NULL;
}

const char *rule_network_policy(struct arena *a, const struct cluster *c)
{
    yyjson_val *policy = json_get(c->spec, "networkPolicy");
    const char *mode = json_get_str(policy, "mode", "DenyAll");
    const char *why;

    if (!yyjson_is_obj(policy))
        return NULL;
    if (!ray_feature(c->o, FEATURE_NETWORK_POLICY))
        return "networkPolicy needs the feature gate RayClusterNetworkPolicy";
    if ((why = policy_rules(a, json_get(policy, "head"), mode, "head")) ||
        (why = policy_rules(a, json_get(policy, "worker"), mode, "worker")))
        return why;
    json_each(json_get(policy, "workerGroups"), rules, i, n)
        if ((why = policy_rules(a, rules, mode, "workerGroups")))
            return why;
    return policy_groups(a, c, policy);
}

static const char *tls_taken(struct arena *a, yyjson_val *env, yyjson_val *mounts, const char *who)
{
    static const char *const names[] = {"RAY_USE_TLS", "RAY_TLS_SERVER_CERT", "RAY_TLS_SERVER_KEY",
                                        "RAY_TLS_CA_CERT"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (list_named(env, names[i]))
            return arena_printf(a, "%s: env %s is the operator's with TLS", who, names[i]);
    json_each(mounts, m, i, n)
        if (!strcmp(json_get_str(m, "name", ""), "ray-tls") ||
            !strcmp(json_get_str(m, "mountPath", ""), "/etc/ray/tls"))
            return arena_printf(a,
                                "%s: mount ray-tls and path /etc/ray/tls "
                                "are the operator's with TLS",
                                who);
    return NULL;
}

static const char *tls_container(struct arena *a, yyjson_val *container, const char *who)
{
    return tls_taken(a, json_get(container, "env"), json_get(container, "volumeMounts"), who);
}

const char *rule_tls(struct arena *a, const struct cluster *c)
{
    yyjson_val *autoscaler = json_get(c->spec, "autoscalerOptions");
    const char *why;

    if (!yyjson_is_obj(json_get(c->spec, "tlsOptions")))
        return NULL;
    if (!ray_feature(c->o, FEATURE_MTLS))
        return "tlsOptions needs the feature gate RayClusterMTLS";
    if (!cluster_tls(c))
        return NULL;
    if ((why = tls_container(a, group_container(c->head), "headGroupSpec")))
        return why;
    json_each(c->groups, group, i, n)
        if ((why = tls_container(a, group_container(group), group_name(group))))
            return why;
    return tls_container(a, autoscaler, "autoscalerOptions");
}
