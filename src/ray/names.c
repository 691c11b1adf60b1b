#include "ray/names.h"

#include "base/map.h"
#include "base/names.h"

#include <ctype.h>
#include <string.h>

/* Unicode's class P in ASCII, as Go's unicode.IsPunct has it. */
static bool is_punct(char c)
{
    return c && strchr("!\"#%&'()*,-./:;?@[\\]_{}", c);
}

static char *keep_last(struct arena *a, const char *s, size_t max)
{
    size_t n = strlen(s);

    return arena_strdup(a, n > max ? s + (n - max) : s);
}

const char *name_check(struct arena *a, const char *s)
{
    char *r = keep_last(a, s, 50);

    if (isdigit((unsigned char)r[0]) || is_punct(r[0]))
        r[0] = 'r';
    return r;
}

const char *name_check_label(struct arena *a, const char *s)
{
    char *r = keep_last(a, s, 63);

    if (is_punct(r[0]))
        r[0] = 'r';
    return r;
}

const char *name_check_route(struct arena *a, const char *s, const char *ns)
{
    size_t ns_len = strlen(ns), max = ns_len < 51 ? 51 - ns_len : 0, n = strlen(s);

    return name_check(a, arena_strndup(a, s, MIN(n, max)));
}

const char *name_pod(struct arena *a, const char *prefix, const char *node_type, bool generate)
{
    size_t n = strlen(prefix);
    char *r = arena_printf(a, "%.*s-%s%s", (int)MIN(n, (size_t)50), prefix, node_type,
                           generate ? "-" : "");

    for (char *p = r; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return r;
}

/* Spreads the bits of FNV, whose last byte hardly reaches the upper ones. */
static uint32_t mix(uint32_t h)
{
    h ^= h >> 16;
    h *= UINT32_C(0x85ebca6b);
    h ^= h >> 13;
    h *= UINT32_C(0xc2b2ae35);
    return h ^ h >> 16;
}

void name_suffix(const char *words, char out[NAME_SUFFIX + 1])
{
    size_t base = strlen(NAME_ALPHABET);
    uint32_t h = mix(hash_bytes(words, strlen(words)));

    for (int i = 0; i < NAME_SUFFIX; i++, h /= (uint32_t)base)
        out[i] = NAME_ALPHABET[h % base];
    out[NAME_SUFFIX] = 0;
}

const char *name_generate(struct arena *a, const char *base, const char *words)
{
    char suffix[NAME_SUFFIX + 1];

    name_suffix(words, suffix);
    return arena_printf(a, "%.58s%s", base, suffix);
}

const char *name_fqdn(struct arena *a, const struct ray_options *o, const char *svc, const char *ns)
{
    const char *domain = ray_env(o, "CLUSTER_DOMAIN");

    return arena_printf(a, "%s.%s.svc.%s", svc, ns, domain && *domain ? domain : "cluster.local");
}
