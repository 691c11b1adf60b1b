/*
 * The CustomResourceDefinition kind itself: its defaults, the conditions that the server sets, and
 * what makes one invalid (k8s.io/apiextensions-apiserver: defaults, validation, naming).
 */
#include "apiserver/crd/crd.h"

#include "base/names.h"
#include "base/timefmt.h"
#include "data/jsonpath.h"

#include <ctype.h>
#include <stdio.h>

static const char *lower(struct arena *a, const char *s)
{
    char *l = arena_strdup(a, s);

    for (char *p = l; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return l;
}

/* ---- defaults ---- */

void crd_defaults(struct change *ch)
{
    yyjson_mut_val *spec = json_ensure(ch->doc, ch->obj, "spec");
    yyjson_mut_val *names = json_ensure(ch->doc, spec, "names");
    const char *kind = json_mut_str_at(names, "kind", "");

    if (!*json_mut_str_at(names, "singular", "") && *kind)
        json_put_str(ch->doc, names, "singular", lower(ch->arena, kind));
    if (!*json_mut_str_at(names, "listKind", "") && *kind)
        json_put_str(ch->doc, names, "listKind", arena_printf(ch->arena, "%sList", kind));
    if (!json_mut_get(spec, "conversion"))
        json_put_str(ch->doc, json_put_obj(ch->doc, spec, "conversion"), "strategy", "None");
}

/* ---- status ---- */

static const char *storage_version(yyjson_mut_val *spec)
{
    size_t i, n;
    yyjson_mut_val *v;

    yyjson_mut_arr_foreach(json_mut_get(spec, "versions"), i, n, v)
        if (yyjson_mut_get_bool(json_mut_get(v, "storage")))
            return json_mut_str_at(v, "name", "");
    return "";
}

static void put_condition(struct change *ch, yyjson_mut_val *conditions, const char *type,
                          const char *reason, const char *message)
{
    yyjson_mut_val *c = yyjson_mut_arr_add_obj(ch->doc, conditions);
    char now[TIME_TEXT];

    json_put_str(ch->doc, c, "type", type);
    json_put_str(ch->doc, c, "status", "True");
    json_put_str(ch->doc, c, "lastTransitionTime", time_rfc3339(ch->now, now));
    json_put_str(ch->doc, c, "reason", reason);
    json_put_str(ch->doc, c, "message", message);
}

static void put_stored_version(struct change *ch, yyjson_mut_val *status, const char *version)
{
    yyjson_mut_val *list = json_mut_get(status, "storedVersions"), *v;
    size_t i, n;

    yyjson_mut_arr_foreach(list, i, n, v)
        if (!strcmp(yyjson_mut_get_str(v), version))
            return;
    if (!yyjson_mut_is_arr(list))
        list = json_put_arr(ch->doc, status, "storedVersions");
    yyjson_mut_arr_add_strcpy(ch->doc, list, version);
}

static void put_finalizer(struct change *ch)
{
    yyjson_mut_val *meta = json_ensure(ch->doc, ch->obj, "metadata"), *v;
    yyjson_mut_val *list = json_mut_get(meta, "finalizers");
    size_t i, n;

    yyjson_mut_arr_foreach(list, i, n, v)
        if (!strcmp(yyjson_mut_get_str(v), CRD_FINALIZER))
            return;
    if (!list)
        list = json_put_arr(ch->doc, meta, "finalizers");
    yyjson_mut_arr_add_strcpy(ch->doc, list, CRD_FINALIZER);
}

/* Names are accepted and the definition is established at once: nobody else hands names out. */
void crd_prepare(struct change *ch)
{
    yyjson_mut_val *spec = json_mut_get(ch->obj, "spec");

    if (*ch->subresource)
        return;
    yyjson_mut_val *status = json_ensure(ch->doc, ch->obj, "status");
    json_put(ch->doc, status, "acceptedNames", json_dup(ch->doc, json_mut_get(spec, "names")));
    put_stored_version(ch, status, storage_version(spec));
    if (ch->old)
        return;
    put_finalizer(ch);
    yyjson_mut_val *conditions = json_put_arr(ch->doc, status, "conditions");
    put_condition(ch, conditions, "NamesAccepted", "NoConflicts", "no conflicts found");
    put_condition(ch, conditions, "Established", "InitialNamesAccepted",
                  "the initial names have been accepted");
}

/* ---- validation ---- */

static void check_crd_name(struct check *c, const struct rule *r, const struct site *s)
{
    const char *plural = json_str_at(c->root, "spec.names.plural", "");
    const char *group = json_str_at(c->root, "spec.group", "");
    char want[600];

    (void)r;
    snprintf(want, sizeof want, "%s.%s", plural, group);
    if (strcmp(json_str(s->v, ""), want))
        check_add_invalid(c, s, "must be spec.names.plural+\".\"+spec.group");
}

static void check_group(struct check *c, const struct rule *r, const struct site *s)
{
    const char *group = json_str(s->v, "");
    const char *why = name_dns1123_subdomain(slice_of(group));

    (void)r;
    if (!*group)
        field_required(c->errs, s->path, NULL);
    else if (why)
        check_add_invalid(c, s, why);
    else if (!strchr(group, '.'))
        check_add_invalid(c, s, "should be a domain with at least one dot");
}

static void check_kind_name(struct check *c, const struct rule *r, const struct site *s)
{
    const char *kind = json_str(s->v, "");
    char small[256];
    size_t n = strnlen(kind, sizeof small - 1);
    char why[400];

    (void)r;
    if (!*kind) {
        field_required(c->errs, s->path, NULL);
        return;
    }
    for (size_t i = 0; i < n; i++)
        small[i] = (char)tolower((unsigned char)kind[i]);
    const char *bad = name_dns1035_label((struct slice){small, n});
    if (!bad)
        return;
    snprintf(why, sizeof why, "may have mixed case, but should otherwise match: %s", bad);
    check_add_invalid(c, s, why);
}

static void check_list_kind(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (json_str(s->v, NULL) && json_equal(s->v, json_get(s->parent, "kind")))
        check_add_invalid(c, s, "kind and listKind may not be the same");
}

static void check_storage_flag(struct check *c, const struct rule *r, const struct site *s)
{
    size_t n = 0;

    (void)r;
    json_each(s->v, v, i, k)
        n += json_bool_at(v, "storage", false);
    if (n != 1)
        check_add_invalid(c, s, "must have exactly one version marked as storage version");
    if (!n)
        field_invalid(c->errs, "status.storedVersions", json_at(c->root, "status.storedVersions"),
                      "must have at least one stored version");
    for (size_t i = 0; i < yyjson_arr_size(s->v); i++)
        for (size_t k = 0; k < i; k++)
            if (json_equal(json_get(yyjson_arr_get(s->v, i), "name"),
                           json_get(yyjson_arr_get(s->v, k), "name"))) {
                check_add_invalid(c, s, "must contain unique version names");
                return;
            }
}

/*
 * What all versions have in common, Kubernetes keeps (and names) beside them: of a definition with
 * one version, or with equal schemas, the schema stands at spec.validation.
 */
static bool is_shared(const struct check *c, const char *part)
{
    yyjson_val *versions = json_at(c->root, "spec.versions"),
               *first = yyjson_arr_get_first(versions);

    json_each(versions, v, i, n)
        if (!json_equal(json_at(v, part), json_at(first, part)))
            return false;
    return true;
}

static bool is_first(const struct site *s)
{
    return s->index == 0;
}

static void check_version_name(struct check *c, const struct rule *r, const struct site *s)
{
    const char *name = json_get_str(s->v, "name", ""),
               *why = *name ? name_dns1035_label(slice_of(name)) : NULL;

    (void)r;
    if (!*name)
        field_required(c->errs, check_at(c, s->path, ".name"), NULL);
    if (!why)
        return;
    field_invalid(c->errs, check_at(c, s->path, ".name"), json_get(s->v, "name"), why);
    if (is_first(s))
        field_invalid(c->errs, "spec.version", json_get(s->v, "name"), why);
}

static void check_schema(struct check *c, const struct rule *r, const struct site *s)
{
    yyjson_val *schema = json_at(s->v, "schema.openAPIV3Schema");
    char path[300];

    (void)r;
    if (!schema) {
        field_required(c->errs, check_at(c, s->path, ".schema.openAPIV3Schema"),
                       "schemas are required");
        return;
    }
    bool shared = is_shared(c, "schema");
    if (shared && !is_first(s))
        return;
    if (shared)
        snprintf(path, sizeof path, "spec.validation.openAPIV3Schema");
    else
        snprintf(path, sizeof path, "%s.schema.openAPIV3Schema", s->path);
    if (!c->old_root || !json_equal(schema, json_at(s->old, "schema.openAPIV3Schema")))
        schema_check(schema, path, c->errs);
}

static void check_column(struct check *c, yyjson_val *column, const char *path)
{
    yyjson_val *json_path = json_get(column, "jsonPath"), *type = json_get(column, "type");
    struct jsonpath *compiled = NULL;
    const char *text = json_str(json_path, "");

    if (!*json_get_str(column, "name", ""))
        field_required(c->errs, check_at(c, path, ".name"), NULL);
    if (!*json_str(type, ""))
        field_required(c->errs, check_at(c, path, ".type"),
                       "must be one of integer,number,string,boolean,date");
    else if (!str_in(json_str(type, ""), "integer|number|string|boolean|date"))
        field_invalid(c->errs, check_at(c, path, ".type"), type,
                      "must be one of boolean,date,integer,number,string");
    if (!*text)
        field_required(c->errs, check_at(c, path, ".JSONPath"), NULL);
    else if (*text != '.' || jsonpath_parse(slice_of(text), &compiled, NULL) < 0)
        field_invalid(c->errs, check_at(c, path, ".JSONPath"), json_path, "illegal json path");
    jsonpath_free(compiled);
}

static void check_columns(struct check *c, const struct rule *r, const struct site *s)
{
    bool shared = is_shared(c, "additionalPrinterColumns");
    char path[300];

    (void)r;
    if (shared && !is_first(s))
        return;
    json_each(json_get(s->v, "additionalPrinterColumns"), column, i, n) {
        snprintf(path, sizeof path, "%s.additionalPrinterColumns[%zu]", shared ? "spec" : s->path,
                 i);
        check_column(c, column, path);
    }
}

static void check_scale_path(struct check *c, yyjson_val *v, const char *path, const char *root)
{
    const char *text = json_str(v, "");
    char why[64];

    snprintf(why, sizeof why, "should be a json path under %s", root);
    if (!*text)
        field_required(c->errs, path, NULL);
    else if (strncmp(text, root, strlen(root)))
        field_invalid(c->errs, path, v, why);
}

static void check_scale(struct check *c, const struct rule *r, const struct site *s)
{
    bool shared = is_shared(c, "subresources");
    yyjson_val *scale = json_at(s->v, "subresources.scale");
    char path[300];

    (void)r;
    if (!scale || (shared && !is_first(s)))
        return;
    snprintf(path, sizeof path, "%s.subresources.scale", shared ? "spec" : s->path);
    check_scale_path(c, json_get(scale, "specReplicasPath"), check_at(c, path, ".specReplicasPath"),
                     ".spec");
    check_scale_path(c, json_get(scale, "statusReplicasPath"),
                     check_at(c, path, ".statusReplicasPath"), ".status");
}

/* Groups of Kubernetes need its review. */
static void check_approval(struct check *c, const struct rule *r, const struct site *s)
{
    static const char note[] = "api-approved.kubernetes.io";
    const char *group = json_str(s->v, "");
    struct slice g = slice_of(group);
    bool theirs = (g.n >= 7 && !strcmp(group + g.n - 7, ".k8s.io")) ||
                  (g.n >= 14 && !strcmp(group + g.n - 14, ".kubernetes.io"));

    (void)r;
    if (theirs && !*json_get_str(json_at(c->root, "metadata.annotations"), note, ""))
        field_required(
            c->errs, check_at(c, "metadata.annotations", "[%s]", note),
            "protected groups must have approval annotation \"api-approved.kubernetes.io\"");
}

static void check_conversion(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (strcmp(json_get_str(s->v, "strategy", ""), "Webhook"))
        return;
    if (!json_at(s->v, "webhook.clientConfig"))
        field_required(c->errs, check_at(c, s->path, ".webhookClientConfig"),
                       "required when strategy is set to Webhook");
    if (!yyjson_arr_size(json_at(s->v, "webhook.conversionReviewVersions")))
        field_required(c->errs, check_at(c, s->path, ".conversionReviewVersions"), NULL);
}

static const struct rule definition_rules[] = {
    {"metadata.name", check_crd_name},
    {"spec.group", check_group},
    {"spec.scope", check_enum_needed, "Cluster|Namespaced"},
    {"spec.versions", check_storage_flag},
    {"spec.versions[]", check_version_name},
    {"spec.versions[]", check_schema},
    {"spec.versions[]", check_columns},
    {"spec.versions[]", check_scale},
    {"spec.group", check_approval},
    {"spec.conversion", check_conversion},
    {"spec.names.plural", check_name_needed, .name = name_dns1035_label},
    {"spec.names.singular", check_name, .name = name_dns1035_label},
    {"spec.names.kind", check_kind_name},
    {"spec.names.listKind", check_kind_name},
    {"spec.names.listKind", check_list_kind},
    {"spec.names.shortNames[]", check_name, .name = name_dns1035_label},
    {"spec.names.categories[]", check_name, .name = name_dns1035_label},
    {"spec.conversion.strategy", check_enum_needed, "None|Webhook"},
    {NULL},
};

static const struct rule definition_update_rules[] = {
    {"spec.group", check_immutable},
    {"spec.scope", check_immutable},
    {"spec.names.plural", check_immutable},
    {"spec.names.kind", check_immutable},
    {NULL},
};

void crd_validate(struct change *ch)
{
    if (*ch->subresource)
        return;
    struct json *now autojson = json_freeze(ch->obj);
    struct check c = {.errs = ch->errs, .root = json_root(now), .old_root = ch->old, .change = ch};

    rules_apply(&c, definition_rules, c.root, c.old_root, "");
    if (ch->old)
        rules_apply(&c, definition_update_rules, c.root, c.old_root, "");
}
