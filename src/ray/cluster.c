#include "ray/cluster.h"

#include "ray/names.h"

#include <string.h>
#include <strings.h>

struct cluster cluster_view_spec(yyjson_val *spec, yyjson_val *annotations,
                                 const struct ray_options *o)
{
    return (struct cluster){
        .annotations = annotations,
        .spec = spec,
        .head = json_get(spec, "headGroupSpec"),
        .groups = json_get(spec, "workerGroupSpecs"),
        .name = "",
        .ns = "",
        .uid = "",
        .o = o,
    };
}

struct cluster cluster_view(yyjson_val *obj, const struct ray_options *o)
{
    yyjson_val *meta = json_get(obj, "metadata");
    struct cluster c = cluster_view_spec(json_get(obj, "spec"), json_get(meta, "annotations"), o);

    c.obj = obj;
    c.labels = json_get(meta, "labels");
    c.status = json_get(obj, "status");
    c.name = json_get_str(meta, "name", "");
    c.ns = json_get_str(meta, "namespace", "");
    c.uid = json_get_str(meta, "uid", "");
    return c;
}

const char *cluster_label(const struct cluster *c, const char *key)
{
    return json_get_str(c->labels, key, NULL);
}

const char *cluster_annotation(const struct cluster *c, const char *key)
{
    return json_get_str(c->annotations, key, NULL);
}

bool cluster_deleting(const struct cluster *c)
{
    return json_str_at(c->obj, "metadata.deletionTimestamp", NULL);
}

bool cluster_has_finalizer(const struct cluster *c, const char *name)
{
    json_each(json_at(c->obj, "metadata.finalizers"), f, i, n)
        if (!strcmp(json_str(f, ""), name))
            return true;
    return false;
}

bool cluster_external(const struct cluster *c)
{
    const char *by = json_get_str(c->spec, "managedBy", NULL);

    return by && strcmp(by, MANAGED_BY) != 0;
}

bool is_true(const char *s)
{
    return s && strcasecmp(s, "true") == 0;
}

bool cluster_autoscaling(const struct cluster *c)
{
    return json_bool_at(c->spec, "enableInTreeAutoscaling", false);
}

bool cluster_autoscaler_v2(const struct cluster *c)
{
    return !strcmp(json_str_at(c->spec, "autoscalerOptions.version", ""), "v2");
}

bool cluster_head_env_v2(const struct cluster *c)
{
    const char *v = json_get_str(
        container_env(group_container(c->head), "RAY_enable_autoscaler_v2"), "value", "");

    return !strcmp(v, "1") || !strcmp(v, "true");
}

bool cluster_ft(const struct cluster *c)
{
    return is_true(cluster_annotation(c, ANN_FT_ENABLED)) ||
           yyjson_is_obj(json_get(c->spec, "gcsFaultToleranceOptions"));
}

bool cluster_rocksdb(const struct cluster *c)
{
    return !strcmp(json_str_at(c->spec, "gcsFaultToleranceOptions.backend", ""), "rocksdb");
}

bool cluster_auth(const struct cluster *c)
{
    return !strcmp(json_str_at(c->spec, "authOptions.mode", ""), "token");
}

bool cluster_k8s_token(const struct cluster *c)
{
    return json_bool_at(c->spec, "authOptions.enableK8sTokenAuth", false);
}

bool cluster_tls(const struct cluster *c)
{
    return ray_feature(c->o, FEATURE_MTLS) && json_bool_at(c->spec, "tlsOptions.enabled", false);
}

yyjson_val *cluster_collector(const struct cluster *c)
{
    yyjson_val *v = json_at(c->spec, "historyServerOptions.collectorOptions");

    return ray_feature(c->o, FEATURE_HISTORY_SERVER) && yyjson_is_obj(v) ? v : NULL;
}

bool cluster_suspend(const struct cluster *c)
{
    return json_bool_at(c->spec, "suspend", false);
}

const char *cluster_creator(const struct cluster *c)
{
    const char *crd = cluster_label(c, LABEL_FROM_CRD);

    if (crd && (!strcmp(crd, CRD_RAYJOB) || !strcmp(crd, CRD_RAYSERVICE)))
        return crd;
    return CRD_RAYCLUSTER;
}

const char *cluster_port(const struct cluster *c)
{
    const char *port = group_param(c->head, "port");

    return port ? port : "6379";
}

const char *cluster_head_service(struct arena *a, const struct cluster *c)
{
    const char *name = json_str_at(c->head, "headService.metadata.name", "");

    return *name ? name : arena_printf(a, "%s-head-svc", c->name);
}

const char *cluster_fqdn(struct arena *a, const struct cluster *c)
{
    return name_fqdn(a, c->o, cluster_head_service(a, c), c->ns);
}

yyjson_val *group_pod_spec(yyjson_val *group)
{
    return json_at(group, "template.spec");
}

yyjson_val *group_container(yyjson_val *group)
{
    return yyjson_arr_get_first(json_get(group_pod_spec(group), "containers"));
}

const char *group_param(yyjson_val *group, const char *key)
{
    return json_get_str(json_get(group, "rayStartParams"), key, NULL);
}

const char *group_name(yyjson_val *group)
{
    return json_get_str(group, "groupName", "");
}

int32_t group_hosts(yyjson_val *group)
{
    return (int32_t)json_int_at(group, "numOfHosts", 0);
}

bool group_suspended(yyjson_val *group)
{
    return json_bool_at(group, "suspend", false);
}

int32_t group_replicas(yyjson_val *group)
{
    int64_t min = json_int_at(group, "minReplicas", 0);
    int64_t max = json_int_at(group, "maxReplicas", INT32_MAX);
    int64_t replicas = json_int_at(group, "replicas", min);

    if (group_suspended(group))
        return 0;
    if (replicas < min)
        return (int32_t)min;
    return (int32_t)(replicas > max ? max : replicas);
}

int32_t group_desired(yyjson_val *group)
{
    return (int32_t)((uint32_t)group_replicas(group) * (uint32_t)group_hosts(group));
}

yyjson_val *list_named(yyjson_val *list, const char *name)
{
    json_each(list, item, i, n)
        if (!strcmp(json_get_str(item, "name", ""), name))
            return item;
    return NULL;
}

yyjson_val *container_env(yyjson_val *container, const char *name)
{
    return list_named(json_get(container, "env"), name);
}
