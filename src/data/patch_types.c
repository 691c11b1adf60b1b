/* What strategic merge needs, from the type table. */
#include "data/patch.h"
#include "data/types.h"

bool patch_lookup_types(const void *type, struct slice name, struct patch_field *ret)
{
    const struct field *f = type_field(type, name.p, name.n);

    if (!f)
        return false;
    unsigned strategy = field_patch_strategy(f);
    *ret = (struct patch_field){
        .merge = strategy & PATCH_MERGE,
        .replace = strategy & PATCH_REPLACE,
        .retain_keys = strategy & PATCH_RETAIN_KEYS,
        .merge_key = field_merge_key(f),
        .is_map = field_kind(f) == FIELD_MAP,
    };
    if (field_kind(f) == FIELD_LIST || field_kind(f) == FIELD_MAP)
        f = field_item(f);
    ret->type = field_type(f);
    return true;
}
