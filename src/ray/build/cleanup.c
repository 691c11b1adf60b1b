/* The Job that empties Redis after a cluster (spec: raycluster §10.5): a head pod cut down to one
 * container that runs another command. */
#include "ray/build/pod.h"
#include "ray/build/scripts.h"

#include "ray/names.h"

#include <string.h>

static void without_wait_san(struct pod *b)
{
    yyjson_mut_val *list = json_mut_get(b->spec, "initContainers"), *item;
    size_t i, n;

    yyjson_mut_arr_foreach(list, i, n, item) {
        if (strcmp(json_mut_str_at(item, "name", ""), CONTAINER_WAIT_SAN) == 0) {
            yyjson_mut_arr_remove(list, i);
            return;
        }
    }
}

static void cut_down(struct pod *b)
{
    bool user = env_has(b->ray, "REDIS_USERNAME");
    yyjson_mut_val *only;

    json_put_str(b->doc, json_mut_get(b->meta, "labels"), LABEL_NODE_TYPE, NODE_CLEANUP);
    container_script(b, b->ray,
                     arena_printf(b->a, SCRIPT_REDIS_CLEANUP, user ? SCRIPT_REDIS_USER : ""));
    json_remove(b->ray, "livenessProbe");
    json_remove(b->ray, "readinessProbe");
    env_append(b->doc, b->ray, "RAY_redis_db_connect_retries", "120");
    env_append(b->doc, b->ray, "RAY_redis_db_connect_wait_milliseconds", "500");
    put_resources(b->doc, b->ray, "200m", "256Mi");
    only = json_dup(b->doc, b->ray);
    yyjson_mut_arr_append(json_put_arr(b->doc, b->spec, "containers"), only);
    without_wait_san(b);
    json_put_str(b->doc, b->spec, "restartPolicy", "Never");
}

yyjson_mut_val *build_redis_cleanup_job(struct plan *p, const struct cluster *c)
{
    const char *name =
        name_check_label(&p->arena, arena_printf(&p->arena, "%s-redis-cleanup", c->name));
    yyjson_mut_val *job = build_object(p, KIND_JOB, c->ns, name), *spec, *template, *pod;
    struct pod b = pod_begin(p, c, c->head);

    pod_build(&b);
    cut_down(&b);
    pod = build_pod_tree(p, &b, NULL);
    json_put(p->doc, json_mut_get(job, "metadata"), "labels",
             json_dup(p->doc, json_mut_get(b.meta, "labels")));
    json_put(p->doc, json_mut_get(job, "metadata"), "annotations",
             json_dup(p->doc, json_mut_get(b.meta, "annotations")));
    build_owner(p, job, c->obj, true);
    spec = json_put_obj(p->doc, job, "spec");
    json_put_int(p->doc, spec, "backoffLimit", 0);
    json_put_int(p->doc, spec, "activeDeadlineSeconds", 300);
    template = json_put_obj(p->doc, spec, "template");
    json_put(p->doc, template, "metadata", json_dup(p->doc, json_mut_get(pod, "metadata")));
    json_put(p->doc, template, "spec", json_dup(p->doc, b.spec));
    return build_typed(p, KIND_JOB, job);
}
