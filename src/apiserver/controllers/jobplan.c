#include "apiserver/controllers/jobplan.h"

#include "base/timefmt.h"

#include <stdio.h>

/* What the pods say, together with what status has counted already. */
struct view {
    const struct job_input *in;
    struct job_plan *plan;
    int64_t active, ready, terminating;
    int64_t succeeded, failed;                    /* counted, uncounted and new ones */
    int64_t counted_ok, counted_bad;              /* of the new status */
    yyjson_mut_val *uncounted_ok, *uncounted_bad; /* lists of UIDs of the new status */
    int64_t restarts;                             /* of containers of active pods */
    int64_t last_failure;                         /* when the newest failed pod ended, ns */
    int64_t recent_failures;
};

/* ---- reading ---- */

static yyjson_val *condition(yyjson_val *obj, const char *type)
{
    json_each(json_at(obj, "status.conditions"), c, i, n)
        if (!strcmp(json_get_str(c, "type", ""), type))
            return c;
    return NULL;
}

static bool is_true(yyjson_val *obj, const char *type)
{
    return !strcmp(json_get_str(condition(obj, type), "status", ""), "True");
}

bool job_is_finished(yyjson_val *job, yyjson_val **ret_condition)
{
    static const char *const types[] = {"Complete", "Failed"};

    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (is_true(job, types[i])) {
            if (ret_condition)
                *ret_condition = condition(job, types[i]);
            return true;
        }
    return false;
}

static bool has_finalizer(yyjson_val *pod)
{
    json_each(json_at(pod, "metadata.finalizers"), f, i, n)
        if (!strcmp(json_str(f, ""), JOB_FINALIZER))
            return true;
    return false;
}

static bool lists(yyjson_val *list, const char *uid)
{
    json_each(list, v, i, n)
        if (!strcmp(json_str(v, ""), uid))
            return true;
    return false;
}

static const char *phase_of(yyjson_val *pod)
{
    return json_str_at(pod, "status.phase", "");
}

/* A pod that is being deleted counts as failed, unless only failed pods are replaced. */
static bool is_failed(const struct view *v, yyjson_val *pod)
{
    bool only_failed = !strcmp(json_str_at(v->in->job, "spec.podReplacementPolicy", ""), "Failed");

    if (!strcmp(phase_of(pod), "Failed"))
        return true;
    return !only_failed && json_at(pod, "metadata.deletionTimestamp") &&
           strcmp(phase_of(pod), "Succeeded");
}

/* When a pod ended: its last container, else its last change of readiness, else its creation. */
static int64_t finished_at(yyjson_val *pod)
{
    int64_t latest = 0, at;

    json_each(json_at(pod, "status.containerStatuses"), s, i, n)
        if (time_parse(slice_of(json_str_at(s, "state.terminated.finishedAt", "")), &at) &&
            at > latest)
            latest = at;
    if (latest ||
        time_parse(slice_of(json_get_str(condition(pod, "Ready"), "lastTransitionTime", "")),
                   &latest))
        return latest;
    time_parse(slice_of(json_str_at(pod, "metadata.creationTimestamp", "")), &latest);
    return latest;
}

/* ---- counting ---- */

static void count_live(struct view *v, yyjson_val *pod)
{
    if (json_at(pod, "metadata.deletionTimestamp")) {
        v->terminating++;
        return;
    }
    v->active++;
    v->ready += is_true(pod, "Ready");
    json_each(json_at(pod, "status.containerStatuses"), s, i, n)
        v->restarts += json_int_at(s, "restartCount", 0);
    json_each(json_at(pod, "status.initContainerStatuses"), init, k, kn)
        v->restarts += json_int_at(init, "restartCount", 0);
}

static void count_finished(struct view *v, yyjson_val *pod, bool ok)
{
    yyjson_val *uncounted = json_at(v->in->job, "status.uncountedTerminatedPods");
    const char *uid = json_str_at(pod, "metadata.uid", "");
    yyjson_mut_val *list = ok ? v->uncounted_ok : v->uncounted_bad;

    if (!has_finalizer(pod))
        return; /* counted before */
    yyjson_mut_arr_add_strcpy(v->plan->doc, list, uid);
    if (lists(json_get(uncounted, ok ? "succeeded" : "failed"), uid))
        vec_push(&v->plan->release, pod);
}

static void note_failure(struct view *v, yyjson_val *pod)
{
    int64_t at = finished_at(pod);

    v->recent_failures++;
    if (at > v->last_failure)
        v->last_failure = at;
}

/* UIDs of the old lists whose pods lost their finalizer, or are gone, are counted now. */
static int64_t settle(struct view *v, const char *key)
{
    yyjson_val *old = json_get(json_at(v->in->job, "status.uncountedTerminatedPods"), key);
    int64_t settled = 0;

    json_each(old, uid, i, n) {
        bool pending = false;
        for (size_t k = 0; k < v->in->n_pods; k++)
            pending |= has_finalizer(v->in->pods[k]) &&
                       !strcmp(json_str_at(v->in->pods[k], "metadata.uid", ""), json_str(uid, ""));
        settled += !pending;
    }
    return settled;
}

static void look(struct view *v)
{
    yyjson_val *job = v->in->job;
    yyjson_mut_doc *doc = v->plan->doc;

    v->uncounted_ok = yyjson_mut_arr(doc);
    v->uncounted_bad = yyjson_mut_arr(doc);
    for (size_t i = 0; i < v->in->n_pods; i++) {
        yyjson_val *pod = v->in->pods[i];
        bool live = strcmp(phase_of(pod), "Succeeded") && strcmp(phase_of(pod), "Failed");
        if (live)
            count_live(v, pod);
        if (!strcmp(phase_of(pod), "Succeeded")) {
            count_finished(v, pod, true);
        } else if (is_failed(v, pod)) {
            count_finished(v, pod, false);
            note_failure(v, pod);
        }
    }
    v->counted_ok = json_int_at(job, "status.succeeded", 0) + settle(v, "succeeded");
    v->counted_bad = json_int_at(job, "status.failed", 0) + settle(v, "failed");
    v->succeeded = v->counted_ok + (int64_t)yyjson_mut_arr_size(v->uncounted_ok);
    v->failed = v->counted_bad + (int64_t)yyjson_mut_arr_size(v->uncounted_bad);
}

/* ---- verdicts ---- */

struct verdict {
    const char *target, *end; /* conditions: first this, and when no pod is left, that */
    const char *reason, *message;
};

static const struct verdict backoff = {"FailureTarget", "Failed", "BackoffLimitExceeded",
                                       "Job has reached the specified backoff limit"};
static const struct verdict deadline = {"FailureTarget", "Failed", "DeadlineExceeded",
                                        "Job was active longer than specified deadline"};
static const struct verdict complete = {"SuccessCriteriaMet", "Complete", "CompletionsReached",
                                        "Reached expected number of succeeded pods"};

static bool past_backoff(const struct view *v)
{
    int64_t limit = json_int_at(v->in->job, "spec.backoffLimit", 6);
    const char *policy = json_str_at(v->in->job, "spec.template.spec.restartPolicy", "");

    if (v->failed > limit)
        return true;
    if (strcmp(policy, "OnFailure"))
        return false;
    return limit ? v->restarts >= limit : v->restarts > 0;
}

/* How long until the deadline; 0 when there is none; negative when it is past. */
static int64_t until_deadline(const struct view *v)
{
    yyjson_val *seconds = json_at(v->in->job, "spec.activeDeadlineSeconds");
    int64_t start;

    if (!seconds || !time_parse(slice_of(json_str_at(v->in->job, "status.startTime", "")), &start))
        return 0;
    int64_t left = start + yyjson_get_sint(seconds) * SECOND_NS - v->in->now;
    return left > 0 ? left : -1;
}

static bool is_complete(const struct view *v)
{
    yyjson_val *completions = json_at(v->in->job, "spec.completions");

    if (completions)
        return v->succeeded >= yyjson_get_sint(completions);
    return v->succeeded > 0 && !v->active;
}

/* The verdict that was given before stands. */
static bool recall(const struct view *v, struct verdict *ret)
{
    static const char *const pairs[][2] = {{"FailureTarget", "Failed"},
                                           {"SuccessCriteriaMet", "Complete"}};

    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        yyjson_val *c = condition(v->in->job, pairs[i][0]);
        if (!is_true(v->in->job, pairs[i][0]))
            continue;
        *ret = (struct verdict){pairs[i][0], pairs[i][1], json_get_str(c, "reason", ""),
                                json_get_str(c, "message", "")};
        return true;
    }
    return false;
}

static bool judge(const struct view *v, struct verdict *ret)
{
    if (recall(v, ret))
        return true;
    if (past_backoff(v))
        *ret = backoff;
    else if (until_deadline(v) < 0)
        *ret = deadline;
    else if (is_complete(v))
        *ret = complete;
    else
        return false;
    return true;
}

/* ---- the new status ---- */

static void put_condition(struct view *v, yyjson_mut_val *status, const char *type, bool is,
                          const char *reason, const char *message)
{
    yyjson_mut_doc *doc = v->plan->doc;
    yyjson_mut_val *list = json_mut_get(status, "conditions"), *c = NULL, *old;
    size_t i, n;
    char now[TIME_TEXT];

    if (!list)
        list = json_put_arr(doc, status, "conditions");
    yyjson_mut_arr_foreach(list, i, n, old)
        if (!strcmp(json_mut_str_at(old, "type", ""), type))
            c = old;
    if (!c)
        c = yyjson_mut_arr_add_obj(doc, list);
    time_rfc3339(v->in->now, now);
    json_put_str(doc, c, "type", type);
    json_put_str(doc, c, "status", is ? "True" : "False");
    json_put_str(doc, c, "lastProbeTime", now);
    json_put_str(doc, c, "lastTransitionTime", now);
    json_put_str(doc, c, "reason", reason);
    json_put_str(doc, c, "message", message);
}

static void put_count(struct view *v, yyjson_mut_val *status, const char *key, int64_t n,
                      bool zero_too)
{
    if (n || zero_too)
        json_put_int(v->plan->doc, status, key, n);
    else
        json_remove(status, key);
}

static void put_uncounted(struct view *v, yyjson_mut_val *status)
{
    yyjson_mut_val *u = json_put_obj(v->plan->doc, status, "uncountedTerminatedPods");

    if (yyjson_mut_arr_size(v->uncounted_ok))
        json_put(v->plan->doc, u, "succeeded", v->uncounted_ok);
    if (yyjson_mut_arr_size(v->uncounted_bad))
        json_put(v->plan->doc, u, "failed", v->uncounted_bad);
}

static void say(struct job_plan *p, const char *type, const char *reason, const char *message)
{
    p->event_type = type;
    p->event_reason = reason;
    p->event_message = message;
}

static void end_job(struct view *v, yyjson_mut_val *status, const struct verdict *verdict)
{
    char now[TIME_TEXT];
    bool ok = !strcmp(verdict->end, "Complete");

    put_condition(v, status, verdict->end, true, verdict->reason, verdict->message);
    if (ok)
        json_put_str(v->plan->doc, status, "completionTime", time_rfc3339(v->in->now, now));
    if (ok)
        say(v->plan, "Normal", "Completed", "Job completed");
    else
        say(v->plan, "Warning", verdict->reason, verdict->message);
}

static void put_verdict(struct view *v, yyjson_mut_val *status, const struct verdict *verdict)
{
    bool uncounted = yyjson_mut_arr_size(v->uncounted_ok) || yyjson_mut_arr_size(v->uncounted_bad);

    if (!is_true(v->in->job, verdict->target))
        put_condition(v, status, verdict->target, true, verdict->reason, verdict->message);
    if (!uncounted && !v->active && !v->terminating)
        end_job(v, status, verdict);
}

static void put_suspension(struct view *v, yyjson_mut_val *status, bool suspended)
{
    bool was = is_true(v->in->job, "Suspended");
    char now[TIME_TEXT];

    if (suspended && !was) {
        put_condition(v, status, "Suspended", true, "JobSuspended", "Job suspended");
        json_remove(status, "startTime");
        say(v->plan, "Normal", "Suspended", "Job suspended");
    } else if (!suspended && was) {
        put_condition(v, status, "Suspended", false, "JobResumed", "Job resumed");
        say(v->plan, "Normal", "Resumed", "Job resumed");
    }
    if (!suspended && !json_mut_get(status, "startTime"))
        json_put_str(v->plan->doc, status, "startTime", time_rfc3339(v->in->now, now));
}

/* ---- pods to come and to go ---- */

#define BACKOFF_NS (10 * SECOND_NS)
#define BACKOFF_MAX_NS (600 * SECOND_NS)

/* How long a new pod has to wait after failures. */
static int64_t backoff_left(const struct view *v)
{
    int64_t wait = BACKOFF_NS;

    if (!v->recent_failures)
        return 0;
    for (int64_t i = 1; i < v->recent_failures && wait < BACKOFF_MAX_NS; i++)
        wait *= 2;
    wait = MIN(wait, BACKOFF_MAX_NS) - (v->in->now - v->last_failure);
    return MAX(wait, 0);
}

static int64_t wanted(const struct view *v)
{
    int64_t parallelism = json_int_at(v->in->job, "spec.parallelism", 1);
    yyjson_val *completions = json_at(v->in->job, "spec.completions");

    if (completions)
        return MIN(parallelism, MAX(yyjson_get_sint(completions) - v->succeeded, 0));
    return v->succeeded ? MIN(v->active, parallelism) : parallelism;
}

static void remove_active(struct view *v, int64_t n)
{
    for (int started = 0; started < 2; started++) /* those that do not run go first */
        for (size_t i = 0; i < v->in->n_pods && n > 0; i++) {
            yyjson_val *pod = v->in->pods[i];
            bool runs = !strcmp(phase_of(pod), "Running");
            bool live = strcmp(phase_of(pod), "Succeeded") && strcmp(phase_of(pod), "Failed");
            if (!live || json_at(pod, "metadata.deletionTimestamp") || runs != started)
                continue;
            vec_push(&v->plan->remove, pod);
            n--;
        }
}

static void manage(struct view *v)
{
    int64_t want = wanted(v), wait = backoff_left(v);
    bool only_failed = !strcmp(json_str_at(v->in->job, "spec.podReplacementPolicy", ""), "Failed");
    int64_t have = v->active + (only_failed ? v->terminating : 0);

    if (have > want)
        remove_active(v, have - want);
    else if (have < want && wait)
        v->plan->again_ns = wait;
    else
        v->plan->create = (size_t)MIN(want - have, 500);
}

/* ---- the whole ---- */

static void sooner(struct job_plan *p, int64_t ns)
{
    if (ns > 0 && (!p->again_ns || ns < p->again_ns))
        p->again_ns = ns;
}

static void decide(struct view *v, yyjson_mut_val *status)
{
    yyjson_val *job = v->in->job;
    bool suspended = json_bool_at(job, "spec.suspend", false);
    struct verdict verdict;

    put_suspension(v, status, suspended);
    if (judge(v, &verdict)) {
        remove_active(v, v->active);
        put_verdict(v, status, &verdict);
    } else if (suspended) {
        remove_active(v, v->active);
    } else {
        manage(v);
        sooner(v->plan, until_deadline(v));
    }
    int64_t active = v->active - (int64_t)v->plan->remove.n + (int64_t)v->plan->create;
    put_count(v, status, "active", active, false);
    put_count(v, status, "ready", v->ready, true);
    put_count(v, status, "terminating", v->terminating, true);
    put_count(v, status, "succeeded", v->counted_ok, false);
    put_count(v, status, "failed", v->counted_bad, false);
    put_uncounted(v, status);
}

/* A Job that is over or going: its pods only lose their finalizers. */
static void release_all(const struct job_input *in, struct job_plan *p)
{
    for (size_t i = 0; i < in->n_pods; i++)
        if (has_finalizer(in->pods[i]))
            vec_push(&p->release, in->pods[i]);
}

void job_plan(const struct job_input *in, struct job_plan *p)
{
    struct view v = {.in = in, .plan = p};
    yyjson_val *old = json_at(in->job, "status");

    if (job_is_finished(in->job, NULL) || json_at(in->job, "metadata.deletionTimestamp")) {
        release_all(in, p);
        return;
    }
    look(&v);
    yyjson_mut_val *status = old ? json_thaw(p->doc, old) : yyjson_mut_obj(p->doc);
    decide(&v, status);
    struct json *now autojson = json_freeze(status);
    if (!json_equal(json_root(now), old))
        p->status = status;
}

void job_plan_init(struct job_plan *p)
{
    *p = (struct job_plan){.doc = json_mut_new()};
}

void job_plan_done(struct job_plan *p)
{
    vec_done(&p->remove);
    vec_done(&p->release);
    yyjson_mut_doc_free(p->doc);
}
