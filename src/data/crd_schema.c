/*
 * Schemas of the type table's types as JSON, in two views: inlined, as controller-gen writes them
 * into CRDs, and with references, as a kube-apiserver's /openapi/v3 has them. Members are sorted.
 */
#include "data/crd.h"
#include "data/crd_schema.h"
#include "data/gofmt.h"
#include "data/types_table.h"

#include <stdio.h>
#include <string.h>

#define QUANTITY_PATTERN                                                                           \
    "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|"                         \
    "([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"

/* "type" and "format" of scalars; NULL for what has another form. */
static const struct {
    const char *type, *format;
} scalars[] = {
    [FIELD_STRING] = {"string", NULL},      [FIELD_BOOL] = {"boolean", NULL},
    [FIELD_INT32] = {"integer", "int32"},   [FIELD_INT64] = {"integer", "int64"},
    [FIELD_FLOAT] = {"number", "float"},    [FIELD_DOUBLE] = {"number", "double"},
    [FIELD_TIME] = {"string", "date-time"}, [FIELD_MICROTIME] = {"string", "date-time"},
    [FIELD_BYTES] = {"string", "byte"},     [FIELD_DURATION] = {"string", NULL},
    [FIELD_LIST] = {"array", NULL},         [FIELD_MAP] = {"object", NULL},
    [FIELD_STRUCT] = {"object", NULL},
};

void schema_key(struct schema_writer *w, const char *key)
{
    if (w->out->len && !strchr("{[:,", w->out->data[w->out->len - 1]))
        buf_addc(w->out, ',');
    schema_string(w, key);
    buf_addc(w->out, ':');
}

void schema_string(struct schema_writer *w, const char *s)
{
    go_json_string(w->out, slice_of(s), false);
}

void schema_member(struct schema_writer *w, const char *key, const char *value)
{
    schema_key(w, key);
    schema_string(w, value);
}

static void literal(struct schema_writer *w, const char *key, const char *json)
{
    schema_key(w, key);
    buf_adds(w->out, json);
}

static void write_list(struct schema_writer *w, const char *key, uint16_t list)
{
    schema_key(w, key);
    for (size_t i = 0; i < list_size(list); i++) {
        buf_addc(w->out, i ? ',' : '[');
        schema_string(w, list_string(list, i));
    }
    buf_addc(w->out, ']');
}

/* --- the parts that both views have, in the order of their names --- */

static void number(struct schema_writer *w, const struct rules *r, unsigned has, const char *key,
                   long n)
{
    if (r->has & has && r->limits_in & w->view) {
        schema_key(w, key);
        buf_printf(w->out, "%ld", n);
    }
}

static void write_limits(struct schema_writer *w, const struct rules *r)
{
    number(w, r, HAS_MAX_ITEMS, "maxItems", r->max_items);
    number(w, r, HAS_MAX_LENGTH, "maxLength", r->max_length);
    number(w, r, HAS_MAX, "maximum", r->max);
    number(w, r, HAS_MIN_ITEMS, "minItems", r->min_items);
    number(w, r, HAS_MIN_LENGTH, "minLength", r->min_length);
    number(w, r, HAS_MIN, "minimum", r->min);
}

static void write_list_type(struct schema_writer *w, const struct field *f)
{
    const struct rules *r = field_rules(f);

    if (field_kind(f) != FIELD_LIST)
        return;
    if (field_is(f, FIELD_LIST_MAP))
        write_list(w, "x-kubernetes-list-map-keys", r->keys);
    if (field_is(f, FIELD_LIST_MAP | FIELD_SET | FIELD_ATOMIC))
        schema_member(w, "x-kubernetes-list-type",
                      field_is(f, FIELD_LIST_MAP) ? "map"
                      : field_is(f, FIELD_SET)    ? "set"
                                                  : "atomic");
}

static bool is_required(const struct schema_writer *w, const struct field *f)
{
    return field_is(f, FIELD_REQUIRED) || field_rules(f)->required_in & w->view;
}

static void write_required(struct schema_writer *w, const struct type *t)
{
    const char *before = "[";

    for (size_t i = 0; i < type_n_fields(t); i++) {
        /* controller-gen sorts, a kube-apiserver keeps Go's order */
        const struct field *f = w->view == IN_CRD ? type_sorted(t, i) : type_nth(t, i);

        if (!is_required(w, f))
            continue;
        if (*before == '[')
            schema_key(w, "required");
        buf_adds(w->out, before);
        schema_string(w, field_name(f));
        before = ",";
    }
    if (*before == ',')
        buf_addc(w->out, ']');
}

static void write_properties(struct schema_writer *w, const struct type *t,
                             void write(struct schema_writer *, const struct field *))
{
    if (!type_n_fields(t))
        return;
    schema_key(w, "properties");
    buf_addc(w->out, '{');
    for (size_t i = 0; i < type_n_fields(t); i++) {
        schema_key(w, field_name(type_sorted(t, i)));
        write(w, type_sorted(t, i));
    }
    buf_addc(w->out, '}');
}

/* --- CRDs --- */

static void write_inline(struct schema_writer *w, const struct field *f);

/* controller-gen's generateEmbeddedObjectMeta. */
static void write_metadata(struct schema_writer *w)
{
    literal(w, "properties",
            "{\"annotations\":{\"additionalProperties\":{\"type\":\"string\"},\"type\":\"object\"},"
            "\"finalizers\":{\"items\":{\"type\":\"string\"},\"type\":\"array\"},"
            "\"labels\":{\"additionalProperties\":{\"type\":\"string\"},\"type\":\"object\"},"
            "\"name\":{\"type\":\"string\"},\"namespace\":{\"type\":\"string\"}}");
}

static void write_rules(struct schema_writer *w, uint16_t cel)
{
    schema_key(w, "x-kubernetes-validations");
    for (size_t i = 0; i < list_size(cel); i += 2) {
        buf_adds(w->out, i ? ",{" : "[{");
        schema_member(w, "message", list_string(cel, i + 1));
        schema_member(w, "rule", list_string(cel, i));
        buf_addc(w->out, '}');
    }
    buf_addc(w->out, ']');
}

static void write_inline_struct(struct schema_writer *w, const struct type *t)
{
    if (!strcmp(type_name(t), "ObjectMeta")) {
        if (w->depth > 1) /* the root's own is the API server's business */
            write_metadata(w);
        return;
    }
    write_properties(w, t, write_inline);
    write_required(w, t);
}

static bool is_int_or_string(const struct field *f)
{
    return field_kind(f) == FIELD_QUANTITY || field_kind(f) == FIELD_INT_OR_STRING;
}

static void write_inline_extensions(struct schema_writer *w, const struct field *f)
{
    const struct type *t = field_type(f);

    if (is_int_or_string(f))
        literal(w, "x-kubernetes-int-or-string", "true");
    write_list_type(w, f);
    if ((t && t->flags & (TYPE_ATOMIC | TYPE_ATOMIC_IN_CRD)) ||
        field_rules(f)->map_type == MAP_ATOMIC)
        schema_member(w, "x-kubernetes-map-type", "atomic");
    if (list_size(field_rules(f)->cel))
        write_rules(w, field_rules(f)->cel);
}

static void write_inline(struct schema_writer *w, const struct field *f)
{
    const struct rules *r = field_rules(f);
    enum field_kind kind = field_kind(f);
    const char *pattern = kind == FIELD_QUANTITY  ? QUANTITY_PATTERN
                          : r->limits_in & IN_CRD ? field_pattern(f)
                                                  : NULL;
    bool has_format = scalars[kind].format && kind != FIELD_FLOAT && kind != FIELD_DOUBLE;

    w->depth++;
    buf_addc(w->out, '{');
    if (kind == FIELD_MAP) {
        schema_key(w, "additionalProperties");
        write_inline(w, field_item(f));
    }
    if (is_int_or_string(f))
        literal(w, "anyOf", "[{\"type\":\"integer\"},{\"type\":\"string\"}]");
    if (field_default(f) && r->default_in & IN_CRD)
        literal(w, "default", field_default(f));
    if (list_size(r->enums) && r->enums_in & IN_CRD)
        write_list(w, "enum", r->enums);
    if (has_format)
        schema_member(w, "format", scalars[kind].format);
    if (kind == FIELD_LIST) {
        schema_key(w, "items");
        write_inline(w, field_item(f));
    }
    write_limits(w, r);
    if (field_is(f, FIELD_NULLABLE))
        literal(w, "nullable", "true");
    if (pattern)
        schema_member(w, "pattern", pattern);
    if (kind == FIELD_STRUCT)
        write_inline_struct(w, field_type(f));
    if (scalars[kind].type)
        schema_member(w, "type", scalars[kind].type);
    write_inline_extensions(w, f);
    buf_addc(w->out, '}');
    w->depth--;
}

void schema_write_inline(const struct type *t, struct buf *out)
{
    struct schema_writer w = {.out = out, .view = IN_CRD};

    buf_addc(out, '{');
    write_properties(&w, t, write_inline);
    write_required(&w, t);
    schema_member(&w, "type", "object");
    buf_addc(out, '}');
}

/* --- OpenAPI --- */

static const char *zero_default(const struct field *f)
{
    static const char *const zeros[] = {
        [FIELD_STRING] = "\"\"", [FIELD_BOOL] = "false", [FIELD_INT32] = "0",   [FIELD_INT64] = "0",
        [FIELD_FLOAT] = "0",     [FIELD_DOUBLE] = "0",   [FIELD_STRUCT] = "{}",
    };
    enum field_kind kind = field_kind(f);

    if (field_is(f, FIELD_POINTER) || kind >= ARRAY_SIZE(zeros))
        return NULL;
    return kind == FIELD_STRUCT || field_omit(f) == OMIT_NEVER ? zeros[kind] : NULL;
}

static const struct type *referred(const struct field *f)
{
    static const char *const named[] = {
        [FIELD_QUANTITY] = "resource.Quantity",
        [FIELD_INT_OR_STRING] = "intstr.IntOrString",
        [FIELD_TIME] = "meta/v1.Time",
        [FIELD_MICROTIME] = "meta/v1.MicroTime",
    };
    enum field_kind kind = field_kind(f);

    if (kind == FIELD_STRUCT || kind == FIELD_RAW)
        return f->type == TABLE_NONE ? NULL : &type_rows[f->type];
    return kind < ARRAY_SIZE(named) && named[kind] ? type_named(named[kind]) : NULL;
}

static void write_ref(struct schema_writer *w, const struct type *t)
{
    buf_printf(w->out, "{\"$ref\":\"#/components/schemas/%s\"}", type_openapi_name(t));
}

static void write_patch(struct schema_writer *w, const struct rules *r)
{
    if (r->map_type)
        schema_member(w, "x-kubernetes-map-type",
                      r->map_type == MAP_ATOMIC ? "atomic" : "granular");
    if (r->merge_key)
        schema_member(w, "x-kubernetes-patch-merge-key", table_string(r->merge_key));
    if (r->patch)
        schema_member(w, "x-kubernetes-patch-strategy",
                      r->patch == PATCH_MERGE                         ? "merge"
                      : r->patch == (PATCH_MERGE | PATCH_RETAIN_KEYS) ? "merge,retainKeys"
                      : r->patch == PATCH_REPLACE                     ? "replace"
                                                                      : "retainKeys");
}

static void write_referring(struct schema_writer *w, const struct field *f)
{
    const struct rules *r = field_rules(f);
    const struct type *t = referred(f);
    enum field_kind kind = field_kind(f);
    const char *def = field_default(f) ? field_default(f) : zero_default(f);

    if (t && !def && !*field_name(f)) { /* a field has a description beside it, an item has none */
        write_ref(w, t);
        return;
    }
    buf_addc(w->out, '{');
    if (kind == FIELD_MAP) {
        schema_key(w, "additionalProperties");
        write_referring(w, field_item(f));
    }
    if (t) {
        schema_key(w, "allOf");
        buf_addc(w->out, '[');
        write_ref(w, t);
        buf_addc(w->out, ']');
    }
    if (def)
        literal(w, "default", def);
    if (list_size(r->enums) && r->enums_in & IN_API)
        write_list(w, "enum", r->enums);
    if (!t && scalars[kind].format)
        schema_member(w, "format", scalars[kind].format);
    if (kind == FIELD_LIST) {
        schema_key(w, "items");
        write_referring(w, field_item(f));
    }
    write_limits(w, r);
    if (r->limits_in & IN_API && field_pattern(f))
        schema_member(w, "pattern", field_pattern(f));
    if (!t && scalars[kind].type)
        schema_member(w, "type", scalars[kind].type);
    write_list_type(w, f);
    write_patch(w, r);
    buf_addc(w->out, '}');
}

static void write_kinds(struct schema_writer *w, const struct type *t)
{
    const char *before = "[";

    for (size_t i = 0; i < n_kind_rows; i++) {
        const struct kind_row *k = &kind_rows[i];

        if (&type_rows[k->type] != t)
            continue;
        if (*before == '[')
            schema_key(w, "x-kubernetes-group-version-kind");
        buf_printf(w->out, "%s{\"group\":\"%s\",\"kind\":\"%s\",\"version\":\"%s\"}", before,
                   table_string(k->group), table_string(k->kind), table_string(k->version));
        before = ",";
    }
    if (*before == ',')
        buf_addc(w->out, ']');
}

/* x-kubernetes-unions: the discriminator's values are the fields' names with a capital letter. */
static void write_unions(struct schema_writer *w, const struct type *t)
{
    const char *name;

    if (!list_size(t->unions))
        return;
    schema_key(w, "x-kubernetes-unions");
    buf_adds(w->out, "[{");
    if (*list_string(t->unions, 0))
        schema_member(w, "discriminator", list_string(t->unions, 0));
    schema_key(w, "fields-to-discriminateBy");
    for (size_t i = 1; (name = list_string(t->unions, i)); i++)
        buf_printf(w->out, "%s\"%s\":\"%c%s\"", i > 1 ? "," : "{", name, *name - 'a' + 'A',
                   name + 1);
    buf_adds(w->out, "}}]");
}

static void write_scalar_type(struct schema_writer *w, const struct type *t)
{
    switch ((enum field_kind)t->kind) {
    case FIELD_QUANTITY:
        literal(w, "oneOf", "[{\"type\":\"string\"},{\"type\":\"number\"}]");
        break;
    case FIELD_INT_OR_STRING:
        schema_member(w, "format", "int-or-string");
        literal(w, "oneOf", "[{\"type\":\"integer\"},{\"type\":\"string\"}]");
        break;
    case FIELD_TIME:
    case FIELD_MICROTIME:
        schema_member(w, "format", "date-time");
        schema_member(w, "type", "string");
        break;
    default:
        if (t->flags & TYPE_OBJECT)
            schema_member(w, "type", "object");
    }
}

void type_openapi(const struct type *t, struct buf *out)
{
    struct schema_writer w = {.out = out, .view = IN_API};

    buf_addc(out, '{');
    if (t->kind != FIELD_STRUCT) {
        write_scalar_type(&w, t);
        buf_addc(out, '}');
        return;
    }
    write_properties(&w, t, write_referring);
    write_required(&w, t);
    schema_member(&w, "type", "object");
    write_kinds(&w, t);
    if (t->flags & TYPE_ATOMIC)
        schema_member(&w, "x-kubernetes-map-type", "atomic");
    write_unions(&w, t);
    buf_addc(out, '}');
}

const char *type_openapi_name(const struct type *t)
{
    return table_string(t->openapi);
}

const struct type *type_openapi_ref(const struct type *t, size_t i)
{
    for (size_t at = 0; at < type_n_fields(t); at++) {
        const struct field *f = type_nth(t, at);

        while (field_item(f))
            f = field_item(f);
        if (referred(f) && i-- == 0)
            return referred(f);
    }
    return NULL;
}
