#include "data/gofmt.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>

/* What strconv.IsPrint refuses, as far as text meets it: controls, odd spaces, private use. */
static bool printable(uint32_t c)
{
    static const struct {
        uint32_t from, to;
    } not_printable[] = {
        {0x00, 0x1f},     {0x7f, 0xa0},     {0xad, 0xad},     {0x1680, 0x1680},    {0x180e, 0x180e},
        {0x2000, 0x200f}, {0x2028, 0x202f}, {0x205f, 0x206f}, {0x3000, 0x3000},    {0xe000, 0xf8ff},
        {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xfffe, 0xffff}, {0xe0000, 0x10ffff},
    };
    for (size_t i = 0; i < ARRAY_SIZE(not_printable); i++)
        if (c >= not_printable[i].from && c <= not_printable[i].to)
            return false;
    return true;
}

static void quote_rune(struct buf *b, uint32_t c, const char *p, size_t len)
{
    static const char from[] = "\a\b\f\n\r\t\v\\\"", to[] = "abfnrtv\\\"";
    const char *special = c && c < 0x80 ? strchr(from, (int)c) : NULL;

    if (special)
        buf_printf(b, "\\%c", to[special - from]);
    else if (printable(c))
        buf_add(b, p, len);
    else if (c < 0x80)
        buf_printf(b, "\\x%02x", c);
    else
        buf_printf(b, c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
}

void go_quote(struct buf *b, struct slice s)
{
    buf_addc(b, '"');
    while (s.n) {
        uint32_t c = 0;
        size_t len = slice_rune(s, &c);
        if (len)
            quote_rune(b, c, s.p, len);
        else
            buf_printf(b, "\\x%02x", (unsigned char)*s.p);
        s.p += len ? len : 1;
        s.n -= len ? len : 1;
    }
    buf_addc(b, '"');
}

/* The digits of |v| without point or trailing zeros, and the power of ten of the first one. */
static int shortest(double v, char digits[20])
{
    char text[GO_FLOAT_TEXT];
    int prec = 0;

    do
        snprintf(text, sizeof(text), "%.*e", prec, fabs(v));
    while (strtod(text, NULL) != fabs(v) && ++prec < 17);
    size_t n = 0;
    const char *p = text;
    for (; *p && *p != 'e'; p++)
        if (*p != '.' && n < 19)
            digits[n++] = *p;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    digits[n] = '\0';
    return (int)strtol(*p ? p + 1 : p, NULL, 10);
}

static char *format(double v, int exp, const char *digits, bool e_form, const char *e_fmt,
                    char *out)
{
    char *p = out, *end = out + GO_FLOAT_TEXT;
    int n = (int)strlen(digits);

    if (signbit(v))
        *p++ = '-';
    if (e_form) {
        p += snprintf(p, (size_t)(end - p), n > 1 ? "%c.%s" : "%c%s", digits[0], digits + 1);
        snprintf(p, (size_t)(end - p), e_fmt, exp);
    } else if (exp < 0) {
        snprintf(p, (size_t)(end - p), "0.%.*s%s", -exp - 1, "00000000", digits);
    } else if (n <= exp + 1) {
        snprintf(p, (size_t)(end - p), "%s%.*s", digits, exp + 1 - n, "000000000000000000000");
    } else {
        snprintf(p, (size_t)(end - p), "%.*s.%s", exp + 1, digits, digits + exp + 1);
    }
    return out;
}

char *go_float(double v, char out[GO_FLOAT_TEXT])
{
    char digits[20];

    if (!isfinite(v)) {
        snprintf(out, GO_FLOAT_TEXT, "%s", isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
        return out;
    }
    int exp = shortest(v, digits);
    return format(v, exp, digits, v != 0 && (exp < -4 || exp >= 6), "e%+03d", out);
}

char *go_float_json(double v, char out[GO_FLOAT_TEXT])
{
    char digits[20];
    int exp = shortest(v, digits);

    return format(v, exp, digits, v != 0 && (exp < -6 || exp >= 21), "e%+d", out);
}

double go_float32(double v)
{
    char text[GO_FLOAT_TEXT];
    int digits = 1;

    do
        snprintf(text, sizeof text, "%.*g", digits, (double)(float)v);
    while (strtof(text, NULL) != (float)v && ++digits < 10);
    return strtod(text, NULL);
}

static void json_rune(struct buf *b, struct slice s, size_t len, uint32_t c)
{
    if (!len)
        buf_adds(b, "\\ufffd");
    else if (c == 0x2028 || c == 0x2029)
        buf_printf(b, "\\u%04x", c);
    else
        buf_add(b, s.p, len);
}

static void json_ascii(struct buf *b, char c, bool html)
{
    static const char from[] = "\b\f\n\r\t\"\\", to[] = "bfnrt\"\\", hex[] = "0123456789abcdef";
    const char *special = c ? strchr(from, c) : NULL;

    if (special) {
        buf_addc(b, '\\');
        buf_addc(b, to[special - from]);
    } else if (c < 0x20 || (html && (c == '<' || c == '>' || c == '&'))) {
        buf_adds(b, c < 0x10 ? "\\u000" : c < 0x20 ? "\\u001" : c < 0x30 ? "\\u002" : "\\u003");
        buf_addc(b, hex[c & 15]);
    } else {
        buf_addc(b, c);
    }
}

/* How many bytes from the start of s are written as they are: the inner loop of every write. */
static size_t plain_run(struct slice s, bool html)
{
    enum { NEVER = 1, IN_HTML = 2 };
    static const unsigned char special[256] = {
        [0 ... 0x1f] = NEVER, [0x7f ... 0xff] = NEVER, ['"'] = NEVER,  ['\\'] = NEVER,
        ['<'] = IN_HTML,      ['>'] = IN_HTML,         ['&'] = IN_HTML};
    unsigned char stop = html ? NEVER | IN_HTML : NEVER;
    size_t n = 0;

    while (n < s.n && !(special[(unsigned char)s.p[n]] & stop))
        n++;
    return n;
}

void go_json_string(struct buf *b, struct slice s, bool html)
{
    buf_addc(b, '"');
    while (s.n) {
        uint32_t c = 0;
        size_t len = plain_run(s, html);

        buf_add(b, s.p, len);
        s.p += len;
        s.n -= len;
        if (!s.n)
            break;
        len = 1;
        if ((unsigned char)*s.p < 0x80) {
            json_ascii(b, *s.p, html);
        } else {
            len = slice_rune(s, &c);
            json_rune(b, s, len, c);
        }
        s.p += len ? len : 1;
        s.n -= len ? len : 1;
    }
    buf_addc(b, '"');
}

static void json_string(struct buf *b, yyjson_val *v)
{
    go_json_string(b, (struct slice){yyjson_get_str(v), yyjson_get_len(v)}, true);
}

static int by_key(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    size_t nx = yyjson_get_len(x->key), ny = yyjson_get_len(y->key);
    int c = memcmp(yyjson_get_str(x->key), yyjson_get_str(y->key), MIN(nx, ny));

    if (c || nx != ny)
        return c ? c : nx < ny ? -1 : 1;
    return (x->key > y->key) - (x->key < y->key); /* a document's values lie in its order */
}

bool member_same_key(const struct member *a, const struct member *b)
{
    size_t n = yyjson_get_len(a->key);

    return n == yyjson_get_len(b->key) &&
           memcmp(yyjson_get_str(a->key), yyjson_get_str(b->key), n) == 0;
}

struct member *members_sorted(yyjson_val *obj, size_t *ret_n)
{
    size_t n = yyjson_obj_size(obj), i = 0;
    struct member *members = xcalloc(n ? n : 1, sizeof(*members));

    json_each_member(obj, key, val)
        members[i++] = (struct member){key, val};
    qsort(members, n, sizeof(*members), by_key);
    *ret_n = n;
    return members;
}

static void json_object(struct buf *b, yyjson_val *v, bool sorted)
{
    size_t n, i = 0;

    if (sorted) {
        autofree struct member *members = members_sorted(v, &n);
        for (i = 0; i < n; i++) {
            buf_addc(b, i ? ',' : '{');
            json_string(b, members[i].key);
            buf_addc(b, ':');
            go_json(b, members[i].val, sorted);
        }
    } else {
        json_each_member(v, key, val) {
            buf_addc(b, i++ ? ',' : '{');
            json_string(b, key);
            buf_addc(b, ':');
            go_json(b, val, sorted);
        }
    }
    buf_adds(b, yyjson_obj_size(v) ? "}" : "{}");
}

void go_json(struct buf *b, yyjson_val *v, bool sorted)
{
    char number[GO_FLOAT_TEXT];

    if (yyjson_is_obj(v)) {
        json_object(b, v, sorted);
    } else if (yyjson_is_arr(v)) {
        buf_addc(b, '[');
        json_each(v, item, i, n) {
            if (i)
                buf_addc(b, ',');
            go_json(b, item, sorted);
        }
        buf_addc(b, ']');
    } else if (yyjson_is_str(v)) {
        json_string(b, v);
    } else if (yyjson_is_real(v)) {
        buf_adds(b, go_float_json(yyjson_get_real(v), number));
    } else if (v) {
        json_write(b, v);
    } else {
        buf_adds(b, "null");
    }
}

static void print_object(struct buf *b, yyjson_val *v)
{
    size_t n;
    autofree struct member *members = members_sorted(v, &n);

    buf_adds(b, "map[");
    for (size_t i = 0; i < n; i++) {
        buf_printf(b, "%s%s:", i ? " " : "", yyjson_get_str(members[i].key));
        go_print(b, members[i].val);
    }
    buf_addc(b, ']');
}

void go_print(struct buf *b, yyjson_val *v)
{
    char number[GO_FLOAT_TEXT];

    if (yyjson_is_obj(v)) {
        print_object(b, v);
    } else if (yyjson_is_arr(v)) {
        buf_addc(b, '[');
        json_each(v, item, i, n) {
            if (i)
                buf_addc(b, ' ');
            go_print(b, item);
        }
        buf_addc(b, ']');
    } else if (yyjson_is_str(v)) {
        buf_add(b, yyjson_get_str(v), yyjson_get_len(v));
    } else if (yyjson_is_real(v)) {
        buf_adds(b, go_float(yyjson_get_real(v), number));
    } else if (!v || yyjson_is_null(v)) {
        buf_adds(b, "<nil>");
    } else {
        json_write(b, v);
    }
}
