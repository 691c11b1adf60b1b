/*
 * The compiled form of a schema; shared by the schema_*.c files and by nobody else.
 *
 * A node's identity is the SHA-256 of its canonical text, in which children stand for their own
 * identity: equal subtrees have equal identities, and the pool keeps one node for each.
 */
#ifndef MANTA_DATA_SCHEMA_NODE_H
#define MANTA_DATA_SCHEMA_NODE_H

#include "data/cel.h"
#include "data/regex.h"
#include "data/schema.h"

enum json_type {
    TYPE_ANY, /* none is given */
    TYPE_OBJECT,
    TYPE_ARRAY,
    TYPE_STRING,
    TYPE_INTEGER,
    TYPE_NUMBER,
    TYPE_BOOLEAN,
    TYPE_INT_OR_STRING, /* x-kubernetes-int-or-string */
};

enum list_type { LIST_ATOMIC, LIST_SET, LIST_MAP };

enum schema_flags {
    SCHEMA_NULLABLE = 1 << 0,
    SCHEMA_PRESERVE = 1 << 1,
    SCHEMA_EMBEDDED = 1 << 2,
    SCHEMA_ADDITIONAL_ANY = 1 << 3,  /* additionalProperties: true */
    SCHEMA_ADDITIONAL_NONE = 1 << 4, /* additionalProperties: false */
    SCHEMA_UNIQUE_ITEMS = 1 << 5,
    SCHEMA_EXCLUSIVE_MIN = 1 << 6,
    SCHEMA_EXCLUSIVE_MAX = 1 << 7,
    /* of the whole subtree: walks skip what they do not concern */
    SCHEMA_HAS_RULES = 1 << 8,
    SCHEMA_HAS_DEFAULTS = 1 << 9,
    SCHEMA_HAS_LISTS = 1 << 10, /* list types set and map */
    SCHEMA_HAS_EMBEDDED = 1 << 11,
};

struct schema_prop {
    const char *name;
    struct schema *schema;
};

struct schema_rule {
    struct cel *rule, *message_expr;
    char *text, *message, *field_path;
    enum field_error_type reason;
    bool uses_old, optional_old;
};

/* Bounds that are given; a bit each in schema_extra.given. */
enum schema_bound {
    BOUND_MIN,
    BOUND_MAX,
    BOUND_MULTIPLE,
    BOUND_MIN_LENGTH,
    BOUND_MAX_LENGTH,
    BOUND_MIN_ITEMS,
    BOUND_MAX_ITEMS,
    BOUND_MIN_PROPS,
    BOUND_MAX_PROPS,
    N_BOUNDS
};

struct schema_names {
    char **v;
    size_t n;
};

struct schema_list {
    struct schema **v;
    size_t n;
};

/* What most nodes do not have. */
struct schema_extra {
    unsigned given;
    double bounds[N_BOUNDS];
    char *pattern;
    struct regex *regex;
    const char *format; /* a supported one without dashes, or NULL */
    char *format_name;  /* as the schema spells it */
    struct json *enum_, *def;
    struct schema_names required, list_keys;
    struct schema_list all_of, any_of, one_of;
    struct schema *not_;
    struct schema_rule *rules;
    size_t n_rules;
};

struct schema {
    struct schema_pool *pool;
    struct schema *next; /* of the same bucket */
    unsigned refs;
    uint16_t flags;
    uint8_t type, list_type;
    uint32_t n_props;
    struct schema_prop *props; /* sorted by name; names are in the same allocation */
    struct schema *items, *additional;
    struct schema_extra *extra; /* or NULL */
    unsigned char id[32];
};

const struct schema *schema_property(const struct schema *s, struct slice name);

static inline const struct json *schema_default_of(const struct schema *s)
{
    return s && s->extra ? s->extra->def : NULL;
}

/* The member's schema: of a property, or of additionalProperties; NULL if none says anything. */
static inline const struct schema *schema_member(const struct schema *s, struct slice name)
{
    const struct schema *prop = s ? schema_property(s, name) : NULL;

    return prop ? prop : s ? s->additional : NULL;
}

/* A field path that grows and shrinks with a walk. */
struct field_path {
    struct buf text;
};

static inline size_t path_mark(const struct field_path *p)
{
    return p->text.len;
}
void path_back(struct field_path *p, size_t mark);
void path_child(struct field_path *p, struct slice name); /* a.b */
void path_index(struct field_path *p, size_t i);          /* a[0] */
void path_key(struct field_path *p, struct slice key); /* a[key], as Kubernetes writes map keys */
static inline const char *path_text(const struct field_path *p)
{
    return buf_str(&p->text);
}

/* The steps of schema_validate(), in their order. */
void schema_validate_values(const struct schema *s, yyjson_val *obj, yyjson_val *old,
                            struct field_errors *errs);
void schema_validate_embedded(const struct schema *s, yyjson_val *obj, struct field_errors *errs);
void schema_validate_lists(const struct schema *s, yyjson_val *obj, struct field_errors *errs);
void schema_validate_rules(const struct schema *s, yyjson_val *obj, yyjson_val *old,
                           struct field_errors *errs);

/* The old value that stands where item i of a list stood: by its keys in a list-type map. */
yyjson_val *schema_old_item(const struct schema *s, yyjson_val *old, yyjson_val *item);

/* String formats of CRDs; NULL from schema_format() for those that are ignored. */
const char *schema_format(enum json_type type, const char *format);
bool schema_format_matches(const char *format, struct slice text);

#endif
