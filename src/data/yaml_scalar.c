#include "data/yaml_scalar.h"
#include "base/buf.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

static const struct {
    const char *text;
    struct scalar value;
} words[] = {
#define BOOL(x, y, z, v)                                                                           \
    {x, {SCALAR_BOOL, {.b = v}}}, {y, {SCALAR_BOOL, {.b = v}}},                                    \
    {                                                                                              \
        z,                                                                                         \
        {                                                                                          \
            SCALAR_BOOL,                                                                           \
            {                                                                                      \
                .b = v                                                                             \
            }                                                                                      \
        }                                                                                          \
    }
    BOOL("yes", "Yes", "YES", true),
    BOOL("true", "True", "TRUE", true),
    BOOL("on", "On", "ON", true),
    BOOL("no", "No", "NO", false),
    BOOL("false", "False", "FALSE", false),
    BOOL("off", "Off", "OFF", false),
#undef BOOL
    {"y", {SCALAR_BOOL, {.b = true}}},
    {"Y", {SCALAR_BOOL, {.b = true}}},
    {"n", {SCALAR_BOOL, {.b = false}}},
    {"N", {SCALAR_BOOL, {.b = false}}},
    {"", {SCALAR_NULL, {0}}},
    {"~", {SCALAR_NULL, {0}}},
    {"null", {SCALAR_NULL, {0}}},
    {"Null", {SCALAR_NULL, {0}}},
    {"NULL", {SCALAR_NULL, {0}}},
    {".nan", {SCALAR_FLOAT, {.f = NAN}}},
    {".NaN", {SCALAR_FLOAT, {.f = NAN}}},
    {".NAN", {SCALAR_FLOAT, {.f = NAN}}},
    {".inf", {SCALAR_FLOAT, {.f = INFINITY}}},
    {".Inf", {SCALAR_FLOAT, {.f = INFINITY}}},
    {".INF", {SCALAR_FLOAT, {.f = INFINITY}}},
    {"+.inf", {SCALAR_FLOAT, {.f = INFINITY}}},
    {"+.Inf", {SCALAR_FLOAT, {.f = INFINITY}}},
    {"+.INF", {SCALAR_FLOAT, {.f = INFINITY}}},
    {"-.inf", {SCALAR_FLOAT, {.f = -INFINITY}}},
    {"-.Inf", {SCALAR_FLOAT, {.f = -INFINITY}}},
    {"-.INF", {SCALAR_FLOAT, {.f = -INFINITY}}},
};

static int digit_value(char c)
{
    return isdigit((unsigned char)c)   ? c - '0'
           : isalpha((unsigned char)c) ? (c | 32) - 'a' + 10
                                       : 99;
}

/* A whole number with Go's prefixes: 0x, 0b, 0o, and 0 for octal. text has no underscores. */
static bool parse_whole(const char *text, struct scalar *ret)
{
    bool negative = *text == '-';
    uint64_t n = 0;
    int base = 10;

    text += *text == '-' || *text == '+';
    if (*text == '0' && text[1]) {
        char c = (char)(text[1] | 32);
        base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
        text += c == 'x' || c == 'b' || c == 'o' ? 2 : 1;
    }
    if (!*text)
        return false;
    for (; *text; text++) {
        int d = digit_value(*text);
        if (d >= base || __builtin_mul_overflow(n, (uint64_t)base, &n) ||
            __builtin_add_overflow(n, (uint64_t)d, &n))
            return false;
    }
    if (negative && n > (uint64_t)INT64_MAX + 1)
        return false;
    *ret = (struct scalar){.kind = SCALAR_INT, .i = negative ? (int64_t)(0 - n) : (int64_t)n};
    if (!negative && n > INT64_MAX)
        *ret = (struct scalar){.kind = SCALAR_UINT, .u = n};
    return true;
}

static const char *skip_digits(const char *p)
{
    while (isdigit((unsigned char)*p))
        p++;
    return p;
}

/* [-+]? digits [. digits] [e [-+] digits]: no hexadecimal, no words, and in range. */
static bool parse_float(const char *text, struct scalar *ret)
{
    const char *p = text + (*text == '-' || *text == '+');
    const char *whole = p, *end = skip_digits(p);
    bool digits = end > whole;

    if (*end == '.') {
        p = end + 1;
        end = skip_digits(p);
        digits |= end > p;
    }
    if (!digits)
        return false;
    if ((*end | 32) == 'e') {
        p = end + 1;
        p += *p == '-' || *p == '+';
        end = skip_digits(p);
        if (end == p)
            return false;
    }
    if (*end)
        return false;
    double d = strtod(text, NULL);
    *ret = (struct scalar){.kind = SCALAR_FLOAT, .f = d};
    return isfinite(d);
}

static struct scalar resolve_number(struct slice s)
{
    struct buf plain cleanup(buf_done) = BUF_INIT;
    struct scalar ret = {.kind = SCALAR_STRING};

    if (*s.p == '.' && memchr(s.p, '_', s.n))
        return ret;
    for (size_t i = 0; i < s.n; i++) {
        if (!s.p[i] || s.n > 400) /* no number is that long */
            return ret;
        if (s.p[i] != '_')
            buf_addc(&plain, s.p[i]);
    }
    if (*s.p != '.' && parse_whole(buf_str(&plain), &ret))
        return ret;
    if (!parse_float(buf_str(&plain), &ret))
        ret = (struct scalar){.kind = SCALAR_STRING};
    return ret;
}

struct scalar scalar_resolve(struct slice s)
{
    for (size_t i = 0; s.n <= 5 && i < ARRAY_SIZE(words); i++)
        if (slice_is(s, words[i].text))
            return words[i].value;
    if (s.n && (isdigit((unsigned char)*s.p) || strchr("+-.", *s.p)) && *s.p)
        return resolve_number(s);
    return (struct scalar){.kind = SCALAR_STRING};
}

/* ---- what must be quoted although it is read as text ---- */

/* A number of at most two digits; false unless it is in range. */
static bool take_number(struct slice *s, int min, int max)
{
    int n = 0, digits = 0;

    while (digits < 2 && s->n && isdigit((unsigned char)*s->p)) {
        n = n * 10 + *s->p - '0';
        s->p++, s->n--, digits++;
    }
    return digits && n >= min && n <= max;
}

static bool take_char(struct slice *s, const char *chars)
{
    if (!s->n || !*s->p || !strchr(chars, *s->p))
        return false;
    s->p++, s->n--;
    return true;
}

static bool take_fraction(struct slice *s)
{
    if (!take_char(s, ".,"))
        return true;
    size_t digits = 0;
    while (s->n && isdigit((unsigned char)*s->p))
        s->p++, s->n--, digits++;
    return digits > 0;
}

static bool take_zone(struct slice *s)
{
    if (take_char(s, "Z"))
        return true;
    return take_char(s, "+-") && take_number(s, 0, 24) && take_char(s, ":") &&
           take_number(s, 0, 60);
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

static int peek_number(struct slice s)
{
    int n = 0;

    for (size_t i = 0; i < 2 && i < s.n && isdigit((unsigned char)s.p[i]); i++)
        n = n * 10 + s.p[i] - '0';
    return n;
}

bool scalar_is_timestamp(struct slice s)
{
    int year = 0;

    if (s.n < 8 || s.p[4] != '-')
        return false;
    for (int i = 0; i < 4; i++) {
        if (!isdigit((unsigned char)s.p[i]))
            return false;
        year = year * 10 + s.p[i] - '0';
    }
    s.p += 5, s.n -= 5;
    int month = peek_number(s);
    if (!take_number(&s, 1, 12) || !take_char(&s, "-") || !take_number(&s, 1, days_in(year, month)))
        return false;
    if (!s.n)
        return true;
    bool zoned = *s.p != ' ';
    if (!take_char(&s, "Tt ") || !take_number(&s, 0, 23) || !take_char(&s, ":") ||
        !take_number(&s, 0, 59) || !take_char(&s, ":") || !take_number(&s, 0, 59) ||
        !take_fraction(&s))
        return false;
    return (!zoned || take_zone(&s)) && !s.n;
}

bool scalar_is_base60(struct slice s)
{
    size_t parts = 0;

    if (s.n && (*s.p == '-' || *s.p == '+'))
        s.p++, s.n--;
    if (!s.n || !isdigit((unsigned char)*s.p))
        return false;
    while (s.n && (isdigit((unsigned char)*s.p) || *s.p == '_'))
        s.p++, s.n--;
    while (take_char(&s, ":")) {
        if (!take_number(&s, 0, 59))
            return false;
        parts++;
    }
    if (parts && take_char(&s, "."))
        while (s.n && (isdigit((unsigned char)*s.p) || *s.p == '_'))
            s.p++, s.n--;
    return parts && !s.n;
}
