#include "operator/trim.h"

#include <string.h>

/* Keeps the members of obj that are named, drops the others. */
static void keep_only(yyjson_mut_val *obj, const char *const *names, size_t n)
{
    yyjson_mut_obj_iter it;

    if (!yyjson_mut_obj_iter_init(obj, &it))
        return;
    for (yyjson_mut_val *key; (key = yyjson_mut_obj_iter_next(&it));) {
        bool wanted = false;
        for (size_t i = 0; i < n && !wanted; i++)
            wanted = yyjson_mut_equals_str(key, names[i]);
        if (!wanted)
            yyjson_mut_obj_iter_remove(&it);
    }
}

#define KEEP(obj, ...)                                                                             \
    do {                                                                                           \
        static const char *const keep_[] = {__VA_ARGS__};                                          \
        keep_only((obj), keep_, ARRAY_SIZE(keep_));                                                \
    } while (0)

void trim_managed(unused yyjson_mut_doc *doc, yyjson_mut_val *v)
{
    json_remove(json_mut_get(v, "metadata"), "managedFields");
}

/* Annotations and labels of Ray's and of Kubernetes' recommended names; users' own are not read. */
static void keep_ray_keys(yyjson_mut_val *map)
{
    yyjson_mut_obj_iter it;

    if (!yyjson_mut_obj_iter_init(map, &it))
        return;
    for (yyjson_mut_val *key; (key = yyjson_mut_obj_iter_next(&it));)
        if (strncmp(yyjson_mut_get_str(key), "ray.io/", 7) != 0)
            yyjson_mut_obj_iter_remove(&it);
}

static void trim_containers(yyjson_mut_val *list)
{
    yyjson_mut_val *c;
    size_t i, n;

    yyjson_mut_arr_foreach(list, i, n, c)
        KEEP(c, "name");
}

/* When a container came up is not read; an empty lastState is none. */
static void trim_statuses(yyjson_mut_doc *doc, yyjson_mut_val *list)
{
    yyjson_mut_val *s;
    size_t i, n;

    yyjson_mut_arr_foreach(list, i, n, s) {
        KEEP(s, "name", "state", "lastState", "restartCount");
        if (json_mut_at(s, "state.running"))
            json_put_obj(doc, json_mut_get(s, "state"), "running");
        if (!yyjson_mut_obj_size(json_mut_get(s, "lastState")))
            json_remove(s, "lastState");
    }
}

static void trim_owners(yyjson_mut_val *list)
{
    yyjson_mut_val *owner;
    size_t i, n;

    yyjson_mut_arr_foreach(list, i, n, owner)
        KEEP(owner, "apiVersion", "kind", "name", "uid", "controller");
}

/* Of a pod only the condition Ready is read. */
static void trim_conditions(yyjson_mut_val *list)
{
    yyjson_mut_arr_iter it;

    if (!yyjson_mut_arr_iter_init(list, &it))
        return;
    for (yyjson_mut_val *c; (c = yyjson_mut_arr_iter_next(&it));) {
        KEEP(c, "type", "status", "reason", "message");
        if (strcmp(json_mut_str_at(c, "type", ""), "Ready") != 0)
            yyjson_mut_arr_iter_remove(&it);
    }
}

void trim_pod(yyjson_mut_doc *doc, yyjson_mut_val *v)
{
    yyjson_mut_val *metadata = json_mut_get(v, "metadata"), *spec = json_mut_get(v, "spec");
    yyjson_mut_val *status = json_mut_get(v, "status");

    KEEP(v, "metadata", "spec", "status");
    KEEP(metadata, "name", "namespace", "uid", "resourceVersion", "labels", "annotations",
         "ownerReferences", "creationTimestamp", "deletionTimestamp", "finalizers");
    trim_owners(json_mut_get(metadata, "ownerReferences"));
    keep_ray_keys(json_mut_get(metadata, "labels"));
    keep_ray_keys(json_mut_get(metadata, "annotations"));
    KEEP(spec, "containers", "restartPolicy");
    trim_containers(json_mut_get(spec, "containers"));
    KEEP(status, "phase", "podIP", "conditions", "containerStatuses");
    trim_statuses(doc, json_mut_get(status, "containerStatuses"));
    trim_conditions(json_mut_get(status, "conditions"));
}

static bool is_rays(yyjson_mut_val *metadata)
{
    yyjson_mut_val *owner, *labels = json_mut_get(metadata, "labels");
    size_t i, n;

    yyjson_mut_arr_foreach(json_mut_get(metadata, "ownerReferences"), i, n, owner)
        if (!strncmp(json_mut_str_at(owner, "apiVersion", ""), "ray.io/", 7) ||
            !strncmp(json_mut_str_at(owner, "apiVersion", ""), "cert-manager.io/", 16))
            return true;
    return json_mut_get(labels, "ray.io/cluster") != NULL;
}

void trim_secret(unused yyjson_mut_doc *doc, yyjson_mut_val *v)
{
    trim_managed(doc, v);
    if (!is_rays(json_mut_get(v, "metadata")))
        KEEP(json_mut_get(v, "data"), "auth_token");
}
