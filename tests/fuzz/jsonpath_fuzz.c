/* jsonpath: a path and a document. */
#include "data/jsonpath.h"
#include "parts.h"

static bool count(void *ctx, yyjson_val *v)
{
    return v && ++*(size_t *)ctx < 10000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = {(const char *)data, size};
    struct jsonpath *p cleanup(jsonpath_free_p) = NULL;
    struct err err = {0};
    size_t n = 0;

    if (jsonpath_parse(fuzz_part(&rest), &p, &err) < 0) {
        if (!err.msg[0])
            abort();
        return 0;
    }
    autojson struct json *j = fuzz_json(&rest);
    jsonpath_each(p, json_root(j), count, &n);
    return 0;
}
