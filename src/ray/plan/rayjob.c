/*
 * The RayJob planner: one function a deployment status, called from the table at the end.
 *
 *   "" → Initializing → Running → Complete | Failed
 *            └→ Waiting ─┘ (InteractiveMode)       Retrying → ""     Suspending → Suspended → ""
 */
#include "ray/plan/rayjob.h"
#include "ray/build/build.h"
#include "ray/dashboard.h"
#include "ray/names.h"
#include "ray/sched/sched.h"

#include "base/timefmt.h"

void rayjob_init(struct rayjob *j, struct snapshot *s, struct plan *p)
{
    *j = (struct rayjob){.s = s, .p = p, .object = s->object};
    j->spec = json_get(s->object, "spec");
    j->status = json_get(s->object, "status");
    j->ns = json_str_at(s->object, "metadata.namespace", "default");
    j->name = json_str_at(s->object, "metadata.name", "");
    j->uid = json_str_at(s->object, "metadata.uid", "");
    j->mode = json_get_str(j->spec, "submissionMode", "K8sJobMode");
    j->job_status = json_get_str(j->status, "jobStatus", "");
    j->deployment = json_get_str(j->status, "jobDeploymentStatus", "");
    j->next = json_thaw(p->doc, j->status);
    if (!yyjson_mut_is_obj(j->next))
        j->next = yyjson_mut_obj(p->doc);
}

const char *rayjob_next(struct rayjob *j, const char *field)
{
    return json_mut_str_at(j->next, field, "");
}

void rayjob_set(struct rayjob *j, const char *field, const char *value)
{
    if (*value)
        json_put_str(j->p->doc, j->next, field, value);
    else
        json_remove(j->next, field);
}

bool rayjob_has_selector(struct rayjob *j)
{
    return yyjson_obj_size(json_get(j->spec, "clusterSelector")) > 0;
}

bool rayjob_mode_is(struct rayjob *j, const char *mode)
{
    return strcmp(j->mode, mode) == 0;
}

bool rayjob_has_submitter(struct rayjob *j)
{
    return rayjob_mode_is(j, "K8sJobMode") || rayjob_mode_is(j, "SidecarMode");
}

bool job_status_is_terminal(const char *s)
{
    return !strcmp(s, "STOPPED") || !strcmp(s, "SUCCEEDED") || !strcmp(s, "FAILED");
}

bool rayjob_passed(struct rayjob *j, const char *from, int64_t seconds)
{
    int64_t ns;

    return time_parse(slice_of(from), &ns) && j->s->now_ns - ns >= seconds * SECOND_NS;
}

static bool is_deleting(yyjson_val *object)
{
    return json_at(object, "metadata.deletionTimestamp") != NULL;
}

void rayjob_look_again(struct rayjob *j)
{
    j->p->requeue_ns = RAYJOB_POLL_NS;
}

/* "2025-01-02 03:04:05 +0000 UTC", as Go prints a time. */
static const char *go_time(struct rayjob *j, const char *rfc3339)
{
    return strlen(rfc3339) < 19
               ? rfc3339
               : arena_printf(&j->p->arena, "%.10s %.8s +0000 UTC", rfc3339, rfc3339 + 11);
}

static const char *generated(struct rayjob *j, const char *what)
{
    char suffix[NAME_SUFFIX + 1];

    name_suffix(arena_printf(&j->p->arena, "%s/%s/%u", j->uid, what, j->s->attempt), suffix);
    return arena_printf(&j->p->arena, "%s-%s", j->name, suffix);
}

bool rayjob_deadline_passed(struct rayjob *j, const char *field, const char *reason)
{
    yyjson_val *limit = json_get(j->spec, field);
    const char *start = rayjob_next(j, "startTime");
    char *title;

    if (!yyjson_is_int(limit) || !rayjob_passed(j, start, yyjson_get_sint(limit)))
        return false;
    title = arena_strdup(&j->p->arena, field);
    title[0] = (char)(title[0] - 32);
    rayjob_fail(j, reason, "The RayJob has passed the %s. StartTime: %s. %s: %lld", field,
                go_time(j, start), title, (long long)yyjson_get_sint(limit));
    return true;
}

bool rayjob_suspends(struct rayjob *j)
{
    if (!json_bool_at(j->spec, "suspend", false))
        return false;
    rayjob_set(j, "jobDeploymentStatus", "Suspending");
    return true;
}

static bool has_finalizer(yyjson_val *object)
{
    json_each(json_at(object, "metadata.finalizers"), item, i, n)
        if (yyjson_equals_str(item, RAYJOB_FINALIZER))
            return true;
    return false;
}

/* The object with metadata.finalizers as the filter leaves it: PUT before anything else. */
static void put_finalizers(struct rayjob *j, bool add)
{
    yyjson_mut_doc *doc = j->p->doc;
    yyjson_mut_val *object = json_thaw(doc, j->object);
    yyjson_mut_val *list = yyjson_mut_arr(doc);

    json_each(json_at(j->object, "metadata.finalizers"), item, i, n)
        if (!yyjson_equals_str(item, RAYJOB_FINALIZER))
            yyjson_mut_arr_append(list, json_thaw(doc, item));
    if (add)
        yyjson_mut_arr_add_strcpy(doc, list, RAYJOB_FINALIZER);
    json_put(doc, json_ensure(doc, object, "metadata"), "finalizers", list);
    struct action *a = plan_action(j->p, ACT_UPDATE, KIND_RAYJOB);
    a->ns = j->ns;
    a->name = j->name;
    a->body = build_typed(j->p, KIND_RAYJOB, object);
    a->why = add ? "add finalizer " RAYJOB_FINALIZER : "remove finalizer " RAYJOB_FINALIZER;
    j->edited = a->body;
}

static void state_new(struct rayjob *j)
{
    char now[TIME_TEXT];

    if (!has_finalizer(j->object))
        put_finalizers(j, true);
    if (!*rayjob_next(j, "jobId") || !*rayjob_next(j, "rayClusterName") || !*j->job_status) {
        const char *selected =
            json_str(json_get(json_get(j->spec, "clusterSelector"), "ray.io/cluster"), "");
        const char *job_id = json_get_str(j->spec, "jobId", "");
        if (!rayjob_mode_is(j, "InteractiveMode") && !*rayjob_next(j, "jobId"))
            rayjob_set(j, "jobId", *job_id ? job_id : generated(j, "job"));
        if (!*rayjob_next(j, "rayClusterName"))
            rayjob_set(j, "rayClusterName", *selected ? selected : generated(j, "cluster"));
        rayjob_set(j, "jobDeploymentStatus", "Initializing");
        rayjob_set(j, "startTime", time_rfc3339(j->s->now_ns, now));
    }
    rayjob_persist(j);
}

void rayjob_copy_cluster_status(struct rayjob *j)
{
    yyjson_val *status = json_get(j->cluster, "status");

    json_put(j->p->doc, j->next, "rayClusterStatus",
             status ? json_thaw(j->p->doc, status) : yyjson_mut_obj(j->p->doc));
}

static void state_initializing(struct rayjob *j)
{
    struct sched_parent parent = sched_job(j);

    if (rayjob_suspends(j) ||
        rayjob_deadline_passed(j, "activeDeadlineSeconds", "DeadlineExceeded") ||
        rayjob_deadline_passed(j, "preRunningDeadlineSeconds", "PreRunningDeadlineExceeded")) {
        rayjob_persist(j);
        return;
    }
    if (!sched_submit(&parent) || rayjob_ensure_cluster(j) < 0)
        return;
    if (!*rayjob_next(j, "dashboardURL")) {
        if (strcmp(json_str_at(j->cluster, "status.state", ""), "ready") != 0) {
            rayjob_copy_cluster_status(j);
            rayjob_persist(j);
            return;
        }
        const char *error = NULL;
        const char *url = dashboard_url(j->s, &j->p->arena, j->cluster, "dashboard", &error);
        if (!url) {
            plan_error(j->p, "%s", error);
            return;
        }
        rayjob_set(j, "dashboardURL", url);
        /* Upstream leaves the last status from before the cluster was ready, whichever that was. */
        rayjob_copy_cluster_status(j);
    }
    if (rayjob_mode_is(j, "InteractiveMode")) {
        rayjob_set(j, "jobDeploymentStatus", "Waiting");
    } else {
        if (rayjob_mode_is(j, "K8sJobMode") && rayjob_ensure_submitter(j) < 0)
            return;
        rayjob_set(j, "jobDeploymentStatus", "Running");
    }
    rayjob_persist(j);
}

static void state_waiting(struct rayjob *j)
{
    const char *job_id = json_get_str(j->spec, "jobId", "");

    if (!rayjob_deadline_passed(j, "preRunningDeadlineSeconds", "PreRunningDeadlineExceeded")) {
        if (!*job_id) {
            rayjob_look_again(j);
            return;
        }
        rayjob_set(j, "jobId", job_id);
        rayjob_set(j, "jobDeploymentStatus", "Running");
    }
    rayjob_persist(j);
}

/* Suspending and Retrying: everything is taken down, then the status starts anew. */
static void take_down(struct rayjob *j, const char *then)
{
    static const char *const cleared[] = {
        "rayClusterStatus", "rayClusterName", "dashboardURL", "jobId",
        "message",          "reason",         "rayJobInfo",   "jobStatusCheckFailureStartTime",
        "jobStatus"};
    bool cluster_gone = rayjob_delete_cluster(j);
    bool submitter_gone = rayjob_delete_submitter(j);
    struct sched_parent parent = sched_job(j);

    if (!cluster_gone || !submitter_gone) {
        rayjob_look_again(j);
        return;
    }
    if (!sched_clean_up(&parent, true))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(cleared); i++)
        json_remove(j->next, cleared[i]);
    rayjob_set(j, "jobDeploymentStatus", then);
    rayjob_persist(j);
}

static void state_suspending(struct rayjob *j)
{
    take_down(j, "Suspended");
}

static void state_retrying(struct rayjob *j)
{
    take_down(j, "");
}

static void state_suspended(struct rayjob *j)
{
    if (json_bool_at(j->spec, "suspend", false))
        return;
    rayjob_set(j, "jobStatus", "");
    rayjob_set(j, "jobDeploymentStatus", "");
    rayjob_persist(j);
}

static const struct {
    const char *deployment;
    void (*run)(struct rayjob *j);
} states[] = {
    {"", state_new},
    {"Initializing", state_initializing},
    {"Waiting", state_waiting},
    {"Running", rayjob_running},
    {"Suspending", state_suspending},
    {"Retrying", state_retrying},
    {"Suspended", state_suspended},
    {"Complete", rayjob_after_end},
    {"Failed", rayjob_after_end},
};

/* An unfinished Ray job is stopped, as well as can be; then the finalizer goes. */
static void delete_job(struct rayjob *j)
{
    struct dash_target dash = {0};

    if (!job_status_is_terminal(j->job_status)) {
        j->cluster = snap_get(j->s, KIND_RAYCLUSTER, j->ns, rayjob_next(j, "rayClusterName"));
        if (rayjob_dash(j, &dash) < 0)
            return;
        if (*dash.url && *rayjob_next(j, "jobId")) {
            struct action *a = plan_action(j->p, ACT_DASH_STOP, KIND_RAYJOB);
            a->ns = j->ns;
            a->name = rayjob_next(j, "jobId");
            a->dash = dash;
            a->best_effort = true;
            a->why = "stop the Ray job of a deleted RayJob";
        }
    }
    put_finalizers(j, false);
    rayjob_look_again(j);
}

static void refuse(struct rayjob *j, const char *error, const char *reason)
{
    plan_event(j->p, true, reason, "Validate", "%s/%s: %s", j->ns, j->name, error);
    rayjob_set(j, "jobDeploymentStatus", "ValidationFailed");
    rayjob_set(j, "reason", "ValidationFailed");
    rayjob_set(j, "message", error);
    rayjob_write_status(j);
}

static void rayjob_plan(struct snapshot *s, struct plan *p)
{
    const char *managed_by, *reason, *error;
    struct rayjob j;

    rayjob_init(&j, s, p);
    p->done = true;
    managed_by = json_get_str(j.spec, "managedBy", NULL);
    if (managed_by && strcmp(managed_by, "ray.io/kuberay-operator") != 0)
        return;
    if (is_deleting(j.object)) {
        delete_job(&j);
        return;
    }
    error = rayjob_invalid(&j, &reason);
    if (error) {
        refuse(&j, error, reason);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(states); i++)
        if (strcmp(states[i].deployment, j.deployment) == 0) {
            states[i].run(&j);
            return;
        }
    rayjob_look_again(&j); /* ValidationFailed and words unknown: nothing ever changes */
}

const struct planner rayjob_planner = {
    .kind = KIND_RAYJOB,
    .controller = "rayjob-controller",
    .plan = rayjob_plan,
    .finish = rayjob_submitted,
};
