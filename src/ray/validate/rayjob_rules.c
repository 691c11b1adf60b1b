/* Validation of deletionRules: every error of every rule, joined by newlines (V14). */
#include "ray/plan/rayjob.h"

struct rules {
    struct rayjob *j;
    yyjson_val *list;
    bool *bad; /* by index: an error was found, later checks skip it */
    struct buf errors;
};

static void complain(struct rules *r, size_t i, const char *fmt, ...) printf_like(3, 4);
static void complain(struct rules *r, size_t i, const char *fmt, ...)
{
    va_list ap;

    if (r->errors.len)
        buf_addc(&r->errors, '\n');
    if (i < SIZE_MAX) {
        buf_printf(&r->errors, "deletionRules[%zu]: ", i);
        r->bad[i] = true;
    }
    va_start(ap, fmt);
    buf_vprintf(&r->errors, fmt, ap);
    va_end(ap);
}

/* The condition's word, and whether it is about jobStatus or jobDeploymentStatus. */
static const char *condition_of(yyjson_val *rule, bool *ret_deployment)
{
    const char *job = json_str_at(rule, "condition.jobStatus", NULL);

    *ret_deployment = !job;
    return job ? job : json_str_at(rule, "condition.jobDeploymentStatus", "");
}

static void check_shape(struct rules *r, size_t i, yyjson_val *rule)
{
    bool job = json_at(rule, "condition.jobStatus") != NULL;
    bool deployment = json_at(rule, "condition.jobDeploymentStatus") != NULL;
    const char *policy = json_get_str(rule, "policy", "");
    bool workers = !strcmp(policy, "DeleteWorkers");

    if (job && deployment)
        complain(r, i, "cannot set both JobStatus and JobDeploymentStatus at the same time");
    else if (!job && !deployment)
        complain(r, i, "exactly one of JobStatus and JobDeploymentStatus must be set");
    else if (json_int_at(rule, "condition.ttlSeconds", 0) < 0)
        complain(r, i, "TTLSeconds must be non-negative");
    else if (rayjob_has_selector(r->j) && (workers || !strcmp(policy, "DeleteCluster")))
        complain(r, i, "DeletionPolicyType '%s' not supported when ClusterSelector is set", policy);
    else if (workers && json_bool_at(r->j->spec, "rayClusterSpec.enableInTreeAutoscaling", false))
        complain(r, i, "DeletionPolicyType 'DeleteWorkers' not supported with autoscaling enabled");
}

static void check_duplicate(struct rules *r, size_t i, yyjson_val *rule)
{
    bool deployment, other_deployment;
    const char *word = condition_of(rule, &deployment);
    const char *policy = json_get_str(rule, "policy", "");

    json_each(r->list, other, k, n) {
        if (k >= i)
            break;
        if (r->bad[k] || strcmp(json_get_str(other, "policy", ""), policy) ||
            strcmp(condition_of(other, &other_deployment), word) || deployment != other_deployment)
            continue;
        complain(r, i, "duplicate rule for DeletionPolicyType '%s' and %s '%s'", policy,
                 deployment ? "JobDeploymentStatus" : "JobStatus", word);
        return;
    }
}

/* The TTL of the rule (policy, condition); -1 when there is none without an error. */
static int64_t ttl_of(struct rules *r, const char *policy, const char *word, bool deployment)
{
    json_each(r->list, rule, i, n) {
        bool is_deployment;
        const char *its = condition_of(rule, &is_deployment);
        if (!r->bad[i] && is_deployment == deployment && !strcmp(its, word) &&
            !strcmp(json_get_str(rule, "policy", ""), policy))
            return json_int_at(rule, "condition.ttlSeconds", 0);
    }
    return -1;
}

/* Workers go before the cluster, the cluster before the RayJob. */
static void check_order(struct rules *r, const char *word, bool deployment)
{
    static const char *const order[] = {"DeleteWorkers", "DeleteCluster", "DeleteSelf"};
    const char *before = NULL;
    int64_t least = -1;

    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        int64_t ttl = ttl_of(r, order[i], word, deployment);
        if (ttl < 0)
            continue;
        if (before && ttl < least)
            complain(r, SIZE_MAX, "for %s '%s': %s TTL (%lld) must be >= %s TTL (%lld)",
                     deployment ? "JobDeploymentStatus" : "JobStatus", word, order[i],
                     (long long)ttl, before, (long long)least);
        before = order[i];
        least = ttl;
    }
}

const char *rayjob_bad_rules(struct rayjob *j, yyjson_val *list)
{
    static const struct {
        const char *word;
        bool deployment;
    } conditions[] = {{"SUCCEEDED", false}, {"FAILED", false}, {"Failed", true}};
    struct rules r = {.j = j, .list = list};
    const char *text = NULL;

    r.bad = arena_array(&j->p->arena, bool, yyjson_arr_size(list));
    json_each(list, rule, i, n) {
        check_shape(&r, i, rule);
        if (!r.bad[i])
            check_duplicate(&r, i, rule);
    }
    for (size_t i = 0; i < ARRAY_SIZE(conditions); i++)
        check_order(&r, conditions[i].word, conditions[i].deployment);
    if (r.errors.len)
        text = arena_strdup(&j->p->arena, buf_str(&r.errors));
    buf_done(&r.errors);
    return text;
}
