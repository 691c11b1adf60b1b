/* Head and worker pods: the order of steps is upstream's, since it decides the order of lists
 * (spec: raycluster §§8.1-8.5). */
#include "ray/build/pod.h"

#include "ray/names.h"

#include <string.h>

yyjson_mut_val *pod_containers(struct pod *b)
{
    return edit_list(b->doc, b->spec, "containers");
}

yyjson_mut_val *pod_container(struct pod *b, const char *name)
{
    return edit_named(json_mut_get(b->spec, "containers"), name);
}

yyjson_mut_val *pod_init_container(struct pod *b, const char *name)
{
    return edit_named(json_mut_get(b->spec, "initContainers"), name);
}

yyjson_mut_val *pod_volume(struct pod *b, const char *name)
{
    yyjson_mut_val *list = edit_list(b->doc, b->spec, "volumes");

    if (edit_named(list, name))
        return NULL;
    yyjson_mut_val *v = yyjson_mut_arr_add_obj(b->doc, list);
    json_put_str(b->doc, v, "name", name);
    return v;
}

void container_script(struct pod *b, yyjson_mut_val *container, const char *script)
{
    bool login = ray_env_true(b->c->o, "ENABLE_LOGIN_SHELL", false);

    edit_put_strings(b->doc, container, "command",
                     (const char *[]){"/bin/bash", login ? "-cl" : "-c", "--", NULL});
    edit_put_strings(b->doc, container, "args", (const char *[]){script, NULL});
}

/* Only what an embedded template's metadata can hold. */
static void start_meta(struct pod *b)
{
    static const char *const kept[] = {"labels", "annotations", "finalizers"};
    yyjson_val *meta = json_at(b->group, "template.metadata");

    b->meta = yyjson_mut_obj(b->doc);
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
        if (json_get(meta, kept[i]))
            json_put(b->doc, b->meta, kept[i], json_thaw(b->doc, json_get(meta, kept[i])));
    json_put_str(b->doc, b->meta, "namespace", b->c->ns);
}

struct pod pod_begin(struct plan *p, const struct cluster *c, yyjson_val *group)
{
    struct pod b = {
        .a = &p->arena,
        .doc = p->doc,
        .c = c,
        .group = group,
        .user = group_container(group),
        .head = group == c->head,
        .fqdn = cluster_fqdn(&p->arena, c),
        .port = cluster_port(c),
    };

    b.group_name = b.head ? HEAD_GROUP : group_name(group);
    b.params = params_of_group(&p->arena, group);
    b.spec = json_thaw(p->doc, group_pod_spec(group));
    b.ray = yyjson_mut_arr_get_first(json_mut_get(b.spec, "containers"));
    start_meta(&b);
    return b;
}

/* A metrics port is found by Prometheus' PodMonitor by name. */
static void metrics_port(struct pod *b)
{
    yyjson_mut_val *ports = edit_list(b->doc, b->ray, "ports"), *port;

    if (edit_named(ports, "metrics"))
        return;
    port = yyjson_mut_arr_add_obj(b->doc, ports);
    json_put_str(b->doc, port, "name", "metrics");
    json_put_int(b->doc, port, "containerPort", 8080);
}

static void overwrite_annotation(struct pod *b)
{
    if (is_true(cluster_annotation(b->c, ANN_OVERWRITE_CMD)))
        json_put_str(b->doc, json_ensure(b->doc, b->meta, "annotations"), ANN_OVERWRITE_CMD,
                     "true");
}

static void sidecars(struct pod *b, yyjson_val *containers)
{
    edit_append_all(b->doc, pod_containers(b), containers);
}

static void defaults_of_options(struct pod *b)
{
    const struct ray_options *o = b->c->o;

    sidecars(b, b->head ? o->head_sidecars : o->worker_sidecars);
    if (yyjson_obj_size(o->default_pod_annotations))
        edit_overlay(b->doc, json_ensure(b->doc, b->meta, "annotations"),
                     o->default_pod_annotations, false);
    if (yyjson_obj_size(o->default_pod_labels))
        edit_overlay(b->doc, json_ensure(b->doc, b->meta, "labels"), o->default_pod_labels, false);
}

/* §8.3 */
static void head_template(struct pod *b)
{
    pod_labels(b);
    params_complete(&b->params, NULL);
    overwrite_annotation(b);
    if (cluster_autoscaling(b->c))
        pod_autoscaler(b);
    pod_gcs_ft(b);
    metrics_port(b);
    pod_auth(b);
    pod_tls(b);
    pod_collector(b);
}

/* §8.4 */
static void worker_template(struct pod *b)
{
    const char *address = arena_printf(b->a, "%s:%s", b->fqdn, b->port);

    if (ray_env_true(b->c->o, "ENABLE_INIT_CONTAINER_INJECTION", true))
        pod_wait_gcs(b);
    pod_labels(b);
    params_complete(&b->params, address);
    overwrite_annotation(b);
    pod_gcs_ft(b);
    metrics_port(b);
    if (cluster_autoscaling(b->c) && cluster_autoscaler_v2(b->c))
        json_put_str(b->doc, b->spec, "restartPolicy", "Never");
    pod_auth(b);
    pod_tls(b);
    pod_collector(b);
}

static void serve_label(struct pod *b)
{
    if (!strcmp(cluster_creator(b->c), CRD_RAYSERVICE))
        json_put_str(b->doc, json_ensure(b->doc, b->meta, "labels"), LABEL_SERVE,
                     b->head ? "false" : "true");
}

/* §8.5 */
void pod_build(struct pod *b)
{
    if (b->head)
        head_template(b);
    else
        worker_template(b);
    defaults_of_options(b);
    serve_label(b);
    pod_volumes(b);
    b->start = params_start_command(&b->params, b->user, b->head);
    pod_command(b);
    pod_env(b);
    if (ray_env_true(b->c->o, "ENABLE_PROBES_INJECTION", true))
        pod_probes(b);
}

/* The name of a head template is kept, so the pod is called that and nothing else (§8.2). */
static void head_name(struct pod *b, const char *generated)
{
    const struct cluster *c = b->c;
    const char *own = json_str_at(c->head, "template.metadata.name", "");

    if (ray_env_true(c->o, "ENABLE_DETERMINISTIC_HEAD_POD_NAME", false)) {
        json_put_str(b->doc, b->meta, "name", name_pod(b->a, c->name, NODE_HEAD, false));
        return;
    }
    json_put_str(b->doc, b->meta, "generateName", name_pod(b->a, c->name, NODE_HEAD, true));
    if (*own || generated)
        json_put_str(b->doc, b->meta, "name", *own ? own : generated);
}

static void worker_name(struct pod *b)
{
    const char *prefix = arena_printf(b->a, "%s-%s", b->c->name, b->group_name);
    const char *base = name_pod(b->a, prefix, NODE_WORKER, true);

    json_put_str(b->doc, b->meta, "generateName", base);
    json_put_str(b->doc, b->meta, "name", base); /* build_place() gives the real one */
}

yyjson_mut_val *build_pod_tree(struct plan *p, struct pod *b, const char *name)
{
    yyjson_mut_val *pod = build_object(p, KIND_POD, b->c->ns, "");

    if (b->head)
        head_name(b, name);
    else
        worker_name(b);
    json_put(p->doc, pod, "metadata", b->meta);
    json_put(p->doc, pod, "spec", b->spec);
    build_owner(p, pod, b->c->obj, true);
    return pod;
}

yyjson_mut_val *build_head_pod(struct plan *p, const struct cluster *c, const char *hash,
                               const char *name)
{
    struct pod b = pod_begin(p, c, c->head);
    yyjson_mut_val *pod, *annotations;

    pod_build(&b);
    pod = build_pod_tree(p, &b, name);
    annotations = json_ensure(p->doc, pod, "metadata.annotations");
    if (hash) {
        json_put_str(p->doc, annotations, ANN_RECREATE_HASH, hash);
        json_put_str(p->doc, annotations, ANN_VERSION, KUBERAY_VERSION);
    }
    return build_typed(p, KIND_POD, pod);
}

yyjson_mut_val *build_worker_pod(struct plan *p, const struct cluster *c, yyjson_val *group)
{
    struct pod b = pod_begin(p, c, group);

    pod_build(&b);
    return build_typed(p, KIND_POD, build_pod_tree(p, &b, NULL));
}

static void put_number(struct plan *p, yyjson_mut_val *labels, const char *key, int32_t n)
{
    json_put_str(p->doc, labels, key, arena_printf(&p->arena, "%d", n));
}

yyjson_mut_val *build_place(struct plan *p, const struct cluster *c, yyjson_mut_val *worker,
                            const struct replica *replica, const char *name)
{
    yyjson_mut_val *pod = json_dup(p->doc, worker);
    yyjson_mut_val *labels = json_mut_at(pod, "metadata.labels");

    json_put_str(p->doc, json_mut_get(pod, "metadata"), "name", name);
    if (!ray_feature(c->o, FEATURE_MULTI_HOST_INDEXING))
        return pod;
    /* A user's label of this key wins for single hosts (§8.2); labels.c has put it in then. */
    if (replica->name || !strcmp(json_mut_str_at(labels, LABEL_REPLICA_INDEX, ""), ""))
        put_number(p, labels, LABEL_REPLICA_INDEX, replica->index);
    if (replica->name) {
        json_put_str(p->doc, labels, LABEL_REPLICA_NAME, replica->name);
        put_number(p, labels, LABEL_HOST_INDEX, replica->host);
    }
    return pod;
}
