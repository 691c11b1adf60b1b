/*
 * What may change in a pod (k8s.io/kubernetes ValidatePodUpdate): images, a shorter deadline, more
 * tolerations, a shorter grace period that was negative, gates that go. Everything else of the spec
 * is compared as a whole, after those were made equal.
 */
#include "apiserver/kinds/rules_pod.h"

#include <stdio.h>

static const char only[] =
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set "
    "to 1 if it was previously negative)";

static bool same_count(struct check *c, const struct site *s, const char *list)
{
    if (yyjson_arr_size(json_get(s->v, list)) == yyjson_arr_size(json_get(s->old, list)))
        return true;
    field_forbidden(c->errs, check_at(c, s->path, ".%s", list),
                    "pod updates may not add or remove containers");
    return false;
}

static void check_images(struct check *c, const struct site *s, const char *list)
{
    json_each(json_get(s->v, list), v, i, n)
        if (!*json_get_str(v, "image", ""))
            field_required(c->errs, check_at(c, s->path, ".%s[%zu].image", list, i), NULL);
}

/* Longer than before, or gone, or set where a positive one stands. */
static void check_deadline(struct check *c, const struct site *s)
{
    yyjson_val *new = json_get(s->v, "activeDeadlineSeconds");
    yyjson_val *old = json_get(s->old, "activeDeadlineSeconds");
    char path[1024], detail[96];

    snprintf(path, sizeof path, "%s.activeDeadlineSeconds", s->path);
    if (!new &&old)
        field_invalid(c->errs, path, NULL, "must not update from a positive integer to nil value");
    if (new &&old && yyjson_get_sint(new) > yyjson_get_sint(old)) {
        snprintf(detail, sizeof detail, "must be less than or equal to previous value");
        field_invalid(c->errs, path, new, detail);
    }
}

static bool holds(yyjson_val *list, yyjson_val *item)
{
    json_each(list, v, i, n)
        if (json_equal(v, item))
            return true;
    return false;
}

static bool check_tolerations(struct check *c, const struct site *s)
{
    yyjson_val *new = json_get(s->v, "tolerations"), *old = json_get(s->old, "tolerations");

    json_each(old, t, i, n) {
        if (holds(new, t))
            continue;
        field_forbidden(c->errs, check_at(c, s->path, ".tolerations"),
                        "existing toleration can not be modified except its tolerationSeconds");
        return false;
    }
    return true;
}

static void keep(yyjson_mut_doc *doc, yyjson_mut_val *to, yyjson_val *from, const char *key)
{
    yyjson_val *v = json_get(from, key);

    if (v)
        json_put(doc, to, key, json_thaw(doc, v));
    else
        json_remove(to, key);
}

static void keep_images(yyjson_mut_doc *doc, yyjson_mut_val *spec, yyjson_val *old,
                        const char *list)
{
    size_t i, n;
    yyjson_mut_val *v;

    yyjson_mut_arr_foreach(json_mut_get(spec, list), i, n, v)
        keep(doc, v, yyjson_arr_get(json_get(old, list), i), "image");
}

/* Compares the rest of the spec. */
static bool spec_same(yyjson_val *new, yyjson_val *old)
{
    static const char *const free_fields[] = {"activeDeadlineSeconds", "tolerations",
                                              "schedulingGates"};
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *spec = json_thaw(doc, new);

    keep_images(doc, spec, old, "containers");
    keep_images(doc, spec, old, "initContainers");
    for (size_t i = 0; i < ARRAY_SIZE(free_fields); i++)
        keep(doc, spec, old, free_fields[i]);
    if (json_int_at(old, "terminationGracePeriodSeconds", 0) < 0 &&
        json_int_at(new, "terminationGracePeriodSeconds", 0) == 1)
        keep(doc, spec, old, "terminationGracePeriodSeconds");
    struct json *frozen autojson = json_freeze(spec);
    return json_equal(json_root(frozen), old);
}

static void check_pod_update(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (!s->old || !s->v)
        return;
    if (!same_count(c, s, "containers") || !same_count(c, s, "initContainers"))
        return;
    check_images(c, s, "containers");
    check_images(c, s, "initContainers");
    check_deadline(c, s);
    if (check_tolerations(c, s) && !spec_same(s->v, s->old))
        field_forbidden(c->errs, s->path, only);
}

/* …/ephemeralcontainers adds, and changes none that is there. */
static void check_ephemeral(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    json_each(s->old, old, i, n) {
        yyjson_val *now = NULL;

        json_each(s->v, v, k, kn)
            if (!strcmp(json_get_str(v, "name", ""), json_get_str(old, "name", "-")))
                now = v;
        if (!now || !json_equal(now, old))
            field_forbidden(c->errs, s->path,
                            now ? "existing ephemeral containers may not be changed"
                                : "existing ephemeral containers may not be removed");
    }
}

const struct rule pod_ephemeral_rules[] = {{"spec.ephemeralContainers", check_ephemeral}, {NULL}};

const struct rule pod_update_rules[] = {{"spec", check_pod_update}, {NULL}};
