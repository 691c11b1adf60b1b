#include "ray/gotext.h"

/* Decodes one rune of valid UTF-8 at s; gives its length, 0 if the bytes are not UTF-8. */
static size_t decode(struct slice s, uint32_t *ret)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)s.p;
    size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;

    if (!n || n > s.n)
        return 0;
    uint32_t r = n == 1 ? p[0] : p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        r = r << 6 | (p[i] & 0x3f);
    }
    if (r < least[n] || r > 0x10ffff || (r >= 0xd800 && r < 0xe000))
        return 0;
    *ret = r;
    return n;
}

/* unicode.IsSpace */
static bool is_space(uint32_t r)
{
    return (r >= '\t' && r <= '\r') || r == ' ' || r == 0x85 || r == 0xa0 || r == 0x1680 ||
           (r >= 0x2000 && r <= 0x200a) || r == 0x2028 || r == 0x2029 || r == 0x202f ||
           r == 0x205f || r == 0x3000;
}

struct slice go_trim_space(struct slice s)
{
    uint32_t r;
    size_t n;

    while (s.n && (n = decode(s, &r)) && is_space(r))
        s.p += n, s.n -= n;
    while (s.n) {
        size_t start = s.n - 1;
        while (start && ((unsigned char)s.p[start] >> 6) == 2)
            start--;
        struct slice last = {s.p + start, s.n - start};
        if (decode(last, &r) != last.n || !is_space(r))
            break;
        s.n = start;
    }
    return s;
}

void go_float_f(struct buf *out, float f)
{
    buf_printf(out, "%f", (double)f);
}
