#include "apiserver/kinds/subresources.h"

#include "apiserver/server.h"
#include "apiserver/kinds/rules.h"

#include "base/clock.h"
#include "base/timefmt.h"

/* ---- bodies ---- */

/* The request's JSON body; false: it was answered with 400. */
static bool body(struct request *req, struct json **ret)
{
    struct status *st = body_json(req, ret);

    if (!st && !yyjson_is_obj(json_root(*ret)))
        st = status_new(&req->arena, ERR_BAD_REQUEST, "the body of the request is not an object");
    if (st)
        request_status(req, st);
    return !st;
}

static struct status *created(struct request *req)
{
    struct status *st = status_success(&req->arena, "", "", "", NULL);

    st->details = false;
    st->http = 201;
    return st;
}

/* ---- pods/binding ---- */

static void bind_pod(struct request *req, const struct object *old, const char *node)
{
    struct json *old_json autojson = object_in_version(req->res, old);
    yyjson_mut_val *obj = json_thaw(request_doc(req), json_root(old_json));
    struct change ch;
    const char *bound = json_str_at(json_root(old_json), "spec.nodeName", "");

    if (*bound) {
        const char *why = arena_printf(&req->arena, "pod %s is already assigned to node \"%s\"",
                                       req->name, bound);
        request_later_status(req, status_conflict(&req->arena, "", "pods/binding", req->name, why));
        return;
    }
    json_put_str(request_doc(req), json_ensure(request_doc(req), obj, "spec"), "nodeName", node);
    change_init(&ch, req, VERB_UPDATE, obj, json_root(old_json));
    struct status *st = change_run(&ch);
    if (!st && !req->dry_run) {
        object_unref(change_write(&ch, req, EVENT_MODIFIED));
    }
    request_later_status(req, st ? st : created(req));
}

static void handle_binding(struct request *req)
{
    struct json *in autojson = NULL;
    bool pending;

    if (!body(req, &in))
        return;
    const char *node = json_str_at(json_root(in), "target.name", "");
    if (strcmp(json_str_at(json_root(in), "metadata.name", ""), req->name)) {
        request_status(req, status_new(&req->arena, ERR_BAD_REQUEST,
                                       "name in URL does not match name in Binding object"));
        return;
    }
    struct object *old autoobject = newest(req, &pending);
    if (!old)
        request_later_status(req, status_not_found(&req->arena, "", "pods", req->name));
    else if (!*node)
        request_status(req, status_new(&req->arena, ERR_BAD_REQUEST,
                                       "the binding names no node: set target.name"));
    else
        bind_pod(req, old, arena_strdup(&req->arena, node));
}

/* ---- pods/eviction: a deletion, and a condition that says whose ---- */

static void evicted(void *arg, const struct status *st, const struct object *obj)
{
    struct request *req = arg;

    (void)obj;
    request_status(req, st ? st : created(req));
}

static void put_target(struct request *req, const struct object *old)
{
    struct json *old_json autojson = object_in_version(req->res, old);
    yyjson_mut_doc *doc = request_doc(req);
    yyjson_mut_val *obj = json_thaw(doc, json_root(old_json));
    yyjson_mut_val *status = json_ensure(doc, obj, "status"),
                   *list = json_mut_get(status, "conditions");
    char now[TIME_TEXT];
    struct change ch;

    if (!list)
        list = json_put_arr(doc, status, "conditions");
    yyjson_mut_val *c = yyjson_mut_arr_add_obj(doc, list);
    json_put_str(doc, c, "type", "DisruptionTarget");
    json_put_str(doc, c, "status", "True");
    yyjson_mut_obj_add_null(doc, c, "lastProbeTime");
    json_put_str(doc, c, "lastTransitionTime", time_rfc3339(clock_wall_ns(), now));
    json_put_str(doc, c, "reason", "EvictionByEvictionAPI");
    json_put_str(doc, c, "message", "Eviction API: evicting");
    change_init(&ch, req, VERB_UPDATE, obj, json_root(old_json));
    object_unref(change_write(&ch, req, EVENT_MODIFIED));
}

/* A pod that runs nowhere or is over has nothing to be disturbed in: it only goes. */
static bool is_disturbed(const struct object *old)
{
    struct json *j autojson = object_parse(old);
    const char *phase = json_str_at(json_root(j), "status.phase", "");

    return !old->terminating && strcmp(phase, "Succeeded") && strcmp(phase, "Failed");
}

static void handle_eviction(struct request *req)
{
    struct json *in autojson = NULL;
    bool pending;

    if (!body(req, &in))
        return;
    struct object *old autoobject = newest(req, &pending);
    if (old && is_disturbed(old) && !req->dry_run)
        put_target(req, old);
    api_call(req->api, &(struct api_call){
                           .verb = VERB_DELETE,
                           .res = req->res,
                           .ns = req->ns,
                           .name = req->name,
                           .body = json_get(json_root(in), "deleteOptions"),
                           .done = evicted,
                           .arg = req,
                       });
}

/* ---- serviceaccounts/token ---- */

#define TOKEN_MIN 600
#define TOKEN_MAX (1LL << 32)

static const char *uid_of(struct request *req, const char *plural, const char *name)
{
    const struct resource *res = api_resource(req->api, "", plural);
    struct object *o autoobject = storage_get(api_storage(req->api), res, req->ns, name);

    return o ? arena_strdup(&req->arena, o->uid) : NULL;
}

static void answer_token(struct request *req, yyjson_val *in, const char *sa_uid, const char *pod,
                         const char *pod_uid)
{
    yyjson_mut_doc *doc = request_doc(req);
    int64_t seconds = json_int_at(in, "spec.expirationSeconds", 3600);
    yyjson_mut_val *out = json_thaw(doc, in), *spec = json_ensure(doc, out, "spec");
    autofree char *token =
        api_sa_token(req->api, req->ns, req->name, sa_uid, pod, pod_uid, seconds);
    char until[TIME_TEXT], uuid[37];

    json_put_str(doc, out, "kind", "TokenRequest");
    json_put_str(doc, out, "apiVersion", "authentication.k8s.io/v1");
    yyjson_mut_val *meta = json_put_obj(doc, out, "metadata");
    json_put_str(doc, meta, "name", req->name);
    json_put_str(doc, meta, "namespace", req->ns);
    rand_uuid(uuid);
    json_put_str(doc, meta, "uid", uuid);
    json_put_str(doc, meta, "creationTimestamp", time_rfc3339(clock_wall_ns(), until));
    if (!json_mut_get(spec, "audiences"))
        yyjson_mut_arr_add_strcpy(doc, json_put_arr(doc, spec, "audiences"),
                                  "https://kubernetes.default.svc");
    json_put_int(doc, spec, "expirationSeconds", seconds);
    if (!json_mut_get(spec, "boundObjectRef"))
        json_put(doc, spec, "boundObjectRef", yyjson_mut_null(doc));
    yyjson_mut_val *status = json_put_obj(doc, out, "status");
    json_put_str(doc, status, "token", token);
    json_put_str(doc, status, "expirationTimestamp",
                 time_rfc3339(clock_wall_ns() + seconds * SECOND_NS, until));
    request_value(req, 201, out);
}

static void handle_token(struct request *req)
{
    struct json *in autojson = NULL;
    const char *pod = NULL, *pod_uid = NULL;

    if (!body(req, &in))
        return;
    yyjson_val *bound = json_at(json_root(in), "spec.boundObjectRef");
    int64_t seconds = json_int_at(json_root(in), "spec.expirationSeconds", 3600);
    const char *uid = uid_of(req, "serviceaccounts", req->name);
    if (!strcmp(json_get_str(bound, "kind", ""), "Pod")) {
        pod = arena_strdup(&req->arena, json_get_str(bound, "name", ""));
        pod_uid = uid_of(req, "pods", pod);
    }
    if (seconds < TOKEN_MIN || seconds > TOKEN_MAX)
        field_invalid(&req->errs, "spec.expirationSeconds",
                      json_at(json_root(in), "spec.expirationSeconds"),
                      seconds < TOKEN_MIN ? "may not specify a duration less than 10 minutes"
                                          : "may not specify a duration larger than 2^32 seconds");
    if (!uid)
        request_status(req, status_not_found(&req->arena, "", "serviceaccounts", req->name));
    else if (pod && !pod_uid)
        request_status(req, status_not_found(&req->arena, "", "pods", pod));
    else if (req->errs.n)
        request_status(req, status_invalid(&req->arena, "authentication.k8s.io", "TokenRequest", "",
                                           &req->errs));
    else
        answer_token(req, json_root(in), uid, pod, pod_uid);
}

/* ---- reviews ---- */

static yyjson_mut_val *echo(struct request *req, yyjson_val *in)
{
    yyjson_mut_doc *doc = request_doc(req);
    yyjson_mut_val *out = json_thaw(doc, in);

    json_put_str(doc, out, "kind", req->res->kind);
    json_put_str(doc, out, "apiVersion", req->res->api_version);
    json_ensure(doc, out, "metadata");
    return out;
}

/* Everybody who gets in may do everything: there is no RBAC yet. */
static void handle_access_review(struct request *req)
{
    struct json *in autojson = NULL;

    if (!body(req, &in))
        return;
    yyjson_mut_val *out = echo(req, json_root(in)),
                   *status = json_put_obj(request_doc(req), out, "status");
    json_put_bool(request_doc(req), status, "allowed", true);
    request_value(req, 201, out);
}

static void put_star(yyjson_mut_doc *doc, yyjson_mut_val *rule, const char *key)
{
    yyjson_mut_arr_add_strcpy(doc, json_put_arr(doc, rule, key), "*");
}

static void handle_rules_review(struct request *req)
{
    struct json *in autojson = NULL;
    yyjson_mut_doc *doc = request_doc(req);

    if (!body(req, &in))
        return;
    yyjson_mut_val *out = echo(req, json_root(in)), *status = json_put_obj(doc, out, "status");
    yyjson_mut_val *rule = yyjson_mut_arr_add_obj(doc, json_put_arr(doc, status, "resourceRules"));
    put_star(doc, rule, "verbs");
    put_star(doc, rule, "apiGroups");
    put_star(doc, rule, "resources");
    rule = yyjson_mut_arr_add_obj(doc, json_put_arr(doc, status, "nonResourceRules"));
    put_star(doc, rule, "verbs");
    put_star(doc, rule, "nonResourceURLs");
    json_put_bool(doc, status, "incomplete", false);
    request_value(req, 201, out);
}

static void put_user(struct request *req, yyjson_mut_val *to)
{
    yyjson_mut_doc *doc = request_doc(req);
    yyjson_mut_val *user = json_put_obj(doc, to, "userInfo");

    json_put_str(doc, user, "username", req->user.name ? req->user.name : "");
    if (req->user.uid && *req->user.uid)
        json_put_str(doc, user, "uid", req->user.uid);
    yyjson_mut_val *groups = json_put_arr(doc, user, "groups");
    for (const char *const *g = req->user.groups; g && *g; g++)
        yyjson_mut_arr_add_strcpy(doc, groups, *g);
}

static void handle_self_review(struct request *req)
{
    struct json *in autojson = NULL;

    if (!body(req, &in))
        return;
    yyjson_mut_val *out = echo(req, json_root(in));
    put_user(req, json_put_obj(request_doc(req), out, "status"));
    request_value(req, 201, out);
}

/* ---- the tables ---- */

static const struct {
    const char *group, *plural, *name;
    request_handler *handle;
} subresources[] = {
    {"", "pods", "binding", handle_binding},
    {"", "pods", "eviction", handle_eviction},
    {"", "serviceaccounts", "token", handle_token},
};

request_handler *subresource_handler_find(const char *group, const char *plural, const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(subresources); i++)
        if (!strcmp(subresources[i].plural, plural) && !strcmp(subresources[i].group, group) &&
            !strcmp(subresources[i].name, name))
            return subresources[i].handle;
    return NULL;
}

static const struct {
    const char *plural;
    request_handler *handle;
} reviews[] = {
    {"selfsubjectaccessreviews", handle_access_review},
    {"subjectaccessreviews", handle_access_review},
    {"localsubjectaccessreviews", handle_access_review},
    {"selfsubjectrulesreviews", handle_rules_review},
    {"selfsubjectreviews", handle_self_review},
};

request_handler *review_handler_find(const char *group, const char *plural)
{
    for (size_t i = 0; i < ARRAY_SIZE(reviews); i++)
        if (!strcmp(reviews[i].plural, plural) && strchr(group, '.'))
            return reviews[i].handle;
    return NULL;
}
