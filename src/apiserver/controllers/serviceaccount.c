/*
 * What every namespace has: the service account `default` (serviceaccount-controller) and the
 * ConfigMap kube-root-ca.crt with the server's certificate authority
 * (root-ca-certificate-publisher- controller). Both are put back when they are deleted or changed.
 */
#include "apiserver/controllers/controllers.h"

#include "apiserver/controllers/work.h"

#define CA_NAME "kube-root-ca.crt"
#define CA_NOTE                                                                                    \
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal "      \
    "endpoints such as the internal service IP or kubernetes.default.svc. No other usage is "      \
    "guaranteed across distributions of Kubernetes clusters."

struct keeper {
    struct apiserver *api;
    const struct resource *namespaces, *kept;
    const char *name; /* of the object in each namespace */
    void (*fill)(struct keeper *k, yyjson_mut_doc *doc, yyjson_mut_val *obj);
    bool (*is_right)(struct keeper *k, const struct object *o);
    struct work *work;
    struct subscription *on_namespace, *on_kept;
};

/* ---- the two objects ---- */

static void fill_account(struct keeper *k, yyjson_mut_doc *doc, yyjson_mut_val *obj)
{
    (void)k;
    (void)doc;
    (void)obj;
}

static void fill_ca(struct keeper *k, yyjson_mut_doc *doc, yyjson_mut_val *obj)
{
    json_put_str(doc, json_ensure(doc, obj, "metadata.annotations"), "kubernetes.io/description",
                 CA_NOTE);
    json_put_str(doc, json_put_obj(doc, obj, "data"), "ca.crt", api_ca_pem(k->api));
}

static bool always_right(struct keeper *k, const struct object *o)
{
    (void)k;
    (void)o;
    return true;
}

static bool ca_is_right(struct keeper *k, const struct object *o)
{
    struct json *doc autojson = object_parse(o);

    return !strcmp(json_get_str(json_get(json_root(doc), "data"), "ca.crt", ""),
                   api_ca_pem(k->api));
}

/* ---- keeping them ---- */

static void written(void *arg, const struct status *st, const struct object *obj)
{
    struct {
        struct keeper *k;
        char *ns;
    } *call = arg;
    bool again = st && st->http != 409 && st->http != 404 && st->http != 403;

    (void)obj;
    work_done(call->k->work, call->ns, again ? WORK_RETRY : WORK_FINE);
    free(call->ns);
    free(call);
}

static void write_object(struct keeper *k, const char *ns, const struct object *old)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *obj = yyjson_mut_obj(doc);
    struct {
        struct keeper *k;
        char *ns;
    } *call = xcalloc(1, sizeof *call);

    json_put_str(doc, json_put_obj(doc, obj, "metadata"), "name", k->name);
    k->fill(k, doc, obj);
    struct json *body autojson = json_freeze(obj);
    call->k = k;
    call->ns = xstrdup(ns);
    api_call(k->api, &(struct api_call){
                         .verb = old ? VERB_PATCH : VERB_CREATE,
                         .res = k->kept,
                         .ns = ns,
                         .name = old ? k->name : "",
                         .body = json_root(body),
                         .manager = "kube-controller-manager",
                         .done = written,
                         .arg = call,
                     });
}

static void run(void *self, const char *ns)
{
    struct keeper *k = self;
    struct object *space autoobject = storage_get(api_storage(k->api), k->namespaces, "", ns);
    struct object *o autoobject = storage_get(api_storage(k->api), k->kept, ns, k->name);

    if (!space || space->terminating || (o && k->is_right(k, o)))
        work_done(k->work, ns, WORK_FINE);
    else
        write_object(k, ns, o);
}

static void on_namespace(void *arg, const struct event *e)
{
    struct keeper *k = arg;

    if (e->type == EVENT_ADDED)
        work_add(k->work, e->object->name);
}

static void on_kept(void *arg, const struct event *e)
{
    struct keeper *k = arg;

    if (e->type != EVENT_ADDED && !strcmp(e->object->name, k->name))
        work_add(k->work, e->object->ns);
}

static bool first_look(void *arg, const struct object *o)
{
    work_add(((struct keeper *)arg)->work, o->name);
    return true;
}

static void *start(struct apiserver *api, const char *plural, const char *name,
                   void (*fill)(struct keeper *, yyjson_mut_doc *, yyjson_mut_val *),
                   bool (*is_right)(struct keeper *, const struct object *))
{
    struct keeper *k = xnew(struct keeper);

    *k = (struct keeper){
        .api = api,
        .namespaces = api_resource(api, "", "namespaces"),
        .kept = api_resource(api, "", plural),
        .name = name,
        .fill = fill,
        .is_right = is_right,
    };
    k->work = work_new(api_loop(api), run, k);
    k->on_namespace = api_subscribe(api, k->namespaces, on_namespace, k);
    k->on_kept = api_subscribe(api, k->kept, on_kept, k);
    storage_each(api_storage(api), &(struct storage_scan){.res = k->namespaces}, first_look, k,
                 NULL);
    return k;
}

static void stop(void *self)
{
    struct keeper *k = self;

    api_unsubscribe(k->on_namespace);
    api_unsubscribe(k->on_kept);
    work_free(k->work);
    free(k);
}

static void *start_account(struct apiserver *api)
{
    return start(api, "serviceaccounts", "default", fill_account, always_right);
}

static void *start_ca(struct apiserver *api)
{
    return start(api, "configmaps", CA_NAME, fill_ca, ca_is_right);
}

const struct controller serviceaccount_controller = {"serviceaccount-controller", start_account,
                                                     stop};
const struct controller root_ca_controller = {"root-ca-certificate-publisher-controller", start_ca,
                                              stop};
