#include "base/slice.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool slice_ieq(struct slice a, struct slice b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct slice slice_trim(struct slice s)
{
    while (s.n && is_space(s.p[0]))
        s.p++, s.n--;
    while (s.n && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool slice_cut(struct slice *rest, char sep, struct slice *ret_part)
{
    if (!rest->p)
        return false;
    const char *at = rest->n ? memchr(rest->p, sep, rest->n) : NULL;
    size_t n = at ? (size_t)(at - rest->p) : rest->n;

    *ret_part = (struct slice){rest->p, n};
    *rest = at ? (struct slice){at + 1, rest->n - n - 1} : (struct slice){NULL, 0};
    return true;
}

bool slice_int64(struct slice s, int64_t *ret)
{
    bool neg = s.n && s.p[0] == '-';
    int64_t v = 0;

    if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
        s.p++, s.n--;
    if (!s.n)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        int d = s.p[i] - '0';
        if (d < 0 || d > 9 || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, neg ? -d : d, &v))
            return false;
    }
    *ret = v;
    return true;
}

/* Length of the sequence that lead begins, and the range of its second byte; 0 for no lead. */
static unsigned utf8_lead(unsigned char lead, unsigned char *low, unsigned char *high)
{
    *low = 0x80;
    *high = 0xbf;
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return 2;
    if (lead >= 0xe0 && lead <= 0xef) {
        if (lead == 0xe0)
            *low = 0xa0;
        if (lead == 0xed)
            *high = 0x9f;
        return 3;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        if (lead == 0xf0)
            *low = 0x90;
        if (lead == 0xf4)
            *high = 0x8f;
        return 4;
    }
    return 0;
}

bool slice_is_utf8(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.p;

    for (size_t i = 0; i < s.n;) {
        unsigned char low, high;
        unsigned n = utf8_lead(p[i], &low, &high);

        if (!n || n > s.n - i || (n > 1 && (p[i + 1] < low || p[i + 1] > high)))
            return false;
        for (unsigned k = 2; k < n; k++)
            if (p[i + k] < 0x80 || p[i + k] > 0xbf)
                return false;
        i += n;
    }
    return true;
}
