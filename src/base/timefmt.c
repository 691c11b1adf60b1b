#include "base/timefmt.h"

#include <stdio.h>

/* Days since 1970-01-01 of a proleptic Gregorian date, and back: H. Hinnant's algorithms. */
static int64_t days_from_civil(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

    return era * 146097 + doe - 719468;
}

static void civil_from_days(int64_t z, int64_t *y, int *m, int *d)
{
    z += 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;

    *d = (int)(doy - (153 * mp + 2) / 5 + 1);
    *m = (int)(mp < 10 ? mp + 3 : mp - 9);
    *y = yoe + era * 400 + (*m <= 2);
}

static char *format(int64_t ns, int digits, char *out)
{
    int64_t sec = ns / SECOND_NS, frac = ns % SECOND_NS, y;
    int m, d;

    if (frac < 0)
        sec--, frac += SECOND_NS;
    int64_t days = sec / 86400, s = sec % 86400;
    if (s < 0)
        days--, s += 86400;
    civil_from_days(days, &y, &m, &d);
    int n = snprintf(out, TIME_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d", (int)y, m, d, (int)(s / 3600),
                     (int)(s / 60 % 60), (int)(s % 60));
    if (digits) {
        for (int i = digits; i < 9; i++)
            frac /= 10;
        n += snprintf(out + n, (size_t)(TIME_TEXT - n), ".%0*lld", digits, (long long)frac);
    }
    snprintf(out + n, (size_t)(TIME_TEXT - n), "Z");
    return out;
}

char *time_rfc3339(int64_t ns, char *out)
{
    return format(ns, 0, out);
}

char *time_rfc3339_micro(int64_t ns, char *out)
{
    return format(ns, 6, out);
}

char *time_rfc3339_nano(int64_t ns, char *out)
{
    return format(ns, 9, out);
}

/* Reads exactly n digits at the start of *s. */
static bool digits(struct slice *s, int n, int *ret)
{
    int v = 0;

    if (s->n < (size_t)n)
        return false;
    for (int i = 0; i < n; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return false;
        v = v * 10 + (s->p[i] - '0');
    }
    s->p += n, s->n -= (size_t)n;
    *ret = v;
    return true;
}

static bool literal(struct slice *s, char c)
{
    if (!s->n || (s->p[0] | 32) != (c | 32))
        return false;
    s->p++, s->n--;
    return true;
}

static bool fraction(struct slice *s, int64_t *ret)
{
    int64_t unit = SECOND_NS / 10;
    size_t n = 0;

    *ret = 0;
    if (!literal(s, '.'))
        return true;
    for (; s->n && s->p[0] >= '0' && s->p[0] <= '9'; s->p++, s->n--, unit /= 10, n++)
        *ret += (s->p[0] - '0') * unit;
    return n > 0;
}

static bool zone(struct slice *s, int *ret_seconds)
{
    int h, m, sign;

    *ret_seconds = 0;
    if (literal(s, 'Z'))
        return true;
    if (!s->n || (s->p[0] != '+' && s->p[0] != '-'))
        return false;
    sign = s->p[0] == '-' ? -1 : 1;
    s->p++, s->n--;
    if (!digits(s, 2, &h) || !literal(s, ':') || !digits(s, 2, &m) || h > 23 || m > 59)
        return false;
    *ret_seconds = sign * (h * 3600 + m * 60);
    return true;
}

bool time_parse(struct slice s, int64_t *ret_ns)
{
    int y, mo, d, h, mi, se, off;
    int64_t frac;

    if (!digits(&s, 4, &y) || !literal(&s, '-') || !digits(&s, 2, &mo) || !literal(&s, '-') ||
        !digits(&s, 2, &d) || !literal(&s, 'T') || !digits(&s, 2, &h) || !literal(&s, ':') ||
        !digits(&s, 2, &mi) || !literal(&s, ':') || !digits(&s, 2, &se) || !fraction(&s, &frac) ||
        !zone(&s, &off) || s.n)
        return false;
    if (mo < 1 || mo > 12 || d < 1 || d > 31 || h > 23 || mi > 59 || se > 60)
        return false;
    int64_t sec = days_from_civil(y, mo, d) * 86400 + h * 3600 + mi * 60 + se - off;
    /* Outside 1678..2262 nanoseconds do not fit; Kubernetes' zero time (year 1) is clamped. */
    if (sec > INT64_MAX / SECOND_NS - 1 || sec < INT64_MIN / SECOND_NS + 1) {
        *ret_ns = sec < 0 ? INT64_MIN : INT64_MAX;
        return true;
    }
    *ret_ns = sec * SECOND_NS + frac;
    return true;
}
