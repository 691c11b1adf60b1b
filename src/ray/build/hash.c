/* The hash of a spec without what may change in place (spec: raycluster §15). */
#include "ray/build/build.h"

#include "data/hash.h"
#include "data/typed.h"

static void mute_template(yyjson_mut_val *group)
{
    yyjson_mut_val *spec = json_mut_at(group, "template.spec");

    json_remove(spec, "tolerations");
    json_remove(spec, "schedulingGates");
}

/* As setDefaults leaves it: never null. */
static void default_params(yyjson_mut_doc *doc, yyjson_mut_val *group)
{
    if (group && !yyjson_mut_is_obj(json_mut_get(group, "rayStartParams")))
        json_put_obj(doc, group, "rayStartParams");
}

static void mute(yyjson_mut_doc *doc, yyjson_mut_val *spec)
{
    static const char *const sizes[] = {"replicas", "minReplicas", "maxReplicas"};
    yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(json_mut_get(spec, "workerGroupSpecs"));
    yyjson_mut_val *head = json_mut_get(spec, "headGroupSpec"), *group;

    json_remove(spec, "upgradeStrategy");
    mute_template(head);
    default_params(doc, head);
    while ((group = yyjson_mut_arr_iter_next(&it))) {
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
            json_remove(group, sizes[i]);
        json_remove(json_mut_get(group, "scaleStrategy"), "workersToDelete");
        mute_template(group);
        default_params(doc, group);
    }
}

int spec_hash_json(yyjson_val *spec, struct buf *out, struct err *err)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *copy = json_thaw(doc, spec);

    mute(doc, copy);
    return typed_json_mut(type_named("RayClusterSpec"), copy, out, 0, err);
}

const char *spec_hash(struct arena *a, yyjson_val *spec)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    char text[SPEC_HASH_TEXT];

    if (spec_hash_json(spec, &b, NULL) < 0)
        return NULL;
    return arena_strdup(a, hash_spec(buf_slice(&b), text));
}
