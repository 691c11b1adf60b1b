/*
 * Groups whose replicas are several pods that live and die together (spec: raycluster §6.7).
 */
#include "ray/plan/workers.h"

#include "base/timefmt.h"
#include "base/vec.h"
#include "ray/names.h"

#include <string.h>

struct set { /* the pods of one replica */
    const char *name;
    VEC(yyjson_val *) pods;
    bool going;     /* deleted in this pass */
    bool completed; /* missing pods are made in this pass */
};
struct sets {
    VEC(struct set) list;
};

static void sets_done(struct sets *s)
{
    for (size_t i = 0; i < s->list.n; i++)
        vec_done(&s->list.v[i].pods);
    vec_done(&s->list);
}

static struct set *set_named(struct sets *s, const char *name)
{
    for (size_t i = 0; i < s->list.n; i++)
        if (!strcmp(s->list.v[i].name, name))
            return &s->list.v[i];
    return NULL;
}

/* Pods without a replica's name are ignored for ever. */
static void group_pods(struct sets *s, struct pods pods)
{
    for (size_t i = 0; i < pods.n; i++) {
        const char *name = pod_label(pods.v[i], LABEL_REPLICA_NAME);
        struct set *set = set_named(s, name);

        if (!*name)
            continue;
        if (!set) {
            set = vec_add(&s->list);
            set->name = name;
        }
        vec_push(&set->pods, pods.v[i]);
    }
}

static size_t terminating(const struct set *set)
{
    size_t n = 0;

    for (size_t i = 0; i < set->pods.n; i++)
        n += object_deleting(set->pods.v[i]);
    return n;
}

static size_t delete_set(struct pass *x, struct set *set, const char *why)
{
    size_t n = 0;

    for (size_t i = 0; i < set->pods.n && !set->going; i++) {
        if (object_deleting(set->pods.v[i]))
            continue;
        pass_delete_pod(x, set->pods.v[i], &worker_delete_words, why)->ignore_not_found = true;
        n++;
    }
    set->going = true;
    return n;
}

static bool unhealthy(struct pass *x, const struct set *set, const char **ret_why)
{
    for (size_t i = 0; i < set->pods.n; i++)
        if (pod_should_go(x, set->pods.v[i], ret_why))
            return true;
    return false;
}

static bool named(yyjson_val *group, const struct set *set)
{
    for (size_t i = 0; i < set->pods.n; i++)
        if (group_wants_gone(group, object_name(set->pods.v[i])))
            return true;
    return false;
}

/* A replica that has to go and all of which goes already: the group rests until it is gone. */
static bool awaits_deletion(struct pass *x, yyjson_val *group, struct sets *s)
{
    const char *why;

    for (size_t i = 0; i < s->list.n; i++) {
        struct set *set = &s->list.v[i];
        bool must = (int64_t)set->pods.n < group_hosts(group) || named(group, set) ||
                    unhealthy(x, set, &why);

        if (must && terminating(set) == set->pods.n)
            return true;
    }
    return false;
}

/*
 * A replica that was being made when the operator died: no status was written since. Upstream would
 * delete what there is; finishing it leaves the same and disturbs nobody.
 */
static bool interrupted(struct pass *x, const struct set *set)
{
    const char *text = json_get_str(x->c.status, "lastUpdateTime", "");
    int64_t written, created;

    for (size_t i = 0; i < set->pods.n; i++) {
        const char *made = json_str_at(set->pods.v[i], "metadata.creationTimestamp", "");

        if (object_deleting(set->pods.v[i]) || !time_parse(slice_of(made), &created))
            return false;
        if (time_parse(slice_of(text), &written) && created <= written)
            return false;
    }
    return true;
}

static bool has_host(const struct set *set, int32_t host)
{
    int64_t n;

    for (size_t i = 0; i < set->pods.n; i++)
        if (slice_int64(slice_of(pod_label(set->pods.v[i], LABEL_HOST_INDEX)), &n) && n == host)
            return true;
    return false;
}

static bool complete_interrupted(struct pass *x, struct worker_group *g, struct sets *s)
{
    for (size_t i = 0; i < s->list.n; i++) {
        struct set *set = &s->list.v[i];
        struct replica r = {.index = worker_index(set->pods.v[0]), .name = set->name};

        if ((int64_t)set->pods.n >= group_hosts(g->group) || r.index < 0 || !interrupted(x, set))
            continue;
        if (!tls_ready(x))
            return false;
        worker_template(x, g);
        for (; r.host < group_hosts(g->group); r.host++)
            if (!has_host(set, r.host))
                worker_create(x, g, &r, r.index * group_hosts(g->group) + r.host);
        set->completed = true;
    }
    return true;
}

static bool delete_incomplete(struct pass *x, yyjson_val *group, struct sets *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->list.n; i++)
        if ((int64_t)s->list.v[i].pods.n < group_hosts(group) && !s->list.v[i].completed)
            n += delete_set(x, &s->list.v[i], "cleanup of incomplete multi-host group");
    return !n || pass_fail(x, "deleted %zu Pods of incomplete multi-host groups", n);
}

static bool delete_named(struct pass *x, yyjson_val *group, struct sets *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->list.n; i++)
        if (named(group, &s->list.v[i]))
            n += delete_set(x, &s->list.v[i], "named in workersToDelete");
    return !n || pass_fail(x, "deleted %zu worker Pods based on ScaleStrategy, requeueing", n);
}

static bool index_used(const struct sets *s, int32_t index)
{
    for (size_t i = 0; i < s->list.n; i++)
        if (!s->list.v[i].going && worker_index(s->list.v[i].pods.v[0]) == index)
            return true;
    return false;
}

static const char *replica_name(struct pass *x, struct sets *s, const char *group, int32_t index)
{
    const char *base = arena_printf(x->a, "%s-", group), *name;
    char suffix[NAME_SUFFIX + 1];

    for (int i = 0;; i++) {
        name_suffix(arena_printf(x->a, "replica %s %s %d %u %s %d", x->c.uid, group, index,
                                 x->s->attempt,
                                 json_str_at(x->c.obj, "metadata.resourceVersion", ""), i),
                    suffix);
        name = arena_printf(x->a, "%s%s", base, suffix);
        if (!set_named(s, name))
            return name;
    }
}

static bool create_missing(struct pass *x, struct worker_group *g, struct sets *s, int64_t n)
{
    int32_t hosts = group_hosts(g->group), index = 0;

    if (!tls_ready(x))
        return false;
    worker_template(x, g);
    for (; n > 0; n--, index++) {
        int64_t room = (int64_t)worker_room(x, n * hosts);
        struct replica r = {0};

        /* A replica is made whole, be it larger than the room of a pass. */
        if (room < hosts && (!room || x->creates))
            break;
        while (index_used(s, index))
            index++;
        r.index = index;
        r.name = replica_name(x, s, group_name(g->group), index);
        for (r.host = 0; r.host < hosts; r.host++)
            worker_create(x, g, &r, index * hosts + r.host);
    }
    return true;
}

static void delete_surplus(struct pass *x, struct sets *s, int64_t n)
{
    for (size_t i = 0; i < s->list.n; i++)
        n -= !s->list.v[i].going && terminating(&s->list.v[i]) == s->list.v[i].pods.n;
    for (size_t i = 0; i < s->list.n && n > 0; i++) {
        struct set *set = &s->list.v[i];

        if (set->going || terminating(set) == set->pods.n)
            continue;
        delete_set(x, set, "scaling down");
        n--;
    }
}

static bool scale(struct pass *x, struct worker_group *g, struct sets *s)
{
    int32_t desired = group_desired(g->group), hosts = group_hosts(g->group);
    int64_t valid = 0, diff;

    for (size_t i = 0; i < s->list.n; i++)
        valid += !s->list.v[i].going;
    if (desired % hosts)
        return pass_fail(x, "worker group %s: %d Pods are no multiple of numOfHosts %d",
                         group_name(g->group), desired, hosts);
    diff = desired / hosts - valid;
    if (diff > 0)
        return create_missing(x, g, s, diff);
    if (diff < 0 && may_scale_down(x))
        delete_surplus(x, s, -diff);
    return true;
}

bool multi_host(struct pass *x, struct worker_group *g, struct pods pods)
{
    struct sets s cleanup(sets_done) = {0};
    const char *why = "";

    group_pods(&s, pods);
    if (awaits_deletion(x, g->group, &s))
        return true;
    if (!complete_interrupted(x, g, &s) || !delete_incomplete(x, g->group, &s))
        return false;
    for (size_t i = 0; i < s.list.n; i++)
        if (unhealthy(x, &s.list.v[i], &why))
            delete_set(x, &s.list.v[i], why);
    return delete_named(x, g->group, &s) && scale(x, g, &s);
}
