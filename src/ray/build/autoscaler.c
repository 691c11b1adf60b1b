/* The autoscaler beside the head (spec: raycluster §§8.3.5, 8.9). */
#include "ray/build/pod.h"

#include "ray/names.h"

#define AUTOSCALER_START                                                                           \
    "ray kuberay-autoscaler --cluster-name $(RAY_CLUSTER_NAME) "                                   \
    "--cluster-namespace $(RAY_CLUSTER_NAMESPACE)"

static void own_env(struct pod *b, yyjson_mut_val *c)
{
    env_append_field(b->doc, c, "RAY_CLUSTER_NAME", "metadata.labels['ray.io/cluster']");
    env_append_field(b->doc, c, "RAY_CLUSTER_NAMESPACE", "metadata.namespace");
    env_append_field(b->doc, c, "RAY_HEAD_POD_NAME", "metadata.name");
    env_append(b->doc, c, "KUBERAY_CRD_VER", "v1");
    env_append(b->doc, c, "KUBERAY_GEN_AUTOSCALER_START_CMD", AUTOSCALER_START);
}

/* Members that replace ours when set, whatever they hold. */
static void replace(struct pod *b, yyjson_mut_val *c, yyjson_val *options)
{
    static const char *const members[] = {"image", "imagePullPolicy", "resources",
                                          "securityContext"};
    static const char *const lists[] = {"command", "args"};

    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        yyjson_val *v = json_get(options, members[i]);

        if (v && !yyjson_is_null(v))
            json_put(b->doc, c, members[i], json_thaw(b->doc, v));
    }
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        yyjson_val *v = json_get(options, lists[i]);

        if (yyjson_arr_size(v))
            json_put(b->doc, c, lists[i], json_thaw(b->doc, v));
    }
}

static void override(struct pod *b, yyjson_mut_val *c)
{
    static const char *const appended[] = {"env", "envFrom", "volumeMounts"};
    yyjson_val *options = json_get(b->c->spec, "autoscalerOptions");

    replace(b, c, options);
    for (size_t i = 0; i < ARRAY_SIZE(appended); i++)
        if (yyjson_arr_size(json_get(options, appended[i])))
            edit_append_all(b->doc, edit_list(b->doc, c, appended[i]),
                            json_get(options, appended[i]));
}

static void container(struct pod *b)
{
    yyjson_mut_val *c = yyjson_mut_arr_add_obj(b->doc, pod_containers(b));

    json_put_str(b->doc, c, "name", CONTAINER_AUTOSCALER);
    json_put_str(b->doc, c, "image", json_get_str(b->user, "image", ""));
    json_put_str(b->doc, c, "imagePullPolicy", "IfNotPresent");
    container_script(b, c, AUTOSCALER_START);
    put_resources(b->doc, c, "500m", "512Mi");
    own_env(b, c);
    container_auth(b, c);
    if (cluster_tls(b->c))
        container_tls(b, c);
    override(b, c);
}

void pod_autoscaler(struct pod *b)
{
    const char *account = build_service_account_name(b->a, b->c);
    const char *version = json_str_at(b->c->spec, "autoscalerOptions.version", NULL);

    params_set(&b->params, "no-monitor", "true");
    json_put_str(b->doc, b->spec, "serviceAccountName", name_check(b->a, account));
    container(b);
    if (!version)
        return;
    if (cluster_autoscaler_v2(b->c)) {
        env_append(b->doc, b->ray, "RAY_enable_autoscaler_v2", "true");
        json_put_str(b->doc, b->spec, "restartPolicy", "Never");
    } else {
        env_append(b->doc, b->ray, "RAY_enable_autoscaler_v2", "false");
    }
}
