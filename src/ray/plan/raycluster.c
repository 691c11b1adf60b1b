/*
 * The planner of RayClusters (spec: raycluster §4). plan() is steps 1 to 13, finish() is 14 to 16.
 */
#include "ray/plan/pass.h"

#include "ray/build/edit.h"
#include "ray/sched/sched.h"
#include "ray/validate/validate.h"

#include <stdlib.h>
#include <string.h>

/* §4 step 5: an old autoscaler cannot drain pods that restart; a warning only. */
static void warn_restart_policy(struct pass *x)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    if (!cluster_autoscaling(&x->c) ||
        strcmp(json_str_at(x->c.spec, "autoscalerOptions.version", ""), "v1") != 0)
        return;
    json_each(x->c.groups, group, i, n) {
        const char *policy = json_get_str(group_pod_spec(group), "restartPolicy", "");

        if (*policy && strcmp(policy, "Never") != 0)
            buf_printf(&b, "%s%s", b.len ? ", " : "", group_name(group));
    }
    if (b.len)
        plan_event(x->p, true, "InvalidRayClusterSpec", "Validate",
                   "autoscaler v1 with restartPolicy other than Never may not scale down worker "
                   "groups: %s",
                   b.data);
}

static bool refuse(struct pass *x, const char *reason, const char *why)
{
    if (!why)
        return false;
    plan_event(x->p, true, reason, "Validate", "%s", why);
    x->p->done = true;
    return true;
}

/* Steps 3 to 8. False: nothing is done for this object. */
static bool valid(struct pass *x)
{
    const char *why;

    if (refuse(x, "InvalidRayClusterMetadata", validate_cluster_metadata(x->a, x->c.name)) ||
        refuse(x, "InvalidRayClusterSpec", validate_cluster_spec(x->a, &x->c)))
        return false;
    warn_restart_policy(x);
    if (cluster_tls(&x->c) && !x->s->options->cert_manager)
        return !refuse(
            x, "InvalidRayClusterSpec",
            "tlsOptions needs cert-manager, which was not found at the operator's start");
    if (refuse(x, "InvalidRayClusterSpec", validate_cluster_upgrade(x->a, &x->c)))
        return false;
    why = validate_cluster_status(x->a, &x->c);
    if (refuse(x, "InvalidRayClusterStatus", why))
        plan_error(x->p, "%s", why);
    return !why;
}

/* Step 10: a cluster that changed from Redis to RocksDB keeps no finalizer of Redis. */
static bool stale_finalizer(struct pass *x)
{
    if (!cluster_deleting(&x->c) || !cluster_rocksdb(&x->c) ||
        !cluster_has_finalizer(&x->c, FINALIZER_REDIS))
        return false;
    pass_remove_finalizer(x, "the finalizer of Redis is not needed with RocksDB");
    x->p->done = true;
    return true;
}

typedef bool step(struct pass *x);

/* Step 13, in upstream's order; the first that ends it decides. */
static step *const steps[] = {
    step_service_account, step_role,         step_role_binding,     step_ingress,
    step_auth_secret,     step_head_service, step_headless_service, step_serve_service,
    step_gcs_pvc,         step_pods,
};

static void plan_cluster(struct snapshot *s, struct plan *p)
{
    struct pass x = {.s = s, .p = p, .a = &p->arena, .c = cluster_view(s->object, s->options)};

    if (cluster_external(&x.c)) {
        p->done = true;
        return;
    }
    if (!valid(&x) || stale_finalizer(&x))
        return;
    x = pass_begin(s, p);
    if (!step_redis(&x) || cluster_deleting(&x.c)) {
        p->done = true;
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        if (!steps[i](&x))
            return;
}

/* How step 13 ended: NULL when all was well. */
static const char *reconcile_error(struct pass *x, const struct outcome *o, const char **ret_marker)
{
    const char *error = o->failed ? o->error : o->plan->error;

    *ret_marker = o->failed ? o->failed->marker : o->plan->marker;
    return *ret_marker ? arena_printf(x->a, "%s\n%s", *ret_marker, error ? error : "") : error;
}

static void write_status(struct pass *x, yyjson_mut_val *status)
{
    yyjson_mut_val *body = pass_cluster_body(x);
    struct action *a = plan_action(x->p, ACT_UPDATE_STATUS, KIND_RAYCLUSTER);

    json_put(x->p->doc, body, "status", status);
    a->ns = x->c.ns;
    a->name = x->c.name;
    a->body = build_typed(x->p, KIND_RAYCLUSTER, body);
    a->why = "status";
    a->chain = true;
}

static int by_name(const void *name, const void *pod)
{
    return strcmp(name, object_name(*(yyjson_val *const *)pod));
}

/*
 * Pods of this very pass count as they were when made, however far they are by now: as upstream's
 * cache, which lags behind its writes, has them. Their news comes with the next pass; this one
 * tells that they were new.
 */
static void as_created(struct pass *x, const struct outcome *o)
{
    for (size_t i = 0; i < o->plan->actions.n; i++) {
        const struct action *a = &o->plan->actions.v[i];
        yyjson_val **at;

        if (a->act != ACT_CREATE || a->kind != KIND_POD || !o->answers || !o->answers[i])
            continue;
        at = bsearch(a->name, x->pods, x->n_pods, sizeof *x->pods, by_name);
        if (at && !strcmp(json_str_at(*at, "metadata.uid", ""),
                          json_str_at(o->answers[i], "metadata.uid", "")))
            *at = o->answers[i];
    }
}

/* Steps 14 to 16. */
static void finish_cluster(struct snapshot *s, const struct outcome *o, struct plan *p)
{
    struct pass x = pass_begin(s, p);
    const char *marker, *error = reconcile_error(&x, o, &marker), *trouble;
    int64_t seconds = ray_env_int(s->options, "RAYCLUSTER_DEFAULT_REQUEUE_SECONDS_ENV", 300);
    yyjson_mut_val *status = NULL;
    bool write;

    p->done = true;
    as_created(&x, o);
    trouble = status_calculate(&x, marker, error, &status);
    write = !trouble && status_differs(&x, status);
    if (write)
        write_status(&x, status);
    p->error = error ? error : trouble;
    if (!p->error && o->plan->requeue_ns)
        p->requeue_ns = o->plan->requeue_ns;
    else if (p->error || write)
        p->requeue_ns = REQUEUE_NS;
    else
        p->requeue_ns = seconds > 0 ? seconds * INT64_C(1000000000) : 0;
}

const struct planner raycluster_planner = {
    .kind = KIND_RAYCLUSTER,
    .controller = "raycluster-controller",
    .plan = plan_cluster,
    .finish = finish_cluster,
};
