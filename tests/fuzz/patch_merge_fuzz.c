/* patch_merge: from one document to another, by the patch that is made of both. */
#include "data/patch.h"
#include "parts.h"

static bool has_null(yyjson_val *v)
{
    if (yyjson_is_null(v))
        return true;
    json_each_member(v, key, val)
        if (has_null(val))
            return true;
    return false;
}

/* With a member twice, which one counts is open. */
static bool has_twins(yyjson_val *v)
{
    json_each_member(v, key, val)
        if (has_twins(val) || yyjson_obj_getn(v, yyjson_get_str(key), yyjson_get_len(key)) != val)
            return true;
    json_each(v, item, i, n)
        if (has_twins(item))
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = {(const char *)data, size};
    autojson struct json *from = fuzz_json(&rest), *to = fuzz_json(&rest);

    if (!from || !to)
        return 0;
    automut yyjson_mut_doc *doc = json_mut_new();
    patch_merge(doc, json_thaw(doc, json_root(from)), json_root(to));
    autojson struct json *patch =
        json_freeze(patch_merge_diff(doc, json_root(from), json_root(to)));
    yyjson_mut_val *root = patch_merge(doc, json_thaw(doc, json_root(from)), json_root(patch));
    autojson struct json *result = json_freeze(root);
    if (!has_null(json_root(to)) && !has_twins(json_root(from)) && !has_twins(json_root(to)) &&
        !json_equal(json_root(result), json_root(to)))
        abort();
    return 0;
}
