/* The checks of any kind that rules.h declares. */
#include "apiserver/kinds/rules.h"

#include "base/names.h"
#include "data/quantity.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>

static struct slice str_of(yyjson_val *v)
{
    return yyjson_is_str(v) ? (struct slice){yyjson_get_str(v), yyjson_get_len(v)} : SLICE("");
}

bool str_in(const char *word, const char *list)
{
    struct slice rest = slice_of(list), one;

    while (slice_cut(&rest, '|', &one))
        if (slice_is(one, word))
            return true;
    return false;
}

void check_required(struct check *c, const struct rule *r, const struct site *s)
{
    if (json_is_empty(s->v))
        field_required(c->errs, s->path, r->text);
}

void check_present(struct check *c, const struct rule *r, const struct site *s)
{
    if (!s->v)
        field_required(c->errs, s->path, r->text);
}

void check_min(struct check *c, const struct rule *r, const struct site *s)
{
    if (yyjson_is_int(s->v) && yyjson_get_sint(s->v) < r->min)
        check_add_invalid(c, s, r->text ? r->text : "must be greater than or equal to 0");
}

void check_range(struct check *c, const struct rule *r, const struct site *s)
{
    char detail[96];

    if (!yyjson_is_int(s->v))
        return;
    int64_t n = yyjson_get_sint(s->v);
    if (n >= r->min && n <= r->max)
        return;
    snprintf(detail, sizeof detail, "must be between %lld and %lld, inclusive", (long long)r->min,
             (long long)r->max);
    check_add_invalid(c, s, r->text ? r->text : detail);
}

static const char port_range[] = "must be between 1 and 65535, inclusive";

void check_port(struct check *c, const struct rule *r, const struct site *s)
{
    int64_t n = yyjson_get_sint(s->v);

    if (!n && r->text)
        field_required(c->errs, s->path, NULL);
    else if (n < 1 || n > 65535)
        check_add_invalid(c, s, port_range);
}

static void not_supported(struct check *c, const struct rule *r, const struct site *s)
{
    struct slice rest = slice_of(r->text), one;
    struct arena a = {0};
    const char *words[24];
    size_t n = 0;

    while (n < ARRAY_SIZE(words) && slice_cut(&rest, '|', &one))
        words[n++] = arena_strndup(&a, one.p, one.n);
    field_not_supported(c->errs, s->path, s->v, words, n);
    arena_done(&a);
}

void check_enum(struct check *c, const struct rule *r, const struct site *s)
{
    if (str_of(s->v).n && !str_in(yyjson_get_str(s->v), r->text))
        not_supported(c, r, s);
}

void check_enum_needed(struct check *c, const struct rule *r, const struct site *s)
{
    if (!str_of(s->v).n)
        field_required(c->errs, s->path, NULL);
    else
        check_enum(c, r, s);
}

void check_name(struct check *c, const struct rule *r, const struct site *s)
{
    const char *why = str_of(s->v).n ? r->name(str_of(s->v)) : NULL;

    if (why)
        check_add_invalid(c, s, why);
}

void check_name_needed(struct check *c, const struct rule *r, const struct site *s)
{
    if (!str_of(s->v).n)
        field_required(c->errs, s->path, r->text);
    else
        check_name(c, r, s);
}

void check_immutable(struct check *c, const struct rule *r, const struct site *s)
{
    if (c->old_root && !json_equal(s->v, s->old))
        check_add_invalid(c, s, r->text ? r->text : "field is immutable");
}

void check_unique(struct check *c, const struct rule *r, const struct site *s)
{
    json_each(s->v, item, i, n) {
        yyjson_val *v = *r->text ? json_get(item, r->text) : item;
        if (!v || json_is_empty(v))
            continue;
        for (size_t k = 0; k < i; k++) {
            yyjson_val *other = yyjson_arr_get(s->v, k);
            if (!json_equal(v, *r->text ? json_get(other, r->text) : other))
                continue;
            field_duplicate(c->errs,
                            check_at(c, s->path, "[%zu]%s%s", i, *r->text ? "." : "", r->text), v);
            break;
        }
    }
}

void check_forbidden(struct check *c, const struct rule *r, const struct site *s)
{
    if (s->v && !json_is_empty(s->v))
        field_forbidden(c->errs, s->path, r->text);
}

void check_max_len(struct check *c, const struct rule *r, const struct site *s)
{
    if ((int64_t)str_of(s->v).n > r->max)
        field_too_long(c->errs, s->path, r->max);
}

void check_labels(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    json_each_member(s->v, key, val) {
        const char *why = name_qualified(str_of(key));
        if (why)
            field_invalid(c->errs, s->path, key, why);
        why = name_label_value(str_of(val));
        if (why)
            field_invalid(c->errs, s->path, val, why);
    }
}

void check_annotations(struct check *c, const struct rule *r, const struct site *s)
{
    char lower[320];

    (void)r;
    json_each_member(s->v, key, val) {
        struct slice k = str_of(key);
        for (size_t i = 0; i < MIN(k.n, sizeof lower); i++)
            lower[i] = (char)tolower((unsigned char)k.p[i]);
        const char *why = name_qualified((struct slice){lower, MIN(k.n, sizeof lower)});
        if (why && val)
            field_invalid(c->errs, s->path, key, why);
    }
}

static void check_expression(struct check *c, const char *path, yyjson_val *e)
{
    const char *op = json_get_str(e, "operator", "");
    bool listed = str_in(op, "In|NotIn"), values = yyjson_arr_size(json_get(e, "values")) > 0;
    static const char at_in[] = "must be specified when `operator` is 'In' or 'NotIn'";
    static const char at_exists[] =
        "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
    const char *why = name_qualified(str_of(json_get(e, "key")));

    if (listed && !values)
        field_required(c->errs, check_at(c, path, ".values"), at_in);
    else if (str_in(op, "Exists|DoesNotExist") && values)
        field_forbidden(c->errs, check_at(c, path, ".values"), at_exists);
    else if (!listed && !str_in(op, "Exists|DoesNotExist"))
        field_invalid(c->errs, check_at(c, path, ".operator"), json_get(e, "operator"),
                      "not a valid selector operator");
    if (why)
        field_invalid(c->errs, check_at(c, path, ".key"), json_get(e, "key"), why);
    json_each(json_get(e, "values"), v, i, n) {
        why = name_label_value(str_of(v));
        if (why)
            field_invalid(c->errs, check_at(c, path, ".values[%zu]", i), v, why);
    }
}

void check_label_selector(struct check *c, const struct rule *r, const struct site *s)
{
    static const struct rule labels[] = {{"matchLabels", check_labels}, {NULL}};
    char path[1024];

    (void)r;
    if (!s->v)
        return;
    snprintf(path, sizeof path, "%s", s->path);
    rules_apply(c, labels, s->v, NULL, path);
    json_each(json_get(s->v, "matchExpressions"), e, i, n) {
        char at[1100];
        snprintf(at, sizeof at, "%s.matchExpressions[%zu]", path, i);
        check_expression(c, at, e);
    }
}

void check_env_name(struct check *c, const struct rule *r, const struct site *s)
{
    const char *why;

    (void)r;
    if (!str_of(s->v).n)
        field_required(c->errs, s->path, NULL);
    else if ((why = name_env(str_of(s->v))))
        check_add_invalid(c, s, why);
}

void check_quantity_nonneg(struct check *c, const struct rule *r, const struct site *s)
{
    struct quantity q;

    (void)r;
    if (yyjson_is_str(s->v) && quantity_parse(str_of(s->v), &q, NULL) == 0 && q.mantissa < 0)
        check_add_invalid(c, s, "must be greater than or equal to 0");
}

void check_absolute(struct check *c, const struct rule *r, const struct site *s)
{
    if (str_of(s->v).n && *yyjson_get_str(s->v) != '/')
        check_add_invalid(c, s, r->text);
}

void check_port_number_or_name(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (yyjson_is_int(s->v)) {
        int64_t n = yyjson_get_sint(s->v);
        if (n < 1 || n > 65535)
            check_add_invalid(c, s, port_range);
        return;
    }
    const char *why = yyjson_is_str(s->v) ? name_service_port(str_of(s->v)) : NULL;
    if (why)
        check_add_invalid(c, s, why);
}

static bool is_percent(struct slice t)
{
    if (t.n < 2 || t.p[t.n - 1] != '%')
        return false;
    for (size_t i = 0; i + 1 < t.n; i++)
        if (t.p[i] < '0' || t.p[i] > '9')
            return false;
    return true;
}

void check_percent_or_int(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (yyjson_is_int(s->v) && yyjson_get_sint(s->v) < 0)
        check_add_invalid(c, s, "must be greater than or equal to 0");
    if (yyjson_is_str(s->v) && !is_percent(str_of(s->v)))
        check_add_invalid(
            c, s,
            "a valid percent string must be a numeric string followed by an ending '%' "
            "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')");
}

void check_hundred(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (yyjson_is_str(s->v) && is_percent(str_of(s->v)) &&
        strtol(yyjson_get_str(s->v), NULL, 10) > 100)
        check_add_invalid(c, s, "must not be greater than 100%");
}

void check_ip(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    if (str_of(s->v).n && !is_ip(yyjson_get_str(s->v)))
        check_add_invalid(c, s, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
}

bool is_ip(const char *s)
{
    unsigned char a[16];

    return inet_pton(AF_INET, s, a) == 1 || inet_pton(AF_INET6, s, a) == 1;
}

bool is_cidr(const char *s)
{
    const char *slash = strchr(s, '/');
    char ip[64];
    int64_t bits;

    if (!slash || (size_t)(slash - s) >= sizeof ip || !slice_int64(slice_of(slash + 1), &bits))
        return false;
    memcpy(ip, s, (size_t)(slash - s));
    ip[slash - s] = 0;
    return is_ip(ip) && bits >= 0 && bits <= (strchr(ip, ':') ? 128 : 32);
}

const char *name_service_port(struct slice s)
{
    bool letter = false;

    if (s.n > 15)
        return "must be no more than 15 characters";
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        letter |= ch >= 'a' && ch <= 'z';
        if (!((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '-'))
            return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
        if (ch == '-' && i + 1 < s.n && s.p[i + 1] == '-')
            return "must not contain consecutive hyphens";
    }
    if (!letter)
        return "must contain at least one letter (a-z)";
    if (s.p[0] == '-' || s.p[s.n - 1] == '-')
        return "must not begin or end with a hyphen";
    return NULL;
}

const char *name_env(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] > '~' || s.p[i] == '=')
            return "a valid environment variable name must consist only of printable ASCII "
                   "characters other than '='";
    return NULL;
}

const char *name_config_key(struct slice s)
{
    if (s.n > 253)
        return "must be no more than 253 characters";
    if (slice_is(s, "."))
        return "must not be '.'";
    if (slice_is(s, ".."))
        return "must not be '..'";
    if (slice_starts(s, SLICE("..")))
        return "must not start with '..'";
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && !strchr("-._", s.p[i]))
            return "a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
                   "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation "
                   "is '[-._a-zA-Z0-9]+')";
    return s.n ? NULL
               : "a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
                 "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for "
                 "validation is '[-._a-zA-Z0-9]+')";
}
