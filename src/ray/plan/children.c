/* The objects beside the pods: created when missing, hardly ever changed (spec: raycluster §9). */
#include "ray/plan/pass.h"

#include "data/typed.h"
#include "ray/names.h"

#include <string.h>

static const struct words account_words = {"service account", "CreatedServiceAccount",
                                           "FailedToCreateServiceAccount", NULL};
static const struct words role_words = {"role", "CreatedRole", "FailedToCreateRole", NULL};
static const struct words binding_words = {"role binding", "CreatedRoleBinding",
                                           "FailedToCreateRoleBinding", NULL};
static const struct words ingress_words = {"ingress", "CreatedIngress", "FailedToCreateIngress",
                                           NULL};
static const struct words route_words = {"route", "CreatedRoute", "FailedToCreateRoute", NULL};
static const struct words service_words = {"service", "CreatedService", "FailedToCreateService",
                                           NULL};
static const struct words quiet_secret = {"auth secret", NULL, NULL, NULL};
static const struct words quiet_serve = {"serve service", NULL, NULL, NULL};

static bool create(struct pass *x, enum ray_kind kind, yyjson_mut_val *body, const struct words *w,
                   bool ignore_exists)
{
    pass_create(x, kind, body, w)->ignore_exists = ignore_exists;
    return true;
}

bool step_service_account(struct pass *x)
{
    const char *name = build_service_account_name(x->a, &x->c);
    const char *own = json_get_str(group_pod_spec(x->c.head), "serviceAccountName", "");

    if (!cluster_autoscaling(&x->c) || snap_get(x->s, KIND_SERVICEACCOUNT, x->c.ns, name))
        return true;
    if (!strcmp(own, name)) {
        plan_event(x->p, true, "AutoscalerServiceAccountNotFound", "Validate",
                   "Failed to find the service account %s/%s that headGroupSpec.template names",
                   x->c.ns, name);
        return pass_fail(x, "serviceaccounts \"%s\" not found", name);
    }
    return create(x, KIND_SERVICEACCOUNT, build_service_account(x->p, &x->c), &account_words, true);
}

bool step_role(struct pass *x)
{
    if (!cluster_autoscaling(&x->c) || snap_get(x->s, KIND_ROLE, x->c.ns, x->c.name))
        return true;
    return create(x, KIND_ROLE, build_role(x->p, &x->c), &role_words, true);
}

bool step_role_binding(struct pass *x)
{
    if (!cluster_autoscaling(&x->c) || snap_get(x->s, KIND_ROLEBINDING, x->c.ns, x->c.name))
        return true;
    return create(x, KIND_ROLEBINDING, build_role_binding(x->p, &x->c), &binding_words, true);
}

static bool route(struct pass *x)
{
    size_t n;

    snap_list(x->s, x->a, KIND_ROUTE, x->c.ns, LABEL_CLUSTER, x->c.name, &n);
    return n || create(x, KIND_ROUTE, build_route(x->p, &x->c), &route_words, true);
}

static bool same_map(yyjson_val *a, yyjson_val *b)
{
    return json_equal(a, b) || (json_is_empty(a) && json_is_empty(b));
}

/* Labels, annotations and spec of want, put over the live Ingress; NULL when nothing differs. */
static yyjson_mut_val *ingress_change(struct pass *x, yyjson_val *live, yyjson_mut_val *want)
{
    static const char *const meta[] = {"labels", "annotations"};
    yyjson_mut_val *body = json_thaw(x->p->doc, live);
    const char *class = json_str_at(live, "spec.ingressClassName", NULL);
    struct json *wanted autojson = NULL, *now autojson = NULL;
    bool same;

    if (class && !json_mut_at(want, "spec.ingressClassName"))
        json_put_str(x->p->doc, json_mut_get(want, "spec"), "ingressClassName", class);
    now = json_freeze(build_typed(x->p, KIND_INGRESS, json_dup(x->p->doc, body)));
    wanted = json_freeze(want);
    same = json_equal(json_get(json_root(now), "spec"), json_get(json_root(wanted), "spec"));
    for (size_t i = 0; i < ARRAY_SIZE(meta); i++)
        same &= same_map(json_get(json_get(live, "metadata"), meta[i]),
                         json_get(json_get(json_root(wanted), "metadata"), meta[i]));
    if (same)
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(meta); i++) {
        yyjson_mut_val *v = json_mut_get(json_mut_get(want, "metadata"), meta[i]);

        json_put(x->p->doc, json_mut_get(body, "metadata"), meta[i],
                 v ? json_dup(x->p->doc, v) : yyjson_mut_obj(x->p->doc));
    }
    json_put(x->p->doc, body, "spec", json_dup(x->p->doc, json_mut_get(want, "spec")));
    return build_typed(x->p, KIND_INGRESS, body);
}

static void update_ingress(struct pass *x, yyjson_mut_val *body)
{
    struct action *a = plan_action(x->p, ACT_UPDATE, KIND_INGRESS);

    a->ns = x->c.ns;
    a->name = json_mut_str_at(body, "metadata.name", "");
    a->body = body;
    a->why = "update ingress";
    a->ok = (struct note){.reason = "UpdatedIngress",
                          .action = "Update",
                          .text = arena_printf(x->a, "Updated ingress %s/%s", a->ns, a->name)};
    a->failed =
        (struct note){.warning = true,
                      .reason = "FailedToUpdateIngress",
                      .action = "Update",
                      .append_error = true,
                      .text = arena_printf(x->a, "Failed to update ingress %s/%s", a->ns, a->name)};
}

bool step_ingress(struct pass *x)
{
    const struct ray_options *o = x->s->options;
    yyjson_mut_val *want, *body;
    yyjson_val *live;
    const char *name;

    if (!json_bool_at(x->c.head, "enableIngress", false))
        return true;
    if (o->openshift && !ray_env_true(o, "USE_INGRESS_ON_OPENSHIFT", false))
        return route(x);
    want = build_ingress(x->p, &x->c);
    name = json_mut_str_at(want, "metadata.name", "");
    live = snap_get(x->s, KIND_INGRESS, x->c.ns, name);
    if (!live)
        return create(x, KIND_INGRESS, want, &ingress_words, true);
    if (!object_controlled_by(live, x->c.uid)) {
        plan_event(x->p, true, "FailedToCreateIngress", "Create",
                   "Ingress %s/%s exists and belongs to somebody else", x->c.ns, name);
        return true;
    }
    body = ingress_change(x, live, want);
    if (body)
        update_ingress(x, body);
    return true;
}

bool step_auth_secret(struct pass *x)
{
    yyjson_val *auth = json_get(x->c.spec, "authOptions");
    const char *name = name_check(x->a, x->c.name);

    if (!yyjson_is_obj(auth) || !strcmp(json_get_str(auth, "mode", ""), "disabled") ||
        cluster_k8s_token(&x->c) || *json_get_str(auth, "secretName", ""))
        return true;
    if (snap_get(x->s, KIND_SECRET, x->c.ns, name))
        return true;
    return create(x, KIND_SECRET, build_auth_secret(x->p, &x->c, x->s->entropy), &quiet_secret,
                  false);
}

bool step_head_service(struct pass *x)
{
    size_t n = pass_head_services(x).n;

    if (n == 1)
        return true;
    if (n > 1)
        return pass_fail(x, "%zu head services of RayCluster %s/%s exist, one is expected", n,
                         x->c.ns, x->c.name);
    return create(x, KIND_SERVICE, build_head_service(x->p, &x->c), &service_words, false);
}

bool step_headless_service(struct pass *x)
{
    bool wanted = false;
    size_t n;

    json_each(x->c.groups, group, i, m)
        wanted |= group_hosts(group) > 1;
    if (!wanted)
        return true;
    snap_list(x->s, x->a, KIND_SERVICE, x->c.ns, LABEL_HEADLESS, x->c.name, &n);
    return n || create(x, KIND_SERVICE, build_headless_service(x->p, &x->c), &service_words, false);
}

bool step_serve_service(struct pass *x)
{
    const char *on = cluster_annotation(&x->c, ANN_SERVE_SERVICE);
    yyjson_mut_val *body;

    if (!on || strcmp(on, "true") != 0)
        return true;
    if (snap_get(x->s, KIND_SERVICE, x->c.ns, arena_printf(x->a, "%s-serve-svc", x->c.name)))
        return true;
    body = build_serve_service(x->p, &x->c);
    if (!body)
        return pass_fail(x,
                         "annotation " ANN_SERVE_SERVICE " is set, but the head has no port named "
                         "serve");
    return create(x, KIND_SERVICE, body, &quiet_serve, false);
}
