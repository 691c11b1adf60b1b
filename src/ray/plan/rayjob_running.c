/* RayJob while it runs: deadlines, its children, the submitter, and what Ray's dashboard says. */
#include "ray/plan/rayjob.h"
#include "ray/names.h"

#include "base/timefmt.h"

#define SUBMITTER_GRACE_SECONDS                                                                    \
    30 /* after the submitter ended; upstream has no way to change it                              \
        */
#define CHECK_TIMEOUT_SECONDS 300
#define GRACE_SECONDS 300
#define SIDECAR_RESTARTS 2

static const char *clock_text(struct rayjob *j, const char *rfc3339)
{
    return strlen(rfc3339) < 19 ? rfc3339
                                : arena_printf(&j->p->arena, "%.10s %.8s", rfc3339, rfc3339 + 11);
}

/* Ray has ended long ago and the deployment status has not followed. */
static bool grace_over(struct rayjob *j)
{
    const char *end = json_str_at(j->status, "rayJobInfo.endTime", "");
    int64_t grace = ray_env_int(
        j->s->options, "RAYJOB_DEPLOYMENT_STATUS_TRANSITION_GRACE_PERIOD_SECONDS", GRACE_SECONDS);

    if (!job_status_is_terminal(j->job_status) || !rayjob_passed(j, end, grace))
        return false;
    rayjob_set(j, "jobDeploymentStatus", strcmp(j->job_status, "FAILED") ? "Complete" : "Failed");
    rayjob_set(j, "reason", "JobDeploymentStatusTransitionGracePeriodExceeded");
    rayjob_set(j, "message",
               "JobDeploymentStatus does not transition to Complete or Failed within the grace "
               "period after JobStatus reaches a terminal state.");
    return true;
}

static bool checks_timed_out(struct rayjob *j)
{
    const char *since = rayjob_next(j, "jobStatusCheckFailureStartTime");
    int64_t limit = ray_env_int(j->s->options, "RAYJOB_STATUS_CHECK_TIMEOUT_SECONDS", 0);

    if (limit <= 0)
        limit = CHECK_TIMEOUT_SECONDS;
    if (!rayjob_passed(j, since, limit))
        return false;
    rayjob_fail(j, "JobStatusCheckTimeoutExceeded",
                "Job status checks have been failing since %s; exceeded timeout of %llds",
                clock_text(j, since), (long long)limit);
    return true;
}

/* What the submitter came to. */
struct submitter {
    bool failed;             /* the new status says why */
    const char *finished_at; /* NULL while it runs */
};

static void submission_failed(struct rayjob *j, struct submitter *r, const char *message)
{
    r->failed = true;
    rayjob_set(j, "jobDeploymentStatus", "Failed");
    if (strcmp(j->job_status, "FAILED") == 0) {
        rayjob_set(j, "reason", "AppFailed");
        return;
    }
    rayjob_set(j, "reason", "SubmissionFailed");
    rayjob_set(j, "message", message);
}

static bool condition_true(yyjson_val *condition, const char *type)
{
    return !strcmp(json_get_str(condition, "type", ""), type) &&
           !strcmp(json_get_str(condition, "status", ""), "True");
}

static int check_k8s_job(struct rayjob *j, struct submitter *r)
{
    yyjson_val *job = snap_get(j->s, KIND_JOB, j->ns, j->name);

    if (!job)
        return plan_error(j->p, "submitter Job %s/%s not found", j->ns, j->name);
    json_each(json_at(job, "status.conditions"), c, i, n) {
        bool failed = condition_true(c, "Failed");
        if (failed)
            submission_failed(
                j, r,
                arena_printf(&j->p->arena, "Job submission has failed. Reason: %s. Message: %s",
                             json_get_str(c, "reason", ""), json_get_str(c, "message", "")));
        if ((failed || condition_true(c, "Complete")) && !r->finished_at)
            r->finished_at = json_get_str(c, "lastTransitionTime", NULL);
    }
    return 0;
}

static void check_sidecar_status(struct rayjob *j, yyjson_val *status, struct submitter *r)
{
    yyjson_val *now = json_at(status, "state.terminated");
    bool restarts = ray_feature(j->s->options, FEATURE_SIDECAR_RESTART);
    int64_t code = json_int_at(now, "exitCode", 0);

    if (now)
        r->finished_at = json_get_str(now, "finishedAt", NULL);
    if (!restarts && now && code != 0)
        submission_failed(j, r,
                          arena_printf(&j->p->arena,
                                       "Ray head pod container ray-job-submitter terminated with "
                                       "exit code %lld: %s",
                                       (long long)code, json_get_str(now, "reason", "")));
    if (restarts && json_at(status, "lastState.terminated") && !(now && code == 0) &&
        json_int_at(status, "restartCount", 0) >= SIDECAR_RESTARTS)
        submission_failed(j, r,
                          "Ray head pod submitter container ray-job-submitter terminated after "
                          "exceeding the maximum restart count");
}

static int check_sidecar(struct rayjob *j, struct submitter *r)
{
    const char *cluster = json_str_at(j->cluster, "metadata.name", "");
    yyjson_val *head = NULL;
    size_t n = 0, heads = 0;
    yyjson_val **pods =
        snap_list(j->s, &j->p->arena, KIND_POD, j->ns, "ray.io/cluster", cluster, &n);

    for (size_t i = 0; i < n; i++)
        if (!strcmp(json_get_str(json_at(pods[i], "metadata.labels"), "ray.io/node-type", ""),
                    "head")) {
            head = pods[i];
            heads++;
        }
    if (heads > 1)
        return plan_error(j->p, "%zu head pods of RayCluster %s/%s", heads, j->ns, cluster);
    if (!head) {
        r->failed = true;
        rayjob_fail(j, "AppFailed", "Ray head pod not found.");
        return 0;
    }
    json_each(json_at(head, "status.containerStatuses"), status, i, count)
        if (!strcmp(json_get_str(status, "name", ""), "ray-job-submitter"))
            check_sidecar_status(j, status, r);
    return 0;
}

/* 1 when the pass has been settled here, 0 to go on, -1 when it ended with an error. */
static int check_submitter(struct rayjob *j, struct submitter *r)
{
    int code = 0;

    if (rayjob_mode_is(j, "K8sJobMode"))
        code = check_k8s_job(j, r);
    else if (rayjob_mode_is(j, "SidecarMode"))
        code = check_sidecar(j, r);
    if (code < 0)
        return code;
    if (r->finished_at && rayjob_passed(j, r->finished_at, SUBMITTER_GRACE_SECONDS)) {
        rayjob_set(j, "jobStatus", "FAILED");
        rayjob_fail(j, "JobDeploymentStatusTransitionGracePeriodExceeded",
                    "The RayJob submitter finished at %s but the ray job did not reach terminal "
                    "state within %ds",
                    clock_text(j, r->finished_at), SUBMITTER_GRACE_SECONDS);
        return 1;
    }
    return r->failed;
}

/* A check that failed starts the timer once. */
static void check_failed(struct rayjob *j)
{
    char now[TIME_TEXT];

    if (*rayjob_next(j, "jobStatusCheckFailureStartTime")) {
        rayjob_look_again(j);
        return;
    }
    rayjob_set(j, "jobStatusCheckFailureStartTime", time_rfc3339(j->s->now_ns, now));
    rayjob_persist(j);
}

static void submit(struct rayjob *j, const struct dash_target *dash)
{
    const char *error = NULL;
    yyjson_mut_val *body = rayjob_http_request(j, &error);

    if (!body) {
        check_failed(j);
        return;
    }
    struct action *a = plan_action(j->p, ACT_DASH_SUBMIT, KIND_RAYJOB);
    a->ns = j->ns;
    a->name = rayjob_next(j, "jobId");
    a->body = body;
    a->dash = *dash;
    a->why = "submit the job to Ray's dashboard";
    j->p->done = false;
}

static void not_found(struct rayjob *j, const struct submitter *sub, const struct dash_target *dash)
{
    if (rayjob_mode_is(j, "HTTPMode")) {
        submit(j, dash);
    } else if (sub->finished_at) {
        rayjob_fail(j, "AppFailed", "Submitter completed but Ray job not found in RayCluster.");
        rayjob_persist(j);
    } else {
        rayjob_look_again(j);
    }
}

static void set_ms(struct rayjob *j, yyjson_mut_val *info, const char *field, yyjson_val *ms)
{
    char text[TIME_TEXT];

    if (yyjson_is_int(ms) && yyjson_get_uint(ms))
        json_put_str(
            j->p->doc, info, field,
            time_rfc3339((int64_t)(yyjson_get_uint(ms) % (INT64_MAX / 1000000)) * 1000000, text));
}

static void take_answer(struct rayjob *j, yyjson_val *answer, const struct submitter *sub)
{
    const char *ray = json_get_str(answer, "status", "");
    bool failed = !strcmp(ray, "FAILED");
    bool ended = job_status_is_terminal(ray) && (!rayjob_has_submitter(j) || sub->finished_at);
    yyjson_mut_val *info = json_ensure(j->p->doc, j->next, "rayJobInfo");

    rayjob_set(j, "jobStatusCheckFailureStartTime", "");
    rayjob_set(j, "jobDeploymentStatus", !ended ? "Running" : failed ? "Failed" : "Complete");
    rayjob_set(j, "reason", ended && failed ? "AppFailed" : "");
    rayjob_set(j, "jobStatus", ray);
    rayjob_set(j, "message", json_get_str(answer, "message", ""));
    set_ms(j, info, "startTime", json_get(answer, "start_time"));
    set_ms(j, info, "endTime", json_get(answer, "end_time"));
    rayjob_copy_cluster_status(j);
    rayjob_persist(j);
}

static void ask_ray(struct rayjob *j, const struct submitter *sub)
{
    struct dash_target dash;

    if (rayjob_dash(j, &dash) < 0)
        return;
    switch (j->s->job.state) {
    case DASH_NONE:
        j->p->ask = ASK_JOB;
        j->p->dash = dash;
        j->p->dash_job = rayjob_next(j, "jobId");
        break;
    case DASH_NOT_FOUND:
        not_found(j, sub, &dash);
        break;
    case DASH_FAILED:
        check_failed(j);
        break;
    case DASH_OK:
        take_answer(j, j->s->job.body, sub);
        break;
    }
}

void rayjob_running(struct rayjob *j)
{
    struct submitter sub = {0};

    if (rayjob_suspends(j) ||
        rayjob_deadline_passed(j, "activeDeadlineSeconds", "DeadlineExceeded") || grace_over(j) ||
        checks_timed_out(j)) {
        rayjob_persist(j);
        return;
    }
    if (rayjob_ensure_cluster(j) < 0 || rayjob_ensure_service(j) < 0)
        return;
    int settled = check_submitter(j, &sub);
    if (settled > 0)
        rayjob_persist(j);
    else if (settled == 0)
        ask_ray(j, &sub);
}

/* After POST /api/jobs/ of HTTPMode. A job id that Ray knows already counts as submitted later: the
 * next poll finds it. */
void rayjob_submitted(struct snapshot *s, const struct outcome *o, struct plan *p)
{
    struct rayjob j;

    rayjob_init(&j, s, p);
    p->done = true;
    if (o->failed && o->failed->act != ACT_DASH_SUBMIT) {
        plan_error(p, "%s", o->error);
    } else if (o->failed) {
        check_failed(&j);
    } else if (*rayjob_next(&j, "jobStatusCheckFailureStartTime")) {
        rayjob_set(&j, "jobStatusCheckFailureStartTime", "");
        rayjob_persist(&j);
    } else {
        rayjob_look_again(&j);
    }
}
