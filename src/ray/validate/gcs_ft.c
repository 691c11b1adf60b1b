/* GCS fault tolerance: spec raycluster §5.2 rules 5 to 8. */
#include "ray/validate/rules.h"

#include <string.h>

static yyjson_val *options(const struct cluster *c)
{
    yyjson_val *v = json_get(c->spec, "gcsFaultToleranceOptions");

    return yyjson_is_obj(v) ? v : NULL;
}

static bool head_env(const struct cluster *c, const char *name)
{
    return container_env(group_container(c->head), name);
}

static bool set(const char *s)
{
    return s && *s;
}

const char *rule_ft_twice(struct arena *a, const struct cluster *c)
{
    (void)a;
    if (set(cluster_annotation(c, ANN_FT_ENABLED)) && options(c))
        return "annotation " ANN_FT_ENABLED " and gcsFaultToleranceOptions cannot both be set";
    return NULL;
}

const char *rule_redis_address(struct arena *a, const struct cluster *c)
{
    (void)a;
    if (!cluster_ft(c) && head_env(c, "RAY_REDIS_ADDRESS"))
        return "env RAY_REDIS_ADDRESS is set although GCS fault tolerance is not enabled";
    return NULL;
}

static const char *redis_conflicts(const struct cluster *c)
{
    if (set(group_param(c->head, "redis-password")))
        return "rayStartParams.redis-password and gcsFaultToleranceOptions cannot both be set";
    if (head_env(c, "REDIS_PASSWORD"))
        return "env REDIS_PASSWORD and gcsFaultToleranceOptions cannot both be set";
    if (head_env(c, "RAY_REDIS_ADDRESS"))
        return "env RAY_REDIS_ADDRESS and gcsFaultToleranceOptions cannot both be set";
    if (set(cluster_annotation(c, ANN_STORAGE_NS)))
        return "annotation " ANN_STORAGE_NS " and gcsFaultToleranceOptions cannot both be set";
    return NULL;
}

static const char *rocksdb_fields(struct arena *a, yyjson_val *options)
{
    static const char *const redis[] = {"redisAddress", "redisUsername", "redisPassword",
                                        "externalStorageNamespace"};
    static const char *const claim[] = {"size", "storageClassName", "accessModes"};
    yyjson_val *storage = json_get(options, "storage");

    for (size_t i = 0; i < ARRAY_SIZE(redis); i++) {
        yyjson_val *v = json_get(options, redis[i]);

        if (yyjson_is_obj(v) || set(json_str(v, NULL)))
            return arena_printf(a, "gcsFaultToleranceOptions.%s is not for backend rocksdb",
                                redis[i]);
    }
    if (!set(json_get_str(storage, "claimName", NULL)))
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(claim); i++) {
        yyjson_val *v = json_get(storage, claim[i]);

        if (v && !yyjson_is_null(v) && !(yyjson_is_arr(v) && !yyjson_arr_size(v)))
            return arena_printf(
                a, "gcsFaultToleranceOptions.storage: claimName and %s cannot both be set",
                claim[i]);
    }
    return NULL;
}

static const char *rocksdb_pod(const struct cluster *c)
{
    if (head_env(c, "RAY_gcs_storage") || head_env(c, "RAY_gcs_storage_path"))
        return "env RAY_gcs_storage and RAY_gcs_storage_path are the operator's for backend "
               "rocksdb";
    json_each(json_get(group_container(c->head), "volumeMounts"), m, i, n)
        if (!strcmp(json_get_str(m, "name", ""), "gcs-storage") ||
            !strcmp(json_get_str(m, "mountPath", ""), "/data/gcs"))
            return "mount gcs-storage and path /data/gcs are the "
                   "operator's for backend rocksdb";
    if (list_named(json_get(group_pod_spec(c->head), "volumes"), "gcs-storage"))
        return "volume gcs-storage is the operator's for backend rocksdb";
    return NULL;
}

const char *rule_ft_options(struct arena *a, const struct cluster *c)
{
    yyjson_val *o = options(c);
    const char *why;

    if (!o || (why = redis_conflicts(c)))
        return o ? why : NULL;
    if (!cluster_rocksdb(c))
        return yyjson_is_obj(json_get(o, "storage"))
                   ? "gcsFaultToleranceOptions.storage is for backend rocksdb only"
                   : NULL;
    if (!ray_feature(c->o, FEATURE_GCS_EMBEDDED))
        return "backend rocksdb needs the feature gate GCSFaultToleranceEmbeddedStorage";
    why = rocksdb_fields(a, o);
    return why ? why : rocksdb_pod(c);
}

const char *rule_redis_username(struct arena *a, const struct cluster *c)
{
    (void)a;
    if (set(group_param(c->head, "redis-username")) || head_env(c, "REDIS_USERNAME"))
        return "the Redis user name is set by gcsFaultToleranceOptions.redisUsername only";
    return NULL;
}
