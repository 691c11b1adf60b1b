/* GCS fault tolerance in the pods (spec: raycluster §10.2). */
#include "ray/build/pod.h"

#include <string.h>

static const char *storage_namespace(struct pod *b, yyjson_val *options)
{
    const char *own = cluster_annotation(b->c, ANN_STORAGE_NS);
    const char *option = json_get_str(options, "externalStorageNamespace", "");

    if (*option)
        return option;
    return own ? own : b->c->uid;
}

/* Ray reads the secret from the environment; the flag names the variable. */
static void credential(struct pod *b, yyjson_val *options, const char *member, const char *flag,
                       const char *env)
{
    yyjson_val *v = json_get(options, member);
    yyjson_mut_val *e;

    if (!yyjson_is_obj(v))
        return;
    params_set(&b->params, flag, arena_printf(b->a, "$%s", env));
    e = json_thaw(b->doc, v);
    json_put_str(b->doc, e, "name", env);
    yyjson_mut_arr_append(edit_list(b->doc, b->ray, "env"), e);
}

static void redis(struct pod *b)
{
    yyjson_val *options = json_get(b->c->spec, "gcsFaultToleranceOptions");
    const char *id = storage_namespace(b, options);
    const char *password = params_get(&b->params, "redis-password");

    json_put_str(b->doc, json_ensure(b->doc, b->meta, "annotations"), ANN_STORAGE_NS, id);
    env_missing(b->doc, b->ray, "RAY_external_storage_namespace", id);
    if (yyjson_is_obj(options)) {
        env_append(b->doc, b->ray, "RAY_REDIS_ADDRESS", json_get_str(options, "redisAddress", ""));
        credential(b, options, "redisUsername", "redis-username", "REDIS_USERNAME");
        credential(b, options, "redisPassword", "redis-password", "REDIS_PASSWORD");
    } else if (password) {
        env_missing(b->doc, b->ray, "REDIS_PASSWORD", password);
    }
}

static void rocksdb(struct pod *b)
{
    yyjson_val *storage = json_at(b->c->spec, "gcsFaultToleranceOptions.storage");
    const char *claim = json_get_str(storage, "claimName", "");
    yyjson_mut_val *mount, *volume;

    env_missing(b->doc, b->ray, "RAY_gcs_storage", "rocksdb");
    env_missing(b->doc, b->ray, "RAY_gcs_storage_path", "/data/gcs");
    mount = yyjson_mut_arr_add_obj(b->doc, edit_list(b->doc, b->ray, "volumeMounts"));
    json_put_str(b->doc, mount, "name", "gcs-storage");
    json_put_str(b->doc, mount, "mountPath", "/data/gcs");
    json_put_str(b->doc, mount, "subPath", json_get_str(storage, "subPath", ""));
    volume = yyjson_mut_arr_add_obj(b->doc, edit_list(b->doc, b->spec, "volumes"));
    json_put_str(b->doc, volume, "name", "gcs-storage");
    json_put_str(b->doc, json_ensure(b->doc, volume, "persistentVolumeClaim"), "claimName",
                 *claim ? claim : arena_printf(b->a, "%s-gcs-pvc", b->c->name));
}

void pod_gcs_ft(struct pod *b)
{
    bool on = cluster_ft(b->c);

    if (b->head)
        json_put_str(b->doc, json_ensure(b->doc, b->meta, "annotations"), ANN_FT_ENABLED,
                     on ? "true" : "false");
    if (!on)
        return;
    if (!b->head)
        env_missing(b->doc, b->ray, "RAY_gcs_rpc_server_reconnect_timeout_s", "600");
    else if (cluster_rocksdb(b->c))
        rocksdb(b);
    else
        redis(b);
}
