/* The finalizer that empties Redis after a cluster (spec: raycluster §10.4). */
#include "ray/plan/pass.h"

#include "ray/build/edit.h"

#include "base/timefmt.h"

#include <string.h>

static const struct words job_words = {"Redis cleanup Job", "CreatedRedisCleanupJob",
                                       "FailedToCreateRedisCleanupJob", NULL};
static const struct words quiet_heads = {"head Pods", NULL, NULL, NULL};
static const struct words quiet_workers = {"worker Pods", NULL, NULL, NULL};

/* Ends the pass without an error; look again after so long. */
static bool later(struct pass *x, int64_t ns)
{
    x->p->requeue_ns = ns;
    return false;
}

static bool add_finalizer(struct pass *x)
{
    yyjson_mut_val *body = pass_cluster_body(x);

    edit_append_str(x->p->doc, edit_list(x->p->doc, json_mut_get(body, "metadata"), "finalizers"),
                    FINALIZER_REDIS);
    pass_update_cluster(x, body, "add the finalizer of Redis");
    return later(x, REQUEUE_NS);
}

static void delete_pods(struct pass *x, const char *type, const struct words *w)
{
    pass_delete_all(
        x, pass_pods(x, LABEL_NODE_TYPE, type),
        arena_printf(x->a, "%s=%s,%s=%s", LABEL_CLUSTER, x->c.name, LABEL_NODE_TYPE, type), w);
}

static yyjson_val *cleanup_job(struct pass *x)
{
    size_t n;
    yyjson_val **jobs = snap_list(x->s, x->a, KIND_JOB, x->c.ns, LABEL_CLUSTER, x->c.name, &n);

    for (size_t i = 0; i < n; i++)
        if (!strcmp(pod_label(jobs[i], LABEL_NODE_TYPE), NODE_CLEANUP))
            return jobs[i];
    return NULL;
}

static bool job_finished(yyjson_val *job)
{
    static const char *const ends[] = {"Complete", "Failed", "FailureTarget"};

    json_each(json_at(job, "status.conditions"), cond, i, n)
        for (size_t k = 0; k < ARRAY_SIZE(ends); k++)
            if (!strcmp(json_get_str(cond, "type", ""), ends[k]) &&
                !strcmp(json_get_str(cond, "status", ""), "True"))
                return true;
    return false;
}

static bool overdue(struct pass *x)
{
    const char *text = cluster_annotation(&x->c, ANN_DELETION_TIMEOUT);
    const char *since = json_str_at(x->c.obj, "metadata.deletionTimestamp", "");
    int64_t seconds = 300, own, start;

    if (text && slice_int64(slice_of(text), &own) && own > 0)
        seconds = own;
    if (!time_parse(slice_of(since), &start))
        return false;
    return (x->s->now_ns - start) / SECOND_NS >= seconds;
}

static bool release(struct pass *x, const char *why)
{
    pass_remove_finalizer(x, why);
    return false;
}

static bool force(struct pass *x)
{
    struct action *a;

    pass_remove_finalizer(x, "the deletion takes too long");
    a = &x->p->actions.v[x->p->actions.n - 1];
    a->ok =
        (struct note){.warning = true,
                      .reason = "ForceDeletedStuckCluster",
                      .action = "Cleanup",
                      .text = arena_printf(x->a,
                                           "Removed the finalizer of RayCluster %s/%s after the "
                                           "deletion timeout; Redis may still hold its data",
                                           x->c.ns, x->c.name)};
    return false;
}

static bool cleanup_redis(struct pass *x)
{
    bool held = cluster_has_finalizer(&x->c, FINALIZER_REDIS);
    yyjson_val *job;

    delete_pods(x, NODE_HEAD, &quiet_heads);
    delete_pods(x, NODE_WORKER, &quiet_workers);
    if (pass_pods(x, LABEL_NODE_TYPE, NODE_HEAD).n)
        return later(x, 10 * SECOND_NS);
    job = cleanup_job(x);
    if (held && overdue(x))
        return force(x);
    if (job && job_finished(job))
        return held ? release(x, "the Redis cleanup Job has ended") : false;
    if (!job)
        pass_create(x, KIND_JOB, build_redis_cleanup_job(x->p, &x->c), &job_words)->ignore_exists =
            true;
    return later(x, REQUEUE_NS);
}

bool step_redis(struct pass *x)
{
    if (!ray_env_true(x->s->options, "ENABLE_GCS_FT_REDIS_CLEANUP", true) || !cluster_ft(&x->c) ||
        cluster_rocksdb(&x->c))
        return true;
    if (cluster_deleting(&x->c))
        return cleanup_redis(x);
    return cluster_has_finalizer(&x->c, FINALIZER_REDIS) || add_finalizer(x);
}
