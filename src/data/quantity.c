#include "data/quantity.h"

#include <limits.h>
#include <string.h>

#define NANO (-9)
#define MAX_EXPONENT 100000 /* more is refused: a text could cost minutes */
#define FAST_DIGITS 18      /* of a number that Go's parser keeps in an int64 */

typedef __int128 i128;
typedef unsigned __int128 u128;

static const struct suffix {
    const char *text;
    int base, exp;
    enum quantity_format format;
} suffixes[] = {
    {"", 10, 0, QUANTITY_DECIMAL_SI},   {"n", 10, -9, QUANTITY_DECIMAL_SI},
    {"u", 10, -6, QUANTITY_DECIMAL_SI}, {"m", 10, -3, QUANTITY_DECIMAL_SI},
    {"k", 10, 3, QUANTITY_DECIMAL_SI},  {"M", 10, 6, QUANTITY_DECIMAL_SI},
    {"G", 10, 9, QUANTITY_DECIMAL_SI},  {"T", 10, 12, QUANTITY_DECIMAL_SI},
    {"P", 10, 15, QUANTITY_DECIMAL_SI}, {"E", 10, 18, QUANTITY_DECIMAL_SI},
    {"Ki", 2, 10, QUANTITY_BINARY_SI},  {"Mi", 2, 20, QUANTITY_BINARY_SI},
    {"Gi", 2, 30, QUANTITY_BINARY_SI},  {"Ti", 2, 40, QUANTITY_BINARY_SI},
    {"Pi", 2, 50, QUANTITY_BINARY_SI},  {"Ei", 2, 60, QUANTITY_BINARY_SI},
};

/* The parts of a quantity's text. */
struct parts {
    bool negative;
    struct slice whole; /* without leading zeros */
    struct slice fraction;
    struct suffix suffix;
};

static bool times(i128 *m, i128 by)
{
    return !__builtin_mul_overflow(*m, by, m);
}

/* m * 10^n; false when it does not fit. */
static bool times_ten(i128 *m, int n)
{
    if (*m == 0)
        return true;
    for (; n > 0; n--)
        if (!times(m, 10))
            return false;
    return true;
}

/* Moves trailing zeros of the mantissa into the exponent. */
static void normalise(struct quantity *q)
{
    if (q->mantissa == 0)
        q->exp = 0;
    while (q->mantissa && q->mantissa % 10 == 0) {
        q->mantissa /= 10;
        q->exp++;
    }
}

/* --- parsing --- */

static struct slice take_while(struct slice *s, const char *set)
{
    size_t n = 0;

    while (n < s->n && s->p[n] && strchr(set, s->p[n]))
        n++;
    struct slice part = {s->p, n};
    s->p += n;
    s->n -= n;
    return part;
}

static bool parse_exponent(struct slice s, struct suffix *ret)
{
    int64_t exp;

    if (s.n < 2 || (s.p[0] != 'e' && s.p[0] != 'E'))
        return false;
    if (s.p[1] == '+' ? s.n < 3 || s.p[2] == '-' : false)
        return false;
    s = (struct slice){s.p + 1, s.n - 1};
    if (s.p[0] == '+')
        s = (struct slice){s.p + 1, s.n - 1};
    if (!slice_int64(s, &exp) || exp > MAX_EXPONENT || exp < -MAX_EXPONENT)
        return false;
    *ret = (struct suffix){"", 10, (int)exp, QUANTITY_DECIMAL_EXP};
    return true;
}

static bool find_suffix(struct slice s, struct suffix *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
        if (slice_is(s, suffixes[i].text)) {
            *ret = suffixes[i];
            return true;
        }
    return parse_exponent(s, ret);
}

static int split(struct slice text, struct parts *ret, struct err *err)
{
    static const char digits[] = "0123456789";
    struct slice rest = text, suffix;

    *ret = (struct parts){0};
    if (rest.n && (*rest.p == '-' || *rest.p == '+')) {
        ret->negative = *rest.p == '-';
        rest.p++, rest.n--;
    }
    take_while(&rest, "0");
    ret->whole = take_while(&rest, digits);
    if (rest.n && *rest.p == '.') {
        rest.p++, rest.n--;
        ret->fraction = take_while(&rest, digits);
    }
    suffix = rest;
    take_while(&rest, "eEinumkKMGTP");
    if (rest.n && (*rest.p == '-' || *rest.p == '+'))
        rest.p++, rest.n--;
    take_while(&rest, digits);
    if (rest.n || !text.n) /* a sign or a point alone is 0 there, too */
        return err_set(err, ERR_BAD_REQUEST,
                       "quantities must match the regular expression "
                       "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
    if (!find_suffix(suffix, &ret->suffix))
        return err_set(err, ERR_BAD_REQUEST, "unable to parse quantity's suffix");
    return 0;
}

/*
 * Adds digits, the first of which is worth 10^place, to the number; digits below nano only make
 * *rest true. Zeros wait in the exponent until another digit follows.
 */
static bool add_digits(struct quantity *q, struct slice s, long place, int lowest, bool *rest)
{
    for (size_t i = 0; i < s.n; i++, place--) {
        int digit = s.p[i] - '0';

        if (place < lowest) {
            *rest |= digit != 0;
            continue;
        }
        if (!digit)
            continue;
        if (q->mantissa && (q->exp - place > 40 || !times_ten(&q->mantissa, (int)(q->exp - place))))
            return false;
        if (__builtin_add_overflow(q->mantissa, digit, &q->mantissa))
            return false;
        q->exp = (int)place;
    }
    return true;
}

/* Goes from units of 10^exp to nano, away from zero. */
static void round_to_nano(struct quantity *q, bool rest)
{
    bool inexact = rest;

    for (; q->mantissa && q->exp < NANO; q->exp++) {
        inexact |= q->mantissa % 10 != 0;
        q->mantissa /= 10;
    }
    if (inexact) {
        times_ten(&q->mantissa, q->exp - NANO);
        q->exp = NANO;
        q->mantissa++;
    }
    if (q->exp < NANO)
        q->exp = 0;
}

static void cap(struct quantity *q)
{
    q->mantissa = INT64_MAX;
    q->exp = 0;
}

/* The number without its sign. What is too big for a binary quantity becomes the biggest one. */
static bool number(const struct parts *p, struct quantity *q)
{
    bool binary = p->suffix.base == 2, rest = false, fits;
    long exp = binary ? 0 : p->suffix.exp;
    /* A binary suffix may lift digits from below nano. */
    int lowest = binary ? INT_MIN : NANO;
    static const struct quantity biggest = {.mantissa = INT64_MAX};

    fits = add_digits(q, p->whole, exp + (long)p->whole.n - 1, lowest, &rest) &&
           add_digits(q, p->fraction, exp - 1, lowest, &rest);
    if (binary && fits && !times(&q->mantissa, (i128)1 << p->suffix.exp))
        fits = false;
    if (!fits) {
        if (binary && p->whole.n)
            cap(q);
        return binary && p->whole.n;
    }
    round_to_nano(q, rest);
    if (binary && quantity_cmp(q, &biggest) > 0)
        cap(q);
    return true;
}

/* The digits as Go's parser counts them: "0" for none before the point. */
static size_t n_digits(const struct parts *p)
{
    return (p->whole.n ? p->whole.n : 1) + p->fraction.n;
}

static char digit_from_end(const struct parts *p, size_t i)
{
    if (i < p->fraction.n)
        return p->fraction.p[p->fraction.n - 1 - i];
    i -= p->fraction.n;
    return i < p->whole.n ? p->whole.p[p->whole.n - 1 - i] : '0';
}

static bool looks_canonical(const struct parts *p)
{
    bool thousand = n_digits(p) >= 3;

    for (size_t i = 0; thousand && i < 3; i++)
        thousand = digit_from_end(p, i) == '0';
    return !thousand && p->whole.n;
}

/* Whether Kubernetes' parser takes its fast path and keeps the spelling. */
static bool keeps_spelling(const struct parts *p)
{
    const struct suffix *s = &p->suffix;
    long scale = (long)s->exp - (long)p->fraction.n;
    long room = 14 - (long)p->whole.n - s->exp * 3 / 10;
    int64_t n;

    if (s->base == 2)
        return !p->fraction.n && room >= 0 && slice_int64(p->whole, &n) && n % 8 != 0;
    return n_digits(p) <= FAST_DIGITS && scale >= NANO && scale % 3 == 0 && looks_canonical(p);
}

int quantity_parse(struct slice text, struct quantity *ret, struct err *err)
{
    struct quantity q = {0}, one = {.mantissa = 1};
    struct parts p;
    int r = split(text, &p, err);

    if (r < 0)
        return r;
    bool fits = number(&p, &q);
    struct quantity least_digits = q;
    normalise(&least_digits);
    if (!fits || least_digits.exp > MAX_EXPONENT) /* what is printed must be read again */
        return err_set(err, ERR_BAD_REQUEST, "the quantity has too many digits");
    q.format = p.suffix.format;
    if (q.format == QUANTITY_BINARY_SI && q.mantissa && quantity_cmp(&q, &one) < 0)
        q.format = QUANTITY_DECIMAL_SI;
    if (p.negative)
        q.mantissa = -q.mantissa;
    if (keeps_spelling(&p))
        q.spelling = text;
    *ret = q;
    return 0;
}

struct quantity quantity_int(int64_t n, enum quantity_format format)
{
    struct quantity q = {.mantissa = n, .format = format};

    normalise(&q);
    return q;
}

/* --- printing --- */

static void print_i128(i128 v, struct buf *out)
{
    char text[48], *p = text + sizeof(text);
    u128 u = v < 0 ? -(u128)v : (u128)v;

    do
        *--p = (char)('0' + (int)(u % 10));
    while (u /= 10);
    if (v < 0)
        *--p = '-';
    buf_add(out, p, (size_t)(text + sizeof(text) - p));
}

static void print_decimal(struct quantity q, bool exponent, struct buf *out)
{
    normalise(&q);
    /* Past E there is no suffix: more zeros instead. */
    int top = exponent ? INT_MAX : 18;
    int zeros = q.exp > top ? q.exp - top : ((q.exp % 3) + 3) % 3;

    print_i128(q.mantissa, out);
    for (int i = 0; i < zeros; i++)
        buf_addc(out, '0');
    q.exp -= zeros;
    if (exponent && q.exp)
        buf_printf(out, "e%d", q.exp);
    for (size_t i = 0; !exponent && i < ARRAY_SIZE(suffixes); i++)
        if (suffixes[i].base == 10 && suffixes[i].exp == q.exp)
            buf_adds(out, suffixes[i].text);
}

/* False: not a whole number, too small, or too big to be written with a binary suffix. */
static bool print_binary(struct quantity q, struct buf *out)
{
    struct quantity limit = quantity_int(1024, QUANTITY_BINARY_SI), magnitude = q;
    int exp = 0;

    magnitude.mantissa = q.mantissa < 0 ? -q.mantissa : q.mantissa;
    normalise(&q);
    if (q.exp < 0 || quantity_cmp(&magnitude, &limit) < 0 || !times_ten(&q.mantissa, q.exp))
        return false;
    for (; exp < 60 && q.mantissa % 1024 == 0; exp += 10)
        q.mantissa /= 1024;
    print_i128(q.mantissa, out);
    for (size_t i = 0; exp && i < ARRAY_SIZE(suffixes); i++)
        if (suffixes[i].base == 2 && suffixes[i].exp == exp)
            buf_adds(out, suffixes[i].text);
    return true;
}

void quantity_canonical(const struct quantity *q, struct buf *out)
{
    if (q->mantissa == 0) {
        buf_addc(out, '0');
        return;
    }
    if (q->format != QUANTITY_BINARY_SI || !print_binary(*q, out))
        print_decimal(*q, q->format == QUANTITY_DECIMAL_EXP, out);
}

void quantity_print(const struct quantity *q, struct buf *out)
{
    if (q->spelling.n)
        buf_add_slice(out, q->spelling);
    else
        quantity_canonical(q, out);
}

/* --- arithmetic --- */

/* Brings both to the smaller exponent; false when one does not fit. */
static bool align(struct quantity *a, struct quantity *b)
{
    normalise(a);
    normalise(b);
    struct quantity *high = a->exp > b->exp ? a : b, *low = high == a ? b : a;

    if (high->mantissa == 0) {
        high->exp = low->exp;
    } else if (low->mantissa == 0) {
        low->exp = high->exp;
    } else {
        int by = high->exp - low->exp;
        if (by > 40 || !times_ten(&high->mantissa, by))
            return false;
        high->exp = low->exp;
    }
    return true;
}

static int add(struct quantity *q, struct quantity x)
{
    struct quantity a = *q;

    if (a.mantissa == 0)
        a.format = x.format;
    if (!align(&a, &x) || __builtin_add_overflow(a.mantissa, x.mantissa, &a.mantissa))
        return ERR_INVALID;
    normalise(&a);
    quantity_forget_spelling(&a);
    *q = a;
    return 0;
}

int quantity_add(struct quantity *q, const struct quantity *x)
{
    return add(q, *x);
}

int quantity_sub(struct quantity *q, const struct quantity *x)
{
    struct quantity minus = *x;

    minus.mantissa = -x->mantissa;
    return add(q, minus);
}

int quantity_mul(struct quantity *q, int64_t n)
{
    i128 m = q->mantissa;

    if (!times(&m, n))
        return ERR_INVALID;
    q->mantissa = m;
    normalise(q);
    quantity_forget_spelling(q);
    return 0;
}

int quantity_cmp(const struct quantity *a, const struct quantity *b)
{
    struct quantity x = *a, y = *b;
    int sign_x = (x.mantissa > 0) - (x.mantissa < 0), sign_y = (y.mantissa > 0) - (y.mantissa < 0);

    if (sign_x != sign_y)
        return sign_x < sign_y ? -1 : 1;
    if (!align(&x, &y)) /* so far apart that the greater exponent decides */
        return (x.exp > y.exp) == (sign_x > 0) ? 1 : -1;
    return (x.mantissa > y.mantissa) - (x.mantissa < y.mantissa);
}

/* In units of 10^-digits, away from zero. */
static int64_t scaled(const struct quantity *q, int digits)
{
    i128 m = q->mantissa;
    int exp = q->exp + digits;
    bool rest = false;

    if (exp > 40 || !times_ten(&m, exp))
        return q->mantissa == 0 ? 0 : q->mantissa < 0 ? INT64_MIN : INT64_MAX;
    for (; exp < 0; exp++) {
        rest |= m % 10 != 0;
        m /= 10;
    }
    if (rest)
        m += q->mantissa < 0 ? -1 : 1;
    return m > INT64_MAX ? INT64_MAX : m < INT64_MIN ? INT64_MIN : (int64_t)m;
}

int64_t quantity_value(const struct quantity *q)
{
    return scaled(q, 0);
}

int64_t quantity_milli(const struct quantity *q)
{
    return scaled(q, 3);
}

double quantity_double(const struct quantity *q)
{
    struct buf text cleanup(buf_done) = BUF_INIT;

    print_i128(q->mantissa, &text);
    buf_printf(&text, "e%d", q->exp);
    return strtod(buf_str(&text), NULL);
}
