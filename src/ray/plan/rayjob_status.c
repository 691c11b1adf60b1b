/* RayJob's status: retry bookkeeping and the rule that says when a write counts. */
#include "ray/plan/rayjob.h"
#include "ray/build/build.h"

#include "base/timefmt.h"

#include <stdarg.h>
#include <stdio.h>

void rayjob_fail(struct rayjob *j, const char *reason, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    rayjob_set(j, "jobDeploymentStatus", "Failed");
    rayjob_set(j, "reason", reason);
    rayjob_set(j, "message", text);
}

static int64_t counter(struct rayjob *j, const char *field)
{
    return json_int_at(j->status, field, 0);
}

/* Counts an end once, and turns a failure that may be tried again into Retrying. */
static void count_end(struct rayjob *j)
{
    static const char *const final[] = {"DeadlineExceeded", "JobStatusCheckTimeoutExceeded"};
    yyjson_val *limit = json_get(j->spec, "backoffLimit");
    bool is_failed = !strcmp(rayjob_next(j, "jobDeploymentStatus"), "Failed");
    bool is_done = !strcmp(rayjob_next(j, "jobDeploymentStatus"), "Complete") &&
                   !strcmp(rayjob_next(j, "jobStatus"), "SUCCEEDED");
    int64_t failed = counter(j, "failed") + is_failed;

    json_put_int(j->p->doc, j->next, "succeeded", counter(j, "succeeded") + is_done);
    json_put_int(j->p->doc, j->next, "failed", failed);
    if (!is_failed || !yyjson_is_int(limit) || failed >= yyjson_get_sint(limit) + 1)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(final); i++)
        if (!strcmp(rayjob_next(j, "reason"), final[i]))
            return;
    rayjob_set(j, "jobDeploymentStatus", "Retrying");
}

/* The parts of a cluster's status whose change counts as one (spec rayjob §9.2). */
static bool cluster_status_differs(yyjson_val *a, yyjson_val *b)
{
    static const char *const fields[] = {"state",
                                         "reason",
                                         "readyWorkerReplicas",
                                         "availableWorkerReplicas",
                                         "desiredWorkerReplicas",
                                         "minWorkerReplicas",
                                         "maxWorkerReplicas",
                                         "endpoints",
                                         "head",
                                         "conditions"};

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        yyjson_val *x = json_get(a, fields[i]), *y = json_get(b, fields[i]);
        if (!(json_is_empty(x) && json_is_empty(y)) && !json_equal(x, y))
            return true;
    }
    return false;
}

static bool status_counts(struct rayjob *j, yyjson_val *next)
{
    static const char *const words[] = {"jobStatus", "jobDeploymentStatus",
                                        "jobStatusCheckFailureStartTime"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcmp(json_get_str(j->status, words[i], ""), json_get_str(next, words[i], "")))
            return true;
    return cluster_status_differs(json_get(j->status, "rayClusterStatus"),
                                  json_get(next, "rayClusterStatus"));
}

static bool is_terminal(const char *deployment)
{
    return !strcmp(deployment, "Complete") || !strcmp(deployment, "Failed");
}

static const char *or_else(const char *s, const char *def)
{
    return *s ? s : def;
}

void rayjob_write_status(struct rayjob *j)
{
    yyjson_mut_doc *doc = j->p->doc;
    yyjson_mut_val *body = j->edited ? json_dup(doc, j->edited) : json_thaw(doc, j->object);
    autojson struct json *next = json_freeze(j->next);
    char now[TIME_TEXT];

    if (!status_counts(j, json_root(next)))
        return;
    if (is_terminal(rayjob_next(j, "jobDeploymentStatus")))
        rayjob_set(j, "endTime", time_rfc3339(j->s->now_ns, now));
    json_put(doc, body, "status", json_dup(doc, j->next));
    struct action *a = plan_action(j->p, ACT_UPDATE_STATUS, KIND_RAYJOB);
    a->ns = j->ns;
    a->name = j->name;
    a->chain = true;
    a->why = arena_printf(&j->p->arena, "status: %s, job %s",
                          or_else(rayjob_next(j, "jobDeploymentStatus"), "New"),
                          or_else(rayjob_next(j, "jobStatus"), "not started"));
    a->body = build_typed(j->p, KIND_RAYJOB, body);
}

void rayjob_persist(struct rayjob *j)
{
    count_end(j);
    rayjob_write_status(j);
    rayjob_look_again(j);
}
