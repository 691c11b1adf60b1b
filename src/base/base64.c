#include "base/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buf *out, struct slice data)
{
    const unsigned char *p = (const unsigned char *)data.p;

    for (size_t i = 0, n = data.n; i < n; i += 3) {
        unsigned v =
            (unsigned)p[i] << 16 | (i + 1 < n ? p[i + 1] : 0u) << 8 | (i + 2 < n ? p[i + 2] : 0u);
        buf_addc(out, digits[v >> 18]);
        buf_addc(out, digits[v >> 12 & 63]);
        buf_addc(out, i + 1 < n ? digits[v >> 6 & 63] : '=');
        buf_addc(out, i + 2 < n ? digits[v & 63] : '=');
    }
}

bool base64_decode(struct buf *out, struct slice text)
{
    uint32_t v = 0;
    unsigned have = 0, pad = 0;

    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '\n' || c == '\r')
            continue;
        const char *d = c ? strchr(digits, c) : NULL;
        if (c == '=' && have >= 2)
            pad++;
        else if (!d || pad)
            return false;
        v = v << 6 | (d ? (uint32_t)(d - digits) : 0);
        if (++have < 4)
            continue;
        buf_addc(out, (char)(v >> 16));
        if (pad < 2)
            buf_addc(out, (char)(v >> 8));
        if (pad < 1)
            buf_addc(out, (char)v);
        v = have = 0;
        if (pad)
            return slice_trim((struct slice){text.p + i + 1, text.n - i - 1}).n == 0;
    }
    return have == 0;
}
