#include "data/field_error.h"
#include "data/gofmt.h"
#include "base/mem.h"

#include <stdio.h>

static const struct {
    const char *reason, *words;
} types[] = {
    [FIELD_NOT_FOUND] = {"FieldValueNotFound", "Not found"},
    [FIELD_MISSING] = {"FieldValueRequired", "Required value"},
    [FIELD_DUPLICATE] = {"FieldValueDuplicate", "Duplicate value"},
    [FIELD_INVALID] = {"FieldValueInvalid", "Invalid value"},
    [FIELD_NOT_SUPPORTED] = {"FieldValueNotSupported", "Unsupported value"},
    [FIELD_FORBIDDEN] = {"FieldValueForbidden", "Forbidden"},
    [FIELD_TOO_LONG] = {"FieldValueTooLong", "Too long"},
    [FIELD_TOO_MANY] = {"FieldValueTooMany", "Too many"},
    [FIELD_INTERNAL] = {"InternalError", "Internal error"},
    [FIELD_TYPE_INVALID] = {"FieldValueTypeInvalid", "Invalid value"},
};

void field_errors_done(struct field_errors *errs)
{
    for (size_t i = 0; i < errs->n; i++) {
        free(errs->v[i].field);
        free(errs->v[i].message);
    }
    free(errs->v);
    *errs = (struct field_errors){0};
}

const char *field_error_reason(enum field_error_type type)
{
    return types[type].reason;
}

void field_errors_text(const struct field_errors *errs, struct buf *ret)
{
    if (errs->n > 1)
        buf_addc(ret, '[');
    for (size_t i = 0; i < errs->n; i++)
        buf_printf(ret, "%s%s: %s", i ? ", " : "", errs->v[i].field, errs->v[i].message);
    if (errs->n > 1)
        buf_addc(ret, ']');
}

void field_error_add(struct field_errors *errs, enum field_error_type type, const char *field,
                     const char *message)
{
    if (errs->n == errs->cap) {
        errs->cap = errs->cap ? errs->cap * 2 : 4;
        errs->v = xrealloc(errs->v, errs->cap, sizeof(*errs->v));
    }
    errs->v[errs->n++] = (struct field_error){
        .type = type,
        .field = xstrdup(field ? field : "<nil>"),
        .message = xstrdup(message),
    };
}

/* value_text is already printed; NULL leaves it out. */
static void add(struct field_errors *errs, enum field_error_type type, const char *field,
                const char *value_text, const char *detail)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    buf_adds(&b, types[type].words);
    if (value_text)
        buf_printf(&b, ": %s", value_text);
    if (detail && *detail)
        buf_printf(&b, ": %s", detail);
    field_error_add(errs, type, field, buf_str(&b));
}

static void add_value(struct field_errors *errs, enum field_error_type type, const char *field,
                      yyjson_val *value, const char *detail)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    char number[GO_FLOAT_TEXT];

    if (yyjson_is_str(value))
        go_quote(&b, (struct slice){yyjson_get_str(value), yyjson_get_len(value)});
    else if (yyjson_is_real(value))
        buf_adds(&b, go_float(yyjson_get_real(value), number));
    else
        go_json(&b, value, false);
    add(errs, type, field, buf_str(&b), detail);
}

void field_required(struct field_errors *errs, const char *field, const char *detail)
{
    add(errs, FIELD_MISSING, field, NULL, detail);
}

void field_invalid(struct field_errors *errs, const char *field, yyjson_val *value,
                   const char *detail)
{
    add_value(errs, FIELD_INVALID, field, value, detail);
}

static void add_str(struct field_errors *errs, enum field_error_type type, const char *field,
                    const char *value, const char *detail)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    go_quote(&b, slice_of(value));
    add(errs, type, field, buf_str(&b), detail);
}

void field_invalid_str(struct field_errors *errs, const char *field, const char *value,
                       const char *detail)
{
    add_str(errs, FIELD_INVALID, field, value, detail);
}

void field_type_invalid(struct field_errors *errs, const char *field, const char *value,
                        const char *detail)
{
    add_str(errs, FIELD_TYPE_INVALID, field, value, detail);
}

void field_duplicate(struct field_errors *errs, const char *field, yyjson_val *value)
{
    add_value(errs, FIELD_DUPLICATE, field, value, NULL);
}

void field_not_found(struct field_errors *errs, const char *field, yyjson_val *value)
{
    add_value(errs, FIELD_NOT_FOUND, field, value, NULL);
}

void field_forbidden(struct field_errors *errs, const char *field, const char *detail)
{
    add(errs, FIELD_FORBIDDEN, field, NULL, detail);
}

void field_not_supported(struct field_errors *errs, const char *field, yyjson_val *value,
                         const char *const *supported, size_t n)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    for (size_t i = 0; i < n; i++) {
        buf_adds(&b, i ? ", " : "supported values: ");
        go_quote(&b, slice_of(supported[i]));
    }
    add_value(errs, FIELD_NOT_SUPPORTED, field, value, buf_str(&b));
}

void field_too_long(struct field_errors *errs, const char *field, int64_t max)
{
    char detail[80];

    snprintf(detail, sizeof(detail), "may not be more than %lld byte%s", (long long)max,
             max == 1 ? "" : "s");
    add(errs, FIELD_TOO_LONG, field, NULL, max < 0 ? "value is too long" : detail);
}

void field_too_many(struct field_errors *errs, const char *field, int64_t actual, int64_t max)
{
    char detail[80], value[32];

    snprintf(value, sizeof(value), "%lld", (long long)actual);
    snprintf(detail, sizeof(detail), "must have at most %lld item%s", (long long)max,
             max == 1 ? "" : "s");
    add(errs, FIELD_TOO_MANY, field, actual < 0 ? NULL : value,
        max < 0 ? "has too many items" : detail);
}

void field_internal(struct field_errors *errs, const char *field, const char *detail)
{
    add(errs, FIELD_INTERNAL, field, NULL, detail);
}
