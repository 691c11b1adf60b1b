/*
 * A borrowed run of bytes: pointer and length, no NUL promised. Passed by value, owns nothing.
 */
#ifndef MANTA_BASE_SLICE_H
#define MANTA_BASE_SLICE_H

#include "base/macro.h"
#include <string.h>

struct slice {
    const char *p;
    size_t n;
};

#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})

static inline struct slice slice_of(const char *s)
{
    return (struct slice){s, s ? strlen(s) : 0};
}
static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool slice_is(struct slice a, const char *s)
{
    return slice_eq(a, slice_of(s));
}
static inline bool slice_starts(struct slice a, struct slice prefix)
{
    return a.n >= prefix.n && (prefix.n == 0 || memcmp(a.p, prefix.p, prefix.n) == 0);
}
bool slice_ieq(struct slice a, struct slice b); /* ASCII case ignored */
struct slice slice_trim(struct slice s);        /* without surrounding ASCII white space */

/* Cuts the part before the first sep off *rest, which keeps what follows it. False at the end. */
bool slice_cut(struct slice *rest, char sep, struct slice *ret_part);

/* The character that s begins with: its length in bytes, or 0 where that is no UTF-8 (RFC 3629:
 * shortest forms, no surrogates) and at the end. */
size_t slice_rune(struct slice s, uint32_t *ret);
bool slice_is_utf8(struct slice s);

/* A whole decimal number, optionally signed; false if anything else is in s or it overflows. */
bool slice_int64(struct slice s, int64_t *ret);

#define SLICE_FMT(s) (int)(s).n, (s).p /* for "%.*s" */

#endif
