/* Client-side apply, and which resource a kind is. */
#include "cli/cluster.h"
#include "base/mem.h"

#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

void resource_ref_done(struct resource_ref *r)
{
    free(r->api_version);
    free(r->plural);
    free(r->kind);
    *r = (struct resource_ref){0};
}

int cluster_resource(struct kube *k, const char *api_version, const char *kind,
                     struct resource_ref *ret, struct err *err)
{
    autofree char *path =
        xasprintf("%s/%s", strchr(api_version, '/') ? "/apis" : "/api", api_version);
    autojson struct json *list = NULL;
    struct kube_call call = {.verb = KUBE_GET, .path = path};
    int code = kube_do(k, &call, &list, err);

    if (code < 0 && code != ERR_NOT_FOUND)
        return err_wrap(err, "discovery of %s", api_version);
    json_each(json_get(json_root(list), "resources"), r, i, n) {
        const char *name = json_get_str(r, "name", "");
        if (strcmp(json_get_str(r, "kind", ""), kind) != 0 || strchr(name, '/'))
            continue;
        *ret = (struct resource_ref){xstrdup(api_version), xstrdup(name), xstrdup(kind), {0}};
        ret->gvr = (struct gvr){ret->api_version, ret->plural, ret->kind,
                                !json_bool_at(r, "namespaced", false)};
        return 0;
    }
    return err_set(err, ERR_NOT_FOUND,
                   "no matches for kind \"%s\" in version \"%s\": is its CRD installed?", kind,
                   api_version);
}

/* object with the annotation that remembers it, as kubectl writes it. */
static yyjson_mut_val *remembering(yyjson_mut_doc *doc, yyjson_val *object)
{
    yyjson_mut_val *copy = json_thaw(doc, object);
    autofree char *text = NULL;
    struct buf line cleanup(buf_done) = BUF_INIT;

    yyjson_mut_val *annotations = json_ensure(doc, copy, "metadata.annotations");
    json_remove(annotations, LAST_APPLIED);
    autojson struct json *plain = json_freeze(copy);
    text = json_text(json_root(plain));
    buf_printf(&line, "%s\n", text);
    json_put_str(doc, annotations, LAST_APPLIED, buf_str(&line));
    return copy;
}

/* Adds null for each member that `old` had and `now` has no more; goes into objects only. */
static void forget(yyjson_mut_doc *doc, yyjson_mut_val *patch, yyjson_val *old)
{
    json_each_member(old, key, value) {
        yyjson_mut_val *member = json_mut_get(patch, yyjson_get_str(key));
        if (!member)
            json_put(doc, patch, yyjson_get_str(key), yyjson_mut_null(doc));
        else if (yyjson_is_obj(value) && yyjson_mut_is_obj(member))
            forget(doc, member, value);
    }
}

static int patch_live(struct kube *k, const struct kube_call *get, yyjson_val *live,
                      yyjson_val *object, enum applied *ret, struct json **ret_object,
                      struct err *err)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *patch = remembering(doc, object);
    const char *last = json_str(json_get(json_at(live, "metadata.annotations"), LAST_APPLIED), "");
    autojson struct json *old = NULL, *answer = NULL;
    struct buf body cleanup(buf_done) = BUF_INIT;
    struct kube_call call = *get;

    if (*last && json_parse(slice_of(last), &old, NULL) == 0)
        forget(doc, patch, json_root(old));
    json_mut_write(&body, patch);
    call.verb = KUBE_PATCH;
    call.query = STRICT;
    call.content_type = KUBE_MERGE_PATCH;
    call.body = buf_slice(&body);
    int code = kube_do(k, &call, &answer, err);
    if (code < 0)
        return code;
    *ret = strcmp(meta_rv_text(live), meta_rv_text(json_root(answer))) ? APPLIED_CONFIGURED
                                                                       : APPLIED_UNCHANGED;
    if (ret_object)
        *ret_object = take(answer);
    return 0;
}

static int create(struct kube *k, const struct kube_call *get, yyjson_val *object,
                  enum applied *ret, struct json **ret_object, struct err *err)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    struct buf body cleanup(buf_done) = BUF_INIT;
    autojson struct json *answer = NULL;
    struct kube_call call = *get;

    json_mut_write(&body, remembering(doc, object));
    call.verb = KUBE_CREATE;
    call.query = STRICT;
    call.name = NULL;
    call.body = buf_slice(&body);
    int code = kube_do(k, &call, &answer, err);
    if (code < 0)
        return code;
    *ret = APPLIED_CREATED;
    if (ret_object)
        *ret_object = take(answer);
    return 0;
}

int cluster_apply(struct kube *k, yyjson_val *object, const char *default_ns, enum applied *ret,
                  struct json **ret_object, struct err *err)
{
    struct resource_ref res cleanup(resource_ref_done) = {0};
    const char *ns = *meta_namespace(object) ? meta_namespace(object) : default_ns;
    const char *name = meta_name(object);
    autojson struct json *live = NULL;
    int code = cluster_resource(k, json_get_str(object, "apiVersion", ""),
                                json_get_str(object, "kind", ""), &res, err);

    if (code < 0)
        return code;
    struct kube_call get = {
        .verb = KUBE_GET, .gvr = &res.gvr, .ns = res.gvr.cluster_scoped ? NULL : ns, .name = name};
    if (!*name)
        return create(k, &get, object, ret, ret_object, err);
    code = kube_do(k, &get, &live, err);
    if (code == ERR_NOT_FOUND)
        return create(k, &get, object, ret, ret_object, err);
    return code < 0 ? code : patch_live(k, &get, json_root(live), object, ret, ret_object, err);
}
