/* How the dashboard is reached from outside (spec: raycluster §9.5). */
#include "ray/build/build.h"
#include "ray/build/edit.h"

#include "ray/names.h"

static void put_meta(struct plan *p, const struct cluster *c, yyjson_mut_val *o, const char *skip)
{
    const char *id = arena_printf(&p->arena, "%s-head", c->name);
    yyjson_mut_val *labels = build_labels(p, o, c), *annotations;

    json_put_str(p->doc, labels, LABEL_IDENTIFIER, name_check_label(&p->arena, id));
    annotations = json_ensure(p->doc, o, "metadata.annotations");
    edit_overlay(p->doc, annotations, c->annotations, true);
    if (skip)
        json_remove(annotations, skip);
    build_owner(p, o, c->obj, true);
}

static void put_rule(struct plan *p, const struct cluster *c, yyjson_mut_val *spec)
{
    yyjson_val *options = json_get(c->head, "ingressOptions");
    yyjson_mut_val *rule = yyjson_mut_arr_add_obj(p->doc, edit_list(p->doc, spec, "rules"));
    yyjson_mut_val *path, *service;

    json_put_str(p->doc, rule, "host", json_get_str(options, "host", ""));
    path = yyjson_mut_arr_add_obj(p->doc,
                                  edit_list(p->doc, json_put_obj(p->doc, rule, "http"), "paths"));
    json_put_str(p->doc, path, "path", json_get_str(options, "path", "/"));
    json_put_str(p->doc, path, "pathType", json_get_str(options, "pathType", "Prefix"));
    service = json_ensure(p->doc, path, "backend.service");
    json_put_str(p->doc, service, "name", cluster_head_service(&p->arena, c));
    json_put_int(p->doc, json_put_obj(p->doc, service, "port"), "number",
                 build_port(c, "dashboard", 8265));
}

yyjson_mut_val *build_ingress(struct plan *p, const struct cluster *c)
{
    const char *name = name_check(&p->arena, arena_printf(&p->arena, "%s-head-ingress", c->name));
    yyjson_mut_val *o = build_object(p, KIND_INGRESS, c->ns, name);
    yyjson_mut_val *spec = json_put_obj(p->doc, o, "spec");
    yyjson_val *tls = json_at(c->head, "ingressOptions.tls");
    const char *class = cluster_annotation(c, ANN_INGRESS_CLASS);

    put_meta(p, c, o, ANN_INGRESS_CLASS);
    if (class)
        json_put_str(p->doc, spec, "ingressClassName", class);
    if (yyjson_arr_size(tls))
        json_put(p->doc, spec, "tls", json_thaw(p->doc, tls));
    put_rule(p, c, spec);
    return build_typed(p, KIND_INGRESS, o);
}

yyjson_mut_val *build_route(struct plan *p, const struct cluster *c)
{
    const char *base = arena_printf(&p->arena, "%s-head-route", c->name);
    yyjson_mut_val *o =
        build_object(p, KIND_ROUTE, c->ns, name_check_route(&p->arena, base, c->ns));
    yyjson_mut_val *spec = json_put_obj(p->doc, o, "spec"), *to = json_put_obj(p->doc, spec, "to");

    put_meta(p, c, o, NULL);
    json_put_str(p->doc, to, "kind", "Service");
    json_put_str(p->doc, to, "name", cluster_head_service(&p->arena, c));
    json_put_int(p->doc, to, "weight", 100);
    json_put_int(p->doc, json_put_obj(p->doc, spec, "port"), "targetPort",
                 build_port(c, "dashboard", 8265));
    json_put_str(p->doc, spec, "wildcardPolicy", "None");
    return o;
}
