#include "kubelet/kevents.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/timefmt.h"

#include <stdio.h>

#define REMEMBERED_MAX 1024 /* events whose repetition is a count; then all are forgotten */

struct known {
    char *ns, *name;
    unsigned count;
};

struct kevents {
    struct kube *k;
    char *node;
    struct map known; /* by what makes two events the same */
};

struct kevents *kevents_new(struct kube *k, const char *node_name)
{
    struct kevents *e = xnew(struct kevents);

    e->k = k;
    e->node = xstrdup(node_name);
    return e;
}

static void forget_all(struct kevents *e)
{
    for (struct map_item *i = map_next(&e->known, NULL); i; i = map_next(&e->known, i)) {
        struct known *n = i->value;
        free(n->ns);
        free(n->name);
        free(n);
    }
    map_done(&e->known);
}

void kevents_free(struct kevents *e)
{
    if (!e)
        return;
    forget_all(e);
    free(e->node);
    free(e);
}

static char *field_path(const struct kevent *ev)
{
    return ev->container
               ? xasprintf("spec.%s{%s}", ev->init ? "initContainers" : "containers", ev->container)
               : xstrdup("");
}

static void put_object(yyjson_mut_doc *doc, yyjson_mut_val *to, const struct kevent *ev)
{
    yyjson_mut_val *o = json_put_obj(doc, to, "involvedObject");
    yyjson_val *obj = ev->object;
    autofree char *path = field_path(ev);

    json_put_str(doc, o, "kind", json_get_str(obj, "kind", "Pod"));
    if (*meta_namespace(obj))
        json_put_str(doc, o, "namespace", meta_namespace(obj));
    json_put_str(doc, o, "name", meta_name(obj));
    json_put_str(doc, o, "uid", meta_uid(obj));
    json_put_str(doc, o, "apiVersion", json_get_str(obj, "apiVersion", "v1"));
    if (*meta_rv_text(obj))
        json_put_str(doc, o, "resourceVersion", meta_rv_text(obj));
    if (*path)
        json_put_str(doc, o, "fieldPath", path);
}

static void create(struct kevents *e, const struct kevent *ev, const struct known *n)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *obj = yyjson_mut_obj(doc);
    struct buf b cleanup(buf_done) = BUF_INIT;
    const char *component = ev->component ? ev->component : "kubelet";
    char now[TIME_TEXT];

    time_rfc3339(clock_wall_ns(), now);
    json_put_str(doc, obj, "apiVersion", "v1");
    json_put_str(doc, obj, "kind", "Event");
    yyjson_mut_val *meta = json_put_obj(doc, obj, "metadata");
    json_put_str(doc, meta, "name", n->name);
    json_put_str(doc, meta, "namespace", n->ns);
    put_object(doc, obj, ev);
    json_put_str(doc, obj, "reason", ev->reason);
    json_put_str(doc, obj, "message", ev->message);
    yyjson_mut_val *source = json_put_obj(doc, obj, "source");
    json_put_str(doc, source, "component", component);
    if (!ev->component)
        json_put_str(doc, source, "host", e->node);
    json_put_str(doc, obj, "firstTimestamp", now);
    json_put_str(doc, obj, "lastTimestamp", now);
    json_put_int(doc, obj, "count", 1);
    json_put_str(doc, obj, "type", ev->warning ? "Warning" : "Normal");
    json_put_str(doc, obj, "reportingComponent", component);
    json_put_str(doc, obj, "reportingInstance", ev->component ? "" : e->node);
    json_mut_write(&b, obj);
    kube_call(e->k, &(struct kube_call){.verb = KUBE_CREATE,
                                        .gvr = &gvr_core_events,
                                        .ns = n->ns,
                                        .body = buf_slice(&b)});
}

static void count_again(struct kevents *e, const struct known *n)
{
    char now[TIME_TEXT];
    autofree char *body = xasprintf("{\"count\":%u,\"lastTimestamp\":\"%s\"}", n->count,
                                    time_rfc3339(clock_wall_ns(), now));

    kube_call(e->k, &(struct kube_call){.verb = KUBE_PATCH,
                                        .gvr = &gvr_core_events,
                                        .ns = n->ns,
                                        .name = n->name,
                                        .body = slice_of(body),
                                        .content_type = KUBE_MERGE_PATCH});
}

void kevents_emit(struct kevents *e, const struct kevent *ev)
{
    autofree char *path = field_path(ev);
    autofree char *key = xasprintf("%s\n%s\n%s\n%s\n%d", meta_uid(ev->object), path, ev->reason,
                                   ev->message, ev->warning);
    struct known *n = map_get(&e->known, key);

    if (n) {
        n->count++;
        count_again(e, n);
        return;
    }
    if (e->known.n >= REMEMBERED_MAX)
        forget_all(e);
    n = xnew(struct known);
    n->ns = xstrdup(*meta_namespace(ev->object) ? meta_namespace(ev->object) : "default");
    n->name = xasprintf("%s.%llx", meta_name(ev->object), (unsigned long long)clock_wall_ns());
    n->count = 1;
    map_put(&e->known, key, n);
    create(e, ev, n);
}
