/*
 * ConfigMaps, Secrets and tokens that pods need: fetched when asked for, kept for a short time.
 * While one is on its way the answer is ERR_UNAVAILABLE, and every pod is poked when it is there.
 */
#include "base/clock.h"
#include "kubelet/kubelet_int.h"

#include <stdio.h>

#define FRESH_NS (10 * SECOND_NS)
#define MISSING_FRESH_NS (SECOND_NS)

struct kobject {
    struct kubelet *k;
    struct kube_request *request;
    struct json *object; /* NULL: not there */
    struct err why;
    bool known, token;
    int64_t fetched_ns, lasts_ns;
};

static struct kobject *entry(struct kubelet *k, const char *key)
{
    struct kobject *o = map_get(&k->objects, key);

    if (!o) {
        o = xnew(struct kobject);
        o->k = k;
        map_put(&k->objects, key, o);
    }
    return o;
}

static bool fresh(const struct kobject *o)
{
    return o->known && clock_mono_ns() < o->fetched_ns + o->lasts_ns;
}

static void fetched(void *ctx, int code, struct json *answer, struct err *err)
{
    struct kobject *o = ctx;

    o->request = NULL;
    if (code == ERR_CANCELLED)
        return;
    json_unref(o->object);
    o->object = code == 0 ? json_ref(answer) : NULL;
    o->why = code == 0 ? (struct err){0} : *err;
    o->known = true;
    o->fetched_ns = clock_mono_ns();
    if (code < 0)
        o->lasts_ns = MISSING_FRESH_NS;
    kpods_poke(o->k);
}

static int answer(struct kobject *o, yyjson_val **ret, struct err *err)
{
    if (!o->known)
        return err_set(err, ERR_UNAVAILABLE, "it is being fetched");
    if (!o->object) {
        if (err)
            *err = o->why;
        return o->why.code;
    }
    *ret = json_root(o->object);
    return 0;
}

int kobject_get(void *ctx, const char *kind, const char *ns, const char *name, yyjson_val **ret,
                struct err *err)
{
    struct kubelet *k = ctx;
    bool secret = strcmp(kind, "Secret") == 0;
    autofree char *key = xasprintf("%s/%s/%s", kind, ns, name);
    struct kobject *o = entry(k, key);

    if (!fresh(o) && !o->request) {
        /* What is not there any more is asked for before anybody hears the old answer. */
        if (o->known && !o->object)
            o->known = false;
        o->lasts_ns = FRESH_NS;
        o->request =
            kube_call(k->kube, &(struct kube_call){.verb = KUBE_GET,
                                                   .gvr = secret ? &gvr_secrets : &gvr_configmaps,
                                                   .ns = ns,
                                                   .name = name,
                                                   .on_done = fetched,
                                                   .ctx = o});
    }
    int r = answer(o, ret, err);
    if (r == ERR_NOT_FOUND)
        return err_set(err, r, "%s \"%s\" not found", secret ? "secret" : "configmap", name);
    return r;
}

static void token_body(yyjson_val *pod, const char *audience, int64_t seconds, struct buf *out)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *obj = yyjson_mut_obj(doc);

    json_put_str(doc, obj, "apiVersion", "authentication.k8s.io/v1");
    json_put_str(doc, obj, "kind", "TokenRequest");
    yyjson_mut_val *spec = json_put_obj(doc, obj, "spec");
    yyjson_mut_val *audiences = json_put_arr(doc, spec, "audiences");
    if (*audience)
        yyjson_mut_arr_add_strcpy(doc, audiences, audience);
    json_put_int(doc, spec, "expirationSeconds", seconds);
    yyjson_mut_val *ref = json_put_obj(doc, spec, "boundObjectRef");
    json_put_str(doc, ref, "kind", "Pod");
    json_put_str(doc, ref, "apiVersion", "v1");
    json_put_str(doc, ref, "name", meta_name(pod));
    json_put_str(doc, ref, "uid", meta_uid(pod));
    json_mut_write(out, obj);
}

int kobject_token(void *ctx, yyjson_val *pod, const char *audience, int64_t seconds,
                  struct buf *out, struct err *err)
{
    struct kubelet *k = ctx;
    autofree char *key = xasprintf("token/%s/%s", meta_uid(pod), audience);
    struct kobject *o = entry(k, key);
    yyjson_val *found = NULL;

    if (!fresh(o) && !o->request) {
        struct buf body cleanup(buf_done) = BUF_INIT;
        token_body(pod, audience, MAX(seconds, 600), &body);
        /* A new one is taken at four fifths of its time. */
        o->lasts_ns = MAX(seconds, 600) / 5 * 4 * SECOND_NS;
        o->request = kube_call(
            k->kube,
            &(struct kube_call){.verb = KUBE_CREATE,
                                .gvr = &gvr_serviceaccounts,
                                .ns = meta_namespace(pod),
                                .name = json_str_at(pod, "spec.serviceAccountName", "default"),
                                .subresource = "token",
                                .body = buf_slice(&body),
                                .on_done = fetched,
                                .ctx = o});
    }
    int r = answer(o, &found, err);
    if (r == 0)
        buf_adds(out, json_str_at(found, "status.token", ""));
    /* Not FailedMount for ever: a service account that is not there yet may come. */
    return r == ERR_NOT_FOUND ? err_wrap(err, "token of the service account") : r;
}

void kobjects_free(struct kubelet *k)
{
    for (struct map_item *i = map_next(&k->objects, NULL); i; i = map_next(&k->objects, i)) {
        struct kobject *o = i->value;
        json_unref(o->object);
        free(o);
    }
    map_done(&k->objects);
}
