/*
 * Worker groups (spec: raycluster §6.5). Upstream remembers which pods it deleted and lets a group
 * rest until they are gone; here that is read from their deletionTimestamp: a pod that would have
 * to be deleted and is being deleted already makes its group wait.
 */
#include "ray/plan/workers.h"

#include "ray/names.h"
#include "ray/sched/sched.h"

#include <string.h>

static const struct words create_words = {"worker Pod", "CreatedWorkerPod",
                                          "FailedToCreateWorkerPod", "FailedCreateWorkerPod"};
const struct words worker_delete_words = {"worker Pod", "DeletedWorkerPod",
                                          "FailedToDeleteWorkerPod", "FailedDeleteWorkerPod"};
static const struct words suspend_words = {"worker Pods of a suspended group", "DeletedWorkerPod",
                                           "FailedToDeleteWorkerPodCollection",
                                           "FailedDeleteWorkerPod"};

void worker_create(struct pass *x, const struct worker_group *g, const struct replica *replica,
                   int ordinal)
{
    const char *prefix = arena_printf(x->a, "%s-%s", x->c.name, group_name(g->group));
    const char *base = name_pod(x->a, prefix, NODE_WORKER, true);
    const char *name = pass_name(x, base, group_name(g->group), ordinal);

    pass_create(x, KIND_POD, build_place(x->p, &x->c, g->template, replica, name), &create_words);
    x->creates++;
}

size_t worker_room(struct pass *x, int64_t wanted)
{
    size_t room = x->creates < CREATES_MAX ? CREATES_MAX - x->creates : 0;

    if (wanted <= (int64_t)room)
        return (size_t)wanted;
    x->p->requeue_ns = 1; /* at once */
    return room;
}

void worker_template(struct pass *x, struct worker_group *g)
{
    struct sched_parent parent = sched_cluster(x);

    if (g->template)
        return;
    g->template = build_worker_pod(x->p, &x->c, g->group);
    sched_decorate(&parent, g->template, group_name(g->group)); /* of a RayCluster: never refused */
}

bool may_scale_down(struct pass *x)
{
    return !cluster_autoscaling(&x->c) ||
           ray_env_true(x->s->options, "ENABLE_RANDOM_POD_DELETE", false);
}

/* workersToDelete may name pods of anybody in the namespace; upstream asks nobody. */
static bool awaits_deletion(struct pass *x, yyjson_val *group, struct pods pods)
{
    const char *why;

    for (size_t i = 0; i < pods.n; i++)
        if (object_deleting(pods.v[i]) && pod_should_go(x, pods.v[i], &why))
            return true;
    json_each(json_at(group, "scaleStrategy.workersToDelete"), v, i, n)
        if (object_deleting(snap_get(x->s, KIND_POD, x->c.ns, json_str(v, ""))))
            return true;
    return false;
}

static size_t delete_unhealthy(struct pass *x, struct pods pods)
{
    const char *why;
    size_t n = 0;

    for (size_t i = 0; i < pods.n; i++)
        if (pod_should_go(x, pods.v[i], &why)) {
            pass_delete_pod(x, pods.v[i], &worker_delete_words, why);
            n++;
        }
    return n;
}

/* Names stay in the spec when their pods are gone. A pod that we do not see may still be there, of
 * somebody else's, so the server is asked; but nobody is told to delete nothing, pass after pass.
 */
static void delete_named(struct pass *x, yyjson_val *group)
{
    json_each(json_at(group, "scaleStrategy.workersToDelete"), v, i, n) {
        struct action *a;
        const char *name = json_str(v, "");

        a = pass_delete_pod(x, NULL, &worker_delete_words, "named in workersToDelete");
        a->name = name;
        a->ok.text = arena_printf(x->a, "Deleted worker Pod %s/%s", x->c.ns, name);
        a->failed.text = arena_printf(x->a, "Failed to delete worker Pod %s/%s", x->c.ns, name);
        a->ignore_not_found = true;
        a->look_first = !snap_get(x->s, KIND_POD, x->c.ns, name);
    }
}

int32_t worker_index(yyjson_val *pod)
{
    int64_t n;
    const char *text = pod_label(pod, LABEL_REPLICA_INDEX);

    return slice_int64(slice_of(text), &n) && n >= 0 && n <= INT32_MAX ? (int32_t)n : -1;
}

/* Which of the indexes below n are taken. */
static bool *used_indexes(struct pass *x, struct pods running, size_t n)
{
    bool *used = arena_array(x->a, bool, n + 1);

    for (size_t i = 0; i < running.n; i++) {
        int32_t index = worker_index(running.v[i]);

        if (index >= 0 && (size_t)index < n)
            used[index] = true;
    }
    return used;
}

/* Each takes the smallest free index. */
static bool create_missing(struct pass *x, struct worker_group *g, struct pods running, int64_t n)
{
    bool *used;
    int32_t index = 0;
    size_t room;

    if (!tls_ready(x))
        return false;
    room = worker_room(x, n);
    worker_template(x, g);
    used = used_indexes(x, running, room + running.n);
    for (; room > 0; room--, index++) {
        while (used[index])
            index++;
        worker_create(x, g, &(struct replica){.index = index}, index);
    }
    return true;
}

/* Those that go anyway first, then those that do not run, then the others, in order of name. */
static void delete_surplus(struct pass *x, struct pods running, int64_t n)
{
    for (size_t i = 0; i < running.n; i++)
        n -= object_deleting(running.v[i]);
    for (int runs = 0; runs < 2; runs++)
        for (size_t i = 0; i < running.n && n > 0; i++) {
            yyjson_val *pod = running.v[i];
            bool is = !strcmp(json_str_at(pod, "status.phase", ""), "Running");

            if (object_deleting(pod) || is != runs)
                continue;
            pass_delete_pod(x, pod, &worker_delete_words, "scaling down")->ignore_not_found = true;
            n--;
        }
}

static bool single_host(struct pass *x, struct worker_group *g, struct pods pods)
{
    struct pods running = {.v = arena_array(x->a, yyjson_val *, pods.n + 1)};
    size_t unhealthy;
    int64_t diff;

    if (awaits_deletion(x, g->group, pods))
        return true;
    unhealthy = delete_unhealthy(x, pods);
    if (unhealthy)
        return pass_fail(x, "delete %zu unhealthy worker Pods", unhealthy);
    delete_named(x, g->group);
    for (size_t i = 0; i < pods.n; i++)
        if (!group_wants_gone(g->group, object_name(pods.v[i])))
            running.v[running.n++] = pods.v[i];
    diff = (int64_t)group_desired(g->group) - (int64_t)running.n;
    if (diff > 0)
        return create_missing(x, g, running, diff);
    if (diff < 0 && may_scale_down(x))
        delete_surplus(x, running, -diff);
    return true;
}

static bool worker_group(struct pass *x, yyjson_val *group)
{
    struct pods pods = pass_pods(x, LABEL_GROUP, group_name(group));
    struct worker_group g = {.group = group};

    if (group_suspended(group)) {
        pass_delete_all(x, pods,
                        arena_printf(x->a, "%s=%s,%s=%s", LABEL_CLUSTER, x->c.name, LABEL_GROUP,
                                     group_name(group)),
                        &suspend_words);
        return true;
    }
    if (group_hosts(group) > 1 && ray_feature(x->s->options, FEATURE_MULTI_HOST_INDEXING))
        return multi_host(x, &g, pods);
    return single_host(x, &g, pods);
}

/* A group of the same name came before and changed something: it has to be seen first. */
static bool name_changed(struct pass *x, const size_t *actions_before, size_t i)
{
    const char *name = group_name(yyjson_arr_get(x->c.groups, i));

    for (size_t k = 0; k < i; k++)
        if (actions_before[k + 1] > actions_before[k] &&
            !strcmp(group_name(yyjson_arr_get(x->c.groups, k)), name))
            return true;
    return false;
}

bool step_workers(struct pass *x)
{
    size_t *before = arena_array(x->a, size_t, yyjson_arr_size(x->c.groups) + 1);

    before[0] = x->p->actions.n;
    json_each(x->c.groups, group, i, n) {
        if (!name_changed(x, before, i) && !worker_group(x, group))
            return false;
        before[i + 1] = x->p->actions.n;
    }
    return true;
}
