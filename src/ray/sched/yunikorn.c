/* YuniKorn: everything is said on the pods. */
#include "ray/sched/sched.h"

#include "ray/build/edit.h"
#include "ray/sched/sums.h"

#include <string.h>

#define TASK_GROUPS "yunikorn.apache.org/task-groups"
#define TASK_GROUP_NAME "yunikorn.apache.org/task-group-name"

/* One task group; the members stand in upstream's order, for the text is the value. */
static void add_task_group(struct pass *x, yyjson_mut_val *list, yyjson_val *group,
                           const char *name, int64_t members)
{
    static const char *const before[] = {"nodeSelector", "affinity"};
    static const char *const after[] = {"topologySpreadConstraints", "tolerations"};
    yyjson_val *spec = group_pod_spec(group);
    yyjson_mut_val *t = yyjson_mut_arr_add_obj(x->p->doc, list);

    json_put(x->p->doc, t, "minResource", sum_pod(x->p, spec));
    for (size_t i = 0; i < ARRAY_SIZE(before); i++)
        if (!json_is_empty(json_get(spec, before[i])))
            json_put(x->p->doc, t, before[i], json_thaw(x->p->doc, json_get(spec, before[i])));
    json_put_str(x->p->doc, t, "name", name);
    for (size_t i = 0; i < ARRAY_SIZE(after); i++)
        if (!json_is_empty(json_get(spec, after[i])))
            json_put(x->p->doc, t, after[i], json_thaw(x->p->doc, json_get(spec, after[i])));
    json_put_int(x->p->doc, t, "minMember", members);
}

static const char *task_groups(struct pass *x)
{
    yyjson_mut_val *list = yyjson_mut_arr(x->p->doc);
    struct buf b cleanup(buf_done) = BUF_INIT;

    add_task_group(x, list, x->c.head, HEAD_GROUP, 1);
    json_each(x->c.groups, group, i, n)
        add_task_group(x, list, group, group_name(group),
                       json_int_at(group, "minReplicas", 0) * group_hosts(group));
    json_mut_write(&b, list);
    return arena_strdup(x->a, buf_str(&b));
}

static void decorate(struct pass *x, yyjson_mut_val *pod, const char *group)
{
    static const char *const copied[][2] = {{"applicationId", "yunikorn.apache.org/app-id"},
                                            {"queue", "yunikorn.apache.org/queue"}};
    yyjson_mut_doc *doc = x->p->doc;
    const char *own = cluster_annotation(&x->c, TASK_GROUPS);
    yyjson_mut_val *annotations;

    for (size_t i = 0; i < ARRAY_SIZE(copied); i++) {
        const char *v = cluster_label(&x->c, copied[i][1]);

        if (v && *v)
            json_put_str(doc, json_ensure(doc, pod, "metadata.labels"), copied[i][0], v);
    }
    json_put_str(doc, json_ensure(doc, pod, "spec"), "schedulerName", "yunikorn");
    if (!cluster_label(&x->c, LABEL_GANG))
        return;
    annotations = json_ensure(doc, pod, "metadata.annotations");
    json_put_str(doc, annotations, TASK_GROUPS, own && *own ? own : task_groups(x));
    json_put_str(doc, annotations, TASK_GROUP_NAME, group);
}

const struct scheduler yunikorn_scheduler = {"yunikorn", NULL, decorate};
