/* The history collector: spec raycluster §5.2 rule 14. */
#include "ray/validate/rules.h"

#include <string.h>
#include <strings.h>

static const char *const reserved[] = {
    "POD_IP",   "FQ_RAY_IP",  "RAY_CLUSTER_NAME", "RAY_CLUSTER_NAMESPACE",
    "RAY_ROLE", "OWNER_KIND", "OWNER_NAME",       "EVENTS_PORT"};

/* The last item of a name wins, as in a container. */
static yyjson_val *last_env(yyjson_val *env, const char *name)
{
    yyjson_val *found = NULL;

    json_each(env, e, i, n)
        if (!strcmp(json_get_str(e, "name", ""), name))
            found = e;
    return found;
}

static bool is_set(yyjson_val *env, const char *name)
{
    yyjson_val *e = last_env(env, name);

    return *json_get_str(e, "value", "") || yyjson_is_obj(json_get(e, "valueFrom"));
}

static bool value_is(const char *value, const char *want)
{
    return slice_ieq(slice_trim(slice_of(value)), slice_of(want));
}

static const char *need(struct arena *a, yyjson_val *env, const char *backend, const char *name)
{
    if (is_set(env, name))
        return NULL;
    return arena_printf(a, "collectorOptions.env: storage %s needs %s", backend, name);
}

static const char *azure(struct arena *a, yyjson_val *env, const char *backend)
{
    const char *mode = json_get_str(last_env(env, "AZURE_STORAGE_AUTH_MODE"), "value", "");

    if (value_is(mode, "connection_string"))
        return need(a, env, backend, "AZURE_STORAGE_CONNECTION_STRING");
    if (value_is(mode, "workload_identity") || value_is(mode, "default"))
        return need(a, env, backend, "AZURE_STORAGE_ACCOUNT_URL");
    if (is_set(env, "AZURE_STORAGE_CONNECTION_STRING"))
        return NULL;
    return need(a, env, backend, "AZURE_STORAGE_ACCOUNT_URL");
}

static const char *storage(struct arena *a, yyjson_val *env)
{
    static const struct {
        const char *backend, *env[3];
    } needs[] = {
        {"GCS", {"GCS_BUCKET"}},
        {"S3", {"S3_REGION"}},
        {"ALIYUNOSS", {"OSS_BUCKET", "OSS_ENDPOINT", "OSS_REGION"}},
    };
    const char *backend = json_get_str(last_env(env, "STORAGE_BACKEND"), "value", "");

    if (!*backend)
        return "collectorOptions.env: STORAGE_BACKEND needs a value";
    if (!strcasecmp(backend, "AZUREBLOB"))
        return azure(a, env, backend);
    for (size_t i = 0; i < ARRAY_SIZE(needs); i++)
        for (size_t k = 0; !strcasecmp(backend, needs[i].backend) && k < 3 && needs[i].env[k];
             k++) {
            const char *why = need(a, env, backend, needs[i].env[k]);

            if (why)
                return why;
        }
    return NULL;
}

static const char *collector(struct arena *a, yyjson_val *options)
{
    yyjson_val *env = json_get(options, "env");

    if (!*json_get_str(options, "image", ""))
        return "collectorOptions.image is needed";
    for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
        if (last_env(env, reserved[i]))
            return arena_printf(a, "collectorOptions.env: %s is the operator's", reserved[i]);
    return storage(a, env);
}

static bool has_collector(yyjson_val *group)
{
    return list_named(json_get(group_pod_spec(group), "containers"), CONTAINER_COLLECTOR);
}

const char *rule_history(struct arena *a, const struct cluster *c)
{
    yyjson_val *history = json_get(c->spec, "historyServerOptions");
    yyjson_val *options = json_get(history, "collectorOptions");
    const char *why;
    bool taken = has_collector(c->head);

    if (!yyjson_is_obj(history))
        return NULL;
    if (!ray_feature(c->o, FEATURE_HISTORY_SERVER))
        return "historyServerOptions needs the feature gate RayClusterHistoryServer";
    if (!yyjson_is_obj(options))
        return "historyServerOptions.collectorOptions is needed";
    if ((why = collector(a, options)))
        return why;
    json_each(c->groups, group, i, n)
        taken |= has_collector(group);
    return taken ? "a container named " CONTAINER_COLLECTOR " is the operator's" : NULL;
}
