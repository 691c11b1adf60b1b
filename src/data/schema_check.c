/*
 * Whether a CRD's schema is one that an API server takes: structural (every value has a known type
 * outside of allOf, anyOf, oneOf and not), without keywords that are not supported, and consistent
 * in its extensions. Words are those of k8s.io/apiextensions-apiserver.
 */
#include "data/schema_node.h"
#include "base/mem.h"

enum level { LEVEL_ROOT, LEVEL_ITEM, LEVEL_FIELD };

struct checker {
    struct field_path path;
    struct field_errors *errs;
    int depth;
};

#define MAX_DEPTH 100

static const char *at(struct checker *c, const char *name, size_t *mark)
{
    *mark = path_mark(&c->path);
    path_child(&c->path, slice_of(name));
    return path_text(&c->path);
}

static void forbidden(struct checker *c, const char *name, const char *detail)
{
    size_t mark;

    field_forbidden(c->errs, at(c, name, &mark), detail);
    path_back(&c->path, mark);
}

static void required(struct checker *c, const char *name, const char *detail)
{
    size_t mark;

    field_required(c->errs, at(c, name, &mark), detail);
    path_back(&c->path, mark);
}

static void invalid(struct checker *c, const char *name, yyjson_val *value, const char *detail)
{
    size_t mark;

    field_invalid(c->errs, at(c, name, &mark), value, detail);
    path_back(&c->path, mark);
}

/* The type as it is written; "" for none. A value of another kind counts as one. */
static const char *type_of(yyjson_val *s)
{
    return json_get_str(s, "type", "");
}

static bool is_true(yyjson_val *s, const char *name)
{
    return yyjson_is_true(json_get(s, name));
}

/* Whether a keyword is there and says something. */
static bool has(yyjson_val *s, const char *name)
{
    yyjson_val *v = json_get(s, name);

    return v && !yyjson_is_null(v) && !yyjson_is_false(v) &&
           !(yyjson_is_str(v) && !yyjson_get_len(v)) && !(yyjson_is_ctn(v) && !yyjson_get_len(v));
}

/* Calls visit for each member of an object of schemas: path.name[key]. */
static void each_schema(struct checker *c, yyjson_val *s, const char *name,
                        void (*visit)(struct checker *c, yyjson_val *sub))
{
    size_t mark = path_mark(&c->path), inner;

    path_child(&c->path, slice_of(name));
    inner = path_mark(&c->path);
    json_each_member(json_get(s, name), key, val) {
        path_key(&c->path, (struct slice){yyjson_get_str(key), yyjson_get_len(key)});
        visit(c, val);
        path_back(&c->path, inner);
    }
    path_back(&c->path, mark);
}

static void one_schema(struct checker *c, yyjson_val *s, const char *name,
                       void (*visit)(struct checker *c, yyjson_val *sub))
{
    size_t mark;

    if (!yyjson_is_obj(json_get(s, name)))
        return;
    at(c, name, &mark);
    visit(c, json_get(s, name));
    path_back(&c->path, mark);
}

static void list_of_schemas(struct checker *c, yyjson_val *s, const char *name,
                            void (*visit)(struct checker *c, yyjson_val *sub))
{
    size_t mark, inner;

    at(c, name, &mark);
    inner = path_mark(&c->path);
    json_each(json_get(s, name), item, i, n) {
        path_index(&c->path, i);
        visit(c, item);
        path_back(&c->path, inner);
    }
    path_back(&c->path, mark);
}

/* ---- what every schema must fulfil, nested or not ---- */

static void check_keywords(struct checker *c, yyjson_val *s)
{
    static const struct {
        const char *name, *detail;
    } unsupported[] = {
        {"definitions", "definitions is not supported"},
        {"dependencies", "dependencies is not supported"},
        {"id", "id is not supported"},
        {"additionalItems", "additionalItems is not supported"},
        {"patternProperties", "patternProperties is not supported"},
        {"$ref", "$ref is not supported"},
        {"uniqueItems",
         "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"},
    };
    static const char *const types[] = {"array",  "boolean", "integer",
                                        "number", "object",  "string"};
    bool known = !*type_of(s);

    for (size_t i = 0; i < ARRAY_SIZE(unsupported); i++)
        if (has(s, unsupported[i].name))
            forbidden(c, unsupported[i].name, unsupported[i].detail);
    if (yyjson_is_arr(json_get(s, "items")))
        forbidden(c, "items", "items must be a schema object and not an array");
    if (!strcmp(type_of(s), "null")) {
        forbidden(c, "type", "type cannot be set to null, use nullable as an alternative");
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        known |= !strcmp(type_of(s), types[i]);
    size_t mark;
    if (!known)
        field_not_supported(c->errs, at(c, "type", &mark), json_get(s, "type"), types,
                            ARRAY_SIZE(types));
    if (!known)
        path_back(&c->path, mark);
}

static void check_pattern(struct checker *c, yyjson_val *s)
{
    struct regex *re cleanup(regex_free_p) = NULL;
    const char *pattern = json_get_str(s, "pattern", "");
    struct err err = {0};

    if (regex_compile(slice_of(pattern), &re, &err) == 0)
        return;
    autofree char *text = xasprintf("must be a valid regular expression, but isn't: %s", err.msg);
    invalid(c, "pattern", json_get(s, "pattern"), text);
}

/* ---- below allOf, anyOf, oneOf and not ---- */

static void check_nested(struct checker *c, yyjson_val *s);

static void check_junctors(struct checker *c, yyjson_val *s)
{
    static const char *const lists[] = {"anyOf", "allOf", "oneOf"};

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        list_of_schemas(c, s, lists[i], check_nested);
    one_schema(c, s, "not", check_nested);
}

/* In int-or-string schemas, alternatives may say the two types. */
static bool is_int_or_string(yyjson_val *list)
{
    return yyjson_arr_size(list) == 2 && !strcmp(type_of(yyjson_arr_get(list, 0)), "integer") &&
           !strcmp(type_of(yyjson_arr_get(list, 1)), "string") &&
           yyjson_obj_size(yyjson_arr_get(list, 0)) == 1 &&
           yyjson_obj_size(yyjson_arr_get(list, 1)) == 1;
}

static void check_nested(struct checker *c, yyjson_val *s)
{
    static const struct {
        const char *name, *detail;
    } must_not_be[] = {
        {"type", "must be empty to be structural"},
        {"additionalProperties", "must be undefined to be structural"},
        {"default", "must be undefined to be structural"},
        {"title", "must be empty to be structural"},
        {"description", "must be empty to be structural"},
        {"nullable", "must be false to be structural"},
        {"x-kubernetes-preserve-unknown-fields", "must be false to be structural"},
        {"x-kubernetes-embedded-resource", "must be false to be structural"},
        {"x-kubernetes-int-or-string", "must be false to be structural"},
        {"x-kubernetes-list-map-keys", "must be empty to be structural"},
        {"x-kubernetes-list-type", "must be undefined to be structural"},
        {"x-kubernetes-map-type", "must be undefined to be structural"},
        {"x-kubernetes-validations", "must be empty to be structural"},
    };
    size_t mark;

    if (++c->depth > MAX_DEPTH) {
        forbidden(c, "properties", "must not be nested deeper than 100 levels");
    } else {
        check_keywords(c, s);
        check_pattern(c, s);
        for (size_t i = 0; i < ARRAY_SIZE(must_not_be); i++)
            if (has(s, must_not_be[i].name))
                forbidden(c, must_not_be[i].name, must_not_be[i].detail);
        if (json_at(s, "properties.metadata")) {
            at(c, "properties", &mark);
            path_key(&c->path, SLICE("metadata"));
            field_forbidden(c->errs, path_text(&c->path),
                            "must not be specified in a nested context");
            path_back(&c->path, mark);
        }
        check_junctors(c, s);
        one_schema(c, s, "items", check_nested);
        each_schema(c, s, "properties", check_nested);
    }
    c->depth--;
}

/* ---- whether all that alternatives speak of is defined outside of them ---- */

static void check_complete(struct checker *c, yyjson_val *nested, yyjson_val *s,
                           const char *nested_path, int depth);

static void complete_list(struct checker *c, yyjson_val *nested, yyjson_val *s, const char *name,
                          const char *nested_path, int depth)
{
    json_each(json_get(nested, name), item, i, n) {
        autofree char *path = xasprintf("%s.%s[%zu]", nested_path, name, i);
        check_complete(c, item, s, path, depth + 1);
    }
}

static void complete_junctors(struct checker *c, yyjson_val *nested, yyjson_val *s,
                              const char *nested_path, int depth)
{
    complete_list(c, nested, s, "allOf", nested_path, depth);
    complete_list(c, nested, s, "anyOf", nested_path, depth);
    complete_list(c, nested, s, "oneOf", nested_path, depth);
    if (json_get(nested, "not")) {
        autofree char *path = xasprintf("%s.not", nested_path);
        check_complete(c, json_get(nested, "not"), s, path, depth + 1);
    }
}

static void undefined(struct checker *c, const char *nested_path)
{
    autofree char *text = xasprintf("because it is defined in %s", nested_path);

    field_required(c->errs, path_text(&c->path), text);
}

/* c->path is where s stands, nested_path where nested does. */
static void check_complete(struct checker *c, yyjson_val *nested, yyjson_val *s,
                           const char *nested_path, int depth)
{
    size_t mark = path_mark(&c->path);

    if (!s)
        undefined(c, nested_path);
    if (!s || depth > MAX_DEPTH)
        return;
    complete_junctors(c, nested, s, nested_path, depth);
    if (yyjson_is_obj(json_get(nested, "items"))) {
        autofree char *path = xasprintf("%s.items", nested_path);
        path_child(&c->path, SLICE("items"));
        check_complete(c, json_get(nested, "items"), json_get(s, "items"), path, depth + 1);
        path_back(&c->path, mark);
    }
    json_each_member(json_get(nested, "properties"), key, val) {
        autofree char *path = xasprintf("%s.properties[%s]", nested_path, yyjson_get_str(key));
        path_child(&c->path, SLICE("properties"));
        path_key(&c->path, slice_of(yyjson_get_str(key)));
        check_complete(c, val, json_get(json_get(s, "properties"), yyjson_get_str(key)), path,
                       depth + 1);
        path_back(&c->path, mark);
    }
}

/* ---- extensions ---- */

static void need_type(struct checker *c, yyjson_val *s, const char *type, const char *detail)
{
    if (!strcmp(type_of(s), type))
        return;
    if (*type_of(s))
        invalid(c, "type", json_get(s, "type"), detail);
    else
        required(c, "type", detail);
}

static void need_word(struct checker *c, yyjson_val *s, const char *name, const char *const *words,
                      size_t n)
{
    yyjson_val *v = json_get(s, name);
    size_t mark;

    for (size_t i = 0; i < n; i++)
        if (yyjson_equals_str(v, words[i]))
            return;
    field_not_supported(c->errs, at(c, name, &mark), v, words, n);
    path_back(&c->path, mark);
}

static void check_list_keys(struct checker *c, yyjson_val *s)
{
    yyjson_val *items = json_get(s, "items"), *keys = json_get(s, "x-kubernetes-list-map-keys");

    if (!yyjson_arr_size(keys))
        required(c, "x-kubernetes-list-map-keys",
                 "must not be empty if x-kubernetes-list-type is map");
    if (!items)
        required(c, "items", "must have a schema if x-kubernetes-list-type is map");
    if (!yyjson_is_obj(items))
        return;
    if (strcmp(type_of(items), "object") != 0) {
        size_t mark;
        at(c, "items", &mark);
        invalid(c, "type", json_get(items, "type"),
                "must be object if parent array's x-kubernetes-list-type is map");
        path_back(&c->path, mark);
        return;
    }
    json_each(keys, key, i, n) {
        yyjson_val *prop = json_get(json_get(items, "properties"), json_str(key, ""));
        if (!prop)
            invalid(c, "x-kubernetes-list-map-keys", keys,
                    "entries must all be names of item properties");
        json_each(keys, other, j, m)
            if (j < i && json_equal(key, other))
                invalid(c, "x-kubernetes-list-map-keys", keys,
                        "must not contain duplicate entries");
    }
}

static void check_extensions(struct checker *c, yyjson_val *s)
{
    static const char *const list_types[] = {"atomic", "set", "map"};
    static const char *const map_types[] = {"atomic", "granular"};
    const char *list_type = json_get_str(s, "x-kubernetes-list-type", "");
    yyjson_val *preserve = json_get(s, "x-kubernetes-preserve-unknown-fields");

    if (yyjson_is_false(preserve))
        invalid(c, "x-kubernetes-preserve-unknown-fields", preserve, "must be true or undefined");
    if (is_true(s, "x-kubernetes-int-or-string")) {
        if (yyjson_is_true(preserve))
            invalid(c, "x-kubernetes-preserve-unknown-fields", preserve,
                    "must be false if x-kubernetes-int-or-string is true");
        if (is_true(s, "x-kubernetes-embedded-resource"))
            invalid(c, "x-kubernetes-embedded-resource",
                    json_get(s, "x-kubernetes-embedded-resource"),
                    "must be false if x-kubernetes-int-or-string is true");
    }
    if (has(s, "x-kubernetes-map-type")) {
        need_type(c, s, "object", "must be object if x-kubernetes-map-type is specified");
        need_word(c, s, "x-kubernetes-map-type", map_types, ARRAY_SIZE(map_types));
    }
    if (*list_type) {
        need_type(c, s, "array", "must be array if x-kubernetes-list-type is specified");
        need_word(c, s, "x-kubernetes-list-type", list_types, ARRAY_SIZE(list_types));
    }
    if (has(s, "x-kubernetes-list-map-keys") && strcmp(list_type, "map") != 0) {
        const char *detail = "must be map if x-kubernetes-list-map-keys is non-empty";
        if (*list_type)
            invalid(c, "x-kubernetes-list-type", json_get(s, "x-kubernetes-list-type"), detail);
        else
            required(c, "x-kubernetes-list-type", detail);
    }
    if (!strcmp(list_type, "map"))
        check_list_keys(c, s);
}

/* ---- rules ---- */

static void check_rule(struct checker *c, yyjson_val *rule)
{
    const char *text = json_get_str(rule, "rule", ""),
               *expr = json_get_str(rule, "messageExpression", "");
    struct slice message = slice_of(json_get_str(rule, "message", ""));
    struct slice trimmed = slice_trim(message);
    struct cel *cel = NULL;
    struct err err = {0};

    if (!slice_trim(slice_of(text)).n) {
        required(c, "rule", "rule is not specified");
        return;
    }
    if (message.n && !trimmed.n)
        invalid(c, "message", json_get(rule, "message"), "must be non-empty if specified");
    else if (trimmed.n && memchr(trimmed.p, '\n', trimmed.n))
        invalid(c, "message", json_get(rule, "message"), "must not contain line breaks");
    else if (!trimmed.n && strchr(slice_trim(slice_of(text)).p, '\n'))
        required(c, "message", "message must be specified if rule contains line breaks");
    if (cel_parse(slice_of(text), &cel, &err) < 0) {
        autofree char *detail = xasprintf("compilation failed: %s", err.msg);
        invalid(c, "rule", rule, detail);
    }
    cel_free(take(cel));
    if (*expr && cel_parse(slice_of(expr), &cel, &err) < 0) {
        autofree char *detail = xasprintf("messageExpression compilation failed: %s", err.msg);
        invalid(c, "messageExpression", rule, detail);
    }
    cel_free(cel);
}

/* ---- the structure itself ---- */

static void check_schema(struct checker *c, yyjson_val *s, enum level level);

static void check_item(struct checker *c, yyjson_val *s)
{
    check_schema(c, s, LEVEL_ITEM);
}

static void check_field(struct checker *c, yyjson_val *s)
{
    check_schema(c, s, LEVEL_FIELD);
}

static void check_type(struct checker *c, yyjson_val *s, enum level level)
{
    static const char *const missing[] = {
        [LEVEL_ROOT] = "must not be empty at the root",
        [LEVEL_ITEM] = "must not be empty for specified array items",
        [LEVEL_FIELD] = "must not be empty for specified object fields",
    };
    const char *type = type_of(s);

    if (is_true(s, "x-kubernetes-embedded-resource"))
        need_type(c, s, "object", "must be object if x-kubernetes-embedded-resource is true");
    else if (!*type && !is_true(s, "x-kubernetes-int-or-string") &&
             !is_true(s, "x-kubernetes-preserve-unknown-fields"))
        required(c, "type", missing[level]);
    if (level == LEVEL_ROOT && *type && strcmp(type, "object") != 0)
        invalid(c, "type", json_get(s, "type"), "must be object at the root");
    if (!strcmp(type, "array") && !json_get(s, "items"))
        required(c, "items", "must be specified");
}

static void check_additional(struct checker *c, yyjson_val *s, enum level level)
{
    yyjson_val *additional = json_get(s, "additionalProperties");

    if (!additional)
        return;
    if (level == LEVEL_ROOT)
        forbidden(c, "additionalProperties", "must not be used at the root");
    if (is_true(s, "x-kubernetes-embedded-resource"))
        forbidden(c, "additionalProperties",
                  "must not be used if x-kubernetes-embedded-resource is set");
    if (yyjson_obj_size(json_get(s, "properties")) && !yyjson_is_true(additional))
        forbidden(c, "additionalProperties",
                  "additionalProperties and properties are mutual exclusive");
}

/* apiVersion and kind must be strings; metadata may only restrict the name. */
static void check_meta(struct checker *c, yyjson_val *s, enum level level)
{
    static const struct {
        const char *name, *type, *detail;
    } fields[] = {
        {"kind", "string", "must be string"},
        {"apiVersion", "string", "must be string"},
        {"metadata", "object", "must be object"},
    };
    yyjson_val *props = json_get(s, "properties"), *metadata = json_get(props, "metadata");
    size_t mark;

    at(c, "properties", &mark);
    size_t inner = path_mark(&c->path);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        yyjson_val *prop = json_get(props, fields[i].name);
        path_key(&c->path, slice_of(fields[i].name));
        if (prop && strcmp(type_of(prop), fields[i].type) != 0)
            invalid(c, "type", json_get(prop, "type"), fields[i].detail);
        path_back(&c->path, inner);
    }
    json_each_member(json_get(metadata, "properties"), key, ignored) {
        (void)ignored;
        if (level != LEVEL_ROOT || yyjson_equals_str(key, "name") ||
            yyjson_equals_str(key, "generateName"))
            continue;
        path_key(&c->path, SLICE("metadata"));
        field_forbidden(
            c->errs, path_text(&c->path),
            "must not specify anything other than name and generateName, but metadata is "
            "implicitly specified");
        break;
    }
    path_back(&c->path, mark);
}

/* A default must itself be valid. */
static void check_default(struct checker *c, yyjson_val *s)
{
    struct field_errors errs cleanup(field_errors_done) = {0};
    yyjson_val *def = json_get(s, "default");
    struct schema_pool *pool;
    struct schema *compiled = NULL;

    if (!def || yyjson_is_null(def))
        return;
    pool = schema_pool_new();
    if (schema_compile(pool, s, &compiled, NULL) == 0)
        schema_validate_values(compiled, def, NULL, &errs);
    schema_unref(compiled);
    schema_pool_free(pool);
    for (size_t i = 0; i < errs.n; i++) {
        bool own = !strcmp(errs.v[i].field, "<nil>");
        autofree char *path = xasprintf("%s.default%s%s", path_text(&c->path), own ? "" : ".",
                                        own ? "" : errs.v[i].field);
        field_error_add(c->errs, errs.v[i].type, path, errs.v[i].message);
    }
}

static void check_alternatives(struct checker *c, yyjson_val *s)
{
    yyjson_val *first = yyjson_arr_get(json_get(s, "allOf"), 0);
    bool excused =
        is_int_or_string(json_get(s, "anyOf")) || is_int_or_string(json_get(first, "anyOf"));

    if (!excused)
        check_junctors(c, s);
    autofree char *path = xstrdup(path_text(&c->path));
    complete_junctors(c, s, s, path, 0);
}

static void check_schema(struct checker *c, yyjson_val *s, enum level level)
{
    if (!yyjson_is_obj(s)) {
        field_invalid(c->errs, path_text(&c->path), s, "must be a schema object");
        return;
    }
    if (++c->depth > MAX_DEPTH) {
        forbidden(c, "properties", "must not be nested deeper than 100 levels");
    } else {
        check_keywords(c, s);
        check_pattern(c, s);
        check_type(c, s, level);
        check_additional(c, s, level);
        check_extensions(c, s);
        if (level == LEVEL_ROOT || is_true(s, "x-kubernetes-embedded-resource"))
            check_meta(c, s, level);
        check_default(c, s);
        check_alternatives(c, s);
        list_of_schemas(c, s, "x-kubernetes-validations", check_rule);
        one_schema(c, s, "items", check_item);
        one_schema(c, s, "additionalProperties", check_field);
        each_schema(c, s, "properties", check_field);
    }
    c->depth--;
}

void schema_check(yyjson_val *openapi, const char *path, struct field_errors *errs)
{
    struct checker c = {.errs = errs};

    buf_adds(&c.path.text, path);
    check_schema(&c, openapi, LEVEL_ROOT);
    buf_done(&c.path.text);
}
