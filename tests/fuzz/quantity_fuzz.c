/* quantity: what was parsed prints as a text of the same value, and arithmetic goes there and back.
 */
#include "data/quantity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_read_back(const struct quantity *q,
                           void print(const struct quantity *, struct buf *))
{
    struct buf text cleanup(buf_done) = BUF_INIT;
    struct quantity again;

    print(q, &text);
    if (quantity_parse(buf_slice(&text), &again, NULL) < 0 || quantity_cmp(q, &again) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *cut = size ? memchr(data, ' ', size) : NULL;
    size_t n = cut ? (size_t)(cut - (const char *)data) : size;
    struct quantity a, b, sum;

    if (quantity_parse((struct slice){(const char *)data, n}, &a, NULL) < 0)
        return 0;
    must_read_back(&a, quantity_print);
    must_read_back(&a, quantity_canonical);
    quantity_value(&a), quantity_milli(&a), quantity_double(&a);
    if (!cut || quantity_parse((struct slice){cut + 1, size - n - 1}, &b, NULL) < 0)
        return 0;
    sum = a;
    if (quantity_add(&sum, &b) == 0 && quantity_sub(&sum, &b) == 0 && quantity_cmp(&sum, &a) != 0)
        abort();
    if (quantity_cmp(&a, &b) != -quantity_cmp(&b, &a))
        abort();
    quantity_mul(&sum, quantity_value(&b));
    return 0;
}
