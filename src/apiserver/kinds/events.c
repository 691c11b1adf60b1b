/*
 * Kinds that have two forms. An event of events.k8s.io is the core group's event with other names
 * for some fields; a v1 autoscaler is a v2 one whose only metric is the CPU's utilisation.
 */
#include "apiserver/kinds/kind.h"

#include "data/typed.h"

static const struct {
    const char *core, *other;
} names[] = {
    {"involvedObject", "regarding"},
    {"message", "note"},
    {"source", "deprecatedSource"},
    {"firstTimestamp", "deprecatedFirstTimestamp"},
    {"lastTimestamp", "deprecatedLastTimestamp"},
    {"count", "deprecatedCount"},
    {"reportingComponent", "reportingController"},
};

static void rename_member(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *from,
                          const char *to)
{
    yyjson_mut_val *v = json_mut_get(obj, from);

    if (!v)
        return;
    yyjson_mut_val *copy = json_dup(doc, v);
    json_remove(obj, from);
    json_put(doc, obj, to, copy);
}

yyjson_mut_val *event_from_stored(const struct resource *to, yyjson_mut_doc *doc,
                                  yyjson_val *stored)
{
    yyjson_mut_val *obj = json_thaw(doc, stored);
    static const char *const omitted[] = {"reportingController", "reportingInstance"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        rename_member(doc, obj, names[i].core, names[i].other);
    json_put_str(doc, obj, "apiVersion", to->api_version);
    for (size_t i = 0; i < ARRAY_SIZE(omitted); i++)
        if (!*json_mut_str_at(obj, omitted[i], "x"))
            json_remove(obj, omitted[i]);
    return obj;
}

void event_to_stored(const struct resource *from, yyjson_mut_doc *doc, yyjson_mut_val *obj)
{
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        rename_member(doc, obj, names[i].other, names[i].core);
    json_put_str(doc, obj, "apiVersion", from->stored->api_version);
}

/* ---- autoscalers ---- */

#define CPU_TARGET "targetCPUUtilizationPercentage"

yyjson_mut_val *autoscaler_from_stored(const struct resource *to, yyjson_mut_doc *doc,
                                       yyjson_val *stored)
{
    yyjson_mut_val *obj = json_thaw(doc, stored), *spec = json_mut_get(obj, "spec");
    yyjson_val *cpu = json_at(stored, "spec.metrics.0.resource.target.averageUtilization");

    json_put_str(doc, obj, "apiVersion", to->api_version);
    if (cpu)
        json_put_int(doc, spec, CPU_TARGET, yyjson_get_sint(cpu));
    json_remove(spec, "metrics");
    struct json *loose autojson = json_freeze(obj);
    if (to->type && typed_copy(to->type, doc, json_root(loose), TYPED_LENIENT, &obj, NULL) < 0)
        return json_thaw(doc, stored);
    return obj;
}

void autoscaler_to_stored(const struct resource *from, yyjson_mut_doc *doc, yyjson_mut_val *obj)
{
    yyjson_mut_val *spec = json_mut_get(obj, "spec"), *cpu = json_mut_get(spec, CPU_TARGET);

    json_put_str(doc, obj, "apiVersion", from->stored->api_version);
    if (!cpu)
        return;
    yyjson_mut_val *metric = yyjson_mut_arr_add_obj(doc, json_put_arr(doc, spec, "metrics"));
    json_put_str(doc, metric, "type", "Resource");
    yyjson_mut_val *resource = json_put_obj(doc, metric, "resource");
    json_put_str(doc, resource, "name", "cpu");
    yyjson_mut_val *target = json_put_obj(doc, resource, "target");
    json_put_str(doc, target, "type", "Utilization");
    json_put_int(doc, target, "averageUtilization", yyjson_mut_get_sint(cpu));
    json_remove(spec, CPU_TARGET);
}
