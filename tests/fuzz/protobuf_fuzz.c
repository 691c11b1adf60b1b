/* protobuf: any bytes behind the magic are read or refused. */
#include "apiserver/protobuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf body cleanup(buf_done) = BUF_INIT, text cleanup(buf_done) = BUF_INIT;
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *obj = NULL;

    buf_add(&body, "k8s\0", 4);
    buf_add(&body, data, size);
    if (protobuf_decode(buf_slice(&body), doc, &obj, NULL) == 0)
        json_mut_write(&text, obj);
    return 0;
}
