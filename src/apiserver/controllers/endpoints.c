/*
 * endpoints-controller and endpointslice-controller: one object a Service, written anew when the
 * Service or one of its pods changes in a way that shows.
 */
#include "apiserver/controllers/endpoints.h"

#include "apiserver/controllers/controllers.h"
#include "apiserver/controllers/work.h"
#include "data/selector.h"

struct keeper {
    struct apiserver *api;
    const struct resource *services, *pods, *kept;
    yyjson_mut_val *(*make)(yyjson_mut_doc *doc, const struct backends *b);
    bool slices;
    struct work *work; /* "ns/name" of Services */
    struct subscription *on_service, *on_pod;
};

struct found {
    const struct selector *selector;
    VEC(struct json *) docs;
    VEC(yyjson_val *) roots;
};

static bool collect(void *arg, const struct object *o)
{
    struct found *f = arg;
    struct json *doc = object_parse(o);

    if (!selector_matches(f->selector, json_at(json_root(doc), "metadata.labels"))) {
        json_unref(doc);
        return true;
    }
    vec_push(&f->docs, doc);
    vec_push(&f->roots, json_root(doc));
    return true;
}

static void found_done(struct found *f)
{
    for (size_t i = 0; i < f->docs.n; i++)
        json_unref(f->docs.v[i]);
    vec_done(&f->docs);
    vec_done(&f->roots);
}

/* ---- writing ---- */

struct run {
    struct keeper *k;
    char *key;
};

static void written(void *arg, const struct status *st, const struct object *obj)
{
    struct run *r = arg;
    bool again = st && st->http != 403 && st->http != 404;

    (void)obj;
    work_done(r->k->work, r->key, again ? WORK_RETRY : WORK_FINE);
    free(r->key);
    free(r);
}

static void send_call(struct keeper *k, const char *key, struct api_call c)
{
    struct run *r = xnew(struct run);

    r->k = k;
    r->key = xstrdup(key);
    c.res = k->kept;
    c.manager = "kube-controller-manager";
    c.done = written;
    c.arg = r;
    api_call(k->api, &c);
}

/* Whether the stored object says already what want says. */
static bool says(yyjson_val *stored, yyjson_val *want)
{
    static const char *const parts[] = {"metadata.labels", "subsets", "endpoints", "ports"};

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        yyjson_val *a = json_at(stored, parts[i]), *b = json_at(want, parts[i]);
        if (!json_equal(a, b) && !(json_is_empty(a) && json_is_empty(b)))
            return false;
    }
    return true;
}

/* Gives true when a call was sent, whose answer ends the run. */
static bool write_object(struct keeper *k, const char *key, const char *ns,
                         const struct backends *b)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *want = k->make(doc, b);
    const char *name = json_mut_str_at(want, "metadata.name", "");
    struct object *o autoobject = storage_get(api_storage(k->api), k->kept, ns, name);
    struct json *old autojson = o ? object_parse(o) : NULL, *frozen autojson = json_freeze(want);

    if (o && says(json_root(old), json_root(frozen)))
        return false;
    struct json *body autojson = json_freeze(want);
    send_call(k, key,
              (struct api_call){.verb = o ? VERB_UPDATE : VERB_CREATE,
                                .ns = ns,
                                .name = o ? name : "",
                                .body = json_root(body)});
    return true;
}

/* Slices go with their Service by the garbage collector; Endpoints have no owner. */
static bool remove_object(struct keeper *k, const char *key, const char *ns, const char *name)
{
    struct object *o autoobject =
        k->slices ? NULL : storage_get(api_storage(k->api), k->kept, ns, name);

    if (!o)
        return false;
    send_call(k, key, (struct api_call){.verb = VERB_DELETE, .ns = ns, .name = name});
    return true;
}

static void run(void *self, const char *key)
{
    struct keeper *k = self;
    const char *slash = strchr(key, '/');
    autofree char *ns = xstrndup(key, (size_t)(slash - key));
    struct object *o autoobject = storage_get(api_storage(k->api), k->services, ns, slash + 1);
    struct json *service autojson = o ? object_parse(o) : NULL;
    struct selector *selector = NULL;
    struct found f = {0};
    bool sent = false;

    if (!o) {
        sent = remove_object(k, key, ns, slash + 1);
    } else if (!o->terminating && service_has_endpoints(json_root(service)) &&
               selector_from_map(json_at(json_root(service), "spec.selector"), &selector, NULL) ==
                   0) {
        f.selector = selector;
        storage_each(api_storage(k->api), &(struct storage_scan){.res = k->pods, .ns = ns}, collect,
                     &f, NULL);
        sent =
            write_object(k, key, ns, &(struct backends){json_root(service), f.roots.v, f.roots.n});
        found_done(&f);
        selector_free(selector);
    }
    if (!sent)
        work_done(k->work, key, WORK_FINE);
}

/* ---- following ---- */

static bool add(void *arg, const struct object *o)
{
    autofree char *key = xasprintf("%s/%s", o->ns, o->name);

    work_add(((struct keeper *)arg)->work, key);
    return true;
}

static void on_service(void *arg, const struct event *e)
{
    add(arg, e->object);
}

struct matching {
    struct keeper *k;
    const struct object *pods[2]; /* as it is and as it was */
};

static bool selects(yyjson_val *selector, const struct object *pod)
{
    json_each_member(selector, key, val) {
        const char *v = pod ? object_label(pod, yyjson_get_str(key)) : NULL;
        if (!v || strcmp(v, json_str(val, "")))
            return false;
    }
    return pod && yyjson_obj_size(selector);
}

static bool add_matching(void *arg, const struct object *service)
{
    struct matching *m = arg;
    struct json *doc autojson = object_parse(service);
    yyjson_val *selector = json_at(json_root(doc), "spec.selector");

    if (selects(selector, m->pods[0]) || selects(selector, m->pods[1]))
        add(m->k, service);
    return true;
}

static void on_pod(void *arg, const struct event *e)
{
    struct keeper *k = arg;
    struct matching m = {k, {e->object, e->prev}};

    storage_each(api_storage(k->api),
                 &(struct storage_scan){.res = k->services, .ns = e->object->ns}, add_matching, &m,
                 NULL);
}

static void *start(struct apiserver *api, bool slices)
{
    struct keeper *k = xnew(struct keeper);

    *k = (struct keeper){
        .api = api,
        .services = api_resource(api, "", "services"),
        .pods = api_resource(api, "", "pods"),
        .kept = slices ? api_resource(api, "discovery.k8s.io", "endpointslices")
                       : api_resource(api, "", "endpoints"),
        .make = slices ? endpointslice_make : endpoints_make,
        .slices = slices,
    };
    k->work = work_new(api_loop(api), run, k);
    k->on_service = api_subscribe(api, k->services, on_service, k);
    k->on_pod = api_subscribe(api, k->pods, on_pod, k);
    storage_each(api_storage(api), &(struct storage_scan){.res = k->services}, add, k, NULL);
    return k;
}

static void stop(void *self)
{
    struct keeper *k = self;

    api_unsubscribe(k->on_service);
    api_unsubscribe(k->on_pod);
    work_free(k->work);
    free(k);
}

static void *start_endpoints(struct apiserver *api)
{
    return start(api, false);
}

static void *start_slices(struct apiserver *api)
{
    return start(api, true);
}

const struct controller endpoints_controller = {"endpoints-controller", start_endpoints, stop};
const struct controller endpointslice_controller = {"endpointslice-controller", start_slices, stop};
