/* HTTP/2 frames of anybody behind a valid opening. */
#include "net_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char opening[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";

    fuzz_exchange(opening, sizeof opening - 1, data, size);
    return 0;
}
