/* patch_json: a document and a JSON patch. */
#include "data/patch.h"
#include "parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = {(const char *)data, size};
    autojson struct json *target = fuzz_json(&rest), *patch = fuzz_json(&rest);
    struct buf out cleanup(buf_done) = BUF_INIT;
    struct err err = {0};

    if (!target || !patch)
        return 0;
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *root = json_thaw(doc, json_root(target));
    if (patch_json(doc, &root, json_root(patch), &err) < 0 && !err.msg[0])
        abort();
    json_mut_write(&out, root);
    return 0;
}
