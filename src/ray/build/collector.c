/* The history collector (spec: raycluster §8.10). */
#include "ray/build/pod.h"

static void owner_env(struct pod *b, yyjson_mut_val *c)
{
    static const char *const labels[][2] = {{"OWNER_KIND", LABEL_FROM_CRD},
                                            {"OWNER_NAME", LABEL_FROM_CR}};

    for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
        const char *v = cluster_label(b->c, labels[i][1]);

        if (v && *v)
            env_append(b->doc, c, labels[i][0], v);
    }
}

static void collector_env(struct pod *b, yyjson_mut_val *c, yyjson_val *options)
{
    yyjson_val *env = json_get(options, "env");

    env_append_field(b->doc, c, "POD_IP", "status.podIP");
    env_append(b->doc, c, "RAY_CLUSTER_NAME", b->c->name);
    env_append(b->doc, c, "RAY_CLUSTER_NAMESPACE", b->c->ns);
    env_append(b->doc, c, "RAY_ROLE", b->head ? "Head" : "Worker");
    env_append(b->doc, c, "EVENTS_PORT", "8084");
    env_append(b->doc, c, "FQ_RAY_IP", b->fqdn);
    owner_env(b, c);
    if (b->head && !list_named(env, "RAY_DASHBOARD_ADDRESS"))
        env_append(b->doc, c, "RAY_DASHBOARD_ADDRESS", "http://localhost:8265");
    edit_append_all(b->doc, edit_list(b->doc, c, "env"), env);
}

void pod_collector(struct pod *b)
{
    yyjson_val *options = cluster_collector(b->c), *resources;
    yyjson_mut_val *c;

    if (!options)
        return;
    resources = json_get(options, "resources");
    c = yyjson_mut_arr_add_obj(b->doc, pod_containers(b));
    json_put_str(b->doc, c, "name", CONTAINER_COLLECTOR);
    json_put_str(b->doc, c, "image", json_get_str(options, "image", ""));
    json_put_str(b->doc, c, "imagePullPolicy",
                 json_get_str(options, "imagePullPolicy", "IfNotPresent"));
    if (yyjson_is_obj(resources)) {
        json_put(b->doc, c, "resources", json_thaw(b->doc, resources));
    } else {
        put_resource_pair(b->doc, c, "limits", "200m", "256Mi");
        put_resource_pair(b->doc, c, "requests", "50m", "64Mi");
    }
    collector_env(b, c, options);
    container_auth(b, c);
}
