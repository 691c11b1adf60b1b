#include "ray/version.h"

#include <ctype.h>

static bool number(const char **p, uint64_t *ret)
{
    uint64_t n = 0;
    const char *s = *p;

    if (!isdigit((unsigned char)*s))
        return false;
    for (; isdigit((unsigned char)*s); s++)
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n))
            return false;
    *ret = n;
    *p = s;
    return true;
}

bool version_parse(const char *text, struct version *ret)
{
    struct version v = {0};
    size_t n = 0;
    const char *p = text;

    if (!p)
        return false;
    while (isspace((unsigned char)*p))
        p++;
    p += *p == 'v';
    if (p[0] == '0' && isdigit((unsigned char)p[1]))
        return false;
    do {
        uint64_t part;

        if (!number(&p, &part))
            return false;
        if (n < VERSION_PARTS)
            v.part[n] = part;
        n++;
    } while (p[0] == '.' && isdigit((unsigned char)p[1]) && p++);
    if (n < 2)
        return false;
    *ret = v;
    return true;
}

bool version_at_least(const char *text, unsigned major, unsigned minor)
{
    struct version v;

    if (!version_parse(text, &v))
        return false;
    return v.part[0] != major ? v.part[0] > major : v.part[1] >= minor;
}
