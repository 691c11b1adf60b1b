/* json: parse, edit and write again; what was written must read back as the same. */
#include "data/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf text cleanup(buf_done) = BUF_INIT;
    autojson struct json *a = NULL, *b = NULL;

    if (json_parse((struct slice){(const char *)data, size}, &a, NULL) < 0)
        return 0;
    json_at(json_root(a), "a.0.b");
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *copy = json_thaw(doc, json_root(a));
    json_mut_write(&text, copy);
    if (json_parse(buf_slice(&text), &b, NULL) < 0)
        abort();
    return 0;
}
