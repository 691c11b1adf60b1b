/* Autoscaler and suspension: spec raycluster §5.2 rules 9 to 13. */
#include "ray/validate/rules.h"

#include <string.h>

static yyjson_val *suspended_group(const struct cluster *c)
{
    json_each(c->groups, group, i, n)
        if (group_suspended(group))
            return group;
    return NULL;
}

const char *rule_suspend_gate(struct arena *a, const struct cluster *c)
{
    yyjson_val *g = suspended_group(c);

    if (!g || ray_feature(c->o, FEATURE_DELETION_POLICY))
        return NULL;
    return arena_printf(a,
                        "worker group \"%s\": suspend needs the feature gate RayJobDeletionPolicy",
                        group_name(g));
}

const char *rule_autoscaler_env(struct arena *a, const struct cluster *c)
{
    (void)a;
    if (!cluster_autoscaling(c) && cluster_head_env_v2(c))
        return "env RAY_enable_autoscaler_v2 is set although enableInTreeAutoscaling is not";
    return NULL;
}

static bool restarts(yyjson_val *group)
{
    const char *policy = json_get_str(group_pod_spec(group), "restartPolicy", "");

    return *policy && strcmp(policy, "Never") != 0;
}

const char *rule_autoscaler(struct arena *a, const struct cluster *c)
{
    yyjson_val *g = suspended_group(c);

    if (!cluster_autoscaling(c))
        return NULL;
    if (g)
        return arena_printf(a, "worker group \"%s\": suspend is not possible with autoscaling",
                            group_name(g));
    if (json_str_at(c->spec, "autoscalerOptions.version", NULL) &&
        container_env(group_container(c->head), "RAY_enable_autoscaler_v2"))
        return "autoscalerOptions.version and env RAY_enable_autoscaler_v2 cannot both be set";
    if (!cluster_autoscaler_v2(c))
        return NULL;
    if (restarts(c->head))
        return "autoscaler v2 needs restartPolicy Never or none in headGroupSpec";
    json_each(c->groups, group, i, n)
        if (restarts(group))
            return arena_printf(
                a, "autoscaler v2 needs restartPolicy Never or none in worker group \"%s\"",
                group_name(group));
    return NULL;
}

const char *rule_autoscaler_idle(struct arena *a, const struct cluster *c)
{
    (void)a;
    return json_int_at(c->spec, "autoscalerOptions.idleTimeoutSeconds", 0) < 0
               ? "autoscalerOptions.idleTimeoutSeconds cannot be negative"
               : NULL;
}

const char *rule_autoscaler_command(struct arena *a, const struct cluster *c)
{
    (void)a;
    return list_named(json_at(c->spec, "autoscalerOptions.env"), "KUBERAY_GEN_AUTOSCALER_START_CMD")
               ? "autoscalerOptions.env: KUBERAY_GEN_AUTOSCALER_START_CMD is the operator's"
               : NULL;
}
