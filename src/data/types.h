/*
 * The type table: every field of the ray.io types, of the core types that they embed, and of the
 * kinds that an API server serves by itself: name, kind of value, Go's declaration order and
 * omission rule, default, validation, list and patch rules. It is made from schemas/NAME.types by
 * schemas/gen.py at build time; it is read-only data without a pointer in it, so it costs nothing
 * until it is used, and pages of it are shared between processes.
 *
 *     const struct type *t = type_find("v1", "Pod");
 *     const struct field *f = type_field_str(t, "spec");          // FIELD_STRUCT
 *     f = type_at(t, "spec.containers");                          // FIELD_LIST
 *     field_type(field_item(f));                                  // Container
 *
 * A `struct field` is also what a list item or a map value is: then it has no name. A struct's
 * fields stand in Go's declaration order; type_sorted() walks them by name.
 *
 * Strings and structs given out live for ever. Nothing here fails but by NULL.
 */
#ifndef MANTA_DATA_TYPES_H
#define MANTA_DATA_TYPES_H

#include "base/slice.h"
#include "base/buf.h"

enum field_kind {
    FIELD_STRING,
    FIELD_BOOL,
    FIELD_INT32,
    FIELD_INT64,
    FIELD_FLOAT,  /* Go's float32 */
    FIELD_DOUBLE, /* Go's float64 */
    FIELD_QUANTITY,
    FIELD_INT_OR_STRING,
    FIELD_TIME,      /* metav1.Time: RFC 3339 with seconds; zero is null */
    FIELD_MICROTIME, /* metav1.MicroTime: six digits; zero is null */
    FIELD_DURATION,  /* metav1.Duration: "1m30s" */
    FIELD_BYTES,     /* base64 */
    FIELD_RAW,       /* any JSON: RawExtension, FieldsV1, apiextensions' JSON */
    FIELD_MAP,       /* string keys; field_item() is the value */
    FIELD_LIST,      /* field_item() is the item */
    FIELD_STRUCT,    /* field_type() */
};

/* When Go's encoder leaves the field out. */
enum field_omit {
    OMIT_NEVER,
    OMIT_EMPTY, /* omitempty: false, 0, "", nil, empty list or map; never a struct by value */
    OMIT_ZERO,  /* omitzero: the zero value, also of a struct */
};

enum field_flags {
    FIELD_POINTER = 1 << 0,  /* a Go pointer: absent and zero differ */
    FIELD_REQUIRED = 1 << 1, /* by the schema */
    FIELD_NULLABLE = 1 << 2,
    FIELD_ATOMIC = 1 << 3,   /* list-type or map-type atomic: replaced as a whole */
    FIELD_SET = 1 << 4,      /* list-type set */
    FIELD_LIST_MAP = 1 << 5, /* list-type map: field_list_key() */
    FIELD_PRESERVE = 1 << 6, /* x-kubernetes-preserve-unknown-fields */
    FIELD_EMBEDDED = 1 << 7, /* x-kubernetes-embedded-resource */
};

/* Strategic merge patch; flags. */
enum patch_strategy {
    PATCH_MERGE = 1 << 0,
    PATCH_REPLACE = 1 << 1,
    PATCH_RETAIN_KEYS = 1 << 2,
};

struct type;
struct field { /* read it by the functions below */
    uint32_t name, def;
    uint16_t type; /* a struct's number, or the item's */
    uint16_t rules;
    uint8_t name_len, kind, omit, flags;
};

struct field_limits { /* numbers that a schema may set; has_… tells whether it does */
    bool has_min, has_max, has_min_length, has_max_length, has_min_items, has_max_items;
    double min, max;
    unsigned min_length, max_length, min_items, max_items;
};

/* Types */
const struct type *type_find(const char *api_version,
                             const char *kind); /* "apps/v1", "Deployment" */
/* By Go's name: "PodSpec"; with a package where two have it: "events/v1.Event",
 * "ray/v1alpha1.RayClusterSpec". Without one, ray/v1 comes first, then meta/v1, then core/v1. */
const struct type *type_named(const char *name);
const char *type_name(const struct type *t);    /* "PodSpec" */
const char *type_package(const struct type *t); /* "core/v1" */
bool type_is_atomic(const struct type *t);      /* map-type atomic: replaced as a whole */
size_t type_n_fields(const struct type *t);
const struct field *type_nth(const struct type *t, size_t i);    /* declaration order */
const struct field *type_sorted(const struct type *t, size_t i); /* by name, bytewise */
const struct field *type_field(const struct type *t, const char *name, size_t len);
static inline const struct field *type_field_str(const struct type *t, const char *name)
{
    return type_field(t, name, strlen(name));
}
/* Members joined by dots; lists and maps are stepped through without a number: the field "name" of
 * containers is "spec.containers.name". */
const struct field *type_at(const struct type *t, const char *path);

/* Fields, list items and map values */
const char *field_name(const struct field *f); /* "" for items */
static inline enum field_kind field_kind(const struct field *f)
{
    return (enum field_kind)f->kind;
}
static inline enum field_omit field_omit(const struct field *f)
{
    return (enum field_omit)f->omit;
}
static inline bool field_is(const struct field *f, enum field_flags flags)
{
    return f->flags & flags;
}
const struct type *field_type(const struct field *f); /* NULL unless FIELD_STRUCT */
/* As field_type, and for a FIELD_RAW that may hold a struct among others (a schema, or true), that.
 */
const struct type *field_object_type(const struct field *f);
const struct field *field_item(const struct field *f); /* NULL unless FIELD_LIST or FIELD_MAP */
const char *field_default(const struct field *f);      /* JSON text; NULL: none */
const char *field_pattern(const struct field *f);      /* NULL: none */
const char *field_enum(const struct field *f,
                       size_t i); /* the i-th allowed string; NULL past the end */
const char *field_list_key(const struct field *f,
                           size_t i);                 /* x-kubernetes-list-map-keys, as above */
unsigned field_patch_strategy(const struct field *f); /* enum patch_strategy; 0: none */
const char *field_merge_key(const struct field *f);   /* NULL: none */
void field_limits(const struct field *f, struct field_limits *ret);

#endif
