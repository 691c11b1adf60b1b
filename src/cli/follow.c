#include "cli/follow.h"
#include "cli/joblog.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "kube/watch.h"

#include <stdio.h>
#include <unistd.h>

#define DASHBOARD_PORT 8265

struct follow {
    struct follow_opts o;
    char *ns, *name, *reach, *cluster_name, *job_id, *complaint;
    struct kube_watch *jobs, *clusters, *pods;
    struct json *job, *cluster;
    struct map by_name; /* pods: struct json * */
    struct joblog *log;
    size_t step;
    bool quiet, ended;
    bool over; /* says the RayJob */
    char ray_state[32];
};

/* ---- what is known about the pods ---- */

static yyjson_val *head_pod(const struct follow *f)
{
    for (struct map_item *i = map_next(&f->by_name, NULL); i; i = map_next(&f->by_name, i)) {
        yyjson_val *pod = json_root(i->value);
        const char *type = meta_label(pod, "ray.io/node-type");
        if (type && !strcmp(type, "head") && !meta_deleting(pod))
            return pod;
    }
    return NULL;
}

static bool is_ready(yyjson_val *pod)
{
    json_each(json_at(pod, "status.conditions"), c, i, n)
        if (!strcmp(json_get_str(c, "type", ""), "Ready"))
            return !strcmp(json_get_str(c, "status", ""), "True");
    return false;
}

/* Why a pod's containers wait, when it is worth a person's knowing. */
static const char *waiting_reason(yyjson_val *pod, const char **ret_message)
{
    static const char *const lists[] = {"status.initContainerStatuses", "status.containerStatuses"};

    for (size_t k = 0; k < ARRAY_SIZE(lists); k++)
        json_each(json_at(pod, lists[k]), status, i, n) {
            const char *reason = json_str_at(status, "state.waiting.reason", NULL);
            if (reason && strcmp(reason, "PodInitializing") != 0) {
                *ret_message = json_str_at(status, "state.waiting.message", "");
                return reason;
            }
        }
    json_each(json_at(pod, "status.conditions"), c, i, n)
        if (!strcmp(json_get_str(c, "reason", ""), "Unschedulable")) {
            *ret_message = json_get_str(c, "message", "");
            return "Unschedulable";
        }
    return NULL;
}

/* ---- the steps: each tells whether it is reached, and what to say ---- */

#define DETAIL 160

static bool cluster_made(struct follow *f, char *detail)
{
    snprintf(detail, DETAIL, "%s", f->cluster ? f->cluster_name : "");
    return f->cluster != NULL;
}

static bool head_started(struct follow *f, char *detail)
{
    yyjson_val *head = head_pod(f);

    snprintf(detail, DETAIL, "%s", head ? meta_name(head) : "");
    return !strcmp(json_str_at(head, "status.phase", ""), "Running");
}

static bool head_ready(struct follow *f, char *detail)
{
    yyjson_val *head = head_pod(f);

    snprintf(detail, DETAIL, "%s", json_str_at(head, "status.podIP", ""));
    return is_ready(head);
}

static bool workers_ready(struct follow *f, char *detail)
{
    yyjson_val *status = json_get(json_root(f->cluster), "status");
    int64_t wanted = json_int_at(status, "desiredWorkerReplicas", 0);
    int64_t ready = json_int_at(status, "readyWorkerReplicas", 0);

    snprintf(detail, DETAIL, "%d of %d", (int)ready, (int)wanted);
    return !strcmp(json_get_str(status, "state", ""), "ready") && ready >= wanted;
}

static bool submitted(struct follow *f, char *detail)
{
    const char *deployment = json_str_at(json_root(f->job), "status.jobDeploymentStatus", "");

    snprintf(detail, DETAIL, "%s", f->job_id ? f->job_id : "");
    return f->ray_state[0] || !strcmp(deployment, "Running") || !strcmp(deployment, "Complete");
}

static bool running(struct follow *f, unused char *detail)
{
    return f->ray_state[0] && strcmp(f->ray_state, "PENDING") != 0;
}

static const struct {
    const char *name;
    bool (*reached)(struct follow *f, char *detail);
} steps[] = {
    {"RayCluster", cluster_made}, {"head pod", head_started},   {"GCS and dashboard", head_ready},
    {"workers", workers_ready},   {"job submitted", submitted}, {"job running", running},
};

static void end(struct follow *f, const char *state, const char *message)
{
    if (f->ended)
        return;
    f->ended = true;
    f->o.on_end(f->o.ctx, state, message);
}

/* What trying again does not help. */
static bool is_hopeless(const char *reason)
{
    static const char *const reasons[] = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName",
                                          "ErrImageNeverPull"};

    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        if (!strcmp(reason, reasons[i]))
            return true;
    return false;
}

static void complain(struct follow *f)
{
    for (struct map_item *i = map_next(&f->by_name, NULL); i; i = map_next(&f->by_name, i)) {
        const char *message = "", *reason = waiting_reason(json_root(i->value), &message);
        if (!reason || !strcmp(reason, "ContainerCreating"))
            continue;
        autofree char *text = xasprintf("%s: %s%s%s", meta_name(json_root(i->value)), reason,
                                        *message ? ": " : "", message);
        if (is_hopeless(reason)) {
            end(f, reason, message);
            return;
        }
        if (!f->complaint || strcmp(text, f->complaint) != 0)
            timeline_note(f->o.timeline, "%s", text);
        free(f->complaint);
        f->complaint = take(text);
        return;
    }
}

static void advance(struct follow *f)
{
    char detail[DETAIL];

    if (f->quiet || f->ended)
        return;
    while (f->step < ARRAY_SIZE(steps)) {
        detail[0] = '\0';
        if (!steps[f->step].reached(f, detail)) {
            timeline_wait(f->o.timeline, "%s", detail);
            complain(f);
            return;
        }
        timeline_done(f->o.timeline, "%s", detail);
        if (++f->step < ARRAY_SIZE(steps))
            timeline_begin(f->o.timeline, steps[f->step].name);
    }
}

/* ---- the Ray job itself ---- */

static void on_log(void *ctx, struct slice text)
{
    struct follow *f = ctx;

    timeline_wipe(f->o.timeline);
    fwrite(text.p, 1, text.n, stdout);
    fflush(stdout);
}

static bool may_retry(const struct follow *f)
{
    yyjson_val *job = json_root(f->job);

    return json_int_at(job, "spec.backoffLimit", 0) > json_int_at(job, "status.failed", 0);
}

static void on_ray_state(void *ctx, const char *state, bool ended)
{
    struct follow *f = ctx;

    snprintf(f->ray_state, sizeof f->ray_state, "%s", state);
    advance(f);
    if (ended && (f->over || strcmp(state, "FAILED") != 0 || !may_retry(f)))
        end(f, state, f->over ? json_str_at(json_root(f->job), "status.message", "") : "");
}

static void on_anew(void *ctx)
{
    struct follow *f = ctx;

    timeline_note(f->o.timeline, "the head was started again, and the job with it");
}

static void watch_log(struct follow *f)
{
    yyjson_val *head = head_pod(f);
    const char *ip = json_str_at(head, "status.podIP", "");
    const char *deployment = json_str_at(json_root(f->job), "status.jobDeploymentStatus", "");
    bool possible = !strcmp(deployment, "Running") || !strcmp(deployment, "Complete") ||
                    !strcmp(deployment, "Failed");

    if (f->log || !f->job_id || !*ip || !possible)
        return;
    f->log = joblog_new(&(struct joblog_opts){.loop = kube_loop(f->o.kube),
                                              .reach = f->reach,
                                              .ip = ip,
                                              .port = DASHBOARD_PORT,
                                              .job_id = f->job_id,
                                              .on_log = on_log,
                                              .on_state = on_ray_state,
                                              .on_anew = on_anew,
                                              .ctx = f});
}

/* ---- watches ---- */

static void keep(struct json **slot, enum watch_event event, yyjson_val *obj)
{
    json_unref(*slot);
    *slot = event == WATCH_DELETED ? NULL : json_copy(obj);
}

static void on_cluster(void *ctx, enum watch_event event, yyjson_val *obj)
{
    struct follow *f = ctx;

    if (!obj)
        return;
    keep(&f->cluster, event, obj);
    advance(f);
}

static void on_pod(void *ctx, enum watch_event event, yyjson_val *obj)
{
    struct follow *f = ctx;

    if (!obj)
        return;
    if (event == WATCH_DELETED)
        json_unref(map_remove(&f->by_name, meta_name(obj)));
    else
        json_unref(map_put(&f->by_name, meta_name(obj), json_copy(obj)));
    watch_log(f);
    advance(f);
}

/* A cluster of another name than before: the first one, or a retry's. */
static void follow_cluster(struct follow *f, const char *name)
{
    autofree char *field = xasprintf("metadata.name=%s", name);
    autofree char *label = xasprintf("ray.io/cluster=%s", name);

    if (f->cluster_name && !strcmp(f->cluster_name, name))
        return;
    if (f->cluster_name && !f->quiet) {
        timeline_note(f->o.timeline, "the job is tried again");
        timeline_begin(f->o.timeline, steps[0].name);
        f->step = 0;
    }
    free(f->cluster_name);
    f->cluster_name = xstrdup(name);
    kube_watch_free(f->clusters);
    kube_watch_free(f->pods);
    joblog_free(f->log);
    f->log = NULL;
    f->ray_state[0] = '\0';
    f->clusters = kube_watch_new(f->o.kube, &(struct watch_opts){.gvr = &gvr_rayclusters,
                                                                 .ns = f->ns,
                                                                 .field_selector = field,
                                                                 .on_event = on_cluster,
                                                                 .ctx = f});
    f->pods = kube_watch_new(
        f->o.kube,
        &(struct watch_opts){
            .gvr = &gvr_pods, .ns = f->ns, .label_selector = label, .on_event = on_pod, .ctx = f});
}

/* The RayJob says that it is over; with a log, the rest of that comes first. */
static void on_job_end(struct follow *f, const char *deployment)
{
    static const char *const ends[] = {"SUCCEEDED", "FAILED", "STOPPED"};
    yyjson_val *status = json_get(json_root(f->job), "status");
    const char *word = deployment;

    for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
        if (!strcmp(json_get_str(status, "jobStatus", ""), ends[i]))
            word = ends[i];
    f->over = true;
    if (f->log)
        joblog_finish(f->log, word);
    else
        end(f, word, json_get_str(status, "message", ""));
}

static void on_job(void *ctx, enum watch_event event, yyjson_val *obj)
{
    struct follow *f = ctx;
    const char *cluster, *job_id, *deployment;

    if (!obj)
        return;
    keep(&f->job, event, obj);
    if (!f->job) {
        f->o.on_gone(f->o.ctx);
        return;
    }
    cluster = json_str_at(obj, "status.rayClusterName", "");
    job_id = json_str_at(obj, "status.jobId", "");
    deployment = json_str_at(obj, "status.jobDeploymentStatus", "");
    if (*job_id && (!f->job_id || strcmp(f->job_id, job_id) != 0)) {
        free(f->job_id);
        f->job_id = xstrdup(job_id);
    }
    if (*cluster)
        follow_cluster(f, cluster);
    watch_log(f);
    advance(f);
    if (!strcmp(deployment, "Complete") || !strcmp(deployment, "Failed") ||
        !strcmp(deployment, "ValidationFailed"))
        on_job_end(f, deployment);
}

struct follow *follow_new(const struct follow_opts *o)
{
    struct follow *f = xnew(struct follow);
    autofree char *field = xasprintf("metadata.name=%s", o->name);

    f->o = *o;
    f->ns = xstrdup(o->ns);
    f->name = xstrdup(o->name);
    f->reach = xstrdup(o->reach);
    timeline_begin(o->timeline, steps[0].name);
    f->jobs = kube_watch_new(o->kube, &(struct watch_opts){.gvr = &gvr_rayjobs,
                                                           .ns = f->ns,
                                                           .field_selector = field,
                                                           .on_event = on_job,
                                                           .ctx = f});
    return f;
}

void follow_quiet(struct follow *f)
{
    f->quiet = true;
}

void follow_free(struct follow *f)
{
    if (!f)
        return;
    kube_watch_free(f->jobs);
    kube_watch_free(f->clusters);
    kube_watch_free(f->pods);
    joblog_free(f->log);
    json_unref(f->job);
    json_unref(f->cluster);
    for (struct map_item *i = map_next(&f->by_name, NULL); i; i = map_next(&f->by_name, i))
        json_unref(i->value);
    map_done(&f->by_name);
    char *owned[] = {f->ns, f->name, f->reach, f->cluster_name, f->job_id, f->complaint};
    for (size_t i = 0; i < ARRAY_SIZE(owned); i++)
        free(owned[i]);
    free(f);
}
