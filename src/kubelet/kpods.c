/* Pods of the API server and pods of this node: the watch, and what pods tell back. */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "kubelet/fallback.h"
#include "kubelet/kubelet_int.h"
#include "kubelet/purge.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

/* ---- addresses ---- */

static bool ip_taken(struct kubelet *k, const char *ip)
{
    for (struct map_item *i = map_next(&k->pods, NULL); i; i = map_next(&k->pods, i))
        if (strcmp(((struct kpod *)i->value)->pod->ip, ip) == 0)
            return true;
    return false;
}

/* The next one in turn, so that an address is not soon somebody else's. */
static void choose_ip(struct kubelet *k, char out[16])
{
    do {
        k->next_ip = k->next_ip < 10 || k->next_ip >= 65000 ? 10 : k->next_ip + 1;
        if (k->host.namespaces)
            snprintf(out, 16, "10.244.%u.%u", k->next_ip >> 8 & 255, k->next_ip & 255);
        else
            fallback_ip(k->next_ip, out);
    } while (ip_taken(k, out));
}

/* After a restart the turn goes on behind the highest address in use. */
static void note_ip(struct kubelet *k, const char *ip)
{
    struct in_addr a;
    if (inet_pton(AF_INET, ip, &a) == 1)
        k->next_ip = MAX(k->next_ip, ntohl(a.s_addr) & 0xffff);
}

/* ---- to the API server ---- */

static void kpod_free(struct kpod *p)
{
    json_unref(p->unsent);
    pod_free(p->pod);
    free(p);
}

static void maybe_forget(struct kpod *p)
{
    struct kubelet *k = p->k;

    if (!p->ended || !p->removed || p->sending || p->deleting)
        return;
    map_remove(&k->pods, p->pod->uid);
    kpod_free(p);
    sched_run(k);
}

static void send_status(struct kpod *p);

static void deleted(void *ctx, int code, unused struct json *answer, struct err *err)
{
    struct kpod *p = ctx;

    p->deleting = NULL;
    if (code == ERR_CANCELLED)
        return;
    if (code < 0 && code != ERR_NOT_FOUND && code != ERR_CONFLICT)
        log_warn("deleting a pod", "pod", pod_name(p->pod), "error", err->msg, NULL),
            p->again = true;
    if (code == 0 || code == ERR_NOT_FOUND || code == ERR_CONFLICT)
        p->removed = true; /* the watch may have said so already */
    maybe_forget(p);
}

/* The last word about a deleted pod: its object goes. */
static void delete_object(struct kpod *p)
{
    autofree char *body =
        xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",\"gracePeriodSeconds\":0,"
                  "\"preconditions\":{\"uid\":\"%s\"}}",
                  p->pod->uid);

    if (p->removed || p->deleting) {
        maybe_forget(p);
        return;
    }
    p->deleting = kube_call(p->k->kube, &(struct kube_call){.verb = KUBE_DELETE,
                                                            .gvr = &gvr_pods,
                                                            .ns = pod_ns(p->pod),
                                                            .name = pod_name(p->pod),
                                                            .body = slice_of(body),
                                                            .on_done = deleted,
                                                            .ctx = p});
}

static void status_sent(void *ctx, int code, unused struct json *answer, struct err *err)
{
    struct kpod *p = ctx;

    p->sending = NULL;
    if (code == ERR_CANCELLED)
        return;
    if (code == ERR_NOT_FOUND || code == ERR_CONFLICT) {
        p->removed = true; /* it, or its name, belongs to nobody or to another pod now */
    } else if (code < 0) {
        log_warn("writing a pod's status", "pod", pod_name(p->pod), "error", err->msg, NULL);
        if (!p->unsent)
            p->unsent = json_ref(p->pod->status);
        p->again = true;
        return;
    }
    if (p->unsent && !p->removed)
        send_status(p);
    else if (p->ended)
        delete_object(p);
}

/* A merge patch replaces lists whole; what may vanish from the status is named as null. */
static void send_status(struct kpod *p)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *obj = yyjson_mut_obj(doc);
    struct buf b cleanup(buf_done) = BUF_INIT;
    yyjson_val *status = json_root(p->unsent);

    json_put_str(doc, json_put_obj(doc, obj, "metadata"), "uid", p->pod->uid);
    yyjson_mut_val *s = json_put(doc, obj, "status", json_thaw(doc, status));
    static const char *const may_vanish[] = {"reason", "message"};
    for (size_t i = 0; i < ARRAY_SIZE(may_vanish); i++)
        if (!json_get(status, may_vanish[i]))
            json_put(doc, s, may_vanish[i], yyjson_mut_null(doc));
    json_mut_write(&b, obj);
    json_unref(take(p->unsent));
    p->sending = kube_call(p->k->kube, &(struct kube_call){.verb = KUBE_PATCH,
                                                           .gvr = &gvr_pods,
                                                           .ns = pod_ns(p->pod),
                                                           .name = pod_name(p->pod),
                                                           .subresource = "status",
                                                           .body = buf_slice(&b),
                                                           .content_type = KUBE_MERGE_PATCH,
                                                           .on_done = status_sent,
                                                           .ctx = p});
}

static void on_status(void *ctx, struct pod *pod, yyjson_val *status)
{
    struct kubelet *k = ctx;
    struct kpod *p = pod->user;

    if (!k->host.namespaces)
        kpods_poke(k); /* others may wait for this pod to be ready */
    if (p->removed)
        return;
    json_unref(p->unsent);
    p->unsent = json_copy(status);
    if (!p->sending && !p->again)
        send_status(p);
}

static bool is_init(const struct pod *pod, const char *container)
{
    for (size_t i = 0; container && i < pod->ctrs.n; i++)
        if (strcmp(pod->ctrs.v[i]->name, container) == 0)
            return pod->ctrs.v[i]->init;
    return false;
}

static void on_event(void *ctx, struct pod *pod, const char *container, bool warning,
                     const char *reason, const char *message)
{
    struct kubelet *k = ctx;

    kevents_emit(k->events, &(struct kevent){.object = json_root(pod->object),
                                             .container = container,
                                             .init = is_init(pod, container),
                                             .warning = warning,
                                             .reason = reason,
                                             .message = message});
}

static void on_ended(unused void *ctx, struct pod *pod)
{
    struct kpod *p = pod->user;

    p->ended = true;
    if (!p->sending && !p->unsent)
        delete_object(p);
}

static bool is_ready(const struct pod *p)
{
    for (size_t i = 0; i < p->ctrs.n; i++)
        if (!p->ctrs.v[i]->init && !p->ctrs.v[i]->ready)
            return false;
    return true;
}

/*
 * Without namespaces a name is an address once its pod is ready, even if its service publishes it
 * earlier: Ray's workers take their head's folder, and one that is faster than its head takes the
 * head's sockets, too.
 */
static enum dns_verdict on_lookup(void *ctx, const char *name, uint32_t *ips, size_t *n)
{
    struct kubelet *k = ctx;
    enum dns_verdict v = services_lookup(k->services, name, ips, n);
    char ip[INET_ADDRSTRLEN];

    if (v != DNS_KNOWN || !*n)
        return v;
    inet_ntop(AF_INET, ips, ip, sizeof ip);
    for (struct map_item *i = map_next(&k->pods, NULL); i; i = map_next(&k->pods, i)) {
        struct kpod *p = i->value;
        if (strcmp(p->pod->ip, ip) == 0 && !is_ready(p->pod))
            return DNS_UNKNOWN;
    }
    return v;
}

static void on_service_env(void *ctx, const char *ns, struct env *e)
{
    struct kubelet *k = ctx;

    services_env(k->services, ns, e);
    /* Ray's autoscaler needs the address even if its service is not known yet. */
    if (!env_get(e, "KUBERNETES_SERVICE_HOST")) {
        env_set(e, "KUBERNETES_SERVICE_HOST", "10.96.0.1");
        env_set(e, "KUBERNETES_SERVICE_PORT", "443");
        env_set(e, "KUBERNETES_SERVICE_PORT_HTTPS", "443");
    }
}

/* ---- rayVersion ---- */

struct version_check {
    struct kubelet *k;
    char uid[64];
};

static void cluster_read(void *ctx, int code, struct json *answer, unused struct err *err)
{
    struct version_check *v = ctx;
    struct kpod *p = code == 0 ? map_get(&v->k->pods, v->uid) : NULL;
    const char *wanted = json_str_at(json_root(answer), "spec.rayVersion", "");
    char text[512];

    free(v);
    for (size_t i = 0; p && *wanted && i < p->pod->ctrs.n; i++) {
        struct ctr *c = p->pod->ctrs.v[i];
        if (!*c->image_version || strcmp(c->image_version, wanted) == 0)
            continue;
        snprintf(
            text, sizeof text,
            "spec.rayVersion of the RayCluster is %s, but image \"%s\" has Ray %s here: probes and "
            "other settings follow rayVersion, so set it to %s",
            wanted, json_get_str(c->spec, "image", ""), c->image_version, c->image_version);
        on_event(p->k, p->pod, c->name, true, "RayVersionMismatch", text);
        return;
    }
}

/* Once a pod of a RayCluster runs, its cluster's rayVersion is compared with what really runs. */
static void check_version(struct kpod *p)
{
    const char *cluster = meta_label(json_root(p->pod->object), "ray.io/cluster");
    bool known = false;

    for (size_t i = 0; i < p->pod->ctrs.n; i++)
        known |= *p->pod->ctrs.v[i]->image_version && p->pod->ctrs.v[i]->phase == CTR_RUNNING;
    if (!known || !cluster || p->version_asked)
        return;
    p->version_asked = true;
    struct version_check *v = xnew(struct version_check);
    v->k = p->k;
    snprintf(v->uid, sizeof v->uid, "%s", p->pod->uid);
    kube_call(p->k->kube, &(struct kube_call){.verb = KUBE_GET,
                                              .gvr = &gvr_rayclusters,
                                              .ns = pod_ns(p->pod),
                                              .name = cluster,
                                              .on_done = cluster_read,
                                              .ctx = v});
}

/* ---- from the API server ---- */

static void take_pod(struct kubelet *k, struct json *object)
{
    const char *uid = meta_uid(json_root(object));
    const char *phase = json_str_at(json_root(object), "status.phase", "");
    struct kpod *p = map_get(&k->pods, uid);
    char ip[16];

    if (p) {
        p->marked = true;
        pod_update(p->pod, object);
        check_version(p);
        return;
    }
    autofree char *dir = xasprintf("%s/pods/%s", k->state_dir, uid);
    bool over = strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
    if (over && access(dir, F_OK) < 0 && !meta_deleting(json_root(object)))
        return; /* ended in another life of this node; nothing of it is left here */
    p = xnew(struct kpod);
    p->k = k;
    p->marked = true;
    choose_ip(k, ip);
    p->pod = pod_new(&k->host, object, ip);
    p->pod->user = p;
    note_ip(k, p->pod->ip);
    map_put(&k->pods, uid, p);
}

static void pod_gone(struct kubelet *k, const char *uid)
{
    struct kpod *p = map_get(&k->pods, uid);

    sched_forget(k, uid);
    if (!p || p->removed)
        return;
    p->removed = true;
    if (p->ended)
        maybe_forget(p);
    else
        pod_removed(p->pod);
}

static void mark_all(struct kubelet *k, bool marked)
{
    for (struct map_item *i = map_next(&k->pods, NULL); i; i = map_next(&k->pods, i))
        ((struct kpod *)i->value)->marked = marked;
    for (struct map_item *i = map_next(&k->unbound, NULL); i; i = map_next(&k->unbound, i))
        ((struct unbound *)i->value)->marked = marked;
}

/* The first of either map that the list did not repeat; NULL if there is none. */
static char *unmarked(struct kubelet *k)
{
    for (struct map_item *i = map_next(&k->pods, NULL); i; i = map_next(&k->pods, i)) {
        struct kpod *p = i->value;
        if (!p->marked && !p->removed)
            return xstrdup(i->key);
    }
    for (struct map_item *i = map_next(&k->unbound, NULL); i; i = map_next(&k->unbound, i))
        if (!((struct unbound *)i->value)->marked)
            return xstrdup(i->key);
    return NULL;
}

/* Directories of pods that the API server does not know: their shims end, their files go. */
static void remove_orphans(struct kubelet *k)
{
    autofree char *path = xasprintf("%s/pods", k->state_dir);
    DIR *d = opendir(path);
    struct dirent *e;

    while (d && (e = readdir(d))) {
        if (*e->d_name == '.' || map_has(&k->pods, e->d_name))
            continue;
        autofree char *dir = xasprintf("%s/%s", path, e->d_name);
        (void)pod_purge_dir(dir, NULL);
    }
    if (d)
        closedir(d);
}

static void list_done(struct kubelet *k)
{
    char *uid;

    while ((uid = unmarked(k))) {
        pod_gone(k, uid);
        free(uid);
    }
    if (!k->synced)
        remove_orphans(k);
    k->synced = true;
    sched_run(k);
    kubelet_maybe_ready(k);
}

static void watched(void *ctx, enum watch_event event, yyjson_val *obj)
{
    struct kubelet *k = ctx;

    if (event == WATCH_RESTARTED) {
        mark_all(k, false);
    } else if (event == WATCH_SYNCED) {
        list_done(k);
    } else if (event == WATCH_DELETED) {
        pod_gone(k, meta_uid(obj));
        sched_run(k);
    } else {
        const char *node = json_str_at(obj, "spec.nodeName", "");
        struct json *object autojson = json_copy(obj);
        if (strcmp(node, k->node_name) == 0) {
            sched_forget(k, meta_uid(obj));
            take_pod(k, object);
        } else if (!*node) {
            sched_pod(k, object);
        }
    }
}

static void watch_failed(unused void *ctx, unused int code, const struct err *err)
{
    log_warn("watching pods", "error", err->msg, NULL);
}

void kpods_start(struct kubelet *k)
{
    k->host.object = kobject_get;
    k->host.token = kobject_token;
    k->host.lookup = on_lookup;
    k->host.service_env = on_service_env;
    k->host.status = on_status;
    k->host.event = on_event;
    k->host.ended = on_ended;
    k->host.ctx = k;
    k->watch = kube_watch_new(
        k->kube, &(struct watch_opts){
                     .gvr = &gvr_pods, .on_event = watched, .on_error = watch_failed, .ctx = k});
}

void kpods_poke(struct kubelet *k)
{
    for (struct map_item *i = map_next(&k->pods, NULL); i; i = map_next(&k->pods, i))
        pod_poke(((struct kpod *)i->value)->pod);
}

void kpods_retry(struct kubelet *k)
{
    for (struct map_item *i = map_next(&k->pods, NULL); i; i = map_next(&k->pods, i)) {
        struct kpod *p = i->value;
        if (!p->again || p->sending || p->deleting)
            continue;
        p->again = false;
        if (p->unsent && !p->removed)
            send_status(p);
        else if (p->ended)
            delete_object(p);
    }
}

struct kpod *kpods_find(struct kubelet *k, const char *ns, const char *name)
{
    for (struct map_item *i = map_next(&k->pods, NULL); i; i = map_next(&k->pods, i)) {
        struct kpod *p = i->value;
        if (strcmp(pod_ns(p->pod), ns) == 0 && strcmp(pod_name(p->pod), name) == 0 && !p->removed)
            return p;
    }
    return NULL;
}

void kpods_free(struct kubelet *k)
{
    kube_watch_free(take(k->watch));
    for (struct map_item *i = map_next(&k->pods, NULL); i; i = map_next(&k->pods, i))
        kpod_free(i->value);
    map_done(&k->pods);
}
