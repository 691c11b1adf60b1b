/* NetworkPolicies of a cluster (spec: raycluster §11). */
#include "ray/build/edit.h"
#include "ray/build/security.h"

#include <string.h>

static yyjson_val *policy_of(const struct cluster *c)
{
    return json_get(c->spec, "networkPolicy");
}

static bool denies(const struct cluster *c, const char *direction)
{
    const char *mode = json_get_str(policy_of(c), "mode", "DenyAll");

    return !strcmp(mode, "DenyAll") ||
           (!strncmp(mode, "DenyAll", 7) && !strcmp(mode + 7, direction));
}

/* {podSelector: {matchLabels: {ray.io/cluster: c}}} */
static yyjson_mut_val *cluster_peer(struct plan *p, const struct cluster *c)
{
    yyjson_mut_val *peer = yyjson_mut_obj(p->doc);

    json_put_str(p->doc, json_ensure(p->doc, peer, "podSelector.matchLabels"), LABEL_CLUSTER,
                 c->name);
    return peer;
}

static yyjson_val *owning_job(const struct cluster *c)
{
    json_each(json_at(c->obj, "metadata.ownerReferences"), ref, i, n)
        if (json_bool_at(ref, "controller", false) &&
            !strcmp(json_get_str(ref, "kind", ""), CRD_RAYJOB) &&
            !strncmp(json_get_str(ref, "apiVersion", ""), "ray.io/", 7))
            return ref;
    return NULL;
}

/* The Job that submits must reach the dashboard. */
static void add_submitter(struct plan *p, const struct cluster *c, yyjson_mut_val *rules)
{
    const char *mode = cluster_label(c, LABEL_SUBMISSION_MODE);
    const char *text = group_param(c->head, "dashboard-port");
    yyjson_val *job = owning_job(c);
    int64_t port = 8265, own;
    yyjson_mut_val *rule, *labels, *v;

    if (!mode || strcmp(mode, "K8sJobMode") != 0 || !job)
        return;
    if (text && slice_int64(slice_of(text), &own) && own >= INT32_MIN && own <= INT32_MAX)
        port = own;
    rule = yyjson_mut_arr_add_obj(p->doc, rules);
    v = yyjson_mut_arr_add_obj(p->doc, edit_list(p->doc, rule, "from"));
    labels = json_ensure(p->doc, v, "podSelector.matchLabels");
    json_put_str(p->doc, labels, LABEL_FROM_CR, json_get_str(job, "name", ""));
    json_put_str(p->doc, labels, LABEL_FROM_CRD, CRD_RAYJOB);
    v = yyjson_mut_arr_add_obj(p->doc, edit_list(p->doc, rule, "ports"));
    json_put_str(p->doc, v, "protocol", "TCP");
    json_put_int(p->doc, v, "port", port);
}

static void default_protocols(struct plan *p, yyjson_mut_val *rules)
{
    yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(rules);
    yyjson_mut_val *rule, *port;

    while ((rule = yyjson_mut_arr_iter_next(&it))) {
        yyjson_mut_arr_iter ports = yyjson_mut_arr_iter_with(json_mut_get(rule, "ports"));

        while ((port = yyjson_mut_arr_iter_next(&ports)))
            if (!json_mut_get(port, "protocol"))
                json_put_str(p->doc, port, "protocol", "TCP");
    }
}

struct target {
    const char *name, *group, *node_type;
    yyjson_val *custom; /* {ingressRules, egressRules} */
};

static void put_direction(struct plan *p, const struct cluster *c, yyjson_mut_val *spec,
                          const struct target *t, bool ingress)
{
    yyjson_mut_val *rules = json_put_arr(p->doc, spec, ingress ? "ingress" : "egress");
    yyjson_mut_val *rule = yyjson_mut_arr_add_obj(p->doc, rules);

    yyjson_mut_arr_append(edit_list(p->doc, rule, ingress ? "from" : "to"), cluster_peer(p, c));
    if (ingress && !strcmp(t->node_type, NODE_HEAD))
        add_submitter(p, c, rules);
    edit_append_all(p->doc, rules, json_get(t->custom, ingress ? "ingressRules" : "egressRules"));
    default_protocols(p, rules);
}

static yyjson_mut_val *build(struct plan *p, const struct cluster *c, const struct target *t)
{
    yyjson_mut_val *o = build_object(p, KIND_NETWORKPOLICY, c->ns, t->name), *spec, *labels, *types;

    json_put_str(p->doc, build_labels(p, o, c), LABEL_GROUP, t->group);
    build_owner(p, o, c->obj, true);
    spec = json_put_obj(p->doc, o, "spec");
    labels = json_ensure(p->doc, spec, "podSelector.matchLabels");
    json_put_str(p->doc, labels, LABEL_CLUSTER, c->name);
    json_put_str(p->doc, labels, LABEL_NODE_TYPE, t->node_type);
    if (!strcmp(t->node_type, NODE_WORKER))
        json_put_str(p->doc, labels, LABEL_GROUP, t->group);
    types = json_put_arr(p->doc, spec, "policyTypes");
    if (denies(c, "Ingress")) {
        edit_append_str(p->doc, types, "Ingress");
        put_direction(p, c, spec, t, true);
    }
    if (denies(c, "Egress")) {
        edit_append_str(p->doc, types, "Egress");
        put_direction(p, c, spec, t, false);
    }
    return build_typed(p, KIND_NETWORKPOLICY, o);
}

yyjson_mut_val *build_head_policy(struct plan *p, const struct cluster *c)
{
    return build(p, c,
                 &(struct target){arena_printf(&p->arena, "%s-head", c->name), HEAD_GROUP,
                                  NODE_HEAD, json_get(policy_of(c), "head")});
}

/* An entry of workerGroups replaces what is said for all workers. */
static yyjson_val *worker_rules(const struct cluster *c, const char *name)
{
    json_each(json_get(policy_of(c), "workerGroups"), rules, i, n)
        if (!strcmp(group_name(rules), name))
            return rules;
    return json_get(policy_of(c), "worker");
}

yyjson_mut_val *build_worker_policy(struct plan *p, const struct cluster *c, yyjson_val *group)
{
    const char *name = group_name(group);

    return build(p, c,
                 &(struct target){arena_printf(&p->arena, "%s-workers-%s", c->name, name), name,
                                  NODE_WORKER, worker_rules(c, name)});
}
