/* What all built objects share: identity, labels, owner, and the words of the type table. */
#include "ray/build/build.h"
#include "ray/build/edit.h"

#include "data/typed.h"

yyjson_mut_val *build_object(struct plan *p, enum ray_kind kind, const char *ns, const char *name)
{
    yyjson_mut_val *o = yyjson_mut_obj(p->doc), *meta;

    json_put_str(p->doc, o, "kind", kind_name(kind));
    json_put_str(p->doc, o, "apiVersion", kind_api_version(kind));
    meta = json_put_obj(p->doc, o, "metadata");
    json_put_str(p->doc, meta, "name", name);
    json_put_str(p->doc, meta, "namespace", ns);
    return o;
}

void build_owner(struct plan *p, yyjson_mut_val *object, yyjson_val *owner, bool controller)
{
    static const char *const members[] = {"name", "uid"};
    yyjson_mut_val *list =
        edit_list(p->doc, json_ensure(p->doc, object, "metadata"), "ownerReferences");
    yyjson_mut_val *ref = yyjson_mut_arr_add_obj(p->doc, list);

    json_put_str(p->doc, ref, "apiVersion", json_get_str(owner, "apiVersion", API_RAY));
    json_put_str(p->doc, ref, "kind", json_get_str(owner, "kind", CRD_RAYCLUSTER));
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        json_put_str(p->doc, ref, members[i],
                     json_get_str(json_get(owner, "metadata"), members[i], ""));
    if (!controller)
        return;
    json_put_bool(p->doc, ref, "controller", true);
    json_put_bool(p->doc, ref, "blockOwnerDeletion", true);
}

yyjson_mut_val *build_labels(struct plan *p, yyjson_mut_val *object, const struct cluster *c)
{
    yyjson_mut_val *labels = json_ensure(p->doc, object, "metadata.labels");

    json_put_str(p->doc, labels, LABEL_CLUSTER, c->name);
    json_put_str(p->doc, labels, LABEL_APP, APP_NAME);
    json_put_str(p->doc, labels, LABEL_CREATED_BY, CREATED_BY);
    return labels;
}

yyjson_mut_val *build_typed(struct plan *p, enum ray_kind kind, yyjson_mut_val *object)
{
    const struct type *t = type_find(kind_api_version(kind), kind_name(kind));
    struct json *frozen autojson = NULL;
    yyjson_mut_val *typed;

    if (!t)
        return object;
    frozen = json_freeze(object);
    /* A value of a wrong kind cannot come out of an API server with our CRDs. */
    if (typed_copy(t, p->doc, json_root(frozen), TYPED_LENIENT, &typed, NULL) < 0)
        return object;
    return typed;
}
