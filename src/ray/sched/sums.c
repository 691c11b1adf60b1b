#include "ray/sched/sums.h"

#include <stdlib.h>
#include <string.h>

int32_t sum_members(const struct cluster *c, enum sum which)
{
    uint32_t n = 0;

    json_each(c->groups, group, i, m) {
        if (which == SUM_DESIRED)
            n += (uint32_t)group_desired(group);
        else if (!group_suspended(group))
            n += (uint32_t)json_int_at(group, "minReplicas", 0) * (uint32_t)group_hosts(group);
    }
    return (int32_t)n;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct resource *)a)->name, ((const struct resource *)b)->name);
}

/* In order of name, as a Go map is written. */
static yyjson_mut_val *list(struct plan *p, struct resources *r)
{
    yyjson_mut_val *v = yyjson_mut_obj(p->doc);

    if (r->list.n)
        qsort(r->list.v, r->list.n, sizeof *r->list.v, by_name);
    for (size_t i = 0; i < r->list.n; i++)
        json_put_str(p->doc, v, r->list.v[i].name, resource_text(&p->arena, &r->list.v[i].amount));
    resources_done(r);
    return v;
}

yyjson_mut_val *sum_resources(struct plan *p, const struct cluster *c, enum sum which,
                              yyjson_val *also)
{
    const char *member = which == SUM_DESIRED ? "replicas" : "minReplicas";
    struct resources r = {0};

    resources_add_pod(&r, &p->arena, group_pod_spec(c->head), NULL);
    json_each(c->groups, group, i, n) {
        int64_t times = (int64_t)group_hosts(group) * json_int_at(group, member, 0);

        if (!group_suspended(group))
            resources_add_pod(&r, &p->arena, group_pod_spec(group), &times);
    }
    if (also)
        resources_add_pod(&r, &p->arena, also, NULL);
    return list(p, &r);
}

yyjson_mut_val *sum_pod(struct plan *p, yyjson_val *pod_spec)
{
    struct resources r = {0};

    resources_add_pod(&r, &p->arena, pod_spec, NULL);
    return list(p, &r);
}

bool sum_equal(struct arena *a, yyjson_val *live, yyjson_mut_val *want)
{
    struct json *frozen autojson = json_freeze(want);
    yyjson_val *w = json_root(frozen);

    if (!yyjson_is_obj(w))
        return json_equal(live, w);
    if (yyjson_obj_size(live) != yyjson_obj_size(w))
        return false;
    json_each_member(w, key, val) {
        struct quantity x, y;

        if (!resource_read(a, val, &x) ||
            !resource_read(a, json_get(live, json_str(key, "")), &y) || quantity_cmp(&x, &y) != 0)
            return false;
    }
    return true;
}
