#include "sim.h"

#include "base/timefmt.h"
#include "data/patch.h"
#include "data/selector.h"

#include <stdio.h>
#include <string.h>

#define START_NS (INT64_C(1767225600) * SECOND_NS) /* 2026-01-01 */

void sim_init(struct sim *s, const struct ray_options *o)
{
    *s = (struct sim){.options = o, .now_ns = START_NS, .budget = -1};
}

void sim_done(struct sim *s)
{
    fixture_done(&s->world);
    arena_done(&s->arena);
    buf_done(&s->story);
    vec_done(&s->events);
}

static const char *text(struct sim *s, const char *fmt, uint64_t n)
{
    return arena_printf(&s->arena, fmt, (unsigned long long)n);
}

static yyjson_val *find(struct sim *s, yyjson_val *like)
{
    return fixture_get(&s->world, fixture_kind(like), json_str_at(like, "metadata.namespace", ""),
                       json_str_at(like, "metadata.name", ""));
}

/* What an API server puts into a new object. */
static void fill_meta(struct sim *s, yyjson_mut_doc *doc, yyjson_mut_val *o)
{
    yyjson_mut_val *meta = json_ensure(doc, o, "metadata");
    char now[TIME_TEXT];

    json_put_str(doc, meta, "resourceVersion", text(s, "%llu", ++s->version));
    if (json_mut_get(meta, "uid"))
        return;
    json_put_str(doc, meta, "uid", text(s, "00000000-0000-4000-8000-%012llu", ++s->uids));
    json_put_str(doc, meta, "creationTimestamp", time_rfc3339(s->now_ns, now));
    json_put_int(doc, meta, "generation", 1);
}

static void fill_service(struct sim *s, yyjson_mut_doc *doc, yyjson_mut_val *o)
{
    yyjson_mut_val *spec = json_ensure(doc, o, "spec"), *port;
    yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(json_mut_get(spec, "ports"));
    const char *type = json_mut_str_at(spec, "type", "");

    if (!*type)
        json_put_str(doc, spec, "type", "ClusterIP");
    if (!json_mut_get(spec, "clusterIP"))
        json_put_str(doc, spec, "clusterIP", text(s, "10.0.0.%llu", s->version));
    while ((port = yyjson_mut_arr_iter_next(&it))) {
        if (!*json_mut_str_at(port, "protocol", ""))
            json_put_str(doc, port, "protocol", "TCP");
        if (!yyjson_mut_get_uint(json_mut_get(port, "targetPort")) &&
            !yyjson_mut_is_str(json_mut_get(port, "targetPort")))
            json_put_int(doc, port, "targetPort",
                         (int64_t)yyjson_mut_get_uint(json_mut_get(port, "port")));
        if ((!strcmp(type, "NodePort") || !strcmp(type, "LoadBalancer")) &&
            !json_mut_get(port, "nodePort"))
            json_put_int(doc, port, "nodePort", (int64_t)(30000 + ++s->uids));
    }
}

static void put_missing(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, int64_t n)
{
    if (!json_mut_get(o, key))
        json_put_int(doc, o, key, n);
}

static void fill_protocols(yyjson_mut_doc *doc, yyjson_mut_val *list)
{
    yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(list);
    yyjson_mut_val *port;

    while ((port = yyjson_mut_arr_iter_next(&it)))
        if (!json_mut_get(port, "protocol"))
            json_put_str(doc, port, "protocol", "TCP");
}

static void fill_ports(yyjson_mut_doc *doc, yyjson_mut_val *group)
{
    yyjson_mut_arr_iter it =
        yyjson_mut_arr_iter_with(json_mut_at(group, "template.spec.containers"));
    yyjson_mut_val *c;

    while ((c = yyjson_mut_arr_iter_next(&it)))
        fill_protocols(doc, json_mut_get(c, "ports"));
}

/* Requests that are not given are the limits. */
static void fill_pod(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
    yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(json_mut_at(o, "spec.containers"));
    yyjson_mut_val *c, *key;

    while ((c = yyjson_mut_arr_iter_next(&it))) {
        yyjson_mut_val *limits = json_mut_at(c, "resources.limits");
        yyjson_mut_obj_iter names = yyjson_mut_obj_iter_with(limits);

        while ((key = yyjson_mut_obj_iter_next(&names))) {
            yyjson_mut_val *requests = json_ensure(doc, c, "resources.requests");
            const char *name = yyjson_mut_get_str(key);

            if (!json_mut_get(requests, name))
                json_put(doc, requests, name, json_dup(doc, yyjson_mut_obj_iter_get_val(key)));
        }
    }
}

/* The defaults of the CRD (spec: raycluster §1.1), as far as scenarios need them. */
static void fill_cluster(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
    yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(json_mut_at(o, "spec.workerGroupSpecs"));
    yyjson_mut_val *policy = json_mut_at(o, "spec.networkPolicy"), *group;

    fill_ports(doc, json_mut_at(o, "spec.headGroupSpec"));
    fill_protocols(doc, json_mut_at(o, "spec.headGroupSpec.headService.spec.ports"));
    if (policy && !json_mut_get(policy, "mode"))
        json_put_str(doc, policy, "mode", "DenyAll");
    while ((group = yyjson_mut_arr_iter_next(&it))) {
        put_missing(doc, group, "replicas", 0);
        put_missing(doc, group, "minReplicas", 0);
        put_missing(doc, group, "maxReplicas", INT32_MAX);
        put_missing(doc, group, "numOfHosts", 1);
        put_missing(doc, group, "priority", 0);
        fill_ports(doc, group);
    }
}

static void fill_secret(yyjson_mut_doc *doc, yyjson_mut_val *o)
{
    yyjson_mut_val *text_data = json_mut_get(o, "stringData");

    if (!text_data)
        return;
    json_put(doc, o, "data", json_dup(doc, text_data));
    json_remove(o, "stringData");
}

void sim_put(struct sim *s, yyjson_mut_doc *doc, yyjson_mut_val *o)
{
    struct json *frozen autojson = NULL, *first autojson = json_freeze(o);

    fill_meta(s, doc, o);
    switch (fixture_kind(json_root(first))) {
    case KIND_SERVICE:
        fill_service(s, doc, o);
        break;
    case KIND_POD:
        fill_pod(doc, o);
        break;
    case KIND_RAYCLUSTER:
        fill_cluster(doc, o);
        break;
    case KIND_SECRET:
        fill_secret(doc, o);
        break;
    default:
        break;
    }
    frozen = json_freeze(o);
    fixture_put(&s->world, json_root(frozen));
}

static bool owned_by(yyjson_val *o, const char *uid)
{
    json_each(json_at(o, "metadata.ownerReferences"), ref, i, n)
        if (!strcmp(json_get_str(ref, "uid", ""), uid))
            return true;
    return false;
}

/* Takes it away, and what it owns. */
static void drop(struct sim *s, yyjson_val *o)
{
    struct json *copy autojson = json_copy(o);
    const char *uid = json_str_at(json_root(copy), "metadata.uid", "");

    fixture_remove(&s->world, fixture_kind(o),
                   json_str_at(json_root(copy), "metadata.namespace", ""),
                   json_str_at(json_root(copy), "metadata.name", ""));
    s->version++;
    for (size_t i = 0; i < s->world.objects.n; i++)
        if (owned_by(json_root(s->world.objects.v[i]), uid)) {
            sim_delete(s, json_root(s->world.objects.v[i]));
            i = (size_t)-1;
        }
}

void sim_delete(struct sim *s, yyjson_val *o)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *copy, *meta;
    char now[TIME_TEXT];

    if (!yyjson_arr_size(json_at(o, "metadata.finalizers")) && !sim_lingers(s, o)) {
        drop(s, o);
        return;
    }
    if (json_str_at(o, "metadata.deletionTimestamp", NULL))
        return;
    copy = json_thaw(doc, o);
    meta = json_mut_get(copy, "metadata");
    json_put_str(doc, meta, "deletionTimestamp", time_rfc3339(s->now_ns, now));
    json_put_int(doc, meta, "generation", json_int_at(o, "metadata.generation", 1) + 1);
    sim_put(s, doc, copy);
}

static bool is_custom(yyjson_val *o)
{
    return !strcmp(json_get_str(o, "apiVersion", ""), "ray.io/v1");
}

static int replace(struct sim *s, yyjson_mut_doc *doc, yyjson_val *old, yyjson_mut_val *new)
{
    struct json *frozen autojson = json_freeze(new);
    yyjson_val *n = json_root(frozen);
    const char *version = json_str_at(n, "metadata.resourceVersion", "");
    yyjson_mut_val *meta = json_mut_get(new, "metadata");
    int64_t generation = json_int_at(old, "metadata.generation", 1);

    if (*version && strcmp(version, json_str_at(old, "metadata.resourceVersion", "")) != 0)
        return ERR_CONFLICT;
    generation += !json_equal(json_get(old, "spec"), json_get(n, "spec"));
    json_put_int(doc, meta, "generation", generation);
    json_put_str(doc, meta, "uid", json_str_at(old, "metadata.uid", ""));
    json_put_str(doc, meta, "creationTimestamp",
                 json_str_at(old, "metadata.creationTimestamp", ""));
    if (json_str_at(old, "metadata.deletionTimestamp", NULL) &&
        !yyjson_arr_size(json_at(n, "metadata.finalizers"))) {
        drop(s, old);
        return 0;
    }
    if (is_custom(old)) {
        if (json_get(old, "status"))
            json_put(doc, new, "status", json_thaw(doc, json_get(old, "status")));
        else
            json_remove(new, "status");
    }
    sim_put(s, doc, new);
    return 0;
}

void sim_apply(struct sim *s, yyjson_val *object)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *o = json_thaw(doc, object);
    yyjson_val *old;
    struct json *named autojson = NULL;

    if (!json_str_at(object, "metadata.namespace", NULL))
        json_put_str(doc, json_ensure(doc, o, "metadata"), "namespace", "ns");
    named = json_freeze(o);
    old = find(s, json_root(named));
    if (old)
        replace(s, doc, old, o);
    else
        sim_put(s, doc, o);
}

static int create(struct sim *s, const struct action *a)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *o = json_dup(doc, a->body);

    if (s->refuses && !strcmp(s->refuses, kind_name(a->kind)))
        return ERR_FORBIDDEN;
    if (fixture_get(&s->world, a->kind, a->ns, json_mut_str_at(o, "metadata.name", "")))
        return ERR_ALREADY_EXISTS;
    sim_put(s, doc, o);
    return 0;
}

static int update(struct sim *s, const struct action *a)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_val *old = fixture_get(&s->world, a->kind, a->ns, a->name);
    yyjson_mut_val *o = json_dup(doc, a->body);

    return old ? replace(s, doc, old, o) : ERR_NOT_FOUND;
}

static int update_status(struct sim *s, const struct action *a)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_val *old = fixture_get(&s->world, a->kind, a->ns, a->name);
    yyjson_mut_val *o = json_thaw(doc, old);

    if (!old)
        return ERR_NOT_FOUND;
    if (strcmp(json_mut_str_at(a->body, "metadata.resourceVersion", ""),
               json_str_at(old, "metadata.resourceVersion", "")) != 0)
        return ERR_CONFLICT;
    json_put(doc, o, "status", json_dup(doc, json_mut_get(a->body, "status")));
    sim_put(s, doc, o);
    return 0;
}

static int merge(struct sim *s, const struct action *a)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_val *old = fixture_get(&s->world, a->kind, a->ns, a->name);
    struct json *body autojson = json_freeze(a->body);

    if (!old)
        return ERR_NOT_FOUND;
    return replace(s, doc, old, patch_merge(doc, json_thaw(doc, old), json_root(body)));
}

static int delete_matching(struct sim *s, const struct action *a)
{
    struct selector *sel = NULL;

    if (selector_parse(slice_of(a->selector), &sel, NULL) < 0)
        return ERR_BAD_REQUEST;
    for (size_t i = 0; i < s->world.objects.n; i++) {
        yyjson_val *o = json_root(s->world.objects.v[i]);

        if (fixture_kind(o) == a->kind && !json_str_at(o, "metadata.deletionTimestamp", NULL) &&
            selector_matches(sel, json_at(o, "metadata.labels"))) {
            sim_delete(s, o);
            i = (size_t)-1;
        }
    }
    selector_free(sel);
    return 0;
}

static int delete_one(struct sim *s, const struct action *a)
{
    yyjson_val *old = fixture_get(&s->world, a->kind, a->ns, a->name);

    if (!old)
        return ERR_NOT_FOUND;
    sim_delete(s, old);
    return 0;
}

int sim_act(struct sim *s, const struct action *a)
{
    switch (a->act) {
    case ACT_CREATE:
        return create(s, a);
    case ACT_UPDATE:
        return update(s, a);
    case ACT_UPDATE_STATUS:
        return update_status(s, a);
    case ACT_MERGE:
        return merge(s, a);
    case ACT_DELETE:
        return delete_one(s, a);
    case ACT_DELETE_COLLECTION:
        return delete_matching(s, a);
    default:
        return ERR_INTERNAL;
    }
}

static void emit(struct sim *s, const struct planner *planner, const char *name,
                 const struct note *n)
{
    const char *kind = kind_name(planner->kind);

    if (!n->reason)
        return;
    for (size_t i = 0; i < s->events.n; i++)
        if (!strcmp(s->events.v[i].reason, n->reason) && !strcmp(s->events.v[i].name, name) &&
            !strcmp(s->events.v[i].kind, kind))
            return;
    vec_push(&s->events, (struct sim_event){kind, arena_strdup(&s->arena, name),
                                            arena_strdup(&s->arena, n->reason), n->warning});
}

/* The actions in order, as the executor performs them. */
static void perform(struct sim *s, const struct planner *planner, const char *name, struct plan *p,
                    struct outcome *o)
{
    for (size_t i = 0; i < p->events.n; i++)
        emit(s, planner, name, &p->events.v[i]);
    for (size_t i = 0; i < p->actions.n && !s->died; i++) {
        struct action *a = &p->actions.v[i];
        int code;

        if (s->budget == 0) {
            s->died = true;
            s->deaths++;
            return;
        }
        s->budget -= s->budget > 0;
        code = sim_act(s, a);
        if (code == 0) {
            emit(s, planner, name, &a->ok);
            continue;
        }
        if ((code == ERR_NOT_FOUND && a->ignore_not_found) ||
            (code == ERR_ALREADY_EXISTS && a->ignore_exists) || a->best_effort)
            continue;
        emit(s, planner, name, &a->failed);
        o->failed = a;
        o->code = code;
        o->error = err_reason(code);
        return;
    }
}

static struct snapshot snap(struct sim *s, const struct planner *planner, yyjson_val *object)
{
    static const uint8_t entropy[32] = "0123456789abcdef0123456789abcde";

    return (struct snapshot){.kind = planner->kind,
                             .object = object,
                             .world = fixture_world(&s->world),
                             .now_ns = s->now_ns,
                             .options = s->options,
                             .attempt = s->attempt,
                             .entropy = entropy};
}

static void tell(struct sim *s, const struct plan *p)
{
    if (s->verbose)
        plan_print(p, &s->story);
}

bool sim_pass(struct sim *s, const struct planner *planner, const char *ns, const char *name,
              int64_t *ret_requeue, bool *ret_error)
{
    uint64_t before = s->version;
    struct json *object autojson = json_copy(fixture_get(&s->world, planner->kind, ns, name));
    struct snapshot shot = snap(s, planner, json_root(object));
    struct plan first, second;
    struct outcome o = {.plan = &first}, o2 = {0};

    s->attempt++;
    plan_init(&first);
    plan_init(&second);
    planner->plan(&shot, &first);
    tell(s, &first);
    perform(s, planner, name, &first, &o);
    *ret_requeue = first.requeue_ns;
    *ret_error = first.error || o.failed;
    if (!first.done && planner->finish && !s->died) {
        struct json *again autojson = json_copy(fixture_get(&s->world, planner->kind, ns, name));

        shot = snap(s, planner, json_root(again));
        planner->finish(&shot, &o, &second);
        tell(s, &second);
        perform(s, planner, name, &second, &o2);
        *ret_requeue = second.requeue_ns;
        *ret_error = second.error || o2.failed;
    }
    plan_done(&first);
    plan_done(&second);
    return s->version != before;
}

static const struct {
    const struct planner *planner;
    int gate; /* -1: always */
} planners[] = {
    {&raycluster_planner, -1},
    {&networkpolicy_planner, FEATURE_NETWORK_POLICY},
    {&mtls_planner, FEATURE_MTLS},
};

/* Every planner over every object of its kind. */
static bool round_of_passes(struct sim *s, int64_t *ret_wait, bool *ret_error)
{
    bool changed = false;

    *ret_wait = 0;
    *ret_error = false;
    for (size_t k = 0; k < ARRAY_SIZE(planners); k++)
        for (size_t i = 0; i < s->world.objects.n && !s->died; i++) {
            yyjson_val *o = json_root(s->world.objects.v[i]);
            const char *name = arena_strdup(&s->arena, json_str_at(o, "metadata.name", ""));
            const char *ns = arena_strdup(&s->arena, json_str_at(o, "metadata.namespace", ""));
            int64_t wait = 0;
            bool error;

            if (fixture_kind(o) != planners[k].planner->kind ||
                (planners[k].gate >= 0 && !s->options->features[planners[k].gate]))
                continue;
            changed |= sim_pass(s, planners[k].planner, ns, name, &wait, &error);
            *ret_error |= error;
            if (wait && (!*ret_wait || wait < *ret_wait))
                *ret_wait = wait;
        }
    return changed;
}

void sim_round(struct sim *s)
{
    int64_t wait;
    bool error;

    round_of_passes(s, &wait, &error);
}

void sim_settle(struct sim *s)
{
    int quiet = 0;

    for (int i = 0; i < 200 && quiet < 3; i++) {
        int64_t wait;
        bool error, changed = round_of_passes(s, &wait, &error);

        if (s->died) {
            s->died = false;
            s->budget = -1;
            changed = true;
        }
        changed |= sim_kubelet(s);
        s->now_ns += wait && wait < 30 * SECOND_NS ? wait : SECOND_NS;
        quiet = changed ? 0 : quiet + 1;
    }
}
