/* The auth Secret and the GCS's volume claim (spec: raycluster §§9.6, 10.3). */
#include "ray/build/build.h"
#include "ray/build/edit.h"

#include "ray/names.h"

#include <string.h>

/* Standard base64 of 32 bytes: 44 characters, the last of them '='. */
static const char *token_text(struct arena *a, const uint8_t random[32])
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t bytes[33] = {0};
    char *out = arena_alloc(a, 45);

    memcpy(bytes, random, 32);
    for (int i = 0; i < 11; i++) {
        unsigned v =
            (unsigned)bytes[i * 3] << 16 | (unsigned)bytes[i * 3 + 1] << 8 | bytes[i * 3 + 2];

        for (int k = 0; k < 4; k++)
            out[i * 4 + k] = alphabet[v >> (18 - 6 * k) & 63];
    }
    out[43] = '=';
    return out;
}

yyjson_mut_val *build_auth_secret(struct plan *p, const struct cluster *c, const uint8_t random[32])
{
    yyjson_mut_val *o = build_object(p, KIND_SECRET, c->ns, name_check(&p->arena, c->name));

    json_put_str(p->doc, json_ensure(p->doc, o, "metadata.labels"), LABEL_CLUSTER, c->name);
    build_owner(p, o, c->obj, true);
    json_put_str(p->doc, json_put_obj(p->doc, o, "stringData"), "auth_token",
                 token_text(&p->arena, random));
    return build_typed(p, KIND_SECRET, o);
}

yyjson_mut_val *build_gcs_pvc(struct plan *p, const struct cluster *c)
{
    const char *name = arena_printf(&p->arena, "%s-gcs-pvc", c->name);
    yyjson_val *storage = json_at(c->spec, "gcsFaultToleranceOptions.storage");
    yyjson_val *modes = json_get(storage, "accessModes"), *size = json_get(storage, "size");
    const char *class = json_get_str(storage, "storageClassName", NULL);
    yyjson_mut_val *o = build_object(p, KIND_PVC, c->ns, name), *spec, *requests;

    json_put_str(p->doc, json_ensure(p->doc, o, "metadata.labels"), LABEL_CLUSTER, c->name);
    if (strcmp(json_get_str(storage, "deletionPolicy", ""), "Retain") != 0)
        build_owner(p, o, c->obj, true);
    spec = json_put_obj(p->doc, o, "spec");
    if (yyjson_arr_size(modes))
        json_put(p->doc, spec, "accessModes", json_thaw(p->doc, modes));
    else
        edit_put_strings(p->doc, spec, "accessModes", (const char *[]){"ReadWriteOnce", NULL});
    requests = json_ensure(p->doc, spec, "resources.requests");
    if (size && !yyjson_is_null(size))
        json_put(p->doc, requests, "storage", json_thaw(p->doc, size));
    else
        json_put_str(p->doc, requests, "storage", "1Gi");
    if (class)
        json_put_str(p->doc, spec, "storageClassName", class);
    return build_typed(p, KIND_PVC, o);
}
