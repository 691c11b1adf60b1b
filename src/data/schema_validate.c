/*
 * Validating values, as kube-openapi's validators do, in their order: type, the junctors, strings,
 * formats, numbers, lists, enums, objects. Paths of this step write map keys as members ("a.key").
 */
#include "data/gofmt.h"
#include "data/schema_node.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>

struct validator {
    struct field_path path;
    struct field_errors *errs;
};

static const char *const type_names[] = {
    [TYPE_ANY] = "",
    [TYPE_OBJECT] = "object",
    [TYPE_ARRAY] = "array",
    [TYPE_STRING] = "string",
    [TYPE_INTEGER] = "integer",
    [TYPE_NUMBER] = "number",
    [TYPE_BOOLEAN] = "boolean",
    [TYPE_INT_OR_STRING] = "integer,string",
};

/*
 * Validates one value. Gives how many checks were passed or failed below it: among alternatives
 * that all fail, the one that got furthest is reported.
 */
static unsigned validate(struct validator *v, const struct schema *s, yyjson_val *val,
                         yyjson_val *old);

static const char *path_of(struct validator *v)
{
    return v->path.text.len ? path_text(&v->path) : NULL;
}

/* "PATH in body REST", with the path as kube-openapi has it. */
static char *sentence(struct validator *v, const char *fmt, ...) printf_like(2, 3);
static char *sentence(struct validator *v, const char *fmt, ...)
{
    struct buf b = BUF_INIT;
    va_list ap;

    buf_printf(&b, "%s in body ", path_text(&v->path));
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    return buf_take(&b);
}

static void invalid(struct validator *v, yyjson_val *value, char *text)
{
    if (value)
        field_invalid(v->errs, path_of(v), value, text);
    else
        field_invalid_str(v->errs, path_of(v), "", text);
    free(text);
}

/* Errors of junctors and ranges carry their path only in the text. */
static void pathless(struct validator *v, const char *text)
{
    field_invalid_str(v->errs, NULL, "", text);
}

/* ---- type ---- */

static enum json_type type_of(yyjson_val *v)
{
    switch (yyjson_get_type(v)) {
    case YYJSON_TYPE_OBJ:
        return TYPE_OBJECT;
    case YYJSON_TYPE_ARR:
        return TYPE_ARRAY;
    case YYJSON_TYPE_STR:
        return TYPE_STRING;
    case YYJSON_TYPE_BOOL:
        return TYPE_BOOLEAN;
    case YYJSON_TYPE_NUM:
        return yyjson_is_real(v) || (yyjson_is_uint(v) && yyjson_get_uint(v) > INT64_MAX)
                   ? TYPE_NUMBER
                   : TYPE_INTEGER;
    default:
        return TYPE_ANY;
    }
}

static bool type_fits(enum json_type want, enum json_type have, yyjson_val *v)
{
    if (want == have)
        return true;
    if (want == TYPE_NUMBER)
        return have == TYPE_INTEGER;
    if (want == TYPE_INT_OR_STRING && (have == TYPE_INTEGER || have == TYPE_STRING))
        return true;
    bool whole = have == TYPE_NUMBER && fabs(yyjson_get_num(v)) < 9007199254740992.0 &&
                 trunc(yyjson_get_num(v)) == yyjson_get_num(v);
    return whole && (want == TYPE_INTEGER || want == TYPE_INT_OR_STRING);
}

static void type_error(struct validator *v, const char *want, const char *have)
{
    autofree char *text = sentence(v, "must be of type %s: \"%s\"", want, have);

    field_type_invalid(v->errs, path_of(v), have, text);
}

static void check_type(struct validator *v, const struct schema *s, yyjson_val *val)
{
    enum json_type want = (enum json_type)s->type, have = type_of(val);
    const char *format = s->extra ? s->extra->format_name : NULL;
    bool textual = have == TYPE_STRING || have == TYPE_ARRAY;

    if (want == TYPE_ANY)
        return;
    if (yyjson_is_null(val)) {
        if (!(s->flags & SCHEMA_NULLABLE))
            type_error(v, type_names[want], "null");
        return;
    }
    if (type_fits(want, have, val))
        return;
    if (format && !textual) /* names the format, and Go's width of what is there */
        type_error(v, format,
                   have == TYPE_NUMBER    ? "float64"
                   : have == TYPE_INTEGER ? "int64"
                                          : "");
    else if (!(format && textual && want == TYPE_STRING))
        type_error(v, type_names[want], type_names[have]);
}

/* ---- junctors ---- */

/* Validates against one alternative, collecting its errors apart. */
static unsigned attempt(struct validator *v, const struct schema *s, yyjson_val *val,
                        struct field_errors *ret)
{
    struct field_errors *outer = v->errs;

    v->errs = ret;
    unsigned n = validate(v, s, val, NULL);
    v->errs = outer;
    return n;
}

static void move_errors(struct field_errors *to, struct field_errors *from)
{
    for (size_t i = 0; i < from->n; i++)
        field_error_add(to, from->v[i].type, from->v[i].field, from->v[i].message);
}

/* Tries all; gives how many fit, and the errors of the failure that got furthest. */
static unsigned try_all(struct validator *v, const struct schema_list *list, yyjson_val *val,
                        bool stop_at_first, struct field_errors *ret_best)
{
    unsigned fitting = 0, best = 0;

    for (size_t i = 0; i < list->n; i++) {
        struct field_errors errs cleanup(field_errors_done) = {0};
        unsigned n = attempt(v, list->v[i], val, &errs);
        if (!errs.n) {
            fitting++;
            field_errors_done(ret_best);
            if (stop_at_first)
                return fitting;
        } else if (!fitting && (!ret_best->n || n > best)) {
            struct field_errors old = *ret_best;
            best = n;
            *ret_best = errs;
            errs = old;
        }
    }
    return fitting;
}

static void junctor_error(struct validator *v, const char *fmt, unsigned n)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    go_quote(&b, buf_slice(&v->path.text));
    if (n > 1)
        buf_printf(
            &b, " must validate one and only one schema (oneOf). Found %u valid alternatives", n);
    else
        buf_adds(&b, fmt);
    pathless(v, buf_str(&b));
}

static void check_any_of(struct validator *v, const struct schema_list *list, yyjson_val *val)
{
    struct field_errors best cleanup(field_errors_done) = {0};

    if (list->n && !try_all(v, list, val, true, &best)) {
        junctor_error(v, " must validate at least one schema (anyOf)", 0);
        move_errors(v->errs, &best);
    }
}

static void check_one_of(struct validator *v, const struct schema_list *list, yyjson_val *val)
{
    struct field_errors best cleanup(field_errors_done) = {0};

    if (!list->n)
        return;
    unsigned n = try_all(v, list, val, false, &best);
    if (n == 1)
        return;
    junctor_error(v, " must validate one and only one schema (oneOf). Found none valid", n);
    move_errors(v->errs, &best);
}

static void check_all_of(struct validator *v, const struct schema_list *list, yyjson_val *val)
{
    size_t fitting = 0;

    for (size_t i = 0; i < list->n; i++) {
        struct field_errors errs cleanup(field_errors_done) = {0};
        attempt(v, list->v[i], val, &errs);
        fitting += !errs.n;
        move_errors(v->errs, &errs);
    }
    if (fitting != list->n)
        junctor_error(v,
                      fitting ? " must validate all the schemas (allOf)"
                              : " must validate all the schemas (allOf). None validated",
                      0);
}

static void check_junctors(struct validator *v, const struct schema_extra *x, yyjson_val *val)
{
    check_any_of(v, &x->any_of, val);
    check_one_of(v, &x->one_of, val);
    check_all_of(v, &x->all_of, val);
    if (x->not_) {
        struct field_errors errs cleanup(field_errors_done) = {0};
        attempt(v, x->not_, val, &errs);
        if (!errs.n)
            junctor_error(v, " must not validate the schema (not)", 0);
    }
}

/* ---- strings and numbers ---- */

static bool given(const struct schema_extra *x, enum schema_bound b)
{
    return x->given & 1u << b;
}

static int64_t count_of(const struct schema_extra *x, enum schema_bound b)
{
    double d = x->bounds[b];

    return d > 9e18 ? INT64_MAX : d < -9e18 ? INT64_MIN : (int64_t)d;
}

static int64_t rune_count(yyjson_val *val)
{
    const char *p = yyjson_get_str(val);
    int64_t n = 0;

    for (size_t i = 0; i < yyjson_get_len(val); i++)
        n += (p[i] & 0xc0) != 0x80;
    return n;
}

static void check_string(struct validator *v, const struct schema_extra *x, yyjson_val *val)
{
    struct slice text = {yyjson_get_str(val), yyjson_get_len(val)};
    int64_t n = rune_count(val);

    if (given(x, BOUND_MAX_LENGTH) && n > count_of(x, BOUND_MAX_LENGTH))
        field_too_long(v->errs, path_of(v), count_of(x, BOUND_MAX_LENGTH));
    else if (given(x, BOUND_MIN_LENGTH) && n < count_of(x, BOUND_MIN_LENGTH))
        invalid(v, val,
                sentence(v, "should be at least %lld chars long",
                         (long long)count_of(x, BOUND_MIN_LENGTH)));
    else if (x->regex && !regex_matches(x->regex, text))
        invalid(v, val, sentence(v, "should match '%s'", x->pattern));
    if (x->format && !schema_format_matches(x->format, text)) {
        struct buf quoted cleanup(buf_done) = BUF_INIT;
        go_quote(&quoted, text);
        autofree char *detail =
            sentence(v, "must be of type %s: %s", x->format_name, buf_str(&quoted));
        field_type_invalid(v->errs, path_of(v), text.p, detail);
    }
}

/* A bound as Go prints it: beside an integer as an integer. */
static const char *bound_text(double bound, yyjson_val *val, char out[GO_FLOAT_TEXT])
{
    if (type_of(val) == TYPE_INTEGER && fabs(bound) < 9e18) {
        snprintf(out, GO_FLOAT_TEXT, "%lld", (long long)bound);
        return out;
    }
    return go_float(bound, out);
}

static bool is_multiple(yyjson_val *val, double factor)
{
    double n = yyjson_get_num(val);

    if (type_of(val) == TYPE_INTEGER && fabs(factor) >= 1)
        return yyjson_get_sint(val) % (int64_t)factor == 0;
    double times = factor < 1 ? 1 / factor * n : n / factor;
    return fabs(times - nearbyint(times)) <= 1e-9 * MAX(1, fabs(times));
}

static void check_range(struct validator *v, const struct schema *s, yyjson_val *val)
{
    const char *format = s->extra->format;
    double n = yyjson_get_num(val);
    char text[700];

    if (s->type != TYPE_INTEGER || !format)
        return;
    bool fits = !strcmp(format, "int32") ? n >= INT32_MIN && n <= INT32_MAX : fabs(n) < 9.3e18;
    if (fits && n == trunc(n))
        return;
    snprintf(text, sizeof(text), "Checked value must be of type integer with format %s in %s",
             format, path_text(&v->path));
    pathless(v, text);
}

static void check_number(struct validator *v, const struct schema *s, yyjson_val *val)
{
    const struct schema_extra *x = s->extra;
    bool over = s->flags & SCHEMA_EXCLUSIVE_MIN, under = s->flags & SCHEMA_EXCLUSIVE_MAX;
    double n = yyjson_get_num(val), min = x->bounds[BOUND_MIN], max = x->bounds[BOUND_MAX];
    char text[GO_FLOAT_TEXT];

    check_range(v, s, val);
    if (given(x, BOUND_MULTIPLE) && x->bounds[BOUND_MULTIPLE] > 0 &&
        !is_multiple(val, x->bounds[BOUND_MULTIPLE]))
        invalid(v, val,
                sentence(v, "should be a multiple of %s",
                         bound_text(x->bounds[BOUND_MULTIPLE], val, text)));
    if (given(x, BOUND_MIN) && (over ? n <= min : n < min))
        invalid(v, val,
                sentence(v, "should be greater than %s%s", over ? "" : "or equal to ",
                         bound_text(min, val, text)));
    if (given(x, BOUND_MAX) && (under ? n >= max : n > max))
        invalid(v, val,
                sentence(v, "should be less than %s%s", under ? "" : "or equal to ",
                         bound_text(max, val, text)));
}

/* ---- lists ---- */

static bool has_duplicates(yyjson_val *arr)
{
    json_each(arr, a, i, n)
        json_each(arr, b, j, m)
            if (j < i && json_equal(a, b))
                return true;
    return false;
}

static void check_list_bounds(struct validator *v, const struct schema *s, yyjson_val *arr)
{
    const struct schema_extra *x = s->extra;
    int64_t n = (int64_t)yyjson_arr_size(arr);

    if (x && given(x, BOUND_MIN_ITEMS) && n < count_of(x, BOUND_MIN_ITEMS)) {
        autofree char *text =
            sentence(v, "should have at least %lld items", (long long)count_of(x, BOUND_MIN_ITEMS));
        char message[900];
        snprintf(message, sizeof(message), "Invalid value: %lld: %s", (long long)n, text);
        field_error_add(v->errs, FIELD_INVALID, path_of(v), message);
    }
    if (x && given(x, BOUND_MAX_ITEMS) && n > count_of(x, BOUND_MAX_ITEMS))
        field_too_many(v->errs, path_of(v), n, count_of(x, BOUND_MAX_ITEMS));
    if (s->flags & SCHEMA_UNIQUE_ITEMS && has_duplicates(arr))
        invalid(v, NULL, sentence(v, "shouldn't contain duplicates"));
}

yyjson_val *schema_old_item(const struct schema *s, yyjson_val *old, yyjson_val *item)
{
    if (s->list_type != LIST_MAP || !s->extra || !yyjson_is_obj(item))
        return NULL;
    json_each(old, candidate, i, n) {
        bool same = yyjson_is_obj(candidate);
        for (size_t k = 0; same && k < s->extra->list_keys.n; k++) {
            const char *key = s->extra->list_keys.v[k];
            same = json_equal(json_get(candidate, key), json_get(item, key));
        }
        if (same)
            return candidate;
    }
    return NULL;
}

static unsigned check_list(struct validator *v, const struct schema *s, yyjson_val *arr,
                           yyjson_val *old)
{
    size_t mark = path_mark(&v->path);
    unsigned checks = 1;

    json_each(arr, item, i, n) {
        if (!s->items)
            break;
        path_index(&v->path, i);
        checks += validate(v, s->items, item, schema_old_item(s, old, item));
        path_back(&v->path, mark);
    }
    check_list_bounds(v, s, arr);
    return checks;
}

/* ---- enums ---- */

static bool in_enum(yyjson_val *words, yyjson_val *val)
{
    json_each(words, word, i, n)
        if (json_equal(word, val) || (yyjson_is_num(word) && yyjson_is_num(val) &&
                                      yyjson_get_num(word) == yyjson_get_num(val)))
            return true;
    return false;
}

static void check_enum(struct validator *v, const struct json *enum_, yyjson_val *val)
{
    yyjson_val *words = json_root(enum_);
    size_t n_words = yyjson_arr_size(words);

    if (in_enum(words, val))
        return;
    autofree char **texts = xcalloc(n_words + 1, sizeof(*texts));
    json_each(words, word, i, n)
        texts[i] = yyjson_is_str(word) ? xstrdup(yyjson_get_str(word)) : json_text(word);
    field_not_supported(v->errs, path_of(v), val, (const char *const *)texts, n_words);
    for (size_t k = 0; k < n_words; k++)
        free(texts[k]);
}

/* ---- objects ---- */

static void check_object_bounds(struct validator *v, const struct schema_extra *x, yyjson_val *obj)
{
    int64_t n = (int64_t)yyjson_obj_size(obj);

    if (given(x, BOUND_MIN_PROPS) && n < count_of(x, BOUND_MIN_PROPS)) {
        autofree char *text = sentence(v, "should have at least %lld properties",
                                       (long long)count_of(x, BOUND_MIN_PROPS));
        char message[900];
        snprintf(message, sizeof(message), "Invalid value: %lld: %s", (long long)n, text);
        field_error_add(v->errs, FIELD_INVALID, path_of(v), message);
    }
    if (given(x, BOUND_MAX_PROPS) && n > count_of(x, BOUND_MAX_PROPS))
        field_too_many(v->errs, path_of(v), n, count_of(x, BOUND_MAX_PROPS));
}

static void forbidden_member(struct validator *v, const char *key)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    buf_printf(&b, "%s.%s in body is a forbidden property", path_text(&v->path), key);
    field_invalid_str(v->errs, path_of(v), key, buf_str(&b));
}

/* Members that are no properties. */
static unsigned check_additional(struct validator *v, const struct schema *s, yyjson_val *obj,
                                 yyjson_val *old)
{
    size_t mark = path_mark(&v->path);
    unsigned checks = 0;

    if (!s->additional && !(s->flags & SCHEMA_ADDITIONAL_NONE))
        return 0;
    json_each_member(obj, key, val) {
        struct slice name = {yyjson_get_str(key), yyjson_get_len(key)};
        if (schema_property(s, name))
            continue;
        if (s->flags & SCHEMA_ADDITIONAL_NONE) {
            forbidden_member(v, name.p);
            continue;
        }
        path_child(&v->path, name);
        checks += validate(v, s->additional, val, yyjson_obj_getn(old, name.p, name.n));
        path_back(&v->path, mark);
    }
    return checks;
}

static void check_required(struct validator *v, const struct schema_extra *x, yyjson_val *obj)
{
    size_t mark = path_mark(&v->path);

    for (size_t i = 0; i < x->required.n; i++) {
        if (json_get(obj, x->required.v[i]))
            continue;
        path_child(&v->path, slice_of(x->required.v[i]));
        field_required(v->errs, path_of(v), "");
        path_back(&v->path, mark);
    }
}

static unsigned check_object(struct validator *v, const struct schema *s, yyjson_val *obj,
                             yyjson_val *old)
{
    size_t mark = path_mark(&v->path);

    if (s->extra)
        check_object_bounds(v, s->extra, obj);
    unsigned checks = 1 + check_additional(v, s, obj, old);
    for (size_t i = 0; i < s->n_props; i++) {
        yyjson_val *val = json_get(obj, s->props[i].name);
        if (!val)
            continue;
        path_child(&v->path, slice_of(s->props[i].name));
        checks += validate(v, s->props[i].schema, val, json_get(old, s->props[i].name));
        path_back(&v->path, mark);
    }
    if (s->extra)
        check_required(v, s->extra, obj);
    return checks;
}

/* ---- one value ---- */

static unsigned check_value(struct validator *v, const struct schema *s, yyjson_val *val,
                            yyjson_val *old)
{
    const struct schema_extra *x = s->extra;
    unsigned checks = 1;

    check_type(v, s, val);
    if (x && !yyjson_is_null(val))
        check_junctors(v, x, val);
    if (x && yyjson_is_str(val))
        check_string(v, x, val);
    if (x && yyjson_is_num(val))
        check_number(v, s, val);
    if (yyjson_is_arr(val))
        checks += check_list(v, s, val, old);
    if (x && x->enum_)
        check_enum(v, x->enum_, val);
    if (yyjson_is_obj(val))
        checks += check_object(v, s, val, old);
    return checks;
}

static unsigned validate(struct validator *v, const struct schema *s, yyjson_val *val,
                         yyjson_val *old)
{
    size_t before = v->errs->n;
    unsigned checks = check_value(v, s, val, old);

    /* ratcheting: what was there before, just so, may stay */
    if (old && v->errs->n > before && json_equal(old, val)) {
        struct field_errors dropped = {.v = v->errs->v + before, .n = v->errs->n - before};
        for (size_t i = 0; i < dropped.n; i++) {
            free(dropped.v[i].field);
            free(dropped.v[i].message);
        }
        v->errs->n = before;
    }
    return checks;
}

void schema_validate_values(const struct schema *s, yyjson_val *obj, yyjson_val *old,
                            struct field_errors *errs)
{
    struct validator v = {.errs = errs};

    validate(&v, s, obj, old);
    buf_done(&v.path.text);
}

/* Kinds of errors after which rules are not run, since they may rely on what is wrong. */
static bool is_blocking(enum field_error_type type)
{
    return type == FIELD_NOT_SUPPORTED || type == FIELD_MISSING || type == FIELD_TOO_LONG ||
           type == FIELD_TOO_MANY || type == FIELD_TYPE_INVALID;
}

void schema_validate(const struct schema *s, yyjson_val *obj, yyjson_val *old,
                     struct field_errors *errs)
{
    size_t first = errs->n;
    bool blocked = false;

    schema_validate_values(s, obj, old, errs);
    schema_validate_embedded(s, obj, errs);
    struct field_errors before cleanup(field_errors_done) = {0};
    if (old)
        schema_validate_lists(s, old, &before);
    if (!before.n)
        schema_validate_lists(s, obj, errs);
    if (!(s->flags & SCHEMA_HAS_RULES))
        return;
    for (size_t i = first; i < errs->n; i++)
        blocked |= is_blocking(errs->v[i].type);
    if (blocked)
        field_invalid(errs, NULL, NULL,
                      "some validation rules were not checked because the object was invalid; "
                      "correct the existing errors to complete validation");
    else
        schema_validate_rules(s, obj, old, errs);
}
