#include "apiserver/crd/cleanup.h"

#include "apiserver/controllers/work.h"
#include "apiserver/crd/crd.h"

/* How often the remaining objects are counted, and sent off again if a deletion was refused. */
#define LOOK_AGAIN_NS INT64_C(100000000)

struct crd_cleanup {
    struct apiserver *api;
    struct crds *crds;
    struct work *work;
};

struct names {
    VEC(struct object *) objects;
    size_t total;
};

static bool collect(void *arg, const struct object *o)
{
    struct names *n = arg;

    n->total++;
    if (!o->terminating)
        vec_push(&n->objects, object_ref(o));
    return true;
}

/* Sends the deletions that are due; how many objects there are still. */
static size_t delete_objects(struct crd_cleanup *c, const struct resource *res)
{
    struct names n = {0};

    storage_each(api_storage(c->api), &(struct storage_scan){.res = res}, collect, &n, NULL);
    for (size_t i = 0; i < n.objects.n; i++) {
        struct object *o = n.objects.v[i];
        api_call(c->api,
                 &(struct api_call){.verb = VERB_DELETE, .res = res, .ns = o->ns, .name = o->name});
        object_unref(o);
    }
    vec_done(&n.objects);
    return n.total;
}

static void remove_finalizer(struct crd_cleanup *c, const struct resource *crds,
                             const struct object *o)
{
    struct json *doc autojson = object_parse(o), *patch autojson = NULL;
    yyjson_mut_doc *mut automut = json_mut_new();
    yyjson_mut_val *root = yyjson_mut_obj(mut);
    yyjson_mut_val *list = json_put_arr(mut, json_put_obj(mut, root, "metadata"), "finalizers");

    json_each(json_at(json_root(doc), "metadata.finalizers"), f, i, n)
        if (strcmp(json_str(f, ""), CRD_FINALIZER))
            yyjson_mut_arr_append(list, json_thaw(mut, f));
    patch = json_freeze(root);
    api_call(c->api,
             &(struct api_call){
                 .verb = VERB_PATCH, .res = crds, .name = o->name, .body = json_root(patch)});
}

static bool has_finalizer(const struct object *o)
{
    struct json *doc autojson = object_parse(o);

    json_each(json_at(json_root(doc), "metadata.finalizers"), f, i, n)
        if (!strcmp(json_str(f, ""), CRD_FINALIZER))
            return true;
    return false;
}

static void run(void *self, const char *name)
{
    struct crd_cleanup *c = self;
    const struct resource *crds =
        api_resource(c->api, "apiextensions.k8s.io", "customresourcedefinitions");
    struct object *o autoobject = storage_get(api_storage(c->api), crds, "", name);
    const struct resource *res = crds_stored(c->crds, name);

    if (o && o->terminating && has_finalizer(o)) {
        if (res && delete_objects(c, res))
            work_add_after(c->work, name, LOOK_AGAIN_NS);
        else
            remove_finalizer(c, crds, o);
    }
    work_done(c->work, name, WORK_FINE);
}

struct crd_cleanup *crd_cleanup_new(struct apiserver *api, struct crds *crds)
{
    struct crd_cleanup *c = xnew(struct crd_cleanup);

    c->api = api;
    c->crds = crds;
    c->work = work_new(api_loop(api), run, c);
    return c;
}

void crd_cleanup_free(struct crd_cleanup *c)
{
    if (!c)
        return;
    work_free(c->work);
    free(c);
}

void crd_cleanup_start(struct crd_cleanup *c, const char *crd_name)
{
    work_add(c->work, crd_name);
}
