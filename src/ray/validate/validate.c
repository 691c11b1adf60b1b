#include "ray/validate/validate.h"

#include "base/names.h"
#include "ray/names.h"
#include "ray/validate/rules.h"

#include <string.h>

/* Upstream's order; the numbers are those of §5.2. */
static rule *const spec_rules[] = {
    rule_head_containers,    /* 1 */
    rule_head_resources,     /* 2 */
    rule_head_labels,        /* 3 */
    rule_worker_groups,      /* 4 */
    rule_ft_twice,           /* 5 */
    rule_redis_address,      /* 6 */
    rule_ft_options,         /* 7 */
    rule_redis_username,     /* 8 */
    rule_suspend_gate,       /* 9 */
    rule_autoscaler_env,     /* 10 */
    rule_autoscaler,         /* 11 */
    rule_autoscaler_idle,    /* 12 */
    rule_autoscaler_command, /* 13 */
    rule_history,            /* 14 */
    rule_auth,               /* 15 */
    rule_network_policy,     /* 16 */
    rule_tls,                /* 17 */
};

const char *validate_cluster_metadata(struct arena *a, const char *name)
{
    const char *why = name_dns1035_label(slice_of(name));

    if (strlen(name) > CLUSTER_NAME_MAX)
        return arena_printf(a, "the name of a RayCluster has at most %d characters",
                            CLUSTER_NAME_MAX);
    return why ? arena_printf(a, "the name of a RayCluster is a DNS label: %s", why) : NULL;
}

const char *validate_cluster_spec(struct arena *a, const struct cluster *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(spec_rules); i++) {
        const char *why = spec_rules[i](a, c);

        if (why)
            return why;
    }
    return NULL;
}

const char *validate_cluster_upgrade(struct arena *a, const struct cluster *c)
{
    const char *type = json_str_at(c->spec, "upgradeStrategy.type", NULL);

    if (!type)
        return NULL;
    if (strcmp(type, "Recreate") != 0 && strcmp(type, "None") != 0)
        return arena_printf(a, "spec.upgradeStrategy.type is Recreate or None, not %s", type);
    if (strcmp(cluster_creator(c), CRD_RAYCLUSTER) != 0)
        return arena_printf(a,
                            "spec.upgradeStrategy.type cannot be set on a RayCluster made by a %s",
                            cluster_creator(c));
    return NULL;
}

const char *validate_cluster_status(struct arena *a, const struct cluster *c)
{
    static const char *const types[] = {"RayClusterSuspending", "RayClusterSuspended"};
    int on = 0;

    (void)a;
    json_each(json_get(c->status, "conditions"), cond, i, n)
        for (size_t k = 0; k < ARRAY_SIZE(types); k++)
            on += !strcmp(json_get_str(cond, "type", ""), types[k]) &&
                  !strcmp(json_get_str(cond, "status", ""), "True");
    return on > 1 ? "the conditions RayClusterSuspending and RayClusterSuspended exclude each other"
                  : NULL;
}
