/* Token authentication in the pods (spec: raycluster §8.11). */
#include "ray/build/pod.h"

#include "ray/names.h"

#define TOKEN_DIR "/var/run/secrets/ray.io/serviceaccount"

static void secret_env(struct pod *b, yyjson_mut_val *container)
{
    const char *secret = json_str_at(b->c->spec, "authOptions.secretName", "");
    yyjson_mut_val *e, *ref;

    if (env_has(container, "RAY_AUTH_TOKEN"))
        return;
    e = yyjson_mut_arr_add_obj(b->doc, edit_list(b->doc, container, "env"));
    json_put_str(b->doc, e, "name", "RAY_AUTH_TOKEN");
    ref = json_ensure(b->doc, e, "valueFrom.secretKeyRef");
    json_put_str(b->doc, ref, "name", *secret ? secret : name_check(b->a, b->c->name));
    json_put_str(b->doc, ref, "key", "auth_token");
}

void container_auth(struct pod *b, yyjson_mut_val *container)
{
    if (!cluster_auth(b->c) || !container)
        return;
    env_missing(b->doc, container, "RAY_AUTH_MODE", "token");
    if (!cluster_k8s_token(b->c)) {
        secret_env(b, container);
        return;
    }
    env_missing(b->doc, container, "RAY_ENABLE_K8S_TOKEN_AUTH", "true");
    mount_missing(b->doc, container, "ray-token", TOKEN_DIR, true);
}

static void token_volume(struct pod *b)
{
    yyjson_mut_val *volume = pod_volume(b, "ray-token"), *source;

    if (!volume)
        return;
    source = yyjson_mut_arr_add_obj(
        b->doc, edit_list(b->doc, json_put_obj(b->doc, volume, "projected"), "sources"));
    json_put_str(b->doc, json_ensure(b->doc, source, "serviceAccountToken"), "path", "token");
}

void pod_auth(struct pod *b)
{
    if (!cluster_auth(b->c))
        return;
    if (cluster_k8s_token(b->c))
        token_volume(b);
    container_auth(b, b->ray);
    container_auth(b, pod_init_container(b, CONTAINER_WAIT_GCS));
}
