/* Head and worker groups: spec raycluster §5.2 rules 1 to 4. */
#include "base/names.h"
#include "ray/validate/rules.h"
#include "ray/version.h"

#include <string.h>

static const char *containers(struct arena *a, yyjson_val *group, const char *who)
{
    if (group_container(group))
        return NULL;
    return arena_printf(a, "%s: the pod template needs a container", who);
}

/* Two sources of the same flags would contradict each other. */
static const char *resources(struct arena *a, yyjson_val *group, const char *who)
{
    static const char *const params[] = {"num-cpus", "num-gpus", "memory", "resources"};

    if (!yyjson_obj_size(json_get(group, "resources")))
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(params); i++) {
        const char *v = group_param(group, params[i]);

        if (v && *v)
            return arena_printf(a, "%s: rayStartParams.%s and resources cannot both be set", who,
                                params[i]);
    }
    return NULL;
}

static void add_problem(struct buf *b, const char *what, const char *text, const char *why)
{
    if (why)
        buf_printf(b, "%s%s \"%s\": %s", b->len ? "; " : "", what, text, why);
}

static const char *labels(struct arena *a, yyjson_val *group, const char *who)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    if (json_get(json_get(group, "rayStartParams"), "labels"))
        return arena_printf(
            a, "%s: rayStartParams.labels is not supported, use labels of the group", who);
    json_each_member(json_get(group, "labels"), key, val) {
        const char *k = json_str(key, ""), *v = json_str(val, "");

        add_problem(&b, "label key", k, name_qualified(slice_of(k)));
        add_problem(&b, "label value", v, name_label_value(slice_of(v)));
    }
    return b.len ? arena_printf(a, "%s: %s", who, b.data) : NULL;
}

const char *rule_head_containers(struct arena *a, const struct cluster *c)
{
    return containers(a, c->head, "headGroupSpec");
}

const char *rule_head_resources(struct arena *a, const struct cluster *c)
{
    return resources(a, c->head, "headGroupSpec");
}

const char *rule_head_labels(struct arena *a, const struct cluster *c)
{
    return labels(a, c->head, "headGroupSpec");
}

static const char *sizes(struct arena *a, const struct cluster *c, yyjson_val *group,
                         const char *who)
{
    yyjson_val *vmin = json_get(group, "minReplicas"), *vmax = json_get(group, "maxReplicas");
    int64_t min = json_int_at(group, "minReplicas", 0);
    int64_t max = json_int_at(group, "maxReplicas", INT32_MAX);

    if (!cluster_autoscaling(c) && (!yyjson_is_int(vmin) || !yyjson_is_int(vmax)))
        return arena_printf(a, "%s: minReplicas and maxReplicas must be set", who);
    if (min < 0 || max < 0)
        return arena_printf(a, "%s: minReplicas and maxReplicas cannot be negative", who);
    if (min > max)
        return arena_printf(a, "%s: minReplicas is greater than maxReplicas", who);
    return NULL;
}

bool may_use_v2(const struct cluster *c)
{
    return cluster_autoscaler_v2(c) || cluster_head_env_v2(c);
}

static const char *idle_timeout(struct arena *a, const struct cluster *c, yyjson_val *group,
                                const char *who)
{
    yyjson_val *v = json_get(group, "idleTimeoutSeconds");

    if (!yyjson_is_int(v))
        return NULL;
    if (yyjson_get_sint(v) < 0)
        return arena_printf(a, "%s: idleTimeoutSeconds cannot be negative", who);
    if (!may_use_v2(c))
        return arena_printf(a, "%s: idleTimeoutSeconds needs autoscaler v2", who);
    return NULL;
}

static const char *priority(struct arena *a, const struct cluster *c, yyjson_val *group,
                            const char *who)
{
    const char *version = json_get_str(c->spec, "rayVersion", "");
    struct version v;

    if (json_int_at(group, "priority", 0) == 0)
        return NULL;
    if (!version_parse(version, &v))
        return arena_printf(a, "%s: priority needs spec.rayVersion, and \"%s\" is no version", who,
                            version);
    if (!version_at_least(version, 2, 56))
        return arena_printf(a, "%s: priority needs Ray 2.56.0 or later", who);
    if (!may_use_v2(c))
        return arena_printf(a, "%s: priority needs autoscaler v2", who);
    return NULL;
}

static const char *worker_group(struct arena *a, const struct cluster *c, yyjson_val *group)
{
    const char *who = arena_printf(a, "worker group \"%s\"", group_name(group));
    const char *why;

    (void)((why = containers(a, group, who)) || (why = sizes(a, c, group, who)) ||
           (why = resources(a, group, who)) || (why = labels(a, group, who)) ||
           (why = idle_timeout(a, c, group, who)) || (why = priority(a, c, group, who)));
    return why;
}

const char *rule_worker_groups(struct arena *a, const struct cluster *c)
{
    json_each(c->groups, group, i, n) {
        const char *why = worker_group(a, c, group);

        if (why)
            return why;
    }
    return NULL;
}
