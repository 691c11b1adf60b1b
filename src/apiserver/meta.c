/*
 * Metadata: the part of every object that the server itself owns. Rules are k8s.io/apimachinery's
 * (api/validation/objectmeta.go) and k8s.io/apiserver's (registry/rest/create.go, update.go).
 */
#include "apiserver/server.h"
#include "base/clock.h"
#include "base/names.h"
#include "base/timefmt.h"

#include <ctype.h>
#include <stdio.h>

#define GENERATED_BASE 58 /* of 63 letters: five are random */
#define ANNOTATIONS_MAX (256 * 1024)

void put_time(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key, int64_t ns)
{
    char text[TIME_TEXT];

    json_put_str(doc, obj, key, time_rfc3339(ns, text));
}

static yyjson_mut_val *metadata(struct change *ch)
{
    return json_ensure(ch->doc, ch->obj, "metadata");
}

static const char *meta_str(yyjson_mut_val *meta, const char *key)
{
    return json_mut_str_at(meta, key, "");
}

/* The namespace of the path fills an empty one; another one is refused. */
static struct status *settle_namespace(struct change *ch, yyjson_mut_val *meta)
{
    const char *ns = meta_str(meta, "namespace");

    if (!ch->res->namespaced) {
        json_remove(meta, "namespace");
        return NULL;
    }
    if (*ns && strcmp(ns, ch->ns) != 0)
        return status_new(ch->arena, ERR_BAD_REQUEST,
                          "the namespace of the provided object does not match the namespace sent "
                          "on the request");
    json_put_str(ch->doc, meta, "namespace", ch->ns);
    return NULL;
}

bool meta_generate_name(struct change *ch)
{
    yyjson_mut_val *meta = metadata(ch);
    const char *base = meta_str(meta, "generateName");
    char suffix[8], name[80];

    if (!*base)
        return false;
    rand_suffix(suffix, 5);
    snprintf(name, sizeof name, "%.*s%s", GENERATED_BASE, base, suffix);
    json_put_str(ch->doc, meta, "name", name);
    ch->name = arena_strdup(ch->arena, name);
    return true;
}

static const char *const server_owned[] = {"deletionTimestamp", "deletionGracePeriodSeconds",
                                           "selfLink",          "uid",
                                           "creationTimestamp", "generation",
                                           "managedFields"};

struct status *meta_on_create(struct change *ch)
{
    yyjson_mut_val *meta = metadata(ch);
    const char *rv = meta_str(meta, "resourceVersion");
    char uid[37];

    if (*rv && strcmp(rv, "0") != 0)
        return status_plain(ch->arena, 500,
                            "resourceVersion should not be set on objects to be created");
    struct status *st = settle_namespace(ch, meta);
    if (st)
        return st;
    for (size_t i = 0; i < ARRAY_SIZE(server_owned); i++)
        json_remove(meta, server_owned[i]);
    json_remove(meta, "resourceVersion");
    if (!*meta_str(meta, "name"))
        meta_generate_name(ch);
    rand_uuid(uid);
    json_put_str(ch->doc, meta, "uid", uid);
    put_time(ch->doc, meta, "creationTimestamp", ch->now);
    if (ch->res->has_generation)
        json_put_int(ch->doc, meta, "generation", 1);
    return NULL;
}

struct status *meta_on_update(struct change *ch)
{
    yyjson_mut_val *meta = metadata(ch);
    yyjson_val *old = json_get(ch->old, "metadata");
    const char *uid = meta_str(meta, "uid"), *old_uid = json_get_str(old, "uid", "");
    struct status *st = settle_namespace(ch, meta);

    if (st)
        return st;
    bool patched = ch->request_verb == VERB_PATCH;
    if (*uid && strcmp(uid, old_uid) != 0 && patched) {
        for (int i = 0; i < 2; i++) /* said twice, as Kubernetes does */
            field_invalid_str(ch->errs, "metadata.uid", uid, "field is immutable");
    } else if (*uid && strcmp(uid, old_uid) != 0) {
        const char *why = arena_printf(
            ch->arena, "Precondition failed: UID in precondition: %s, UID in object meta: %s", uid,
            old_uid);

        return status_conflict(ch->arena, ch->res->group, ch->res->plural, ch->name, why);
    }
    const char *leaving = meta_str(meta, "deletionTimestamp");
    if (*leaving && !json_get(old, "deletionTimestamp"))
        for (int i = 0; i < 2; i++)
            field_invalid_str(ch->errs, "metadata.deletionTimestamp", leaving,
                              "field is immutable; may only be changed via deletion");
    for (size_t i = 0; i < ARRAY_SIZE(server_owned); i++) {
        yyjson_val *v = json_get(old, server_owned[i]);

        json_remove(meta, server_owned[i]);
        if (v && strcmp(server_owned[i], "managedFields") != 0)
            json_put(ch->doc, meta, server_owned[i], json_thaw(ch->doc, v));
    }
    json_put_str(ch->doc, meta, "name", ch->name);
    json_put_str(ch->doc, meta, "resourceVersion", json_get_str(old, "resourceVersion", ""));
    return NULL;
}

/* ---- validation ---- */

static void check_name(struct change *ch, const char *field, const char *name, bool prefix)
{
    const struct resource_hooks *hooks = ch->res->hooks;
    struct slice s = slice_of(name);
    const char *masked, *wrong;

    if (prefix && s.n > 1 && s.p[s.n - 1] == '-') {
        masked = arena_printf(ch->arena, "%.*sa", (int)s.n - 2, name);
        s = slice_of(masked);
    }
    wrong = hooks && hooks->check_name ? hooks->check_name(s) : name_dns1123_subdomain(s);
    if (wrong)
        field_invalid_str(ch->errs, field, name, wrong);
}

static void check_labels(struct change *ch, yyjson_mut_val *labels)
{
    yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(labels);

    for (yyjson_mut_val *key; (key = yyjson_mut_obj_iter_next(&it));) {
        const char *k = yyjson_mut_get_str(key),
                   *v = yyjson_mut_get_str(yyjson_mut_obj_iter_get_val(key));
        const char *wrong = name_qualified(slice_of(k));

        if (wrong)
            field_invalid_str(ch->errs, "metadata.labels", k, wrong);
        wrong = v ? name_label_value(slice_of(v)) : NULL;
        if (wrong)
            field_invalid_str(ch->errs, "metadata.labels", v, wrong);
    }
}

static void check_annotations(struct change *ch, yyjson_mut_val *annotations)
{
    yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(annotations);
    size_t total = 0;

    for (yyjson_mut_val *key; (key = yyjson_mut_obj_iter_next(&it));) {
        const char *k = yyjson_mut_get_str(key);
        char *lower = arena_strdup(ch->arena, k);

        for (char *p = lower; *p; p++)
            *p = (char)tolower((unsigned char)*p);
        const char *wrong = name_qualified(slice_of(lower));
        if (wrong)
            field_invalid_str(ch->errs, "metadata.annotations", k, wrong);
        total += strlen(k) + yyjson_mut_get_len(yyjson_mut_obj_iter_get_val(key));
    }
    if (total > ANNOTATIONS_MAX)
        field_too_long(ch->errs, "metadata.annotations", ANNOTATIONS_MAX);
}

static const char *owner_text(struct change *ch, yyjson_mut_val *ref)
{
    return arena_printf(ch->arena, "%s/%s", meta_str(ref, "kind"), meta_str(ref, "name"));
}

/* Who owns is there as long as what it owns; an event is not made for that. */
static void check_owner(struct change *ch, yyjson_mut_val *ref, const char **controller)
{
    static const char *const needed[] = {"apiVersion", "kind", "name", "uid"};
    char field[80];

    for (size_t k = 0; k < ARRAY_SIZE(needed); k++) {
        if (*meta_str(ref, needed[k]))
            continue;
        snprintf(field, sizeof field, "metadata.ownerReferences.%s", needed[k]);
        if (k == 0)
            field_invalid_str(ch->errs, field, "", "version must not be empty");
        else
            field_invalid_str(ch->errs, field, "",
                              arena_printf(ch->arena, "%s must not be empty", needed[k]));
    }
    if (strcmp(meta_str(ref, "kind"), "Event") == 0 &&
        strcmp(meta_str(ref, "apiVersion"), "v1") == 0)
        field_error_add(
            ch->errs, FIELD_INVALID, "metadata.ownerReferences",
            arena_printf(
                ch->arena,
                "Invalid value: {\"apiVersion\":\"v1\",\"kind\":\"Event\",\"name\":\"%s\",\"uid\":"
                "\"%s\"}: /v1, Kind=Event is disallowed from being an owner",
                meta_str(ref, "name"), meta_str(ref, "uid")));
    if (!yyjson_mut_get_bool(json_mut_get(ref, "controller")))
        return;
    if (*controller)
        field_error_add(
            ch->errs, FIELD_INVALID, "metadata.ownerReferences",
            arena_printf(ch->arena,
                         "Invalid value: only one reference can have Controller set to true. Found "
                         "\"true\" in references for %s and %s",
                         *controller, owner_text(ch, ref)));
    *controller = owner_text(ch, ref);
}

static void check_owners(struct change *ch, yyjson_mut_val *owners)
{
    const char *controller = NULL;

    for (size_t i = 0; i < yyjson_mut_arr_size(owners); i++)
        check_owner(ch, yyjson_mut_arr_get(owners, i), &controller);
}

static bool has_string(yyjson_val *arr, const char *s)
{
    json_each(arr, item, i, n) {
        if (strcmp(json_str(item, ""), s) == 0)
            return true;
    }
    return false;
}

static bool is_standard_finalizer(const char *f)
{
    return strcmp(f, "kubernetes") == 0 || strcmp(f, "orphan") == 0 ||
           strcmp(f, "foregroundDeletion") == 0;
}

/* A check of Kubernetes' own kinds; definitions of custom ones are not among them. */
static bool of_kubernetes(const struct resource *res)
{
    return res->built_in && strcmp(res->group, "apiextensions.k8s.io") != 0;
}

static void check_finalizers(struct change *ch, yyjson_mut_val *finalizers)
{
    yyjson_val *old_meta = json_get(ch->old, "metadata"), *old = json_get(old_meta, "finalizers");
    bool terminating = json_get(old_meta, "deletionTimestamp") != NULL, orphan = false,
         foreground = false;

    for (size_t i = 0; i < yyjson_mut_arr_size(finalizers); i++) {
        const char *f = yyjson_mut_get_str(yyjson_mut_arr_get(finalizers, i));
        const char *wrong = f ? name_qualified(slice_of(f)) : NULL;

        if (!f)
            continue;
        orphan |= strcmp(f, "orphan") == 0;
        foreground |= strcmp(f, "foregroundDeletion") == 0;
        if (wrong)
            field_invalid_str(ch->errs, "metadata.finalizers", f, wrong);
        if (of_kubernetes(ch->res) && !has_string(old, f) && !is_standard_finalizer(f) &&
            !strchr(f, '/'))
            field_invalid_str(
                ch->errs, arena_printf(ch->arena, "metadata.finalizers[%zu]", i), f,
                "name is neither a standard finalizer name nor is it fully qualified");
        if (terminating && !has_string(old, f))
            field_forbidden(
                ch->errs, "metadata.finalizers",
                arena_printf(ch->arena,
                             "no new finalizers can be added if the object is being deleted, found "
                             "new finalizers []string{\"%s\"}",
                             f));
        if (!ch->res->built_in && !strchr(f, '/') && !has_string(old, f) &&
            !is_standard_finalizer(f))
            warnings_add(ch->warnings,
                         "metadata.finalizers: \"%s\": prefer a domain-qualified finalizer name "
                         "including a path "
                         "(/) to avoid accidental conflicts with other finalizer writers",
                         f);
    }
    if (orphan && foreground)
        field_invalid_str(ch->errs, "metadata.finalizers", "orphan",
                          "finalizer foregroundDeletion and orphan cannot be both set");
}

/*
 * On an update Kubernetes checks metadata once for the object and once for the change, both by
 * itself and by the kind: the same causes come three or four times. Clients that count causes see
 * it.
 */
static unsigned times_said(const struct change *ch)
{
    if (!ch->old)
        return 1;
    return of_kubernetes(ch->res) && strcmp(ch->res->plural, "services") != 0 ? 4 : 3;
}

static void repeat_errors(struct change *ch, size_t first, unsigned times)
{
    size_t end = ch->errs->n;

    for (unsigned t = 1; t < times; t++)
        for (size_t i = first; i < end; i++) {
            struct field_error e = ch->errs->v[i];

            field_error_add(ch->errs, e.type, e.field, e.message);
        }
}

void meta_validate(struct change *ch)
{
    yyjson_mut_val *meta = metadata(ch);
    const char *name = meta_str(meta, "name"), *generate = meta_str(meta, "generateName");

    if (!ch->old) {
        if (*generate)
            check_name(ch, "metadata.generateName", generate, true);
        if (*name)
            check_name(ch, "metadata.name", name, false);
        else
            field_required(ch->errs, "metadata.name", "name or generateName is required");
    }
    size_t first = ch->errs->n;
    check_labels(ch, json_mut_get(meta, "labels"));
    check_annotations(ch, json_mut_get(meta, "annotations"));
    check_owners(ch, json_mut_get(meta, "ownerReferences"));
    repeat_errors(ch, first, times_said(ch));
    first = ch->errs->n;
    check_finalizers(ch, json_mut_get(meta, "finalizers"));
    repeat_errors(ch, first, times_said(ch) > 3 ? 2 : 1);
}
