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
