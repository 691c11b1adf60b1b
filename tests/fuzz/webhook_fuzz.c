/* webhook: a review of any of the three kinds; what is answered is a review, too. */
#include "base/buf.h"
#include "data/json.h"
#include "operator/webhook.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = {"/validate-ray-io-v1-raycluster",
                                        "/validate-ray-io-v1-rayjob",
                                        "/validate-ray-io-v1-rayservice"};

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        struct buf out cleanup(buf_done) = BUF_INIT;
        autojson struct json *j = NULL;
        if (!webhook_review(slice_of(paths[i]), SLICE("application/json"),
                            (struct slice){(const char *)data, size}, &out))
            abort();
        if (json_parse(buf_slice(&out), &j, NULL) < 0 || !json_at(json_root(j), "response.allowed"))
            abort();
    }
    return 0;
}
