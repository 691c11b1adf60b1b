/* Roles and their bindings: stored and checked, not enforced. */
#include "apiserver/kinds/kind.h"

#include "base/names.h"
#include "data/quantity.h"

#include <stdio.h>

static void check_policy_rule(struct check *c, const struct rule *r, const struct site *s)
{
    bool urls = yyjson_arr_size(json_get(s->v, "nonResourceURLs")) > 0;
    bool groups = yyjson_arr_size(json_get(s->v, "apiGroups")) > 0;
    bool resources = yyjson_arr_size(json_get(s->v, "resources")) > 0;

    if (!yyjson_arr_size(json_get(s->v, "verbs")))
        field_required(c->errs, check_at(c, s->path, ".verbs"),
                       "verbs must contain at least one value");
    if (urls && r->min) {
        field_invalid(c->errs, check_at(c, s->path, ".nonResourceURLs"),
                      json_get(s->v, "nonResourceURLs"),
                      "namespaced rules cannot apply to non-resource URLs");
    } else if (urls && (groups || resources)) {
        field_invalid(c->errs, check_at(c, s->path, ".nonResourceURLs"),
                      json_get(s->v, "nonResourceURLs"),
                      "rules cannot apply to both regular resources and non-resource URLs");
    } else if (!urls) {
        if (!groups)
            field_required(c->errs, check_at(c, s->path, ".apiGroups"),
                           "resource rules must supply at least one api group");
        if (!resources)
            field_required(c->errs, check_at(c, s->path, ".resources"),
                           "resource rules must supply at least one resource");
    }
}

/* An empty list reads back as none. */
static void no_empty_rules(yyjson_mut_doc *doc, yyjson_mut_val *at, const struct change *ch)
{
    yyjson_mut_val *rules = json_mut_get(at, "rules");

    (void)ch;
    if (yyjson_mut_is_arr(rules) && !yyjson_mut_arr_size(rules))
        json_put(doc, at, "rules", yyjson_mut_null(doc));
}
const struct kind_defaults role_defaults[] = {{"", .fn = no_empty_rules}, {NULL}};

const struct rule role_rules[] = {{"rules[]", check_policy_rule, .min = 1}, {NULL}};
const struct rule cluster_role_rules[] = {{"rules[]", check_policy_rule}, {NULL}};

#define RBAC "rbac.authorization.k8s.io"

static void check_subject(struct check *c, const struct rule *r, const struct site *s)
{
    static const char *const known[] = {"ServiceAccount", "User", "Group"};
    const char *kind = json_get_str(s->v, "kind", "");

    if (!*json_get_str(s->v, "name", ""))
        field_required(c->errs, check_at(c, s->path, ".name"), NULL);
    if (!str_in(kind, "ServiceAccount|User|Group"))
        field_not_supported(c->errs, check_at(c, s->path, ".kind"), json_get(s->v, "kind"), known,
                            3);
    if (r->min && !strcmp(kind, "ServiceAccount") && !*json_get_str(s->v, "namespace", ""))
        field_required(c->errs, check_at(c, s->path, ".namespace"), NULL);
}

const struct rule binding_rules[] = {
    {"roleRef.apiGroup", check_enum, RBAC},
    {"roleRef.kind", check_enum, "Role|ClusterRole"},
    {"roleRef.name", check_required},
    {"subjects[]", check_subject},
    {NULL},
};
const struct rule cluster_binding_rules[] = {
    {"roleRef.apiGroup", check_enum, RBAC},
    {"roleRef.kind", check_enum, "ClusterRole"},
    {"roleRef.name", check_required},
    {"subjects[]", check_subject, .min = 1},
    {NULL},
};
const struct rule binding_update_rules[] = {{"roleRef", check_immutable, "cannot change roleRef"},
                                            {NULL}};

static void subject_group(yyjson_mut_doc *doc, yyjson_mut_val *at, const struct change *ch)
{
    (void)ch;
    if (str_in(json_mut_str_at(at, "kind", ""), "User|Group") &&
        !*json_mut_str_at(at, "apiGroup", ""))
        json_put_str(doc, at, "apiGroup", RBAC);
}
const struct kind_defaults binding_defaults[] = {
    {"+roleRef.apiGroup", "\"" RBAC "\""}, {"subjects[]", .fn = subject_group}, {NULL}};
