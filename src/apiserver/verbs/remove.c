/*
 * DELETE of one object and of a collection. Whether an object goes at once depends on its
 * finalizers (those of the propagation policy included) and, for Pods, on its grace period;
 * otherwise it is marked with a deletionTimestamp and goes when the last finalizer does
 * (verbs/update.c).
 */
#include "apiserver/server.h"
#include "base/clock.h"
#include "base/timefmt.h"

#include <stdio.h>

struct delete_options {
    enum propagation propagation;
    bool orphan_set, orphan; /* orphanDependents, of old */
    int64_t grace;           /* -1: the object's own */
    const char *uid, *rv;    /* preconditions; NULL: none */
};

/* ---- options: from the body, and from the query over it ---- */

static void read_propagation(struct request *req, const char *text, struct delete_options *o)
{
    static const char *const names[] = {[PROPAGATE_BACKGROUND] = "Background",
                                        [PROPAGATE_FOREGROUND] = "Foreground",
                                        [PROPAGATE_ORPHAN] = "Orphan"};

    for (size_t i = 1; text && i < ARRAY_SIZE(names); i++) {
        if (strcmp(names[i], text) == 0) {
            o->propagation = (enum propagation)i;
            return;
        }
    }
    if (text && *text)
        field_error_add(
            &req->errs, FIELD_NOT_SUPPORTED, "propagationPolicy",
            arena_printf(
                &req->arena,
                "Unsupported value: \"%s\": supported values: \"Background\", \"Foreground\", "
                "\"Orphan\", \"nil\"",
                text));
}

static void read_body(struct request *req, yyjson_val *body, struct delete_options *o)
{
    yyjson_val *orphan = json_get(body, "orphanDependents"), *dry = json_get(body, "dryRun");
    const char *uid = json_str_at(body, "preconditions.uid", NULL);
    const char *rv = json_str_at(body, "preconditions.resourceVersion", NULL);

    o->grace = json_int_at(body, "gracePeriodSeconds", -1);
    read_propagation(req, json_get_str(body, "propagationPolicy", NULL), o);
    if (yyjson_is_bool(orphan)) {
        o->orphan_set = true;
        o->orphan = yyjson_get_bool(orphan);
    }
    o->uid = uid ? arena_strdup(&req->arena, uid) : NULL;
    o->rv = rv ? arena_strdup(&req->arena, rv) : NULL;
    json_each(dry, one, i, n) {
        if (strcmp(json_str(one, ""), "All") == 0)
            req->dry_run = true;
        else
            field_error_add(&req->errs, FIELD_NOT_SUPPORTED, "dryRun",
                            arena_printf(&req->arena,
                                         "Unsupported value: [\"%s\"]: supported values: \"All\"",
                                         json_str(one, "")));
    }
}

static struct status *read_query(struct request *req, struct delete_options *o)
{
    struct status *st = query_int(req, "gracePeriodSeconds", &o->grace);

    if (request_param(req, "orphanDependents")) {
        o->orphan_set = true;
        query_bool(req, "orphanDependents", &o->orphan);
    }
    read_propagation(req, request_param(req, "propagationPolicy"), o);
    return st;
}

static struct status *read_options(struct request *req, struct delete_options *o)
{
    struct json *body autojson = NULL;
    struct status *st = body_json(req, &body);

    *o = (struct delete_options){.grace = -1};
    if (st)
        return st;
    const char *kind = json_get_str(json_root(body), "kind", "");
    if (*kind && strcmp(kind, "DeleteOptions") != 0)
        return status_new(&req->arena, ERR_BAD_REQUEST,
                          "no kind \"%s\" is registered for version \"%s\"", kind,
                          json_get_str(json_root(body), "apiVersion", ""));
    read_body(req, json_root(body), o);
    st = read_query(req, o);
    if (st)
        return st;
    if (o->orphan_set && o->propagation)
        field_invalid_str(&req->errs, "propagationPolicy", "orphanDependents",
                          "orphanDependents and deletionPropagation cannot be both set");
    if (o->orphan_set && !o->propagation)
        o->propagation = o->orphan ? PROPAGATE_ORPHAN : PROPAGATE_BACKGROUND;
    return options_parse(req, OPTIONS_DELETE);
}

/* ---- one object ---- */

static struct status *check_preconditions(struct request *req, const struct object *o,
                                          const char *name, const struct delete_options *opts)
{
    char rv[24];
    const char *what = NULL, *want = NULL, *is = NULL;

    snprintf(rv, sizeof rv, "%llu", (unsigned long long)o->rv);
    if (opts->uid && strcmp(opts->uid, o->uid) != 0)
        what = "UID", want = opts->uid, is = o->uid;
    else if (opts->rv && strcmp(opts->rv, rv) != 0)
        what = "ResourceVersion", want = opts->rv, is = rv;
    if (!what)
        return NULL;
    /* here Kubernetes names the kind, not the resource */
    return status_conflict(
        &req->arena, req->res->group, req->res->kind, name,
        arena_printf(&req->arena,
                     "the %s in the precondition (%s) does not match the %s in record (%s). The "
                     "object might have been deleted and then recreated",
                     what, want, what, is));
}

static bool is_namespace(const struct resource *res)
{
    return !*res->group && strcmp(res->plural, "namespaces") == 0;
}

static struct status *check_immortal(struct request *req, const char *name)
{
    static const char *const immortal[] = {"default", "kube-system", "kube-public"};

    for (size_t i = 0; is_namespace(req->res) && i < ARRAY_SIZE(immortal); i++)
        if (strcmp(immortal[i], name) == 0)
            return status_forbidden(&req->arena, "", "namespaces", name,
                                    "this namespace may not be deleted");
    return NULL;
}

static void drop_string(yyjson_mut_val *arr, const char *s)
{
    yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(arr);

    for (yyjson_mut_val *v; (v = yyjson_mut_arr_iter_next(&it));)
        if (yyjson_mut_equals_str(v, s))
            yyjson_mut_arr_iter_remove(&it);
}

/* The finalizers of the garbage collector, as the policy wants them. True if any finalizer is left.
 */
static bool settle_finalizers(struct request *req, yyjson_mut_val *meta,
                              const struct delete_options *opts)
{
    yyjson_mut_doc *doc = request_doc(req);
    enum propagation p = opts->propagation;
    yyjson_mut_val *list = json_mut_get(meta, "finalizers");

    if (p == PROPAGATE_DEFAULT && req->res->orphan_by_default)
        p = PROPAGATE_ORPHAN;
    if (p != PROPAGATE_DEFAULT) {
        drop_string(list, "orphan");
        drop_string(list, "foregroundDeletion");
    }
    if (p == PROPAGATE_ORPHAN || p == PROPAGATE_FOREGROUND) {
        if (!list)
            list = json_put_arr(doc, meta, "finalizers");
        yyjson_mut_arr_add_str(doc, list, p == PROPAGATE_ORPHAN ? "orphan" : "foregroundDeletion");
    }
    if (list && !yyjson_mut_arr_size(list)) {
        json_remove(meta, "finalizers");
        list = NULL;
    }
    return list != NULL;
}

/* Seconds that the object may still live; 0: none. */
static int64_t grace_of(const struct resource *res, yyjson_val *obj,
                        const struct delete_options *opts)
{
    const struct resource_hooks *hooks = res->hooks;
    int64_t own = hooks && hooks->grace ? hooks->grace(obj) : 0;

    if (own <= 0)
        return 0;
    return opts->grace >= 0 ? opts->grace : own;
}

/* A deletion that begins is a new generation; one that is hastened is not. */
static void mark(struct request *req, yyjson_mut_val *obj, int64_t grace)
{
    yyjson_mut_doc *doc = request_doc(req);
    yyjson_mut_val *meta = json_mut_get(obj, "metadata"),
                   *generation = json_mut_get(meta, "generation");
    bool again = json_mut_get(meta, "deletionTimestamp") != NULL;

    put_time(doc, meta, "deletionTimestamp", clock_wall_ns() + grace * SECOND_NS);
    if (!is_namespace(req->res))
        json_put_int(doc, meta, "deletionGracePeriodSeconds", grace);
    if (!again && generation && yyjson_mut_get_sint(generation) > 0)
        json_put_int(doc, meta, "generation", yyjson_mut_get_sint(generation) + 1);
    if (is_namespace(req->res))
        json_put_str(doc, json_ensure(doc, obj, "status"), "phase", "Terminating");
}

/* A second DELETE can only shorten the time that is left. */
static bool shortens(yyjson_val *old, int64_t grace)
{
    return json_int_at(old, "metadata.deletionGracePeriodSeconds", 0) > grace;
}

struct removal {
    struct object
        *object; /* what the answer shows: the marked object, or the last state; a reference */
    bool gone;
};

/* A kind that may linger is marked first, even if it goes at once: its last state says so. */
static struct object *remove_now(struct request *req, const struct object *old, yyjson_mut_val *obj,
                                 yyjson_val *was)
{
    struct change ch;

    if (!req->res->hooks || !req->res->hooks->grace)
        return delete_write(req, old);
    if (old->terminating)
        json_put_int(request_doc(req), json_mut_get(obj, "metadata"), "deletionGracePeriodSeconds",
                     0);
    else
        mark(req, obj, 0);
    change_init(&ch, req, VERB_DELETE, obj, was);
    ch.res = ch.res->stored;
    struct object *marked autoobject = change_write(&ch, req, EVENT_MODIFIED);
    return delete_write(req, marked);
}

/* Settles the deletion of one object. */
static struct status *remove_one(struct request *req, const struct object *old,
                                 const struct delete_options *opts, struct removal *ret)
{
    struct json *j autojson = object_parse(old);
    struct status *st = check_preconditions(req, old, old->name, opts);
    struct change ch;

    if (!st)
        st = check_immortal(req, old->name);
    if (st)
        return st;
    yyjson_mut_doc *doc = request_doc(req);
    yyjson_mut_val *obj = json_thaw(doc, json_root(j)), *meta = json_mut_get(obj, "metadata");
    int64_t grace = grace_of(req->res, json_root(j), opts);
    bool held =
        settle_finalizers(req, meta, opts) ||
        (is_namespace(req->res) && yyjson_mut_arr_size(json_mut_at(obj, "spec.finalizers")));
    *ret = (struct removal){.gone = !held && grace == 0};
    if (ret->gone) {
        ret->object = req->dry_run ? object_ref(old) : remove_now(req, old, obj, json_root(j));
        return NULL;
    }
    if (!old->terminating || shortens(json_root(j), grace))
        mark(req, obj, grace);
    struct json *now autojson = json_freeze(obj);
    if (req->dry_run || json_equal(json_root(now), json_root(j))) {
        ret->object = object_ref(old);
        return NULL;
    }
    change_init(&ch, req, VERB_DELETE, obj, json_root(j));
    ch.res = ch.res->stored; /* obj is in the stored version already */
    ret->object = change_write(&ch, req, EVENT_MODIFIED);
    return NULL;
}

void verb_delete(struct request *req)
{
    struct delete_options opts;
    struct removal removal = {0};
    struct object *old autoobject = NULL;
    bool pending;
    struct status *st = read_options(req, &opts);

    if (st) {
        request_status(req, st);
        return;
    }
    old = newest(req, &pending);
    st = old ? remove_one(req, old, &opts, &removal)
             : status_not_found(&req->arena, req->res->group, req->res->plural, req->name);
    if (st) {
        request_later_status(req, st);
    } else if (removal.gone && !req->res->returns_deleted) {
        request_later_status(req, status_success(&req->arena, req->res->group, req->res->plural,
                                                 old->name, old->uid));
    } else {
        bool accepted = !removal.gone && opts.orphan_set && !opts.orphan;

        request_later_object(req, accepted ? 202 : 200, removal.object);
    }
    object_unref(removal.object);
}

/* ---- a collection ---- */

struct collection {
    struct request *req;
    struct selection sel;
    VEC(struct object *) found;
};

static bool collect(void *arg, const struct object *o)
{
    struct collection *c = arg;

    if (selection_has(&c->sel, o))
        vec_push(&c->found, object_ref(o));
    return true;
}

/* The answer is the list of what was there. */
static void write_list(struct collection *c, struct buf *out)
{
    struct request *req = c->req;
    struct list_meta meta = {.rv = storage_rv(req->api->storage), .remaining = -1};

    view_list_open(&req->view, req->res, out);
    for (size_t i = 0; i < c->found.n; i++) {
        if (i)
            buf_addc(out, ',');
        view_item(&req->view, req->res, c->found.v[i], clock_wall_ns(), out);
    }
    view_list_close(&req->view, req->res, &meta, out);
}

static struct status *remove_all(struct collection *c, const struct delete_options *opts)
{
    struct request *req = c->req;
    struct status *st = NULL;
    bool pending;

    for (size_t i = 0; !st && i < c->found.n; i++) {
        struct removal removal = {0};
        struct object *o autoobject = storage_newest(req->api->storage, req->res, c->found.v[i]->ns,
                                                     c->found.v[i]->name, &pending);

        if (!o)
            continue; /* gone meanwhile */
        st = remove_one(req, o, opts, &removal);
        object_unref(removal.object);
    }
    return st;
}

void verb_deletecollection(struct request *req)
{
    struct collection c = {.req = req};
    struct delete_options opts;
    struct buf out cleanup(buf_done) = BUF_INIT;
    struct status *st = read_options(req, &opts);

    if (!st)
        st = selection_parse(req, &c.sel);
    if (!st) {
        storage_each(req->api->storage, &(struct storage_scan){.res = req->res, .ns = req->ns},
                     collect, &c, NULL);
        write_list(&c, &out);
        st = remove_all(&c, &opts);
    }
    selection_done(&c.sel);
    for (size_t i = 0; i < c.found.n; i++)
        object_unref(c.found.v[i]);
    vec_done(&c.found);
    if (st)
        request_later_status(req, st);
    else
        request_later_json(req, 200, &out);
}
