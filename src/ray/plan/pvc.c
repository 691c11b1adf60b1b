/* The volume claim of RocksDB (spec: raycluster §10.3). */
#include "ray/plan/pass.h"

#include "ray/build/edit.h"
#include "ray/resources.h"

#include <string.h>

static const struct words pvc_words = {"persistent volume claim", "CreatedPVC", "FailedToCreatePVC",
                                       NULL};

static size_t count(yyjson_val *list, const char *s)
{
    size_t found = 0;

    json_each(list, v, i, n)
        found += !strcmp(json_str(v, ""), s);
    return found;
}

static bool same_modes(yyjson_val *want, yyjson_val *live)
{
    if (yyjson_arr_size(want) != yyjson_arr_size(live))
        return false;
    json_each(want, v, i, n)
        if (count(want, json_str(v, "")) != count(live, json_str(v, "")))
            return false;
    return true;
}

static bool same_size(struct pass *x, yyjson_val *want, yyjson_val *live)
{
    struct quantity a, b;

    return resource_read(x->a, json_at(want, "resources.requests.storage"), &a) &&
           resource_read(x->a, json_at(live, "resources.requests.storage"), &b) &&
           quantity_cmp(&a, &b) == 0;
}

/* What cannot be changed in place is only told. */
static void warn_drift(struct pass *x, yyjson_val *live, yyjson_val *want)
{
    const char *class = json_get_str(want, "storageClassName", NULL);

    if (same_size(x, want, live) &&
        (!class || !strcmp(class, json_get_str(live, "storageClassName", ""))) &&
        same_modes(json_get(want, "accessModes"), json_get(live, "accessModes")))
        return;
    plan_event(x->p, true, "FailedToCreatePVC", "Update",
               "The existing claim %s-gcs-pvc differs from gcsFaultToleranceOptions.storage and is "
               "left as it is",
               x->c.name);
}

/* Takes the claim over, or lets it go, as the deletion policy says. */
static void sync_owner(struct pass *x, yyjson_val *live, bool retain)
{
    bool ours = object_controlled_by(live, x->c.uid);
    yyjson_mut_val *body, *refs;
    struct action *a;

    if (retain != ours)
        return;
    body = build_object(x->p, KIND_PVC, x->c.ns, object_name(live));
    refs = edit_list(x->p->doc, json_mut_get(body, "metadata"), "ownerReferences");
    json_each(json_at(live, "metadata.ownerReferences"), ref, i, n)
        if (strcmp(json_get_str(ref, "uid", ""), x->c.uid) != 0)
            yyjson_mut_arr_append(refs, json_thaw(x->p->doc, ref));
    if (!retain)
        build_owner(x->p, body, x->c.obj, true);
    a = plan_action(x->p, ACT_MERGE, KIND_PVC);
    a->ns = x->c.ns;
    a->name = object_name(live);
    a->body = body;
    a->why = retain ? "let the claim outlive the cluster" : "own the claim";
}

static bool given_claim(struct pass *x, const char *claim)
{
    if (!snap_get(x->s, KIND_PVC, x->c.ns, claim))
        plan_event(x->p, true, "FailedToCreatePVC", "Validate",
                   "The persistent volume claim %s/%s of gcsFaultToleranceOptions.storage does not "
                   "exist",
                   x->c.ns, claim);
    return true;
}

bool step_gcs_pvc(struct pass *x)
{
    yyjson_val *storage = json_at(x->c.spec, "gcsFaultToleranceOptions.storage"), *live;
    const char *claim = json_get_str(storage, "claimName", "");
    struct json *want autojson = NULL;
    yyjson_mut_val *body;

    if (!cluster_rocksdb(&x->c))
        return true;
    if (*claim)
        return given_claim(x, claim);
    body = build_gcs_pvc(x->p, &x->c);
    live = snap_get(x->s, KIND_PVC, x->c.ns, json_mut_str_at(body, "metadata.name", ""));
    if (!live) {
        pass_create(x, KIND_PVC, body, &pvc_words)->ignore_exists = true;
        return true;
    }
    want = json_freeze(body);
    warn_drift(x, json_get(live, "spec"), json_get(json_root(want), "spec"));
    sync_owner(x, live, !strcmp(json_get_str(storage, "deletionPolicy", ""), "Retain"));
    return true;
}
