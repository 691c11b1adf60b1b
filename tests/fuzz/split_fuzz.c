/* Lists and lines cut out of bytes: pieces of any size give what one piece gives. */
#include "kube/split.h"

#include <stdlib.h>

static int keep(void *ctx, struct slice item, struct err *err)
{
    (void)err;
    buf_add_slice(ctx, item);
    buf_addc(ctx, '\n');
    return 0;
}

static int cut(bool list, struct slice text, size_t step, struct buf *out)
{
    struct split s cleanup(split_done) = {.list = list, .on_item = keep, .ctx = out};
    struct err err;
    int r = 0;

    for (size_t i = 0; i < text.n && r == 0; i += step)
        r = split_feed(&s, (struct slice){text.p + i, MIN(step, text.n - i)}, &err);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};

    for (int list = 0; list < 2; list++) {
        struct buf whole cleanup(buf_done) = BUF_INIT, pieces cleanup(buf_done) = BUF_INIT;
        int a = cut(list, text, size + 1, &whole), b = cut(list, text, 3, &pieces);
        if (a != b || !slice_eq(buf_slice(&whole), buf_slice(&pieces)))
            abort();
    }
    return 0;
}
