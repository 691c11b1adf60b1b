/* HTTP/1.1 requests of anybody: answered or refused; nothing is left behind. */
#include "net_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_exchange("", 0, data, size);
    return 0;
}
