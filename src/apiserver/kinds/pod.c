/*
 * Pods on their way in: the admission plugins of kube-apiserver's default set that matter for them
 * (ServiceAccount, LimitRanger, Priority, DefaultTolerationSeconds), and the initial status.
 */
#include "apiserver/kinds/kind.h"
#include "apiserver/kinds/pod.h"

#include "base/clock.h"
#include "base/timefmt.h"
#include "data/quantity.h"

#include <stdio.h>

static void refuse(struct change *ch, const char *why)
{
    if (!ch->refuse)
        ch->refuse = status_forbidden(ch->arena, "", "pods",
                                      json_mut_str_at(ch->obj, "metadata.name", ""), why);
}

static const char *pod_namespace(const struct change *ch)
{
    return ch->ns ? ch->ns : "";
}

/* ---- ServiceAccount ---- */

#define MOUNT_PATH "/var/run/secrets/kubernetes.io/serviceaccount"

/* An item of a projected volume's sources: the object {name: {}}. */
static yyjson_mut_val *source(yyjson_mut_doc *doc, yyjson_mut_val *sources, const char *name)
{
    return json_put_obj(doc, yyjson_mut_arr_add_obj(doc, sources), name);
}

static void add_token_volume(yyjson_mut_doc *doc, yyjson_mut_val *spec, const char *name)
{
    yyjson_mut_val *volumes = json_mut_get(spec, "volumes");
    yyjson_mut_val *v =
        yyjson_mut_arr_add_obj(doc, volumes ? volumes : json_put_arr(doc, spec, "volumes"));

    json_put_str(doc, v, "name", name);
    yyjson_mut_val *projected = json_put_obj(doc, v, "projected");
    yyjson_mut_val *sources = json_put_arr(doc, projected, "sources");
    yyjson_mut_val *token = source(doc, sources, "serviceAccountToken");
    json_put_int(doc, token, "expirationSeconds", 3607);
    json_put_str(doc, token, "path", "token");
    yyjson_mut_val *ca = source(doc, sources, "configMap");
    json_put_str(doc, ca, "name", "kube-root-ca.crt");
    yyjson_mut_val *item = yyjson_mut_arr_add_obj(doc, json_put_arr(doc, ca, "items"));
    json_put_str(doc, item, "key", "ca.crt");
    json_put_str(doc, item, "path", "ca.crt");
    yyjson_mut_val *down = source(doc, sources, "downwardAPI");
    item = yyjson_mut_arr_add_obj(doc, json_put_arr(doc, down, "items"));
    json_put_str(doc, item, "path", "namespace");
    yyjson_mut_val *ref = json_put_obj(doc, item, "fieldRef");
    json_put_str(doc, ref, "apiVersion", "v1");
    json_put_str(doc, ref, "fieldPath", "metadata.namespace");
    json_put_int(doc, projected, "defaultMode", 420);
}

static bool mounts_there(yyjson_mut_val *container)
{
    size_t i, n;
    yyjson_mut_val *m;

    yyjson_mut_arr_foreach(json_mut_get(container, "volumeMounts"), i, n, m)
        if (!strcmp(json_mut_str_at(m, "mountPath", ""), MOUNT_PATH))
            return true;
    return false;
}

/* Whether any container lacked the mount. */
static bool mount_token(yyjson_mut_doc *doc, yyjson_mut_val *containers, const char *volume)
{
    size_t i, n;
    yyjson_mut_val *c;
    bool any = false;

    yyjson_mut_arr_foreach(containers, i, n, c) {
        if (mounts_there(c))
            continue;
        yyjson_mut_val *mounts = json_mut_get(c, "volumeMounts");
        yyjson_mut_val *m =
            yyjson_mut_arr_add_obj(doc, mounts ? mounts : json_put_arr(doc, c, "volumeMounts"));
        json_put_str(doc, m, "name", volume);
        json_put_bool(doc, m, "readOnly", true);
        json_put_str(doc, m, "mountPath", MOUNT_PATH);
        any = true;
    }
    return any;
}

static void add_token(yyjson_mut_doc *doc, yyjson_mut_val *spec)
{
    char name[32];

    memcpy(name, "kube-api-access-", 16);
    rand_suffix(name + 16, 5);
    bool init = mount_token(doc, json_mut_get(spec, "initContainers"), name);
    if (mount_token(doc, json_mut_get(spec, "containers"), name) || init)
        add_token_volume(doc, spec, name);
}

static bool wants_token(yyjson_mut_val *spec, yyjson_val *account)
{
    yyjson_mut_val *own = json_mut_get(spec, "automountServiceAccountToken");

    if (own && !yyjson_mut_is_null(own))
        return yyjson_mut_get_bool(own);
    return json_bool_at(account, "automountServiceAccountToken", true);
}

/* A static pod's copy is its kubelet's: it has no account and is not given one. */
static bool admit_mirror(struct change *ch, yyjson_mut_val *spec)
{
    yyjson_mut_val *notes = json_mut_get(json_mut_get(ch->obj, "metadata"), "annotations");
    yyjson_mut_val *volumes = json_mut_get(spec, "volumes"), *volume, *one;
    size_t i, n, k, kn;

    if (!json_mut_get(notes, "kubernetes.io/config.mirror"))
        return false;
    if (*json_mut_str_at(spec, "serviceAccountName", ""))
        refuse(ch, "a mirror pod may not reference service accounts");
    yyjson_mut_arr_foreach(volumes, i, n, volume) {
        yyjson_mut_val *sources = json_mut_get(json_mut_get(volume, "projected"), "sources");

        if (json_mut_get(volume, "secret"))
            refuse(ch, "a mirror pod may not reference secrets");
        yyjson_mut_arr_foreach(sources, k, kn, one) {
            if (json_mut_get(one, "serviceAccountToken"))
                refuse(ch, "a mirror pod may not use ServiceAccountToken volume projections");
        }
    }
    return true;
}

static void admit_account(struct change *ch)
{
    yyjson_mut_val *spec = json_mut_get(ch->obj, "spec");
    const char *name = json_mut_str_at(spec, "serviceAccountName", "");
    struct json *account autojson = NULL;
    bool pending;

    if (!api_admission_enabled(ch->api, "ServiceAccount") || admit_mirror(ch, spec))
        return;
    if (!*name)
        name = "default";
    json_put_str(ch->doc, spec, "serviceAccountName", name);
    name = json_mut_str_at(spec, "serviceAccountName", "");
    struct object *o autoobject =
        storage_newest(api_storage(ch->api), api_resource(ch->api, "", "serviceaccounts"),
                       pod_namespace(ch), name, &pending);
    if (!o) {
        refuse(ch, arena_printf(
                       ch->arena,
                       "error looking up service account %s/%s: serviceaccount \"%s\" not found",
                       pod_namespace(ch), name, name));
        return;
    }
    account = object_parse(o);
    if (wants_token(spec, json_root(account)))
        add_token(ch->doc, spec);
    yyjson_val *secrets = json_get(json_root(account), "imagePullSecrets");
    if (yyjson_arr_size(secrets) && !yyjson_mut_arr_size(json_mut_get(spec, "imagePullSecrets")))
        json_put(ch->doc, spec, "imagePullSecrets", json_thaw(ch->doc, secrets));
}

/* ---- Priority ---- */

struct priority {
    struct json *best; /* the global default */
};

static bool visit_class(void *arg, const struct object *o)
{
    struct priority *p = arg;
    struct json *doc autojson = object_parse(o);

    if (json_bool_at(json_root(doc), "globalDefault", false) && !p->best)
        p->best = json_ref(doc);
    return true;
}

static struct json *priority_class(struct change *ch, const char *name)
{
    const struct resource *classes = api_resource(ch->api, "scheduling.k8s.io", "priorityclasses");
    struct priority p = {0};

    if (*name) {
        struct object *o autoobject = storage_get(api_storage(ch->api), classes, "", name);
        if (o)
            return object_parse(o);
        refuse(ch, arena_printf(ch->arena, "no PriorityClass with name %s was found", name));
        return NULL;
    }
    storage_each(api_storage(ch->api), &(struct storage_scan){.res = classes}, visit_class, &p,
                 NULL);
    return p.best;
}

static void admit_priority(struct change *ch)
{
    yyjson_mut_val *spec = json_mut_get(ch->obj, "spec");
    const char *name = json_mut_str_at(spec, "priorityClassName", "");

    if (!api_admission_enabled(ch->api, "Priority"))
        return;
    struct json *class autojson = priority_class(ch, name);
    yyjson_mut_val *given = json_mut_get(spec, "priority");
    if (given && yyjson_mut_get_sint(given) != json_int_at(json_root(class), "value", 0))
        refuse(ch,
               "the integer value of priority must not be provided in pod spec; priority admission "
               "controller computes it from the given PriorityClass name");
    if (class && !*name)
        json_put_str(ch->doc, spec, "priorityClassName",
                     json_str_at(json_root(class), "metadata.name", ""));
    json_put_int(ch->doc, spec, "priority", json_int_at(json_root(class), "value", 0));
    if (!json_mut_get(spec, "preemptionPolicy"))
        json_put_str(ch->doc, spec, "preemptionPolicy",
                     json_str_at(json_root(class), "preemptionPolicy", "PreemptLowerPriority"));
}

/* ---- DefaultTolerationSeconds ---- */

static bool tolerates(yyjson_mut_val *list, const char *key)
{
    size_t i, n;
    yyjson_mut_val *t;

    yyjson_mut_arr_foreach(list, i, n, t) {
        const char *k = json_mut_str_at(t, "key", ""), *effect = json_mut_str_at(t, "effect", "");
        if ((!*k || !strcmp(k, key)) && (!*effect || !strcmp(effect, "NoExecute")))
            return true;
    }
    return false;
}

static void admit_tolerations(struct change *ch)
{
    static const char *const keys[] = {"node.kubernetes.io/not-ready",
                                       "node.kubernetes.io/unreachable"};
    yyjson_mut_val *spec = json_mut_get(ch->obj, "spec"), *list = json_mut_get(spec, "tolerations");

    if (!api_admission_enabled(ch->api, "DefaultTolerationSeconds"))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (tolerates(list, keys[i]))
            continue;
        if (!list)
            list = json_put_arr(ch->doc, spec, "tolerations");
        yyjson_mut_val *t = yyjson_mut_arr_add_obj(ch->doc, list);
        json_put_str(ch->doc, t, "key", keys[i]);
        json_put_str(ch->doc, t, "operator", "Exists");
        json_put_str(ch->doc, t, "effect", "NoExecute");
        json_put_int(ch->doc, t, "tolerationSeconds", 300);
    }
}

/* ---- RuntimeClass ---- */

static void admit_runtime(struct change *ch)
{
    const char *name = json_mut_str_at(ch->obj, "spec.runtimeClassName", "");
    const struct resource *classes = api_resource(ch->api, "node.k8s.io", "runtimeclasses");
    struct object *o autoobject =
        *name ? storage_get(api_storage(ch->api), classes, "", name) : NULL;

    if (!api_admission_enabled(ch->api, "RuntimeClass"))
        return;
    if (*name && !o)
        refuse(ch, arena_printf(ch->arena, "pod rejected: RuntimeClass \"%s\" not found", name));
    if (!*name && json_mut_get(json_mut_get(ch->obj, "spec"), "overhead"))
        refuse(
            ch,
            "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead");
}

/* ---- the whole ---- */

void pod_admit(struct change *ch)
{
    if (*ch->subresource)
        return;
    if (ch->verb != VERB_CREATE || ch->old) {
        admit_tolerations(ch); /* Kubernetes puts back what an update takes away */
        return;
    }
    admit_account(ch);
    if (api_admission_enabled(ch->api, "LimitRanger"))
        pod_admit_limits(ch);
    admit_priority(ch);
    admit_runtime(ch);
    admit_tolerations(ch);
}

/* spec.serviceAccount is the older name of serviceAccountName. */
static void agree_accounts(struct change *ch)
{
    yyjson_mut_val *spec = json_mut_get(ch->obj, "spec");
    const char *name = json_mut_str_at(spec, "serviceAccountName", "");

    if (*name)
        json_put_str(ch->doc, spec, "serviceAccount", name);
}

static bool same_quantity(yyjson_mut_val *a, yyjson_mut_val *b)
{
    struct quantity x, y;

    return a && b && quantity_parse(slice_of(yyjson_mut_get_str(a)), &x, NULL) == 0 &&
           quantity_parse(slice_of(yyjson_mut_get_str(b)), &y, NULL) == 0 &&
           quantity_cmp(&x, &y) == 0;
}

struct qos {
    bool any, guaranteed;
};

static void add_qos_of(struct qos *q, yyjson_mut_val *resources)
{
    static const char *const names[] = {"cpu", "memory"};
    yyjson_mut_val *limits = json_mut_get(resources, "limits"),
                   *requests = json_mut_get(resources, "requests");

    for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
        q->any |= json_mut_get(limits, names[k]) || json_mut_get(requests, names[k]);
        q->guaranteed &=
            same_quantity(json_mut_get(limits, names[k]), json_mut_get(requests, names[k]));
    }
}

static void add_qos(struct qos *q, yyjson_mut_val *containers)
{
    size_t i, n;
    yyjson_mut_val *c;

    yyjson_mut_arr_foreach(containers, i, n, c)
        add_qos_of(q, json_mut_get(c, "resources"));
}

static const char *qos_class(yyjson_mut_val *pod)
{
    struct qos q = {.guaranteed = true};
    yyjson_mut_val *spec = json_mut_get(pod, "spec");

    if (json_mut_get(spec, "resources")) { /* of the pod as a whole: they decide */
        add_qos_of(&q, json_mut_get(spec, "resources"));
        return !q.any ? "BestEffort" : q.guaranteed ? "Guaranteed" : "Burstable";
    }
    add_qos(&q, json_mut_at(pod, "spec.containers"));
    add_qos(&q, json_mut_at(pod, "spec.initContainers"));
    return !q.any ? "BestEffort" : q.guaranteed ? "Guaranteed" : "Burstable";
}

/* podIP is the first of podIPs. */
static void agree_ips(struct change *ch, yyjson_mut_val *status)
{
    const char *ip = json_mut_str_at(status, "podIP", "");
    const char *first = json_mut_str_at(status, "podIPs.0.ip", "");

    if (*ip && !*first)
        json_put_str(ch->doc,
                     yyjson_mut_arr_add_obj(ch->doc, json_put_arr(ch->doc, status, "podIPs")), "ip",
                     ip);
    else if (*first && !*ip)
        json_put_str(ch->doc, status, "podIP", first);
}

static void prepare_status(struct change *ch)
{
    yyjson_mut_val *status = json_ensure(ch->doc, ch->obj, "status");
    const char *qos = json_str_at(ch->old, "status.qosClass", "");

    if (*qos)
        json_put_str(ch->doc, status, "qosClass", qos);
    agree_ips(ch, status);
}

/* A pod that is bound is scheduled. */
static void prepare_binding(struct change *ch)
{
    yyjson_mut_val *status = json_ensure(ch->doc, ch->obj, "status");
    yyjson_mut_val *list = json_mut_get(status, "conditions"), *c;
    char now[TIME_TEXT];

    c = yyjson_mut_arr_add_obj(ch->doc, list ? list : json_put_arr(ch->doc, status, "conditions"));
    json_put_str(ch->doc, c, "type", "PodScheduled");
    json_put_str(ch->doc, c, "status", "True");
    json_put(ch->doc, c, "lastProbeTime", yyjson_mut_null(ch->doc));
    json_put_str(ch->doc, c, "lastTransitionTime", time_rfc3339(ch->now, now));
}

/* Other resources may not make another class of the pod. */
static void prepare_resize(struct change *ch)
{
    const char *was = json_str_at(ch->old, "status.qosClass", "");

    if (*was && strcmp(was, qos_class(ch->obj)))
        field_invalid_str(ch->errs, "spec", was,
                          "Pod QOS Class may not change as a result of resizing");
}

static void put_gated(struct change *ch, yyjson_mut_val *status)
{
    yyjson_mut_val *c =
        yyjson_mut_arr_add_obj(ch->doc, json_put_arr(ch->doc, status, "conditions"));
    char now[TIME_TEXT];

    json_put_str(ch->doc, c, "type", "PodScheduled");
    json_put_str(ch->doc, c, "status", "False");
    json_put(ch->doc, c, "lastProbeTime", yyjson_mut_null(ch->doc));
    json_put_str(ch->doc, c, "lastTransitionTime", time_rfc3339(ch->now, now));
    json_put_str(ch->doc, c, "reason", "SchedulingGated");
    json_put_str(ch->doc, c, "message", "Scheduling is blocked due to non-empty scheduling gates");
}

void pod_prepare(struct change *ch)
{
    if (!strcmp(ch->subresource, "status"))
        prepare_status(ch);
    else if (!strcmp(ch->subresource, "binding"))
        prepare_binding(ch);
    else if (!strcmp(ch->subresource, "resize"))
        prepare_resize(ch);
    if (ch->old || *ch->subresource)
        return;
    agree_accounts(ch);
    yyjson_mut_val *grace = json_mut_at(ch->obj, "spec.terminationGracePeriodSeconds");
    if (yyjson_mut_get_sint(grace) < 0)
        json_put_int(ch->doc, json_mut_get(ch->obj, "spec"), "terminationGracePeriodSeconds", 1);
    yyjson_mut_val *status = json_put_obj(ch->doc, ch->obj, "status");
    json_put_str(ch->doc, status, "phase", "Pending");
    json_put_str(ch->doc, status, "qosClass", qos_class(ch->obj));
    if (yyjson_mut_arr_size(json_mut_at(ch->obj, "spec.schedulingGates")))
        put_gated(ch, status);
}

int64_t pod_grace(yyjson_val *obj)
{
    const char *phase = json_str_at(obj, "status.phase", "");

    if (!*json_str_at(obj, "spec.nodeName", "") || str_in(phase, "Failed|Succeeded"))
        return 0;
    return json_int_at(obj, "spec.terminationGracePeriodSeconds", 30);
}
