#include "base/names.h"

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z');
}

static bool is_lower_alnum(char c)
{
    return is_lower(c) || is_digit(c);
}

/* Non-empty, edges of alnum, the middle of alnum or '-'. */
static bool label_shape(struct slice s)
{
    if (!s.n || !is_lower_alnum(s.p[0]) || !is_lower_alnum(s.p[s.n - 1]))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_lower_alnum(s.p[i]) && s.p[i] != '-')
            return false;
    return true;
}

const char *name_dns1123_label(struct slice s)
{
    if (s.n > 63)
        return "must be no more than 63 bytes";
    if (label_shape(s))
        return NULL;
    return "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
           "and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', "
           "regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
}

const char *name_dns1123_subdomain(struct slice s)
{
    struct slice rest = s, part;

    if (s.n > 253)
        return "must be no more than 253 bytes";
    bool ok = s.n > 0;
    while (ok && slice_cut(&rest, '.', &part))
        ok = label_shape(part);
    if (ok)
        return NULL;
    return "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' "
           "or '.', and must start and end with an alphanumeric character (e.g. 'example.com', "
           "regex used for validation is "
           "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
}

const char *name_dns1035_label(struct slice s)
{
    if (s.n > 63)
        return "must be no more than 63 bytes";
    if (label_shape(s) && is_lower(s.p[0]))
        return NULL;
    return "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with "
           "an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or "
           "'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
}

static bool name_shape(struct slice s)
{
    if (!s.n || !is_alnum(s.p[0]) || !is_alnum(s.p[s.n - 1]))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != '.')
            return false;
    return true;
}

#define NAME_RULE                                                                                  \
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "    \
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "         \
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"

const char *name_qualified(struct slice s)
{
    const char *slash = s.n ? memchr(s.p, '/', s.n) : NULL;
    struct slice name = s;

    if (slash) {
        struct slice prefix = {s.p, (size_t)(slash - s.p)};
        name = (struct slice){slash + 1, s.n - prefix.n - 1};
        if (!prefix.n)
            return "prefix part must be non-empty";
        if (name_dns1123_subdomain(prefix))
            return "prefix part a lowercase RFC 1123 subdomain must consist of lower case "
                   "alphanumeric characters, '-' or '.', and must start and end with an "
                   "alphanumeric character (e.g. 'example.com', regex used for validation is "
                   "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
        if (name.n && memchr(name.p, '/', name.n))
            return "a qualified name " NAME_RULE
                   " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
    }
    if (!name.n)
        return "name part must be non-empty";
    if (name.n > 63)
        return "name part must be no more than 63 bytes";
    return name_shape(name) ? NULL : "name part " NAME_RULE;
}

const char *name_label_value(struct slice s)
{
    if (s.n > 63)
        return "must be no more than 63 bytes";
    if (!s.n || name_shape(s))
        return NULL;
    return "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' "
           "or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
           "'my_value',  or '12345', regex used for validation is "
           "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
}
