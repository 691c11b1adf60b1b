/* YuniKorn: everything is said on the pods. */
#include "ray/sched/sched.h"

#include "ray/build/edit.h"
#include "ray/build/submitter.h"
#include "ray/sched/sums.h"

#include "data/typed.h"

#include <string.h>

#define TASK_GROUPS "yunikorn.apache.org/task-groups"
#define TASK_GROUP_NAME "yunikorn.apache.org/task-group-name"

/* Members of a pod's spec, in the order of Go's structs however the user wrote them. */
static void put_members(struct sched_parent *x, yyjson_mut_val *t, yyjson_val *pod_spec,
                        const char *const *members)
{
    yyjson_mut_val *typed = NULL;

    typed_copy(type_named("PodSpec"), x->p->doc, pod_spec, TYPED_LENIENT, &typed, NULL);
    for (; *members; members++) {
        yyjson_mut_val *v = json_mut_get(typed, *members);

        if (v)
            json_put(x->p->doc, t, *members, json_dup(x->p->doc, v));
    }
}

/* One task group; the members stand in upstream's order, for the text is the value. */
static void add_task_group(struct sched_parent *x, yyjson_mut_val *list, yyjson_val *pod_spec,
                           const char *name, int64_t members)
{
    static const char *const before[] = {"nodeSelector", "affinity", NULL};
    static const char *const after[] = {"topologySpreadConstraints", "tolerations", NULL};
    yyjson_mut_doc *doc = x->p->doc;
    yyjson_mut_val *t = yyjson_mut_arr_add_obj(doc, list);

    json_put(doc, t, "minResource", sum_pod(x->p, pod_spec));
    put_members(x, t, pod_spec, before);
    json_put_str(doc, t, "name", name);
    put_members(x, t, pod_spec, after);
    json_put_int(doc, t, "minMember", members);
}

static const char *task_groups(struct sched_parent *x)
{
    yyjson_mut_val *list = yyjson_mut_arr(x->p->doc);
    struct buf b cleanup(buf_done) = BUF_INIT;
    struct json *submitter autojson = NULL;

    add_task_group(x, list, group_pod_spec(x->c.head), HEAD_GROUP, 1);
    json_each(x->c.groups, group, i, n)
        add_task_group(x, list, group_pod_spec(group), group_name(group),
                       json_int_at(group, "minReplicas", 0) * group_hosts(group));
    if (x->job) {
        submitter = submitter_plain_spec(x->job, x->c.spec);
        add_task_group(x, list, json_root(submitter), SUBMITTER_GROUP, 1);
    }
    json_mut_write(&b, list);
    return arena_strdup(&x->p->arena, buf_str(&b));
}

static bool decorate(struct sched_parent *x, yyjson_mut_val *child, const char *group)
{
    const char *own = cluster_annotation(&x->c, TASK_GROUPS);

    sched_copy_label(x, child, "applicationId", "yunikorn.apache.org/app-id");
    sched_copy_label(x, child, "queue", "yunikorn.apache.org/queue");
    sched_put_name(x, child, group, "yunikorn");
    if (!cluster_label(&x->c, LABEL_GANG))
        return true;
    if (!own || !*own) {
        if (!x->c.spec)
            return sched_fail(x, "yunikorn: gang scheduling of RayJob %s/%s needs a rayClusterSpec",
                              x->c.ns, x->c.name);
        own = task_groups(x);
    }
    sched_put_annotation(x, child, TASK_GROUPS, own);
    if (*group)
        sched_put_annotation(x, child, TASK_GROUP_NAME, group);
    return true;
}

const struct scheduler yunikorn_scheduler = {.name = "yunikorn", .decorate = decorate};
