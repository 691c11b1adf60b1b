/* Volumes that every Ray pod gets (spec: raycluster §8.7). */
#include "ray/build/pod.h"

static yyjson_val *memory_limit(struct pod *b)
{
    yyjson_val *v = json_get(json_at(b->user, "resources.limits"), "memory");

    return v ? v : json_get(json_at(b->user, "resources.requests"), "memory");
}

/* A mount at path, and the volume unless one of that name is there; shm: in memory. */
static void empty_dir(struct pod *b, yyjson_mut_val *container, const char *name, const char *path,
                      bool shm)
{
    yyjson_mut_val *volume, *mount;

    if (!container || mount_has_path(container, path))
        return;
    volume = pod_volume(b, name);
    if (volume) {
        yyjson_mut_val *dir = json_put_obj(b->doc, volume, "emptyDir");

        if (shm)
            json_put_str(b->doc, dir, "medium", "Memory");
        if (shm && memory_limit(b))
            json_put(b->doc, dir, "sizeLimit", json_thaw(b->doc, memory_limit(b)));
    }
    mount = yyjson_mut_arr_add_obj(b->doc, edit_list(b->doc, container, "volumeMounts"));
    json_put_str(b->doc, mount, "name", name);
    json_put_str(b->doc, mount, "mountPath", path);
}

void pod_volumes(struct pod *b)
{
    if (!params_get(&b->params, "plasma-directory"))
        empty_dir(b, b->ray, "shared-mem", "/dev/shm", true);
    if (b->head && cluster_autoscaling(b->c)) {
        empty_dir(b, b->ray, "ray-logs", "/tmp/ray", false);
        empty_dir(b, pod_container(b, CONTAINER_AUTOSCALER), "ray-logs", "/tmp/ray", false);
    }
    if (cluster_collector(b->c)) {
        empty_dir(b, b->ray, "ray-logs", "/tmp/ray", false);
        empty_dir(b, pod_container(b, CONTAINER_COLLECTOR), "ray-logs", "/tmp/ray", false);
    }
}
