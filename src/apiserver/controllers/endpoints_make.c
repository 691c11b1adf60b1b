#include "apiserver/controllers/endpoints.h"

#include "base/map.h"
#include "base/names.h"
#include "base/vec.h"

#include <stdio.h>

#define HEADLESS "service.kubernetes.io/headless"

bool service_has_endpoints(yyjson_val *service)
{
    return yyjson_obj_size(json_at(service, "spec.selector")) &&
           strcmp(json_str_at(service, "spec.type", ""), "ExternalName") != 0;
}

/* ---- pods ---- */

static bool is_ready(yyjson_val *pod)
{
    json_each(json_at(pod, "status.conditions"), c, i, n)
        if (!strcmp(json_get_str(c, "type", ""), "Ready"))
            return !strcmp(json_get_str(c, "status", ""), "True");
    return false;
}

static bool is_over(yyjson_val *pod)
{
    const char *phase = json_str_at(pod, "status.phase", "");

    return !strcmp(phase, "Succeeded") || !strcmp(phase, "Failed");
}

static bool publishes(yyjson_val *service)
{
    return json_bool_at(service, "spec.publishNotReadyAddresses", false);
}

static bool has_address(yyjson_val *pod)
{
    return *json_str_at(pod, "status.podIP", "") && !is_over(pod);
}

/* The number of a Service's port in a pod; 0 when a name is not found there. */
static int64_t port_in(yyjson_val *pod, yyjson_val *port)
{
    yyjson_val *target = json_get(port, "targetPort");
    const char *name = json_str(target, NULL), *protocol = json_get_str(port, "protocol", "TCP");

    if (!name)
        return yyjson_get_sint(target) ? yyjson_get_sint(target) : json_int_at(port, "port", 0);
    json_each(json_at(pod, "spec.containers"), c, i, n)
        json_each(json_get(c, "ports"), p, k, kn)
            if (!strcmp(json_get_str(p, "name", ""), name) &&
                !strcmp(json_get_str(p, "protocol", "TCP"), protocol))
                return json_int_at(p, "containerPort", 0);
    return 0;
}

/* ---- parts ---- */

static void put_ref(yyjson_mut_doc *doc, yyjson_mut_val *to, yyjson_val *pod)
{
    yyjson_mut_val *ref = json_put_obj(doc, to, "targetRef");

    json_put_str(doc, ref, "kind", "Pod");
    json_put_str(doc, ref, "namespace", json_str_at(pod, "metadata.namespace", ""));
    json_put_str(doc, ref, "name", json_str_at(pod, "metadata.name", ""));
    json_put_str(doc, ref, "uid", json_str_at(pod, "metadata.uid", ""));
}

/* A pod of a headless Service has a name of its own in it. */
static void put_host(yyjson_mut_doc *doc, yyjson_mut_val *to, yyjson_val *pod, yyjson_val *service)
{
    const char *host = json_str_at(pod, "spec.hostname", "");
    const char *node = json_str_at(pod, "spec.nodeName", "");

    if (*host &&
        !strcmp(json_str_at(pod, "spec.subdomain", ""), json_str_at(service, "metadata.name", "")))
        json_put_str(doc, to, "hostname", host);
    if (*node)
        json_put_str(doc, to, "nodeName", node);
}

static void put_port(yyjson_mut_doc *doc, yyjson_mut_val *list, yyjson_val *port, int64_t number,
                     bool slice)
{
    yyjson_mut_val *p = yyjson_mut_arr_add_obj(doc, list);
    const char *name = json_get_str(port, "name", ""), *app = json_get_str(port, "appProtocol", "");

    if (*name || slice)
        json_put_str(doc, p, "name", name);
    if (*app)
        json_put_str(doc, p, "appProtocol", app);
    json_put_int(doc, p, "port", number);
    json_put_str(doc, p, "protocol", json_get_str(port, "protocol", "TCP"));
}

static void put_ports(yyjson_mut_doc *doc, yyjson_mut_val *list, yyjson_val *service,
                      yyjson_val *pod, bool slice)
{
    json_each(json_at(service, "spec.ports"), port, i, n) {
        int64_t number = port_in(pod, port);
        if (number)
            put_port(doc, list, port, number, slice);
    }
}

static void put_labels(yyjson_mut_doc *doc, yyjson_mut_val *meta, yyjson_val *service)
{
    yyjson_val *own = json_at(service, "metadata.labels");
    yyjson_mut_val *labels =
        json_put(doc, meta, "labels", own ? json_thaw(doc, own) : yyjson_mut_obj(doc));

    if (!strcmp(json_str_at(service, "spec.clusterIP", ""), "None"))
        json_put_str(doc, labels, HEADLESS, "");
    else
        json_remove(labels, HEADLESS);
}

/* ---- Endpoints: one subset for each set of port numbers ---- */

struct subset {
    char *key; /* the ports, as text */
    yyjson_mut_val *obj;
};
struct subsets {
    yyjson_mut_doc *doc;
    yyjson_mut_val *list;
    VEC(struct subset) v;
};

static yyjson_mut_val *subset_of(struct subsets *s, yyjson_val *service, yyjson_val *pod)
{
    struct buf key cleanup(buf_done) = BUF_INIT;
    yyjson_mut_val *ports = yyjson_mut_arr(s->doc), *obj;

    put_ports(s->doc, ports, service, pod, false);
    json_mut_write(&key, ports);
    for (size_t i = 0; i < s->v.n; i++)
        if (!strcmp(s->v.v[i].key, key.data))
            return s->v.v[i].obj;
    obj = yyjson_mut_arr_add_obj(s->doc, s->list);
    if (yyjson_mut_arr_size(ports))
        json_put(s->doc, obj, "ports", ports);
    vec_push(&s->v, (struct subset){buf_take(&key), obj});
    return obj;
}

static void add_address(struct subsets *s, yyjson_val *service, yyjson_val *pod)
{
    bool ready = publishes(service) || is_ready(pod);
    const char *key = ready ? "addresses" : "notReadyAddresses";
    yyjson_mut_val *subset = subset_of(s, service, pod), *list = json_mut_get(subset, key);

    if (!list)
        list = json_put_arr(s->doc, subset, key);
    yyjson_mut_val *a = yyjson_mut_arr_add_obj(s->doc, list);
    json_put_str(s->doc, a, "ip", json_str_at(pod, "status.podIP", ""));
    put_host(s->doc, a, pod, service);
    put_ref(s->doc, a, pod);
}

yyjson_mut_val *endpoints_make(yyjson_mut_doc *doc, const struct backends *b)
{
    yyjson_mut_val *o = yyjson_mut_obj(doc), *meta = json_put_obj(doc, o, "metadata");
    struct subsets s = {.doc = doc};

    json_put_str(doc, meta, "name", json_str_at(b->service, "metadata.name", ""));
    put_labels(doc, meta, b->service);
    json_put_str(doc, json_mut_get(meta, "labels"), "endpoints.kubernetes.io/managed-by",
                 "endpoint-controller");
    s.list = json_put_arr(doc, o, "subsets");
    for (size_t i = 0; i < b->n_pods; i++) {
        bool leaving = json_at(b->pods[i], "metadata.deletionTimestamp");
        if (has_address(b->pods[i]) && (!leaving || publishes(b->service)))
            add_address(&s, b->service, b->pods[i]);
    }
    for (size_t i = 0; i < s.v.n; i++)
        free(s.v.v[i].key);
    vec_done(&s.v);
    return o;
}

/* ---- EndpointSlice ---- */

void endpointslice_name(yyjson_val *service, char *out, size_t n)
{
    static const char letters[] = NAME_ALPHABET;
    const char *uid = json_str_at(service, "metadata.uid", "");
    uint32_t h = hash_bytes(uid, strlen(uid));
    char suffix[6] = "";

    for (size_t i = 0; i < 5; i++, h /= sizeof letters - 1)
        suffix[i] = letters[h % (sizeof letters - 1)];
    snprintf(out, n, "%.240s-%s", json_str_at(service, "metadata.name", ""), suffix);
}

static void put_service_owner(yyjson_mut_doc *doc, yyjson_mut_val *meta, yyjson_val *service)
{
    yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, json_put_arr(doc, meta, "ownerReferences"));

    json_put_str(doc, o, "apiVersion", "v1");
    json_put_str(doc, o, "kind", "Service");
    json_put_str(doc, o, "name", json_str_at(service, "metadata.name", ""));
    json_put_str(doc, o, "uid", json_str_at(service, "metadata.uid", ""));
    json_put_bool(doc, o, "controller", true);
    json_put_bool(doc, o, "blockOwnerDeletion", true);
}

static void add_endpoint(yyjson_mut_doc *doc, yyjson_mut_val *list, yyjson_val *service,
                         yyjson_val *pod)
{
    yyjson_mut_val *e = yyjson_mut_arr_add_obj(doc, list);
    bool leaving = json_at(pod, "metadata.deletionTimestamp");
    bool serving = publishes(service) || is_ready(pod);

    yyjson_mut_arr_add_strcpy(doc, json_put_arr(doc, e, "addresses"),
                              json_str_at(pod, "status.podIP", ""));
    yyjson_mut_val *c = json_put_obj(doc, e, "conditions");
    json_put_bool(doc, c, "ready", publishes(service) || (serving && !leaving));
    json_put_bool(doc, c, "serving", serving);
    json_put_bool(doc, c, "terminating", leaving);
    put_host(doc, e, pod, service);
    put_ref(doc, e, pod);
}

static void put_slice_meta(yyjson_mut_doc *doc, yyjson_mut_val *meta, yyjson_val *service)
{
    char name[260];

    endpointslice_name(service, name, sizeof name);
    json_put_str(doc, meta, "name", name);
    snprintf(name, sizeof name, "%.250s-", json_str_at(service, "metadata.name", ""));
    json_put_str(doc, meta, "generateName", name);
    put_labels(doc, meta, service);
    yyjson_mut_val *labels = json_mut_get(meta, "labels");
    json_put_str(doc, labels, "endpointslice.kubernetes.io/managed-by",
                 "endpointslice-controller.k8s.io");
    json_put_str(doc, labels, "kubernetes.io/service-name",
                 json_str_at(service, "metadata.name", ""));
    put_service_owner(doc, meta, service);
}

yyjson_mut_val *endpointslice_make(yyjson_mut_doc *doc, const struct backends *b)
{
    yyjson_mut_val *o = yyjson_mut_obj(doc), *endpoints;
    yyjson_val *first = NULL;

    put_slice_meta(doc, json_put_obj(doc, o, "metadata"), b->service);
    json_put_str(doc, o, "addressType", "IPv4");
    endpoints = json_put_arr(doc, o, "endpoints");
    for (size_t i = 0; i < b->n_pods; i++) {
        if (!has_address(b->pods[i]))
            continue;
        add_endpoint(doc, endpoints, b->service, b->pods[i]);
        if (!first)
            first = b->pods[i];
    }
    yyjson_mut_val *ports = json_put_arr(doc, o, "ports");
    put_ports(doc, ports, b->service, first, true);
    return o;
}
