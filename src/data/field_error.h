/*
 * Lists of field errors, as k8s.io/apimachinery's field.ErrorList: what is wrong with which field.
 * A Status with reason Invalid is made of them: its causes are the entries, its message joins them
 * ("a: Required value" for one, "[x, y]" for several).
 *
 *     struct field_errors errs cleanup(field_errors_done) = {0};
 *     field_required(&errs, "spec.selector", "");
 *     field_invalid(&errs, "spec.replicas", val, "must be greater than or equal to 0");
 */
#ifndef MANTA_DATA_FIELD_ERROR_H
#define MANTA_DATA_FIELD_ERROR_H

#include "data/json.h"

enum field_error_type {
    FIELD_NOT_FOUND,
    FIELD_MISSING, /* "Required value"; FIELD_REQUIRED is a flag of data/types.h */
    FIELD_DUPLICATE,
    FIELD_INVALID,
    FIELD_NOT_SUPPORTED,
    FIELD_FORBIDDEN,
    FIELD_TOO_LONG,
    FIELD_TOO_MANY,
    FIELD_INTERNAL,
    FIELD_TYPE_INVALID,
};

struct field_error {
    enum field_error_type type;
    char *field;   /* "spec.containers[0].name"; "<nil>" for none */
    char *message; /* without the field: `Invalid value: "x": must be …` */
};

struct field_errors {
    struct field_error *v;
    size_t n, cap;
};

void field_errors_done(struct field_errors *errs);
/* The reason of a Status cause: "FieldValueInvalid". */
const char *field_error_reason(enum field_error_type type);
/* "field: message", or "[field: message, field: message]" when there are several. */
void field_errors_text(const struct field_errors *errs, struct buf *ret);

/* field may be NULL ("<nil>"). value is shown as Kubernetes shows it; NULL shows as null. */
void field_required(struct field_errors *errs, const char *field, const char *detail);
void field_invalid(struct field_errors *errs, const char *field, yyjson_val *value,
                   const char *detail);
void field_invalid_str(struct field_errors *errs, const char *field, const char *value,
                       const char *detail);
void field_type_invalid(struct field_errors *errs, const char *field, const char *value,
                        const char *detail);
void field_duplicate(struct field_errors *errs, const char *field, yyjson_val *value);
void field_not_found(struct field_errors *errs, const char *field, yyjson_val *value);
void field_forbidden(struct field_errors *errs, const char *field, const char *detail);
void field_not_supported(struct field_errors *errs, const char *field, yyjson_val *value,
                         const char *const *supported, size_t n);
void field_too_long(struct field_errors *errs, const char *field, int64_t max);
void field_too_many(struct field_errors *errs, const char *field, int64_t actual, int64_t max);
void field_internal(struct field_errors *errs, const char *field, const char *detail);
/* Any type with a finished message. */
void field_error_add(struct field_errors *errs, enum field_error_type type, const char *field,
                     const char *message);

#endif
