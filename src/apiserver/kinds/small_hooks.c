/* Hooks of the kinds in small.c: what a table row cannot say. */
#include "apiserver/kinds/kind.h"

#include "base/base64.h"
#include "base/names.h"
#include "base/timefmt.h"
#include "data/quantity.h"

#include <stdio.h>

static bool is_update(const struct change *ch)
{
    return ch->old != NULL;
}

static void add_finalizer(struct change *ch, const char *name)
{
    yyjson_mut_val *meta = json_mut_get(ch->obj, "metadata");
    yyjson_mut_val *list = json_mut_get(meta, "finalizers");
    size_t i, n;
    yyjson_mut_val *v;

    if (is_update(ch))
        return;
    yyjson_mut_arr_foreach(list, i, n, v)
        if (!strcmp(yyjson_mut_get_str(v), name))
            return;
    yyjson_mut_arr_add_strcpy(ch->doc, list ? list : json_put_arr(ch->doc, meta, "finalizers"),
                              name);
}

/* ---- Secret: stringData goes into data, encoded ---- */

void secret_prepare(struct change *ch)
{
    yyjson_mut_val *plain = json_mut_get(ch->obj, "stringData"), *key, *val;
    size_t i, n;

    if (yyjson_mut_obj_size(plain)) {
        yyjson_mut_val *data = json_ensure(ch->doc, ch->obj, "data");
        yyjson_mut_obj_foreach(plain, i, n, key, val)
        {
            struct buf b cleanup(buf_done) = BUF_INIT;
            base64_encode(&b, (struct slice){yyjson_mut_get_str(val), yyjson_mut_get_len(val)});
            json_put_str(ch->doc, data, yyjson_mut_get_str(key), buf_str(&b));
        }
    }
    json_remove(ch->obj, "stringData");
}

/* ---- claims and volumes ---- */

void claim_prepare(struct change *ch)
{
    bool volume = !strcmp(ch->res->plural, "persistentvolumes");

    char now[TIME_TEXT];

    if (volume && !is_update(ch))
        json_put_str(ch->doc, json_ensure(ch->doc, ch->obj, "status"), "lastPhaseTransitionTime",
                     time_rfc3339(ch->now, now));
    if (api_admission_enabled(ch->api, "StorageObjectInUseProtection"))
        add_finalizer(ch, volume ? "kubernetes.io/pv-protection" : "kubernetes.io/pvc-protection");
}

/* ---- Namespace ---- */

static void keep_finalizers(struct change *ch, yyjson_mut_val *spec)
{
    yyjson_val *old = json_at(ch->old, "spec.finalizers");

    if (old)
        json_put(ch->doc, spec, "finalizers", json_thaw(ch->doc, old));
    else
        json_remove(spec, "finalizers");
}

void namespace_prepare(struct change *ch)
{
    yyjson_mut_val *spec = json_ensure(ch->doc, ch->obj, "spec");
    yyjson_mut_val *labels = json_ensure(ch->doc, ch->obj, "metadata.labels");
    yyjson_mut_val *list;
    size_t i, n;
    yyjson_mut_val *v;

    json_put_str(ch->doc, labels, "kubernetes.io/metadata.name",
                 json_mut_str_at(ch->obj, "metadata.name", ""));
    if (is_update(ch)) {
        if (strcmp(ch->subresource, "finalize"))
            keep_finalizers(ch, spec);
        return;
    }
    json_put_str(ch->doc, json_ensure(ch->doc, ch->obj, "status"), "phase", "Active");
    list = json_mut_get(spec, "finalizers");
    yyjson_mut_arr_foreach(list, i, n, v)
        if (!strcmp(yyjson_mut_get_str(v), "kubernetes"))
            return;
    yyjson_mut_arr_add_strcpy(ch->doc, list ? list : json_put_arr(ch->doc, spec, "finalizers"),
                              "kubernetes");
}

/* ---- Node ---- */

#define NOT_READY "node.kubernetes.io/not-ready"

/* A new node is tainted until its kubelet says that it is ready. */
void node_admit(struct change *ch)
{
    yyjson_mut_val *spec = json_ensure(ch->doc, ch->obj, "spec"), *taints, *t;
    size_t i, n;

    if (is_update(ch) || !api_admission_enabled(ch->api, "TaintNodesByCondition"))
        return;
    taints = json_mut_get(spec, "taints");
    yyjson_mut_arr_foreach(taints, i, n, t)
        if (!strcmp(json_mut_str_at(t, "key", ""), NOT_READY))
            return;
    t = yyjson_mut_arr_add_obj(ch->doc, taints ? taints : json_put_arr(ch->doc, spec, "taints"));
    json_put_str(ch->doc, t, "key", NOT_READY);
    json_put_str(ch->doc, t, "effect", "NoSchedule");
}

void node_prepare(struct change *ch)
{
    yyjson_mut_val *spec = json_ensure(ch->doc, ch->obj, "spec");
    yyjson_mut_val *status = json_mut_get(ch->obj, "status"),
                   *capacity = json_mut_get(status, "capacity");
    const char *cidr = json_mut_str_at(spec, "podCIDR", "");
    const char *first =
        yyjson_mut_get_str(yyjson_mut_arr_get_first(json_mut_get(spec, "podCIDRs")));

    if (*cidr && (!first || strcmp(cidr, first)))
        yyjson_mut_arr_add_strcpy(ch->doc, json_put_arr(ch->doc, spec, "podCIDRs"), cidr);
    if (yyjson_mut_obj_size(capacity) && !yyjson_mut_obj_size(json_mut_get(status, "allocatable")))
        json_put(ch->doc, status, "allocatable", json_dup(ch->doc, capacity));
}

/* ---- LimitRange ---- */

static void fill(yyjson_mut_doc *doc, yyjson_mut_val *item, const char *to, const char *from)
{
    yyjson_mut_val *source = json_mut_get(item, from), *target, *key, *val;
    size_t i, n;

    if (!yyjson_mut_obj_size(source))
        return;
    target = json_ensure(doc, item, to);
    yyjson_mut_obj_foreach(source, i, n, key,
                           val) if (!json_mut_get(target, yyjson_mut_get_str(key)))
        json_put(doc, target, yyjson_mut_get_str(key), json_dup(doc, val));
}

static void limit_defaults(yyjson_mut_doc *doc, yyjson_mut_val *at, const struct change *ch)
{
    (void)ch;
    if (strcmp(json_mut_str_at(at, "type", ""), "Container"))
        return;
    fill(doc, at, "default", "max");
    fill(doc, at, "defaultRequest", "default");
    fill(doc, at, "defaultRequest", "min");
}

const struct kind_defaults limit_range_defaults[] = {{"spec.limits[]", .fn = limit_defaults},
                                                     {NULL}};

/* Pairs of which the first may not be greater than the second. */
static const struct {
    const char *low, *high, *shown, *at, *words;
} limit_pairs[] = {
    {"min", "max", "min", "min", "min value %s is greater than max value %s"},
    {"min", "defaultRequest", "defaultRequest", "defaultRequest",
     "min value %s is greater than default request value %s"},
    {"defaultRequest", "max", "defaultRequest", "defaultRequest",
     "default request value %s is greater than max value %s"},
    {"defaultRequest", "default", "defaultRequest", "defaultRequest",
     "default request value %s is greater than default limit value %s"},
    {"min", "default", "min", "default", "min value %s is greater than default value %s"},
    {"default", "max", "default", "default", "default value %s is greater than max value %s"},
};

static void check_limit_pair(struct check *c, const struct site *s, size_t i)
{
    yyjson_val *high = json_get(s->v, limit_pairs[i].high);
    char why[200];

    json_each_member(json_get(s->v, limit_pairs[i].low), key, low) {
        const char *name = yyjson_get_str(key);
        yyjson_val *top = json_get(high, name);
        struct quantity a, b;
        if (!top || quantity_parse(slice_of(json_str(low, "")), &a, NULL) < 0 ||
            quantity_parse(slice_of(json_str(top, "")), &b, NULL) < 0 || quantity_cmp(&a, &b) <= 0)
            continue;
        const char *words = limit_pairs[i].words, *mark = strstr(words, "%s");
        const char *rest = mark + 2, *last = strstr(rest, "%s");
        snprintf(why, sizeof why, "%.*s%s%.*s%s", (int)(mark - words), words, json_str(low, ""),
                 (int)(last - rest), rest, json_str(top, ""));
        field_invalid(c->errs, check_at(c, s->path, ".%s[%s]", limit_pairs[i].at, name),
                      json_get(json_get(s->v, limit_pairs[i].shown), name), why);
    }
}

static void check_limit_item(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    for (size_t i = 0; i < ARRAY_SIZE(limit_pairs); i++)
        check_limit_pair(c, s, i);
    if (strcmp(json_get_str(s->v, "type", ""), "Pod"))
        return;
    static const char *const own[] = {"default", "defaultRequest"};
    for (size_t i = 0; i < ARRAY_SIZE(own); i++)
        if (yyjson_obj_size(json_get(s->v, own[i])))
            field_forbidden(c->errs, check_at(c, s->path, ".%s", own[i]),
                            "may not be specified when `type` is 'Pod'");
}

/* A type is a qualified name, and a short one must be known: the empty one fails both ways. */
static void check_limit_type(struct check *c, const struct rule *r, const struct site *s)
{
    const char *type = json_str(s->v, ""), *why = name_qualified(slice_of(type));

    (void)r;
    if (why)
        check_add_invalid(c, s, why);
    if (!strchr(type, '/') && !str_in(type, "Pod|Container|PersistentVolumeClaim"))
        check_add_invalid(c, s, "must be a standard limit type or fully qualified");
}

const struct rule limit_range_rules[] = {
    {"spec.limits[].type", check_limit_type},
    {"spec.limits", check_unique, "type"},
    {"spec.limits[]", check_limit_item},
    {NULL},
};
