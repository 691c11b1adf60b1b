/* What is there before the first request: CRDs, objects that always exist, controllers. */
#include "apiserver/kinds.h"

#include "apiserver/controllers/controllers.h"
#include "apiserver/crd/crd.h"
#include "apiserver/kinds/addresses.h"

#include <stdio.h>

struct started {
    struct apiserver *api;
    struct crds *crds;
    struct addresses *addresses;
    struct controllers *controllers;
    struct started *next;
};

static struct started *all; /* one an API server; loop thread only */

/* ---- objects that always exist ---- */

static void create(struct apiserver *api, const char *group, const char *plural, const char *ns,
                   const char *text)
{
    const struct resource *res = api_resource(api, group, plural);
    struct json *body autojson = NULL;

    if (json_parse(slice_of(text), &body, NULL) < 0)
        return;
    const char *name = json_str_at(json_root(body), "metadata.name", "");
    struct object *there autoobject = storage_get(api_storage(api), res, ns, name);
    if (!there)
        api_call(api, &(struct api_call){.verb = VERB_CREATE,
                                         .res = res,
                                         .ns = ns,
                                         .body = json_root(body),
                                         .manager = "kube-apiserver"});
}

static void create_namespaces(struct apiserver *api)
{
    static const char *const names[] = {"default", "kube-system", "kube-public", "kube-node-lease"};
    char text[128];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        snprintf(text, sizeof text, "{\"metadata\":{\"name\":\"%s\"}}", names[i]);
        create(api, "", "namespaces", "", text);
    }
}

static void create_priorities(struct apiserver *api)
{
    static const struct {
        const char *name;
        int value;
    } classes[] = {{"system-node-critical", 2000001000}, {"system-cluster-critical", 2000000000}};
    char text[256];

    for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
        snprintf(text, sizeof text, "{\"metadata\":{\"name\":\"%s\"},\"value\":%d}",
                 classes[i].name, classes[i].value);
        create(api, "scheduling.k8s.io", "priorityclasses", "", text);
    }
}

int kinds_start(struct apiserver *api, struct err *err)
{
    struct started *s = xnew(struct started);

    s->api = api;
    s->next = all;
    all = s;
    s->crds = crds_new(api);
    if (crds_start(s->crds, err) < 0)
        return err->code;
    s->addresses = addresses_new(api);
    create_namespaces(api);
    create_priorities(api);
    s->controllers = api_controllers_start(api);
    return 0;
}

void kinds_stop(struct apiserver *api)
{
    for (struct started **p = &all; *p; p = &(*p)->next) {
        struct started *s = *p;
        if (s->api != api)
            continue;
        *p = s->next;
        controllers_stop(s->controllers);
        addresses_free(s->addresses);
        crds_free(s->crds);
        free(s);
        return;
    }
}
