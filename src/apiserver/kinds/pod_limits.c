/* The LimitRanger admission plugin for containers and pods. */
#include "apiserver/kinds/pod.h"

#include "data/quantity.h"

#include <stdio.h>

struct limits {
    struct change *ch;
    struct buf notes; /* what was set, for the annotation */
    bool apply;       /* first pass: defaults; second pass: bounds */
};

static bool parse(const char *text, struct quantity *q)
{
    return text && *text && quantity_parse(slice_of(text), q, NULL) == 0;
}

/* ---- defaults ---- */

static void set_absent(struct limits *l, yyjson_mut_val *container, const char *list,
                       yyjson_val *defaults, const char *word, struct buf *set)
{
    char path[32];

    snprintf(path, sizeof path, "resources.%s", list);
    json_each_member(defaults, key, val) {
        yyjson_mut_val *map = json_ensure(l->ch->doc, container, path);
        if (json_mut_get(map, yyjson_get_str(key)))
            continue;
        json_put(l->ch->doc, map, yyjson_get_str(key), json_thaw(l->ch->doc, val));
        buf_printf(set, "%s%s", set->len ? ", " : "", yyjson_get_str(key));
    }
    if (set->len)
        buf_printf(&l->notes, "%s%s %s for container %s", l->notes.len ? "; " : "", set->data, word,
                   json_mut_str_at(container, "name", ""));
}

static void apply_defaults(struct limits *l, yyjson_val *item, const char *list)
{
    size_t i, n;
    yyjson_mut_val *c;

    yyjson_mut_arr_foreach(json_mut_at(l->ch->obj, list), i, n, c) {
        struct buf requests cleanup(buf_done) = BUF_INIT, limits cleanup(buf_done) = BUF_INIT;
        set_absent(l, c, "requests", json_get(item, "defaultRequest"), "request", &requests);
        set_absent(l, c, "limits", json_get(item, "default"), "limit", &limits);
    }
}

/* ---- bounds ---- */

static void refuse(struct limits *l, const char *fmt, const char *name, const char *type,
                   const char *bound, const char *is)
{
    if (l->ch->refuse)
        return;
    const char *why =
        arena_printf(l->ch->arena, "%s %s usage per %s is %s, but %s", fmt, name, type, bound, is);
    l->ch->refuse = status_forbidden(l->ch->arena, "", "pods",
                                     json_mut_str_at(l->ch->obj, "metadata.name", ""), why);
}

static void check_bound(struct limits *l, yyjson_mut_val *resources, yyjson_val *bounds, bool max)
{
    static const char *const lists[] = {"requests", "limits"};
    static const char *const words[] = {"request", "limit"};

    json_each_member(bounds, key, val) {
        const char *name = yyjson_get_str(key), *bound = json_str(val, "");
        struct quantity b, q;
        for (size_t i = 0; i < ARRAY_SIZE(lists) && parse(bound, &b); i++) {
            const char *text =
                yyjson_mut_get_str(json_mut_get(json_mut_get(resources, lists[i]), name));
            if (!parse(text, &q) || (max ? quantity_cmp(&q, &b) <= 0 : quantity_cmp(&q, &b) >= 0))
                continue;
            refuse(l, max ? "maximum" : "minimum", name, "Container", bound,
                   arena_printf(l->ch->arena, "%s is %s", words[i], text));
        }
    }
}

static void check_containers(struct limits *l, yyjson_val *item, const char *list)
{
    size_t i, n;
    yyjson_mut_val *c;

    yyjson_mut_arr_foreach(json_mut_at(l->ch->obj, list), i, n, c) {
        /* limits first: a limit above the maximum is what is named */
        check_bound(l, json_mut_get(c, "resources"), json_get(item, "min"), false);
        check_bound(l, json_mut_get(c, "resources"), json_get(item, "max"), true);
    }
}

static bool visit(void *arg, const struct object *o)
{
    struct limits *l = arg;
    struct json *doc autojson = object_parse(o);

    json_each(json_at(json_root(doc), "spec.limits"), item, i, n) {
        if (strcmp(json_get_str(item, "type", ""), "Container"))
            continue;
        for (int init = 0; init < 2; init++) {
            const char *list = init ? "spec.initContainers" : "spec.containers";
            if (l->apply)
                apply_defaults(l, item, list);
            else
                check_containers(l, item, list);
        }
    }
    return true;
}

void pod_admit_limits(struct change *ch)
{
    struct limits l = {.ch = ch, .apply = true};
    struct storage_scan scan = {.res = api_resource(ch->api, "", "limitranges"), .ns = ch->ns};

    storage_each(api_storage(ch->api), &scan, visit, &l, NULL);
    if (l.notes.len) {
        autofree char *text = xasprintf("LimitRanger plugin set: %s", l.notes.data);
        json_put_str(ch->doc, json_ensure(ch->doc, ch->obj, "metadata.annotations"),
                     "kubernetes.io/limit-ranger", text);
    }
    buf_done(&l.notes);
    l.apply = false;
    storage_each(api_storage(ch->api), &scan, visit, &l, NULL);
}
