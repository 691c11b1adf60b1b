/* The environment of the Ray container, in upstream's order (spec: raycluster §8.6.6). */
#include "ray/build/pod.h"

#include <string.h>

#define EVENT_TYPES                                                                                \
    "TASK_DEFINITION_EVENT,TASK_LIFECYCLE_EVENT,ACTOR_TASK_DEFINITION_EVENT,TASK_PROFILE_EVENT,"   \
    "DRIVER_JOB_DEFINITION_EVENT,DRIVER_JOB_LIFECYCLE_EVENT,ACTOR_DEFINITION_EVENT,"               \
    "ACTOR_LIFECYCLE_EVENT,NODE_DEFINITION_EVENT,NODE_LIFECYCLE_EVENT"

struct pair {
    const char *name, *value;
};

static const struct pair serve_env[] = {
    {"RAY_timeout_ms_task_wait_for_death_info", "0"},
    {"RAY_gcs_server_request_timeout_seconds", "5"},
    {"RAY_SERVE_KV_TIMEOUT_S", "5"},
};

static const struct pair event_env[] = {
    {"RAY_enable_ray_event", "true"},
    {"RAY_enable_core_worker_ray_event_to_aggregator", "true"},
    {"RAY_DASHBOARD_AGGREGATOR_AGENT_EVENTS_EXPORT_ADDR", "http://localhost:8084/v1/events"},
    {"RAY_DASHBOARD_AGGREGATOR_AGENT_EXPOSABLE_EVENT_TYPES", EVENT_TYPES},
    {"RAY_DASHBOARD_AGGREGATOR_AGENT_PUBLISHER_HTTP_ENDPOINT_EXPOSABLE_EVENT_TYPES", EVENT_TYPES},
};

/* Each takes its value from the pod itself. */
static const struct pair field_env[] = {
    {"RAY_CLUSTER_NAME", "metadata.labels['ray.io/cluster']"},
    {"RAY_CLUSTER_NAMESPACE", "metadata.namespace"},
    {"RAY_CLOUD_INSTANCE_ID", "metadata.name"},
    {"RAY_NODE_TYPE_NAME", "metadata.labels['ray.io/group']"},
};

static void all_missing(struct pod *b, const struct pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        env_missing(b->doc, b->ray, pairs[i].name, pairs[i].value);
}

static void add_head_address(struct pod *b, yyjson_mut_val *container)
{
    env_append(b->doc, container, "FQ_RAY_IP", b->fqdn);
    env_append(b->doc, container, "RAY_IP", arena_strndup(b->a, b->fqdn, strcspn(b->fqdn, ".")));
}

static void init_containers(struct pod *b)
{
    yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(json_mut_get(b->spec, "initContainers"));
    yyjson_mut_val *c;

    while ((c = yyjson_mut_arr_iter_next(&it)))
        add_head_address(b, c);
}

static void options_env(struct pod *b)
{
    json_each(b->c->o->default_container_envs, e, i, n)
        if (!env_has(b->ray, json_get_str(e, "name", "")))
            yyjson_mut_arr_append(edit_list(b->doc, b->ray, "env"), json_thaw(b->doc, e));
}

static void identity(struct pod *b)
{
    if (!b->head)
        add_head_address(b, b->ray);
    for (size_t i = 0; i < ARRAY_SIZE(field_env); i++)
        env_append_field(b->doc, b->ray, field_env[i].name, field_env[i].value);
}

void pod_env(struct pod *b)
{
    bool serve = !strcmp(cluster_creator(b->c), CRD_RAYSERVICE);

    init_containers(b);
    options_env(b);
    identity(b);
    env_append(b->doc, b->ray, "KUBERAY_GEN_RAY_START_CMD", b->start);
    env_missing(b->doc, b->ray, "RAY_PORT", b->port);
    if (serve)
        all_missing(b, serve_env, ARRAY_SIZE(serve_env));
    env_missing(b->doc, b->ray, "RAY_ADDRESS",
                arena_printf(b->a, "%s:%s", b->head ? "127.0.0.1" : b->fqdn, b->port));
    env_missing(b->doc, b->ray, "RAY_USAGE_STATS_KUBERAY_IN_USE", "1");
    if (b->head)
        env_append(b->doc, b->ray, "RAY_USAGE_STATS_EXTRA_TAGS",
                   arena_printf(b->a, "kuberay_version=%s;kuberay_crd=%s", KUBERAY_VERSION,
                                cluster_creator(b->c)));
    env_missing(b->doc, b->ray, "RAY_DASHBOARD_ENABLE_K8S_DISK_USAGE", "1");
    if (cluster_collector(b->c))
        all_missing(b, event_env, ARRAY_SIZE(event_env));
}
