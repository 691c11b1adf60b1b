/*
 * What makes a RayJob invalid: a list of checks, the first that answers wins. The texts are part of
 * the contract: they land in status.message.
 */
#include "ray/plan/rayjob.h"
#include "ray/validate/validate.h"
#include "ray/words.h"

#include "base/names.h"
#include "data/yaml.h"

#define SPEC "The RayJob spec is invalid: "

typedef const char *check(struct rayjob *j);

static const char *metadata(struct rayjob *j)
{
    return validate_job_metadata(&j->p->arena, j->name);
}

static bool shuts_down(struct rayjob *j)
{
    return json_bool_at(j->spec, "shutdownAfterJobFinishes", false);
}

static const char *suspension(struct rayjob *j)
{
    return json_bool_at(j->spec, "suspend", false) && !shuts_down(j) ? SPEC
               "a RayJob with shutdownAfterJobFinishes set to false is not allowed to be "
               "suspended"
                                                                     : NULL;
}

static const char *ttl(struct rayjob *j)
{
    int64_t seconds = json_int_at(j->spec, "ttlSecondsAfterFinished", 0);

    if (seconds < 0)
        return SPEC "TTLSecondsAfterFinished must be a non-negative integer";
    return !shuts_down(j) && seconds > 0 ? SPEC
               "a RayJob with shutdownAfterJobFinishes set to false cannot have "
               "TTLSecondsAfterFinished"
                                         : NULL;
}

static bool autoscales(struct rayjob *j)
{
    return json_bool_at(j->spec, "rayClusterSpec.enableInTreeAutoscaling", false);
}

static bool needs_own_cluster(const char *policy)
{
    return !strcmp(policy, "DeleteCluster") || !strcmp(policy, "DeleteWorkers");
}

static const char *legacy_policy(struct rayjob *j, const char *on_success, const char *on_failure)
{
    const struct {
        const char *policy, *side;
    } sides[] = {{on_success, "success"}, {on_failure, "failure"}};

    for (size_t i = 0; i < ARRAY_SIZE(sides); i++)
        if (rayjob_has_selector(j) && needs_own_cluster(sides[i].policy))
            return arena_printf(
                &j->p->arena, "the ClusterSelector mode doesn't support DeletionStrategy=%s on %s",
                sides[i].policy, sides[i].side);
    for (size_t i = 0; i < ARRAY_SIZE(sides); i++)
        if (!strcmp(sides[i].policy, "DeleteWorkers") && autoscales(j))
            return "DeletionStrategy=DeleteWorkers currently does not support RayCluster with "
                   "autoscaling enabled";
    for (size_t i = 0; i < ARRAY_SIZE(sides); i++)
        if (!strcmp(sides[i].policy, "DeleteNone") && shuts_down(j))
            return SPEC "shutdownAfterJobFinshes is set to 'true' while deletion policy is "
                        "'DeleteNone'";
    return NULL;
}

static const char *legacy(struct rayjob *j, yyjson_val *on_success, yyjson_val *on_failure)
{
    if (!on_success || !on_failure)
        return "both DeletionStrategy.OnSuccess and DeletionStrategy.OnFailure must be set when "
               "using the legacy deletion policy fields of DeletionStrategy";
    if (!json_get(on_success, "policy"))
        return "the DeletionPolicyType field of DeletionStrategy.OnSuccess cannot be unset when "
               "DeletionStrategy is enabled";
    if (!json_get(on_failure, "policy"))
        return "the DeletionPolicyType field of DeletionStrategy.OnFailure cannot be unset when "
               "DeletionStrategy is enabled";
    return legacy_policy(j, json_get_str(on_success, "policy", ""),
                         json_get_str(on_failure, "policy", ""));
}

static const char *deletion(struct rayjob *j)
{
    yyjson_val *strategy = json_get(j->spec, "deletionStrategy");
    yyjson_val *rules = json_get(strategy, "deletionRules");
    yyjson_val *on_success = json_get(strategy, "onSuccess");
    yyjson_val *on_failure = json_get(strategy, "onFailure");
    bool has_rules = yyjson_arr_size(rules) > 0, has_legacy = on_success || on_failure;

    if (!strategy)
        return NULL;
    if (!ray_feature(j->s->options, FEATURE_DELETION_POLICY))
        return "RayJobDeletionPolicy feature gate must be enabled to use DeletionStrategy";
    if (has_rules && shuts_down(j))
        return SPEC "spec.shutdownAfterJobFinishes and spec.deletionStrategy.deletionRules are "
                    "mutually exclusive";
    if (has_rules && has_legacy)
        return SPEC "Cannot use both legacy onSuccess/onFailure fields and deletionRules "
                    "simultaneously";
    if (has_legacy)
        return legacy(j, on_success, on_failure);
    if (has_rules)
        return rayjob_bad_rules(j, rules);
    return SPEC "DeletionStrategy requires either BOTH onSuccess and onFailure, OR the "
                "deletionRules field (cannot be empty)";
}

static const char *selector(struct rayjob *j)
{
    yyjson_val *chosen = json_get(j->spec, "clusterSelector");
    int64_t backoff = json_int_at(j->spec, "backoffLimit", 0);

    if (!rayjob_has_selector(j))
        return json_get(j->spec, "rayClusterSpec") ? NULL
                                                   : SPEC
                   "one of RayClusterSpec or ClusterSelector must be set";
    if (json_bool_at(j->spec, "suspend", false))
        return SPEC "the ClusterSelector mode doesn't support the suspend operation";
    if (!*json_get_str(chosen, LABEL_CLUSTER, ""))
        return "cluster name in ClusterSelector should not be empty";
    if (rayjob_mode_is(j, "SidecarMode"))
        return "ClusterSelector is not supported in SidecarMode";
    return backoff > 0 ? SPEC "BackoffLimit is incompatible with ClusterSelector mode" : NULL;
}

static const char *mode(struct rayjob *j)
{
    const char *restart =
        json_str_at(j->spec, "rayClusterSpec.headGroupSpec.template.spec.restartPolicy", "");

    if (rayjob_mode_is(j, "InteractiveMode") && json_int_at(j->spec, "backoffLimit", 0) > 0)
        return SPEC "BackoffLimit is incompatible with InteractiveMode";
    if (!rayjob_mode_is(j, "SidecarMode"))
        return NULL;
    if (json_get(j->spec, "submitterPodTemplate"))
        return "Currently, SidecarMode doesn't support SubmitterPodTemplate";
    if (json_get(j->spec, "submitterConfig"))
        return "Currently, SidecarMode doesn't support SubmitterConfig";
    return *restart && strcmp(restart, "Never") != 0
               ? "restartPolicy for head Pod should be Never or unset when using SidecarMode"
               : NULL;
}

static const char *cluster(struct rayjob *j)
{
    yyjson_val *spec = json_get(j->spec, "rayClusterSpec");
    struct cluster view =
        cluster_view_spec(spec, json_at(j->object, "metadata.annotations"), j->s->options);
    const char *error;

    if (!spec)
        return NULL;
    if (json_bool_at(spec, "authOptions.enableK8sTokenAuth", false))
        return SPEC "K8s token auth mode is currently not supported for RayJob";
    error = validate_cluster_spec(&j->p->arena, &view);
    return error ? arena_printf(&j->p->arena, SPEC "%s", error) : NULL;
}

static const char *runtime_env(struct rayjob *j)
{
    const char *text = json_get_str(j->spec, "runtimeEnvYAML", "");
    autojson struct json *doc = NULL;
    struct err err = {.msg = "not a mapping"};

    if (!*text || (yaml_parse(slice_of(text), 0, &doc, &err) == 0 &&
                   (yyjson_is_obj(json_root(doc)) || yyjson_is_null(json_root(doc)))))
        return NULL;
    return arena_printf(&j->p->arena, "failed to unmarshal RuntimeEnvYAML: %s: %s", text, err.msg);
}

static const char *numbers(struct rayjob *j)
{
    static const struct {
        const char *field;
        int64_t least;
    } rules[] = {
        {"activeDeadlineSeconds", 1}, {"preRunningDeadlineSeconds", 1}, {"backoffLimit", 0}};

    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (json_int_at(j->spec, rules[i].field, rules[i].least) < rules[i].least)
            return arena_printf(&j->p->arena, SPEC "%s must be a positive integer", rules[i].field);
    return NULL;
}

static const char *waiting(struct rayjob *j)
{
    return !strcmp(j->deployment, "Waiting") && !rayjob_mode_is(j, "InteractiveMode")
               ? "The RayJob status is invalid: JobDeploymentStatus cannot be `Waiting` when "
                 "SubmissionMode is not InteractiveMode"
               : NULL;
}

static const struct {
    check *check;
    const char *reason;
} checks[] = {
    {metadata, "InvalidRayJobMetadata"}, {suspension, "InvalidRayJobSpec"},
    {ttl, "InvalidRayJobSpec"},          {deletion, "InvalidRayJobSpec"},
    {selector, "InvalidRayJobSpec"},     {mode, "InvalidRayJobSpec"},
    {cluster, "InvalidRayJobSpec"},      {runtime_env, "InvalidRayJobSpec"},
    {numbers, "InvalidRayJobSpec"},      {waiting, "InvalidRayJobStatus"},
};

const char *rayjob_invalid(struct rayjob *j, const char **ret_reason)
{
    for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
        const char *error = checks[i].check(j);
        if (error) {
            *ret_reason = checks[i].reason;
            return error;
        }
    }
    return NULL;
}
