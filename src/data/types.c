#include "data/types_table.h"

#include <string.h>

static const struct field *nth(const struct type *t, size_t i)
{
    return &field_rows[t->first + i];
}

/* Splits "apps/v1" into group and version; "v1" has the group "". */
static struct slice split_version(const char *api_version, const char **ret_version)
{
    const char *slash = strchr(api_version, '/');

    *ret_version = slash ? slash + 1 : api_version;
    return (struct slice){api_version, slash ? (size_t)(slash - api_version) : 0};
}

/* The first row of a kind, or where it would stand. */
static size_t kind_lower_bound(const char *kind)
{
    size_t lo = 0, hi = n_kind_rows;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (strcmp(table_string(kind_rows[mid].kind), kind) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct type *type_find(const char *api_version, const char *kind)
{
    const char *version;
    struct slice group;

    if (!api_version || !kind)
        return NULL;
    group = split_version(api_version, &version);
    for (size_t i = kind_lower_bound(kind); i < n_kind_rows; i++) {
        const struct kind_row *k = &kind_rows[i];

        if (strcmp(table_string(k->kind), kind) != 0)
            break;
        if (slice_is(group, table_string(k->group)) && !strcmp(table_string(k->version), version))
            return &type_rows[k->type];
    }
    return NULL;
}

const struct type *type_named(const char *name)
{
    const char *dot = strrchr(name, '.');
    struct slice package = {name, dot ? (size_t)(dot - name) : 0};

    for (size_t i = 0; i < n_type_rows; i++) {
        const struct type *t = &type_rows[i];

        if (strcmp(table_string(t->name), dot ? dot + 1 : name) != 0)
            continue;
        if (!dot || slice_is(package, table_string(t->package)))
            return t;
    }
    return NULL;
}

const char *type_name(const struct type *t)
{
    return table_string(t->name);
}

const char *type_package(const struct type *t)
{
    return table_string(t->package);
}

size_t type_n_fields(const struct type *t)
{
    return t ? t->n_fields : 0;
}

bool type_is_atomic(const struct type *t)
{
    return t && t->flags & TYPE_ATOMIC;
}

const struct field *type_nth(const struct type *t, size_t i)
{
    return t && i < t->n_fields ? nth(t, i) : NULL;
}

const struct field *type_sorted(const struct type *t, size_t i)
{
    return t && i < t->n_fields ? nth(t, field_order[t->first + i]) : NULL;
}

static int compare_name(struct slice name, const struct field *f)
{
    size_t n = MIN(name.n, f->name_len);
    int c = n ? memcmp(name.p, table_string(f->name), n) : 0;

    return c ? c : (name.n > f->name_len) - (name.n < f->name_len);
}

const struct field *type_field(const struct type *t, const char *name, size_t len)
{
    size_t lo = 0, hi = type_n_fields(t);

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        const struct field *f = type_sorted(t, mid);
        int c = compare_name((struct slice){name, len}, f);

        if (c == 0)
            return f;
        if (c > 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* The struct that a field's value is made of, whatever lists and maps are around it. */
static const struct type *innermost(const struct field *f)
{
    while (f && field_item(f))
        f = field_item(f);
    return f ? field_type(f) : NULL;
}

const struct field *type_at(const struct type *t, const char *path)
{
    struct slice rest = slice_of(path), part;
    const struct field *f = NULL;

    while (slice_cut(&rest, '.', &part)) {
        f = type_field(t, part.p, part.n);
        if (!f)
            return NULL;
        t = innermost(f);
    }
    return f;
}

const char *field_name(const struct field *f)
{
    return table_string(f->name);
}

const struct type *field_type(const struct field *f)
{
    return f && f->kind == FIELD_STRUCT ? &type_rows[f->type] : NULL;
}

const struct type *field_object_type(const struct field *f)
{
    if (f->kind != FIELD_RAW || f->type == TABLE_NONE || type_rows[f->type].of == TABLE_NONE)
        return field_type(f);
    return &type_rows[type_rows[f->type].of];
}

const struct field *field_item(const struct field *f)
{
    return f && (f->kind == FIELD_LIST || f->kind == FIELD_MAP) ? &item_rows[f->type] : NULL;
}

const char *field_default(const struct field *f)
{
    return f->def ? table_string(f->def) : NULL;
}

const char *field_pattern(const struct field *f)
{
    return field_rules(f)->pattern ? table_string(field_rules(f)->pattern) : NULL;
}

const char *field_enum(const struct field *f, size_t i)
{
    return list_string(field_rules(f)->enums, i);
}

const char *field_list_key(const struct field *f, size_t i)
{
    return list_string(field_rules(f)->keys, i);
}

unsigned field_patch_strategy(const struct field *f)
{
    return field_rules(f)->patch;
}

const char *field_merge_key(const struct field *f)
{
    return field_rules(f)->merge_key ? table_string(field_rules(f)->merge_key) : NULL;
}

void field_limits(const struct field *f, struct field_limits *ret)
{
    const struct rules *r = field_rules(f);

    *ret = (struct field_limits){
        .has_min = r->has & HAS_MIN,
        .has_max = r->has & HAS_MAX,
        .has_min_length = r->has & HAS_MIN_LENGTH,
        .has_max_length = r->has & HAS_MAX_LENGTH,
        .has_min_items = r->has & HAS_MIN_ITEMS,
        .has_max_items = r->has & HAS_MAX_ITEMS,
        .min = r->min,
        .max = r->max,
        .min_length = r->min_length,
        .max_length = r->max_length,
        .min_items = r->min_items,
        .max_items = r->max_items,
    };
}
