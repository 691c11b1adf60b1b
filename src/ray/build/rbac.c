/* What the autoscaler may do (spec: raycluster §9.1). */
#include "ray/build/build.h"
#include "ray/build/edit.h"

#include "ray/names.h"

#define RBAC "rbac.authorization.k8s.io"

const char *build_service_account_name(struct arena *a, const struct cluster *c)
{
    const char *own = json_get_str(group_pod_spec(c->head), "serviceAccountName", "");

    (void)a;
    return *own ? own : c->name;
}

yyjson_mut_val *build_service_account(struct plan *p, const struct cluster *c)
{
    const char *name = name_check(&p->arena, build_service_account_name(&p->arena, c));
    yyjson_mut_val *o = build_object(p, KIND_SERVICEACCOUNT, c->ns, name);

    build_labels(p, o, c);
    build_owner(p, o, c->obj, true);
    return build_typed(p, KIND_SERVICEACCOUNT, o);
}

static const struct {
    const char *group, *resource;
    const char *verbs[5];
} rules[] = {
    {"", "pods", {"get", "list", "watch", "patch"}},
    {"", "pods/resize", {"patch"}},
    {"ray.io", "rayclusters", {"get", "patch"}},
};

yyjson_mut_val *build_role(struct plan *p, const struct cluster *c)
{
    yyjson_mut_val *o = build_object(p, KIND_ROLE, c->ns, name_check(&p->arena, c->name));
    yyjson_mut_val *list = json_put_arr(p->doc, o, "rules");

    build_labels(p, o, c);
    build_owner(p, o, c->obj, true);
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        yyjson_mut_val *r = yyjson_mut_arr_add_obj(p->doc, list);

        edit_put_strings(p->doc, r, "verbs", rules[i].verbs);
        edit_put_strings(p->doc, r, "apiGroups", (const char *[]){rules[i].group, NULL});
        edit_put_strings(p->doc, r, "resources", (const char *[]){rules[i].resource, NULL});
    }
    return build_typed(p, KIND_ROLE, o);
}

yyjson_mut_val *build_role_binding(struct plan *p, const struct cluster *c)
{
    const char *account = name_check(&p->arena, build_service_account_name(&p->arena, c));
    const char *name = name_check(&p->arena, c->name);
    yyjson_mut_val *o = build_object(p, KIND_ROLEBINDING, c->ns, name), *subject, *role;

    build_labels(p, o, c);
    build_owner(p, o, c->obj, true);
    subject = yyjson_mut_arr_add_obj(p->doc, json_put_arr(p->doc, o, "subjects"));
    json_put_str(p->doc, subject, "kind", "ServiceAccount");
    json_put_str(p->doc, subject, "name", account);
    json_put_str(p->doc, subject, "namespace", c->ns);
    role = json_put_obj(p->doc, o, "roleRef");
    json_put_str(p->doc, role, "apiGroup", RBAC);
    json_put_str(p->doc, role, "kind", "Role");
    json_put_str(p->doc, role, "name", name);
    return build_typed(p, KIND_ROLEBINDING, o);
}
