#include "apiserver/kinds/defaults.h"

#include "base/slice.h"

static bool unset(yyjson_mut_val *v, bool zero)
{
    if (!v || yyjson_mut_is_null(v) || (yyjson_mut_is_str(v) && !yyjson_mut_get_len(v)))
        return true;
    return zero && ((yyjson_mut_is_int(v) && !yyjson_mut_get_sint(v)) || yyjson_mut_is_false(v));
}

static void set(const struct kind_defaults *d, yyjson_mut_doc *doc, yyjson_mut_val *obj,
                const char *key)
{
    if (!unset(json_mut_get(obj, key), d->zero))
        return;
    yyjson_doc *value = yyjson_read(d->json, strlen(d->json), 0);
    json_put(doc, obj, key, json_thaw(doc, yyjson_doc_get_root(value)));
    yyjson_doc_free(value);
}

static void walk(const struct kind_defaults *d, const char *path, yyjson_mut_doc *doc,
                 yyjson_mut_val *at, const struct change *ch);

static void reached(const struct kind_defaults *d, yyjson_mut_doc *doc, yyjson_mut_val *at,
                    const struct change *ch)
{
    if (d->fn)
        d->fn(doc, at, ch);
    if (d->table)
        defaults_apply(d->table, doc, at, ch);
}

static void walk_items(const struct kind_defaults *d, const char *rest, yyjson_mut_doc *doc,
                       yyjson_mut_val *list, const struct change *ch)
{
    size_t i, n;
    yyjson_mut_val *item;

    yyjson_mut_arr_foreach(list, i, n, item)
        if (yyjson_mut_is_obj(item))
            walk(d, rest, doc, item, ch);
}

static void walk(const struct kind_defaults *d, const char *path, yyjson_mut_doc *doc,
                 yyjson_mut_val *at, const struct change *ch)
{
    size_t n = strcspn(path, ".");
    const char *rest = path[n] ? path + n + 1 : path + n;
    bool make = *path == '+', each = n > 2 && !strncmp(path + n - 2, "[]", 2);
    char key[64];

    if (!*path) {
        reached(d, doc, at, ch);
        return;
    }
    size_t len = n - make - (each ? 2 : 0);
    if (!yyjson_mut_is_obj(at) || len >= sizeof key)
        return;
    memcpy(key, path + make, len);
    key[len] = 0;
    if (!*rest && !each && d->json) {
        set(d, doc, at, key);
        return;
    }
    yyjson_mut_val *next = json_mut_get(at, key);
    if (each)
        walk_items(d, rest, doc, next, ch);
    else if (make && unset(next, false))
        walk(d, rest, doc, json_put_obj(doc, at, key), ch);
    else if (yyjson_mut_is_obj(next))
        walk(d, rest, doc, next, ch);
}

void defaults_apply(const struct kind_defaults *rows, yyjson_mut_doc *doc, yyjson_mut_val *v,
                    const struct change *ch)
{
    for (const struct kind_defaults *d = rows; d->path; d++)
        walk(d, d->path, doc, v, ch);
}
