/* cel: an expression, self, and maybe oldSelf. */
#include "data/cel.h"
#include "parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = {(const char *)data, size};
    struct buf text cleanup(buf_done) = BUF_INIT;
    struct err err = {0};
    struct cel *c = NULL;
    bool result;

    if (cel_parse(fuzz_part(&rest), &c, &err) < 0) {
        if (!err.msg[0])
            abort();
        return 0;
    }
    autojson struct json *self = fuzz_json(&rest), *old = fuzz_json(&rest);
    struct cel_vars vars = {.self = json_root(self), .old_self = json_root(old)};
    cel_eval_bool(c, &vars, &result, &err);
    cel_eval_string(c, &vars, &text, &err);
    cel_free(c);
    return 0;
}
