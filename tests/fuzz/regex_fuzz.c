/* regex: a pattern and a text. */
#include "data/regex.h"
#include "parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = {(const char *)data, size};
    struct regex *re cleanup(regex_free_p) = NULL;
    struct err err = {0};

    if (regex_compile(fuzz_part(&rest), &re, &err) < 0) {
        if (!err.msg[0])
            abort();
        return 0;
    }
    regex_matches(re, fuzz_part(&rest));
    return 0;
}
