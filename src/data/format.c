/* String formats that CRD schemas may name; those of other names are ignored. */
#include "data/schema_node.h"
#include "base/mem.h"
#include "base/names.h"
#include "base/timefmt.h"

#include <arpa/inet.h>
#include <ctype.h>

static bool is_pattern(struct slice s, const char *pattern)
{
    struct regex *re cleanup(regex_free_p) = NULL;

    return regex_compile(slice_of(pattern), &re, NULL) == 0 && regex_matches(re, s);
}

static bool is_address(struct slice s, int family)
{
    unsigned char out[16];
    autofree char *text = xstrndup(s.p, s.n);

    return strlen(text) == s.n && inet_pton(family, text, out) == 1;
}

static bool is_ipv4(struct slice s)
{
    return is_address(s, AF_INET);
}

static bool is_ipv6(struct slice s)
{
    return is_address(s, AF_INET6);
}

static bool is_cidr(struct slice s)
{
    struct slice rest = s, address;
    int64_t bits;

    if (!slice_cut(&rest, '/', &address) || !slice_int64(rest, &bits) || bits < 0)
        return false;
    return (bits <= 32 && is_ipv4(address)) || (bits <= 128 && is_ipv6(address));
}

static bool is_datetime(struct slice s)
{
    int64_t ns;

    return time_parse(s, &ns);
}

static bool is_date(struct slice s)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    if (s.n != 10)
        return false;
    buf_add_slice(&b, s);
    buf_adds(&b, "T00:00:00Z");
    return is_datetime(buf_slice(&b));
}

static bool is_base64(struct slice s)
{
    size_t pad = 0;

    if (s.n % 4)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '=')
            pad++;
        else if (pad || !(isalnum(c) || c == '+' || c == '/'))
            return false;
    }
    return pad <= 2;
}

static bool is_short_name(struct slice s)
{
    return !name_dns1123_label(s);
}

static bool is_long_name(struct slice s)
{
    return !name_dns1123_subdomain(s);
}

static bool is_anything(struct slice s)
{
    (void)s;
    return true;
}

#define HEX "[0-9a-fA-F]"

static const struct {
    const char *name; /* as messages show it: without dashes */
    bool (*matches)(struct slice s);
    const char *pattern; /* instead of a function */
} formats[] = {
    {"bsonobjectid", NULL, "^" HEX "{24}$"},
    {"uri", NULL, "^([A-Za-z][A-Za-z0-9+.-]*:|/)[^ ]*$"},
    {"email", NULL, "^[^@ <>]+@[^@ <>]+$"},
    {"hostname", NULL,
     "^([a-zA-Z0-9]([a-zA-Z0-9-]{0,62}[a-zA-Z0-9])?\\.)*[a-zA-Z0-9]([a-zA-Z0-9-]{0,62}[a-zA-Z0-9])?"
     "\\.?$"},
    {"ipv4", is_ipv4, NULL},
    {"ipv6", is_ipv6, NULL},
    {"cidr", is_cidr, NULL},
    {"mac", NULL, "^(" HEX "{2}[:-]){5}" HEX "{2}$|^(" HEX "{4}\\.){2}" HEX "{4}$"},
    {"uuid", NULL, "^" HEX "{8}-?" HEX "{4}-?" HEX "{4}-?" HEX "{4}-?" HEX "{12}$"},
    {"uuid3", NULL, "^" HEX "{8}-?" HEX "{4}-?3" HEX "{3}-?" HEX "{4}-?" HEX "{12}$"},
    {"uuid4", NULL, "^" HEX "{8}-?" HEX "{4}-?4" HEX "{3}-?[89abAB]" HEX "{3}-?" HEX "{12}$"},
    {"uuid5", NULL, "^" HEX "{8}-?" HEX "{4}-?5" HEX "{3}-?[89abAB]" HEX "{3}-?" HEX "{12}$"},
    {"isbn", NULL, "^[0-9-]{9,17}[0-9Xx]$"},
    {"isbn10", NULL, "^[0-9-]{9,12}[0-9Xx]$"},
    {"isbn13", NULL, "^[0-9-]{13,17}$"},
    {"creditcard", NULL, "^[0-9 -]{13,19}$"},
    {"ssn", NULL, "^[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}$"},
    {"hexcolor", NULL, "^#?(" HEX "{3}|" HEX "{6})$"},
    {"rgbcolor", NULL, "^rgb\\([ 0-9,]+\\)$"},
    {"byte", is_base64, NULL},
    {"password", is_anything, NULL},
    {"date", is_date, NULL},
    {"duration", NULL,
     "^[-+]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+) "
     "?[a-z\xc2\xb5]+(([0-9]+(\\.[0-9]*)?|\\.[0-9]+)[a-z\xc2\xb5]+)*$|^0$"},
    {"datetime", is_datetime, NULL},
    {"k8sshortname", is_short_name, NULL},
    {"k8slongname", is_long_name, NULL},
};

static const char *find_format(const char *format)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    for (; *format; format++)
        if (*format != '-')
            buf_addc(&b, *format);
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
        if (!strcmp(formats[i].name, buf_str(&b)))
            return formats[i].name;
    return NULL;
}

const char *schema_format(enum json_type type, const char *format)
{
    static const char *const numeric[] = {"int32", "int64", "float", "double"};

    if (!*format)
        return NULL;
    if (type == TYPE_STRING || type == TYPE_ANY)
        return find_format(format);
    for (size_t i = 0; i < ARRAY_SIZE(numeric); i++)
        if ((type == TYPE_INTEGER ? i < 2 : type == TYPE_NUMBER && i >= 2) &&
            !strcmp(numeric[i], format))
            return numeric[i];
    return NULL;
}

bool schema_format_matches(const char *format, struct slice text)
{
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
        if (!strcmp(formats[i].name, format))
            return formats[i].matches ? formats[i].matches(text)
                                      : is_pattern(text, formats[i].pattern);
    return true;
}
