/* Pods, Jobs and certificates come up, fail or wait, by rules of the scenario. */
#include "sim.h"

#include <string.h>

#define WHEN "2026-01-01T00:00:00Z"

static bool matches(yyjson_val *rule, yyjson_val *o)
{
    yyjson_val *match = json_get(rule, "match"), *labels = json_at(o, "metadata.labels");

    if (json_get(match, "kind") &&
        strcmp(json_get_str(match, "kind", ""), json_get_str(o, "kind", "")) != 0)
        return false;
    json_each_member(json_get(match, "labels"), key, val)
        if (strcmp(json_get_str(labels, json_str(key, ""), ""), json_str(val, "")) != 0)
            return false;
    return true;
}

static const char *rule_for(struct sim *s, yyjson_val *o, const char *def)
{
    json_each(s->rules, rule, i, n)
        if (matches(rule, o))
            return json_get_str(rule, "do", def);
    return def;
}

struct look {
    const char *rule, *phase, *state; /* state: of each container, as JSON */
    bool ready;
    const char *reason; /* of the condition Ready */
};

static const struct look looks[] = {
    {"ready", "Running", "{\"running\":{\"startedAt\":\"" WHEN "\"}}", true},
    {"notready", "Running", "{\"running\":{\"startedAt\":\"" WHEN "\"}}", false},
    {"containerfail", "Running", "{\"terminated\":{\"exitCode\":1,\"reason\":\"Error\"}}", false},
    {"failed", "Failed", "{\"terminated\":{\"exitCode\":1,\"reason\":\"Error\"}}", false},
    {"oomkilled", "Failed", "{\"terminated\":{\"exitCode\":137,\"reason\":\"OOMKilled\"}}", false},
    {"succeeded", "Succeeded", "{\"terminated\":{\"exitCode\":0,\"reason\":\"Completed\"}}", false},
    {"evicted", "Failed", NULL, false},
    {"crashloop", "Running",
     "{\"waiting\":{\"reason\":\"CrashLoopBackOff\",\"message\":\"back-off\"}}", false,
     "ContainersNotReady"},
    {"imagepull", "Pending",
     "{\"waiting\":{\"reason\":\"ImagePullBackOff\",\"message\":\"Back-off\"}}", false},
};

static const struct look *look_for(const char *rule)
{
    for (size_t i = 0; i < ARRAY_SIZE(looks); i++)
        if (!strcmp(looks[i].rule, rule))
            return &looks[i];
    return NULL;
}

static yyjson_mut_val *parse(yyjson_mut_doc *doc, const char *text)
{
    struct json *j autojson = NULL;

    return json_parse(slice_of(text), &j, NULL) < 0 ? NULL : json_thaw(doc, json_root(j));
}

static void add_condition(yyjson_mut_doc *doc, yyjson_mut_val *list, const char *type, bool on)
{
    yyjson_mut_val *c = yyjson_mut_arr_add_obj(doc, list);

    json_put_str(doc, c, "type", type);
    json_put_str(doc, c, "status", on ? "True" : "False");
    json_put_str(doc, c, "lastTransitionTime", WHEN);
}

/* An address of the pod's own that does not change. */
static const char *address(struct sim *s, yyjson_val *pod)
{
    const char *uid = json_str_at(pod, "metadata.uid", "");

    return arena_printf(&s->arena, "127.88.0.%ld", strtol(uid + 24, NULL, 10));
}

static yyjson_mut_val *pod_status(struct sim *s, yyjson_mut_doc *doc, yyjson_val *pod)
{
    const char *phase = json_str_at(pod, "status.phase", "Pending");
    const struct look *look = look_for(rule_for(s, pod, "ready"));
    yyjson_mut_val *status, *list;

    if (!look || !strcmp(phase, "Failed") || !strcmp(phase, "Succeeded"))
        return NULL;
    status = yyjson_mut_obj(doc);
    json_put_str(doc, status, "phase", look->phase);
    json_put_str(doc, status, "podIP", address(s, pod));
    list = json_put_arr(doc, status, "conditions");
    add_condition(doc, list, "PodScheduled", true);
    add_condition(doc, list, "Ready", look->ready);
    if (look->reason)
        json_put_str(doc, yyjson_mut_arr_get_last(list), "reason", look->reason);
    list = json_put_arr(doc, status, "containerStatuses");
    json_each(json_at(pod, "spec.containers"), c, i, n) {
        yyjson_mut_val *cs;

        if (!look->state)
            break;
        cs = yyjson_mut_arr_add_obj(doc, list);
        json_put_str(doc, cs, "name", json_get_str(c, "name", ""));
        json_put(doc, cs, "state", parse(doc, look->state));
    }
    return status;
}

static yyjson_mut_val *job_status(struct sim *s, yyjson_mut_doc *doc, yyjson_val *job)
{
    const char *rule = rule_for(s, job, "complete");
    yyjson_mut_val *status = yyjson_mut_obj(doc);

    if (!strcmp(rule, "complete") || !strcmp(rule, "fail"))
        add_condition(doc, json_put_arr(doc, status, "conditions"),
                      *rule == 'c' ? "Complete" : "Failed", true);
    return status;
}

bool sim_lingers(struct sim *s, yyjson_val *o)
{
    return fixture_kind(o) == KIND_POD && !strcmp(rule_for(s, o, "ready"), "linger");
}

yyjson_mut_val *sim_status(struct sim *s, yyjson_mut_doc *doc, yyjson_val *o)
{
    if (!o)
        return NULL;
    switch (fixture_kind(o)) {
    case KIND_POD:
        return pod_status(s, doc, o);
    case KIND_JOB:
        return job_status(s, doc, o);
    default:
        return NULL;
    }
}

/* cert-manager's part: a Secret, and Ready at the present generation. */
static bool issue(struct sim *s, yyjson_val *cert)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    const char *secret = json_str_at(cert, "spec.secretName", "");
    const char *ns = json_str_at(cert, "metadata.namespace", "");
    int64_t generation = json_int_at(cert, "metadata.generation", 1);
    yyjson_mut_val *o;

    if (json_int_at(cert, "status.conditions.0.observedGeneration", 0) == generation)
        return false;
    o = json_thaw(doc, cert);
    json_put(doc, o, "status",
             parse(doc, arena_printf(&s->arena,
                                     "{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\","
                                     "\"observedGeneration\":%lld}]}",
                                     (long long)generation)));
    sim_put(s, doc, o);
    if (fixture_get(&s->world, KIND_SECRET, ns, secret))
        return true;
    o = parse(doc, arena_printf(&s->arena,
                                "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":"
                                "\"%s\",\"namespace\":\"%s\"},\"data\":{\"tls.crt\":\"eA==\","
                                "\"tls.key\":\"eA==\",\"ca.crt\":\"eA==\"}}",
                                secret, ns));
    sim_put(s, doc, o);
    return true;
}

static bool change_status(struct sim *s, yyjson_val *o)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *status = sim_status(s, doc, o), *copy;
    struct json *frozen autojson = NULL;

    if (!status)
        return false;
    frozen = json_freeze(status);
    if (json_equal(json_root(frozen), json_get(o, "status")) ||
        (!json_get(o, "status") && !yyjson_obj_size(json_root(frozen))))
        return false;
    copy = json_thaw(doc, o);
    json_put(doc, copy, "status", status);
    sim_put(s, doc, copy);
    return true;
}

bool sim_kubelet(struct sim *s)
{
    bool changed = false;

    for (size_t i = 0; i < s->world.objects.n; i++) {
        struct json *o autojson = json_ref(s->world.objects.v[i]);

        if (fixture_kind(json_root(o)) == KIND_POD && !sim_lingers(s, json_root(o)) &&
            json_str_at(json_root(o), "metadata.deletionTimestamp", NULL)) {
            sim_delete(s, json_root(o));
            return true;
        }
        if (fixture_kind(json_root(o)) == KIND_CERTIFICATE)
            changed |= issue(s, json_root(o));
        else
            changed |= change_status(s, json_root(o));
    }
    return changed;
}
