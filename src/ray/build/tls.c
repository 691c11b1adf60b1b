/* TLS between Ray's processes (spec: raycluster §12.3). */
#include "ray/build/pod.h"
#include "ray/build/scripts.h"

#define TLS_DIR "/etc/ray/tls"

static const char *const tls_env[][2] = {
    {"RAY_USE_TLS", "1"},
    {"RAY_TLS_SERVER_CERT", TLS_DIR "/tls.crt"},
    {"RAY_TLS_SERVER_KEY", TLS_DIR "/tls.key"},
    {"RAY_TLS_CA_CERT", TLS_DIR "/ca.crt"},
};

void container_tls(struct pod *b, yyjson_mut_val *container)
{
    if (!container)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(tls_env); i++)
        env_missing(b->doc, container, tls_env[i][0], tls_env[i][1]);
    if (!mount_has_path(container, TLS_DIR))
        mount_missing(b->doc, container, "ray-tls", TLS_DIR, true);
}

/* A certificate is made before the pod has its address: wait until it names it. */
static void wait_for_san(struct pod *b)
{
    static const char *const copied[] = {"image", "imagePullPolicy", "securityContext"};
    yyjson_mut_val *c;

    if (pod_init_container(b, CONTAINER_WAIT_SAN))
        return;
    c = yyjson_mut_obj(b->doc);
    json_put_str(b->doc, c, "name", CONTAINER_WAIT_SAN);
    for (size_t i = 0; i < ARRAY_SIZE(copied); i++)
        if (json_get(b->user, copied[i]))
            json_put(b->doc, c, copied[i], json_thaw(b->doc, json_get(b->user, copied[i])));
    edit_put_strings(b->doc, c, "command", (const char *[]){"sh", "-c", NULL});
    edit_put_strings(b->doc, c, "args", (const char *[]){SCRIPT_WAIT_SAN, NULL});
    env_append_field(b->doc, c, "POD_IP", "status.podIP");
    mount_missing(b->doc, c, "ray-tls", TLS_DIR, true);
    put_resources(b->doc, c, "50m", "64Mi");
    yyjson_mut_arr_prepend(edit_list(b->doc, b->spec, "initContainers"), c);
}

void pod_tls(struct pod *b)
{
    yyjson_mut_val *volume;

    if (!cluster_tls(b->c))
        return;
    volume = pod_volume(b, "ray-tls");
    if (volume)
        json_put_str(
            b->doc, json_ensure(b->doc, volume, "secret"), "secretName",
            arena_printf(b->a, "ray-%s-secret-%s", b->head ? NODE_HEAD : NODE_WORKER, b->c->name));
    container_tls(b, b->ray);
    container_tls(b, pod_init_container(b, CONTAINER_WAIT_GCS));
    wait_for_san(b);
}
