/* JSON merge patch (RFC 7386). */
#include "data/patch.h"

static struct slice key_of(yyjson_val *key)
{
    return (struct slice){yyjson_get_str(key), yyjson_get_len(key)};
}

static void put_member(yyjson_mut_doc *doc, yyjson_mut_val *obj, struct slice key,
                       yyjson_mut_val *v)
{
    yyjson_mut_val *k = yyjson_mut_strncpy(doc, key.p, key.n);

    if (yyjson_mut_obj_getn(obj, key.p, key.n))
        yyjson_mut_obj_replace(obj, k, v);
    else
        yyjson_mut_obj_add(obj, k, v);
}

yyjson_mut_val *patch_merge(yyjson_mut_doc *doc, yyjson_mut_val *root, yyjson_val *patch)
{
    if (!yyjson_is_obj(patch))
        return json_thaw(doc, patch);
    if (!yyjson_mut_is_obj(root))
        root = yyjson_mut_obj(doc);
    json_each_member(patch, key, val) {
        struct slice name = key_of(key);
        if (yyjson_is_null(val)) {
            yyjson_mut_obj_remove_keyn(root, name.p, name.n);
            continue;
        }
        yyjson_mut_val *old = yyjson_mut_obj_getn(root, name.p, name.n);
        yyjson_mut_val *merged = patch_merge(doc, old, val);
        if (merged != old)
            put_member(doc, root, name, merged);
    }
    return root;
}

static void diff_members(yyjson_mut_doc *doc, yyjson_val *from, yyjson_val *to,
                         yyjson_mut_val *patch)
{
    json_each_member(to, key, val) {
        struct slice name = key_of(key);
        yyjson_val *old = yyjson_obj_getn(from, name.p, name.n);
        if (!json_equal(old, val))
            put_member(doc, patch, name, patch_merge_diff(doc, old, val));
    }
    json_each_member(from, gone, ignored) {
        struct slice name = key_of(gone);
        (void)ignored;
        if (!yyjson_obj_getn(to, name.p, name.n))
            put_member(doc, patch, name, yyjson_mut_null(doc));
    }
}

yyjson_mut_val *patch_merge_diff(yyjson_mut_doc *doc, yyjson_val *from, yyjson_val *to)
{
    if (!yyjson_is_obj(from) || !yyjson_is_obj(to))
        return json_thaw(doc, to);
    yyjson_mut_val *patch = yyjson_mut_obj(doc);
    diff_members(doc, from, to, patch);
    return patch;
}
