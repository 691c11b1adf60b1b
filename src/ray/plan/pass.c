#include "ray/plan/pass.h"

#include "ray/build/edit.h"

#include "base/names.h"
#include "data/typed.h"
#include "ray/names.h"

#include <string.h>

static bool has_node_type(yyjson_val *pod)
{
    static const char *const types[] = {NODE_HEAD, NODE_WORKER, NODE_CLEANUP};

    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (!strcmp(pod_label(pod, LABEL_NODE_TYPE), types[i]))
            return true;
    return false;
}

/* Pods without a node type are invisible, as they are to upstream's cache (§2.4). */
struct pass pass_begin(struct snapshot *s, struct plan *p)
{
    struct pass x = {.s = s, .p = p, .a = &p->arena, .c = cluster_view(s->object, s->options)};
    yyjson_val **all;
    size_t n;

    all = snap_list(s, x.a, KIND_POD, x.c.ns, LABEL_CLUSTER, x.c.name, &n);
    x.pods = arena_array(x.a, yyjson_val *, n + 1);
    for (size_t i = 0; i < n; i++)
        if (has_node_type(all[i]))
            x.pods[x.n_pods++] = all[i];
    return x;
}

const char *pass_hash(struct pass *x)
{
    if (!x->hash)
        x->hash = spec_hash(x->a, x->c.spec);
    return x->hash ? x->hash : "";
}

struct pods pass_pods(struct pass *x, const char *key, const char *value)
{
    struct pods r = {.v = arena_array(x->a, yyjson_val *, x->n_pods + 1)};

    for (size_t i = 0; i < x->n_pods; i++)
        if (!key || !strcmp(pod_label(x->pods[i], key), value))
            r.v[r.n++] = x->pods[i];
    return r;
}

const char *pod_label(yyjson_val *pod, const char *key)
{
    return json_get_str(json_at(pod, "metadata.labels"), key, "");
}

const char *object_name(yyjson_val *o)
{
    return json_str_at(o, "metadata.name", "");
}

bool object_deleting(yyjson_val *o)
{
    return json_str_at(o, "metadata.deletionTimestamp", NULL);
}

bool object_controlled_by(yyjson_val *o, const char *uid)
{
    json_each(json_at(o, "metadata.ownerReferences"), ref, i, n)
        if (json_bool_at(ref, "controller", false))
            return !strcmp(json_get_str(ref, "uid", ""), uid);
    return false;
}

static void put_notes(struct action *a, const struct words *w, const char *verb, const char *ok,
                      const char *failed)
{
    if (w->ok)
        a->ok = (struct note){.reason = w->ok, .action = verb, .text = ok};
    if (w->failed)
        a->failed = (struct note){.warning = true,
                                  .reason = w->failed,
                                  .action = verb,
                                  .text = failed,
                                  .append_error = true};
    a->marker = w->marker;
}

struct action *pass_create(struct pass *x, enum ray_kind kind, yyjson_mut_val *body,
                           const struct words *w)
{
    struct action *a = plan_action(x->p, ACT_CREATE, kind);
    const char *name = json_mut_str_at(body, "metadata.name", "");

    a->ns = x->c.ns;
    a->name = name;
    a->body = body;
    a->why = arena_printf(x->a, "create %s", w->what);
    put_notes(a, w, "Create", arena_printf(x->a, "Created %s %s/%s", w->what, x->c.ns, name),
              arena_printf(x->a, "Failed to create %s %s/%s", w->what, x->c.ns, name));
    return a;
}

struct action *pass_delete_pod(struct pass *x, yyjson_val *pod, const struct words *w,
                               const char *why)
{
    struct action *a = plan_action(x->p, ACT_DELETE, KIND_POD);

    a->ns = x->c.ns;
    a->name = object_name(pod);
    a->why = why;
    put_notes(a, w, "Delete",
              arena_printf(x->a, "Deleted %s %s/%s; %s", w->what, a->ns, a->name, why),
              arena_printf(x->a, "Failed to delete %s %s/%s; %s", w->what, a->ns, a->name, why));
    return a;
}

void pass_delete_all(struct pass *x, struct pods pods, const char *selector, const struct words *w)
{
    struct action *a;
    size_t live = 0;

    for (size_t i = 0; i < pods.n; i++)
        live += !object_deleting(pods.v[i]);
    if (!live) {
        if (w->ok)
            plan_event(x->p, false, w->ok, "Delete", "Deleted %s of %s/%s", w->what, x->c.ns,
                       x->c.name);
        return;
    }
    a = plan_action(x->p, ACT_DELETE_COLLECTION, KIND_POD);
    a->ns = x->c.ns;
    a->selector = selector;
    a->why = arena_printf(x->a, "delete %s", w->what);
    put_notes(a, w, "Delete",
              arena_printf(x->a, "Deleted %s of %s/%s", w->what, x->c.ns, x->c.name),
              arena_printf(x->a, "Failed to delete %s of %s/%s", w->what, x->c.ns, x->c.name));
}

static void default_params(struct pass *x, yyjson_mut_val *group)
{
    if (group && !yyjson_mut_is_obj(json_mut_get(group, "rayStartParams")))
        json_put_obj(x->p->doc, group, "rayStartParams");
}

/* With the defaults of §4 step 2, which upstream's PUTs carry. */
yyjson_mut_val *pass_cluster_body(struct pass *x)
{
    yyjson_mut_val *body = json_thaw(x->p->doc, x->c.obj), *group;
    yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(json_mut_at(body, "spec.workerGroupSpecs"));

    default_params(x, json_mut_at(body, "spec.headGroupSpec"));
    while ((group = yyjson_mut_arr_iter_next(&it)))
        default_params(x, group);
    return body;
}

struct action *pass_update_cluster(struct pass *x, yyjson_mut_val *body, const char *why)
{
    struct action *a = plan_action(x->p, ACT_UPDATE, KIND_RAYCLUSTER);

    a->ns = x->c.ns;
    a->name = x->c.name;
    a->body = build_typed(x->p, KIND_RAYCLUSTER, body);
    a->why = why;
    return a;
}

void pass_remove_finalizer(struct pass *x, const char *why)
{
    yyjson_mut_val *body = pass_cluster_body(x);
    yyjson_mut_val *list = json_put_arr(x->p->doc, json_mut_get(body, "metadata"), "finalizers");

    json_each(json_at(x->c.obj, "metadata.finalizers"), f, i, n)
        if (strcmp(json_str(f, ""), FINALIZER_REDIS) != 0)
            edit_append_str(x->p->doc, list, json_str(f, ""));
    pass_update_cluster(x, body, why);
}

struct pods pass_head_services(struct pass *x)
{
    const char *id = name_check_label(x->a, arena_printf(x->a, "%s-head", x->c.name));
    struct pods r = {0};
    size_t n;

    r.v = snap_list(x->s, x->a, KIND_SERVICE, x->c.ns, LABEL_CLUSTER, x->c.name, &n);
    for (size_t i = 0; i < n; i++)
        if (!strcmp(pod_label(r.v[i], LABEL_NODE_TYPE), NODE_HEAD) &&
            !strcmp(pod_label(r.v[i], LABEL_IDENTIFIER), id))
            r.v[r.n++] = r.v[i];
    return r;
}

bool pass_fail(struct pass *x, const char *fmt, ...)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    x->p->error = arena_strdup(x->a, buf_str(&b));
    return false;
}

bool group_wants_gone(yyjson_val *group, const char *pod_name)
{
    json_each(json_at(group, "scaleStrategy.workersToDelete"), v, i, n)
        if (!strcmp(json_str(v, ""), pod_name))
            return true;
    return false;
}

static bool taken(struct pass *x, const char *name)
{
    if (snap_get(x->s, KIND_POD, x->c.ns, name))
        return true;
    json_each(x->c.groups, group, i, n)
        if (group_wants_gone(group, name))
            return true;
    for (size_t k = 0; k < x->p->actions.n; k++)
        if (x->p->actions.v[k].act == ACT_CREATE && !strcmp(x->p->actions.v[k].name, name))
            return true; /* two groups of one name */
    return false;
}

/*
 * The words change with every version of the object, so that a place that is filled again gets a
 * new name: Ray's autoscaler takes a pod's name for the identity of a machine.
 */
const char *pass_name(struct pass *x, const char *base, const char *group, int ordinal)
{
    const char *version = json_str_at(x->c.obj, "metadata.resourceVersion", "");
    const char *name;

    for (int i = 0;; i++) {
        name = name_generate(x->a, base,
                             arena_printf(x->a, "%s %s %d %u %s %d", x->c.uid, group, ordinal,
                                          x->s->attempt, version, i));
        if (!taken(x, name))
            return name;
    }
}
