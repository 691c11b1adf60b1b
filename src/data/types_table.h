/*
 * The rows that schemas/gen.py writes; only src/data/ looks at them. Strings are places in
 * table_text; 0 is "". Lists are places in string_lists: a count, then so many strings.
 */
#ifndef MANTA_DATA_TYPES_TABLE_H
#define MANTA_DATA_TYPES_TABLE_H

#include "data/types.h"

#define TABLE_NONE 0xffff

/* Where a rule shows: OpenAPI of the API server, or CRDs that embed the type. */
enum {
    IN_API = 1,
    IN_CRD = 2,
};
enum {
    HAS_MIN = 1,
    HAS_MAX = 2,
    HAS_MIN_LENGTH = 4,
    HAS_MAX_LENGTH = 8,
    HAS_MIN_ITEMS = 16,
    HAS_MAX_ITEMS = 32,
};
enum type_flags {
    TYPE_ATOMIC = 1,
    TYPE_ATOMIC_IN_CRD = 2,
    TYPE_OBJECT = 4, /* raw JSON that is an object */
};
enum map_type {
    MAP_ATOMIC = 1,
    MAP_GRANULAR = 2,
};

struct type {
    uint32_t name;    /* the end of openapi */
    uint32_t package; /* "core/v1" */
    uint32_t openapi; /* "io.k8s.api.core.v1.Pod" */
    uint16_t first;   /* of field_rows, and of field_order */
    uint8_t n_fields;
    uint8_t kind;    /* enum field_kind: FIELD_STRUCT, or a scalar with a name of its own */
    uint8_t flags;   /* enum type_flags */
    uint16_t of;     /* FIELD_RAW: an object is read as this type */
    uint16_t unions; /* list: discriminator, then fields */
};

struct rules {
    uint32_t pattern, merge_key;
    uint32_t put;              /* a default that shows in no schema */
    uint16_t enums, keys, cel; /* lists; cel: rule, message, rule, … */
    uint8_t enums_in, default_in, limits_in, required_in;
    uint8_t map_type;
    uint8_t patch;
    uint8_t has;
    int32_t min, max;
    uint32_t min_length, max_length, min_items, max_items;
};

struct kind_row { /* sorted by kind, group, version */
    uint32_t kind, group, version;
    uint16_t type;
};

struct version_row { /* the versions of a CRD stand together, the storage version first */
    uint16_t type;
    uint32_t kind, plural, version, deprecated;
    uint16_t columns; /* list: name, type, path, priority or "", … */
    uint8_t storage;
};

extern const struct type type_rows[];
extern const struct field field_rows[], item_rows[];
extern const struct rules rule_rows[];
extern const struct kind_row kind_rows[];
extern const struct version_row version_rows[];
extern const uint8_t field_order[]; /* beside field_rows: a type's fields by name */
extern const uint32_t string_lists[];
extern const char table_text[];
extern const size_t n_type_rows, n_kind_rows, n_version_rows;

static inline const char *table_string(uint32_t place)
{
    return table_text + place;
}
static inline size_t list_size(uint16_t list)
{
    return string_lists[list];
}
static inline const char *list_string(uint16_t list, size_t i) /* NULL past the end */
{
    return i < string_lists[list] ? table_text + string_lists[list + 1 + i] : NULL;
}
static inline const struct rules *field_rules(const struct field *f)
{
    return &rule_rows[f->rules];
}

#endif
