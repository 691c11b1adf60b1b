/* A RayJob's children: its RayCluster, its head Service, its submitter Job; and its dashboard. */
#include "ray/plan/rayjob.h"
#include "ray/build/build.h"
#include "ray/build/submitter.h"
#include "ray/dashboard.h"
#include "ray/names.h"
#include "ray/sched/sched.h"

static struct note note(struct rayjob *j, bool warning, const char *reason, const char *action,
                        const char *verb, const char *kind, const char *name)
{
    return (struct note){warning, reason, action,
                         arena_printf(&j->p->arena, "%s%s %s %s/%s", warning ? "Failed to " : "",
                                      verb, kind, j->ns, name),
                         warning};
}

static yyjson_mut_val *new_object(struct rayjob *j, enum ray_kind kind, const char *name)
{
    return build_object(j->p, kind, j->ns, name);
}

static int create(struct rayjob *j, enum ray_kind kind, yyjson_mut_val *object, struct note ok,
                  struct note failed)
{
    struct action *a;

    build_owner(j->p, object, j->object, true);
    a = plan_action(j->p, ACT_CREATE, kind);
    a->ns = j->ns;
    a->name = json_mut_str_at(object, "metadata.name", "");
    a->ok = ok;
    a->failed = failed;
    a->why = arena_printf(&j->p->arena, "create %s %s", kind_name(kind), a->name);
    a->body = build_typed(j->p, kind, object);
    return 0;
}

static void copy_map(yyjson_mut_doc *doc, yyjson_mut_val *to, yyjson_val *from)
{
    json_each_member(from, key, value)
        json_put(doc, to, yyjson_get_str(key), json_thaw(doc, value));
}

/* SidecarMode: the submitter stands beside the head and is never started again. */
static int add_sidecar(struct rayjob *j, yyjson_mut_val *object)
{
    yyjson_mut_doc *doc = j->p->doc;
    yyjson_mut_val *template = json_mut_at(object, "spec.headGroupSpec.template.spec");
    yyjson_mut_val *containers = json_mut_get(template, "containers");
    yyjson_mut_val *sidecar = submitter_sidecar(j, json_get(j->spec, "rayClusterSpec"));

    if (!sidecar)
        return -1;
    yyjson_mut_arr_append(containers, sidecar);
    json_put_str(doc, template, "restartPolicy", "Never");
    json_put_str(doc, json_ensure(doc, object, "metadata.annotations"), ANN_NO_HEAD_RESTART,
                 "true");
    return 0;
}

static int create_cluster(struct rayjob *j, const char *name)
{
    yyjson_mut_doc *doc = j->p->doc;
    struct sched_parent parent = sched_job(j);
    yyjson_mut_val *object = new_object(j, KIND_RAYCLUSTER, name);
    yyjson_mut_val *labels = json_ensure(doc, object, "metadata.labels");
    yyjson_val *annotations = json_at(j->object, "metadata.annotations");

    copy_map(doc, labels, json_at(j->object, "metadata.labels"));
    json_put_str(doc, labels, LABEL_FROM_CR, j->name);
    json_put_str(doc, labels, LABEL_FROM_CRD, CRD_RAYJOB);
    json_put_str(doc, labels, LABEL_SUBMISSION_MODE, j->mode);
    if (yyjson_obj_size(annotations))
        copy_map(doc, json_ensure(doc, object, "metadata.annotations"), annotations);
    json_put(doc, object, "spec", json_thaw(doc, json_get(j->spec, "rayClusterSpec")));
    if (rayjob_mode_is(j, "SidecarMode") && add_sidecar(j, object) < 0)
        return -1;
    if (rayjob_mode_is(j, "K8sJobMode") && !sched_decorate(&parent, object, ""))
        return -1;
    return create(
        j, KIND_RAYCLUSTER, object,
        note(j, false, "CreatedRayCluster", "Create", "Created", "RayCluster", name),
        note(j, true, "FailedToCreateRayCluster", "Create", "create", "RayCluster", name));
}

int rayjob_ensure_cluster(struct rayjob *j)
{
    const char *name = rayjob_next(j, "rayClusterName");

    j->cluster = snap_get(j->s, KIND_RAYCLUSTER, j->ns, name);
    if (j->cluster)
        return 0;
    if (!rayjob_has_selector(j))
        return create_cluster(j, name);
    plan_event(j->p, true, "RayClusterNotFound", "Validate",
               "RayCluster %s/%s set in the "
               "clusterSelector is not found. It must be created manually",
               j->ns, name);
    return plan_error(j->p, "RayCluster %s/%s of the clusterSelector not found", j->ns, name);
}

static yyjson_val *cluster_spec(struct rayjob *j)
{
    yyjson_val *live = json_get(j->cluster, "spec");

    return live ? live : json_get(j->spec, "rayClusterSpec");
}

int rayjob_ensure_submitter(struct rayjob *j)
{
    yyjson_mut_doc *doc = j->p->doc;
    struct sched_parent parent = sched_job(j);
    yyjson_val *backoff = json_at(j->spec, "submitterConfig.backoffLimit");

    if (snap_get(j->s, KIND_JOB, j->ns, j->name))
        return 0;
    yyjson_mut_val *template = submitter_pod_template(j, cluster_spec(j));
    if (!template || !sched_decorate(&parent, template, SUBMITTER_GROUP))
        return -1;
    yyjson_mut_val *object = new_object(j, KIND_JOB, j->name);
    submitter_labels(j, json_ensure(doc, object, "metadata.labels"));
    yyjson_mut_val *spec = json_ensure(doc, object, "spec");
    json_put_int(doc, spec, "backoffLimit", yyjson_is_int(backoff) ? yyjson_get_sint(backoff) : 2);
    json_put(doc, spec, "template", template);
    return create(
        j, KIND_JOB, object,
        note(j, false, "CreatedRayJobSubmitter", "Create", "Created", "submitter Job", j->name),
        note(j, true, "FailedToCreateRayJobSubmitter", "Create", "create", "submitter Job",
             j->name));
}

/* The head Service of the job's own name: the cluster's, under other metadata. */
static yyjson_mut_val *head_service(struct rayjob *j, yyjson_val *cluster)
{
    yyjson_mut_doc *doc = j->p->doc;
    struct cluster c = cluster_view(cluster, j->s->options);
    yyjson_mut_val *made = build_head_service(j->p, &c);
    const char *name = arena_printf(&j->p->arena, "%s-head-svc", j->name);
    yyjson_val *annotations =
        json_at(cluster, "spec.headGroupSpec.headService.metadata.annotations");
    yyjson_mut_val *object = new_object(j, KIND_SERVICE, name);
    yyjson_mut_val *labels = json_ensure(doc, object, "metadata.labels");

    json_put_str(doc, labels, LABEL_FROM_CR, j->name);
    json_put_str(doc, labels, LABEL_FROM_CRD, CRD_RAYJOB);
    json_put_str(doc, labels, LABEL_NODE_TYPE, NODE_HEAD);
    json_put_str(doc, labels, LABEL_IDENTIFIER,
                 name_check_label(&j->p->arena, arena_printf(&j->p->arena, "%s-head", j->name)));
    if (annotations) /* not spec.headServiceAnnotations: those are the cluster's own Service's */
        json_put(doc, json_mut_get(object, "metadata"), "annotations", json_thaw(doc, annotations));
    json_put(doc, object, "spec", json_mut_get(made, "spec"));
    return object;
}

/* It follows the cluster of the day. */
static int update_service(struct rayjob *j, yyjson_val *old, yyjson_mut_val *wanted)
{
    yyjson_mut_doc *doc = j->p->doc;
    yyjson_mut_val *object = json_thaw(doc, old), *spec = json_mut_get(wanted, "spec");
    const char *name = json_str_at(old, "metadata.name", "");

    json_put_str(doc, spec, "clusterIP", json_str_at(old, "spec.clusterIP", ""));
    json_put(doc, object, "spec", spec);
    struct action *a = plan_action(j->p, ACT_UPDATE, KIND_SERVICE);
    a->ns = j->ns;
    a->name = name;
    a->ok = note(j, false, "UpdatedService", "Update", "Updated", "Service", name);
    a->failed = note(j, true, "FailedToUpdateService", "Update", "update", "Service", name);
    a->why = "point the head Service at the new cluster";
    a->body = build_typed(j->p, KIND_SERVICE, object);
    return 0;
}

int rayjob_ensure_service(struct rayjob *j)
{
    yyjson_val *cluster = j->cluster;
    autojson struct json *unborn = NULL;
    yyjson_val *old;

    if (rayjob_has_selector(j))
        return 0;
    if (!cluster) { /* being created in this very plan */
        yyjson_mut_val *object = new_object(j, KIND_RAYCLUSTER, rayjob_next(j, "rayClusterName"));
        json_put(j->p->doc, object, "spec",
                 json_thaw(j->p->doc, json_get(j->spec, "rayClusterSpec")));
        unborn = json_freeze(object);
        cluster = json_root(unborn);
    }
    yyjson_mut_val *wanted = head_service(j, cluster);
    old = snap_get(j->s, KIND_SERVICE, j->ns, json_mut_str_at(wanted, "metadata.name", ""));
    if (!old)
        return create(j, KIND_SERVICE, wanted,
                      note(j, false, "CreatedService", "Create", "Created", "Service",
                           json_mut_str_at(wanted, "metadata.name", "")),
                      note(j, true, "FailedToCreateService", "Create", "create", "Service",
                           json_mut_str_at(wanted, "metadata.name", "")));
    if (!strcmp(json_get_str(json_at(old, "spec.selector"), LABEL_CLUSTER, ""),
                rayjob_next(j, "rayClusterName")))
        return 0;
    return update_service(j, old, wanted);
}

/* True when the object is gone; else a DELETE is added unless it is on its way. */
static bool delete_child(struct rayjob *j, enum ray_kind kind, const char *name,
                         const char *propagation, struct note ok, struct note failed)
{
    yyjson_val *object = *name ? snap_get(j->s, kind, j->ns, name) : NULL;
    struct action *a;

    if (!object)
        return true;
    if (json_at(object, "metadata.deletionTimestamp"))
        return false;
    a = plan_action(j->p, ACT_DELETE, kind);
    a->ns = j->ns;
    a->name = name;
    a->propagation = propagation;
    a->ok = ok;
    a->failed = failed;
    a->why = arena_printf(&j->p->arena, "delete %s %s", kind_name(kind), name);
    return false;
}

bool rayjob_delete_cluster(struct rayjob *j)
{
    const char *name = rayjob_next(j, "rayClusterName");

    if (rayjob_has_selector(j))
        return true;
    return delete_child(
        j, KIND_RAYCLUSTER, name, NULL,
        note(j, false, "DeletedRayCluster", "Delete", "Deleted", "RayCluster", name),
        note(j, true, "FailedToDeleteRayCluster", "Delete", "delete", "RayCluster", name));
}

bool rayjob_delete_submitter(struct rayjob *j)
{
    if (rayjob_mode_is(j, "HTTPMode") || rayjob_mode_is(j, "SidecarMode"))
        return true;
    return delete_child(
        j, KIND_JOB, j->name, "Background",
        note(j, false, "DeletedRayJobSubmitter", "Delete", "Deleted", "submitter Job", j->name),
        note(j, true, "FailedToDeleteRayJobSubmitter", "Delete", "delete", "submitter Job",
             j->name));
}

int rayjob_dash(struct rayjob *j, struct dash_target *ret)
{
    const char *error = NULL;

    if (dashboard_target(j->s, &j->p->arena, j->cluster, rayjob_next(j, "dashboardURL"), ret,
                         &error) < 0)
        return plan_error(j->p, "%s", error);
    return 0;
}
