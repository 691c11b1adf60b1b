/* What happens after a RayJob is Complete or Failed: deletion rules, the older policy, shutdown. */
#include "ray/plan/rayjob.h"
#include "ray/build/build.h"
#include "ray/sched/sched.h"

#include "base/timefmt.h"

#define TTL_SLACK_NS (2 * SECOND_NS) /* upstream looks two seconds after a time to live is over */

/* More destructive policies come first when several are due. */
enum policy { DELETE_NONE, DELETE_WORKERS, DELETE_CLUSTER, DELETE_SELF, POLICY_COUNT };
static const char *const policies[POLICY_COUNT] = {"DeleteNone", "DeleteWorkers", "DeleteCluster",
                                                   "DeleteSelf"};

static int policy_find(const char *word)
{
    for (int i = 0; i < POLICY_COUNT; i++)
        if (!strcmp(policies[i], word))
            return i;
    return -1;
}

static yyjson_val *find_cluster(struct rayjob *j)
{
    return snap_get(j->s, KIND_RAYCLUSTER, j->ns, rayjob_next(j, "rayClusterName"));
}

/* Nanoseconds until endTime + seconds; negative when that is past. */
static int64_t time_left(struct rayjob *j, int64_t seconds)
{
    int64_t end;

    if (!time_parse(slice_of(rayjob_next(j, "endTime")), &end))
        return -1;
    return end + seconds * SECOND_NS - j->s->now_ns;
}

static void delete_self(struct rayjob *j)
{
    struct action *a = plan_action(j->p, ACT_DELETE, KIND_RAYJOB);

    a->ns = j->ns;
    a->name = j->name;
    a->why = "delete the finished RayJob";
}

static void suspend_workers(struct rayjob *j)
{
    yyjson_mut_doc *doc = j->p->doc;
    yyjson_val *cluster = find_cluster(j);
    const char *name = rayjob_next(j, "rayClusterName");

    if (!cluster) {
        plan_error(j->p, "RayCluster %s/%s not found", j->ns, name);
        return;
    }
    yyjson_mut_val *edited = json_thaw(doc, cluster);
    yyjson_mut_val *groups = json_mut_at(edited, "spec.workerGroupSpecs");
    for (size_t i = 0; i < yyjson_mut_arr_size(groups); i++)
        json_put_bool(doc, yyjson_mut_arr_get(groups, i), "suspend", true);
    struct action *a = plan_action(j->p, ACT_UPDATE, KIND_RAYCLUSTER);
    a->ns = j->ns;
    a->name = name;
    a->why = "suspend the worker groups of the finished RayJob's cluster";
    a->ok =
        (struct note){false, "UpdatedRayCluster", "Update",
                      arena_printf(&j->p->arena, "Updated RayCluster %s/%s", j->ns, name), false};
    a->failed = (struct note){
        true, "FailedToUpdateRayCluster", "Update",
        arena_printf(&j->p->arena, "Failed to update RayCluster %s/%s", j->ns, name), true};
    a->body = build_typed(j->p, KIND_RAYCLUSTER, edited);
}

static void carry_out(struct rayjob *j, int policy)
{
    switch (policy) {
    case DELETE_WORKERS:
        suspend_workers(j);
        break;
    case DELETE_CLUSTER:
        rayjob_delete_cluster(j);
        break;
    case DELETE_SELF:
        delete_self(j);
        break;
    default:
        break;
    }
}

static bool all_suspended(yyjson_val *cluster)
{
    json_each(json_at(cluster, "spec.workerGroupSpecs"), group, i, n)
        if (!json_bool_at(group, "suspend", false))
            return false;
    return true;
}

static bool already_done(struct rayjob *j, int policy)
{
    yyjson_val *cluster;

    if (policy == DELETE_SELF || policy == DELETE_NONE)
        return policy == DELETE_NONE;
    cluster = find_cluster(j);
    if (!cluster || json_at(cluster, "metadata.deletionTimestamp"))
        return true;
    return policy == DELETE_WORKERS && all_suspended(cluster);
}

static bool rule_matches(struct rayjob *j, yyjson_val *condition)
{
    const char *job_status = json_get_str(condition, "jobStatus", NULL);

    if (job_status)
        return !strcmp(job_status, j->job_status);
    return !strcmp(json_get_str(condition, "jobDeploymentStatus", ""), j->deployment);
}

static void follow_rules(struct rayjob *j, yyjson_val *rules)
{
    int64_t next = 0;
    int due = -1;

    json_each(rules, rule, i, n) {
        yyjson_val *condition = json_get(rule, "condition");
        int policy = policy_find(json_get_str(rule, "policy", ""));
        if (policy < 0 || !rule_matches(j, condition))
            continue;
        int64_t left = time_left(j, json_int_at(condition, "ttlSeconds", 0));
        if (left > 0)
            next = next && next < left ? next : left;
        else if (policy > due && !already_done(j, policy))
            due = policy;
    }
    if (due >= 0)
        carry_out(j, due);
    if (next)
        j->p->requeue_ns = next + TTL_SLACK_NS;
}

/* False when there is still time; then the pass looks again when it is over. */
static bool ttl_over(struct rayjob *j)
{
    int64_t left = time_left(j, json_int_at(j->spec, "ttlSecondsAfterFinished", 0));

    if (left <= 0)
        return true;
    j->p->requeue_ns = left + TTL_SLACK_NS;
    return false;
}

static void follow_legacy(struct rayjob *j, yyjson_val *strategy)
{
    const char *side = !strcmp(j->job_status, "SUCCEEDED") ? "onSuccess.policy"
                       : !strcmp(j->job_status, "FAILED")  ? "onFailure.policy"
                                                           : NULL;
    int policy = side ? policy_find(json_str_at(strategy, side, "")) : -1;

    if (policy > DELETE_NONE && ttl_over(j))
        carry_out(j, policy);
}

static void shut_down(struct rayjob *j)
{
    if (!ttl_over(j))
        return;
    if (ray_env_true(j->s->options, "DELETE_RAYJOB_CR_AFTER_JOB_FINISHES", false))
        delete_self(j);
    else
        rayjob_delete_cluster(j);
}

static void clear_away(struct rayjob *j)
{
    yyjson_val *strategy = json_get(j->spec, "deletionStrategy");
    yyjson_val *rules = json_get(strategy, "deletionRules");

    if (rayjob_has_selector(j))
        return;
    if (ray_feature(j->s->options, FEATURE_DELETION_POLICY) && strategy) {
        if (yyjson_is_arr(rules))
            follow_rules(j, rules);
        else
            follow_legacy(j, strategy);
    } else if (json_bool_at(j->spec, "shutdownAfterJobFinishes", false)) {
        shut_down(j);
    }
}

void rayjob_after_end(struct rayjob *j)
{
    struct sched_parent parent = sched_job(j);

    clear_away(j);
    /* A cluster that goes in this pass is seen gone by the next one, which has more to say. */
    for (size_t i = 0; i < j->p->actions.n; i++)
        if (j->p->actions.v[i].act == ACT_DELETE)
            return;
    sched_clean_up(&parent, false);
}
