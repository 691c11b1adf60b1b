/*
 * tests/golden/data/schema.json holds schemas, objects, and what apiextensions v0.36 makes of them:
 * the pruned and defaulted object, unknown fields, and errors (sorted by text).
 */
#include "data/schema.h"
#include "base/test.h"

static struct json *load(const char *path_in_source)
{
    const char *source = getenv("MANTA_SOURCE");
    struct buf text cleanup(buf_done) = BUF_INIT;
    struct json *j = NULL;
    struct err err = {0};
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", source ? source : ".", path_in_source);
    CHECK_OK(file_read(path, &text, &err), &err);
    CHECK_OK(json_parse(buf_slice(&text), &j, &err), &err);
    return j;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The errors as a sorted JSON list of "field: message". */
static struct json *errors_json(const struct field_errors *errs)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *arr = yyjson_mut_arr(doc);
    char *texts[100];
    size_t n = MIN(errs->n, ARRAY_SIZE(texts));

    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(errs->v[i].field) + strlen(errs->v[i].message) + 3;
        texts[i] = malloc(len);
        snprintf(texts[i], len, "%s: %s", errs->v[i].field, errs->v[i].message);
    }
    qsort(texts, n, sizeof(*texts), by_text);
    for (size_t i = 0; i < n; i++) {
        yyjson_mut_arr_add_strcpy(doc, arr, texts[i]);
        free(texts[i]);
    }
    return json_freeze(arr);
}

static struct json *paths_json(const struct schema_paths *paths)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *arr = yyjson_mut_arr(doc);

    for (size_t i = 0; i < paths->n; i++)
        yyjson_mut_arr_add_strcpy(doc, arr, paths->v[i]);
    return json_freeze(arr);
}

static void check_json(const char *group, yyjson_val *c, const char *member, const struct json *got)
{
    if (json_equal(json_get(c, member), json_root(got)))
        return;
    autofree char *case_text = json_text(json_get(c, "obj"));
    autofree char *got_text = json_text(json_root(got));
    autofree char *want_text = json_text(json_get(c, member));
    FAIL("%s, %s of %s:\n got  %s\n want %s", group, member, case_text, got_text, want_text);
}

static void run_case(const char *group, const struct schema *s, yyjson_val *c)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *obj = json_thaw(doc, json_get(c, "obj"));
    struct schema_paths unknown cleanup(schema_paths_done) = {0};
    struct field_errors errs cleanup(field_errors_done) = {0};

    schema_prune(s, obj, &unknown);
    schema_default(s, doc, obj);
    autojson struct json *result = json_freeze(obj);
    schema_validate(s, json_root(result), json_get(c, "old"), &errs);
    autojson struct json *errors = errors_json(&errs), *paths = paths_json(&unknown);
    check_json(group, c, "result", result);
    check_json(group, c, "unknown", paths);
    check_json(group, c, "errors", errors);
}

TEST(as_apiextensions)
{
    autojson struct json *groups = load("tests/golden/data/schema.json");
    struct schema_pool *pool = schema_pool_new();

    CHECK(yyjson_arr_size(json_root(groups)) > 10);
    json_each(json_root(groups), group, i, n) {
        struct schema *s cleanup(schema_unref_p) = NULL;
        struct err err = {0};
        CHECK_OK(schema_compile(pool, json_get(group, "schema"), &s, &err), &err);
        json_each(json_get(group, "cases"), c, j, m)
            if (s)
                run_case(json_get_str(group, "name", ""), s, c);
    }
    schema_pool_free(pool);
}

TEST(equal_subtrees_are_one)
{
    const char *text = "{\"type\":\"object\",\"properties\":{"
                       "\"a\":{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"string\"}}},"
                       "\"b\":{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"string\","
                       "\"description\":\"differs only here\"}}}}}";
    struct schema_pool *pool = schema_pool_new();
    struct schema *s cleanup(schema_unref_p) = NULL, *again cleanup(schema_unref_p) = NULL;
    autojson struct json *j = NULL;
    struct schema_stats stats;
    struct err err = {0};

    CHECK_OK(json_parse(slice_of(text), &j, &err), &err);
    CHECK_OK(schema_compile(pool, json_root(j), &s, &err), &err);
    schema_pool_stats(pool, &stats);
    CHECK_INT(stats.nodes, 3);
    CHECK_OK(schema_compile(pool, json_root(j), &again, &err), &err);
    CHECK(s == again);
    schema_unref(take(s));
    schema_unref(take(again));
    schema_pool_stats(pool, &stats);
    CHECK_INT(stats.nodes, 0);
    schema_pool_free(pool);
}

TEST(malformed_schemas)
{
    static const char *const cases[] = {
        "[]",
        "{\"type\":\"strange\"}",
        "{\"type\":\"string\",\"pattern\":\"(\"}",
        "{\"type\":\"object\",\"properties\":{\"a\":7}}",
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"x\"}}}",
        "{\"type\":\"array\",\"items\":{\"type\":\"x\"}}",
        "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"x\"}}",
        "{\"allOf\":[1]}",
        "{\"anyOf\":[{\"type\":\"x\"}]}",
        "{\"not\":{\"pattern\":\"[\"}}",
        "{\"type\":\"string\",\"x-kubernetes-validations\":[{\"rule\":\"self ==\"}]}",
        "{\"type\":\"string\",\"x-kubernetes-validations\":[{\"rule\":\"\"}]}",
        ("{\"type\":\"string\",\"x-kubernetes-validations\":[{\"rule\":\"true\","
         "\"messageExpression\":\"1 +\"}]}"),
        "{\"type\":\"string\",\"x-kubernetes-validations\":[7]}",
    };
    struct schema_pool *pool = schema_pool_new();

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        autojson struct json *j = NULL;
        struct schema *s = NULL;
        struct err err = {0};
        CHECK_OK(json_parse(slice_of(cases[i]), &j, &err), &err);
        if (schema_compile(pool, json_root(j), &s, &err) != ERR_INVALID || !err.msg[0])
            FAIL("%s", cases[i]);
    }
    schema_pool_free(pool);
}

static void check_schema(const char *schema, const char *want)
{
    struct field_errors errs cleanup(field_errors_done) = {0};
    struct buf b cleanup(buf_done) = BUF_INIT;
    autojson struct json *j = NULL;
    struct err err = {0};

    CHECK_OK(json_parse(slice_of(schema), &j, &err), &err);
    schema_check(json_root(j), "schema", &errs);
    field_errors_text(&errs, &b);
    CHECK_STR(buf_str(&b), want);
}

#define PROP(text) "{\"type\":\"object\",\"properties\":{\"p\":" text "}}"
#define AT_PROP "schema.properties[p]"

TEST(structural)
{
    static const struct {
        const char *schema, *want;
    } cases[] = {
        {"{\"type\":\"object\"}", ""},
        {PROP("{\"type\":\"string\",\"pattern\":\"^a$\",\"default\":\"a\"}"), ""},
        {PROP("{\"x-kubernetes-int-or-string\":true,\"anyOf\":[{\"type\":\"integer\"},{\"type\":"
              "\"string\"}]}"),
         ""},
        {PROP("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},\"oneOf\":[{"
              "\"required\":[\"a\"]}]}"),
         ""},
        {"{}", "schema.type: Required value: must not be empty at the root"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"string\"}}",
         "schema.type: Invalid value: \"array\": must be object at the root"},
        {"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}",
         "schema.additionalProperties: Forbidden: must not be used at the root"},
        {PROP("{}"),
         AT_PROP ".type: Required value: must not be empty for specified object fields"},
        {PROP("7"), AT_PROP ": Invalid value: 7: must be a schema object"},
        {PROP("{\"type\":\"strange\"}"),
         AT_PROP ".type: Unsupported value: \"strange\": supported values: \"array\", \"boolean\", "
                 "\"integer\", \"number\", \"object\", \"string\""},
        {PROP("{\"type\":\"null\"}"),
         AT_PROP ".type: Forbidden: type cannot be set to null, use nullable as an alternative"},
        {PROP("{\"type\":\"array\"}"), AT_PROP ".items: Required value: must be specified"},
        {PROP("{\"type\":\"array\",\"items\":{}}"),
         AT_PROP ".items.type: Required value: must not be empty for specified array items"},
        {PROP("{\"type\":\"array\",\"items\":[{\"type\":\"string\"}]}"),
         AT_PROP ".items: Forbidden: items must be a schema object and not an array"},
        {PROP("{\"type\":\"string\",\"$ref\":\"#/x\"}"),
         AT_PROP ".$ref: Forbidden: $ref is not supported"},
        {PROP("{\"type\":\"string\",\"definitions\":{\"a\":{}}}"),
         AT_PROP ".definitions: Forbidden: definitions is not supported"},
        {PROP("{\"type\":\"array\",\"uniqueItems\":true,\"items\":{\"type\":\"string\"}}"), AT_PROP
         ".uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity "
         "becomes quadratic"},
        {PROP("{\"type\":\"string\",\"pattern\":\"(\"}"), AT_PROP
         ".pattern: Invalid value: \"(\": must be a valid regular expression, but isn't: error "
         "parsing regexp: missing closing ): `(`"},
        {PROP("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},"
              "\"additionalProperties\":{\"type\":\"string\"}}"),
         AT_PROP ".additionalProperties: Forbidden: additionalProperties and properties are mutual "
                 "exclusive"},
        {PROP("{\"type\":\"string\",\"anyOf\":[{\"type\":\"string\",\"default\":\"x\"}]}"),
         "[" AT_PROP ".anyOf[0].type: Forbidden: must be empty to be structural, " AT_PROP
         ".anyOf[0].default: Forbidden: must be undefined to be structural]"},
        {PROP("{\"type\":\"object\",\"not\":{\"properties\":{\"q\":{\"minLength\":1}}}}"), AT_PROP
         ".properties[q]: Required value: because it is defined in " AT_PROP ".not.properties[q]"},
        {PROP("{\"type\":\"string\",\"default\":7}"), AT_PROP
         ".default: Invalid value: \"integer\":  in body must be of type string: \"integer\""},
        {PROP("{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":false}"), AT_PROP
         ".x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined"},
        {PROP("{\"type\":\"string\",\"x-kubernetes-list-type\":\"set\"}"), AT_PROP
         ".type: Invalid value: \"string\": must be array if x-kubernetes-list-type is specified"},
        {PROP("{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"x-kubernetes-list-type\":"
              "\"bag\"}"),
         AT_PROP
         ".x-kubernetes-list-type: Unsupported value: \"bag\": supported values: \"atomic\", "
         "\"set\", \"map\""},
        {PROP("{\"type\":\"array\",\"items\":{\"type\":\"object\"},\"x-kubernetes-list-type\":"
              "\"map\"}"),
         AT_PROP ".x-kubernetes-list-map-keys: Required value: must not be empty if "
                 "x-kubernetes-list-type is map"},
        {PROP("{\"type\":\"array\",\"items\":{\"type\":\"object\"},\"x-kubernetes-list-type\":"
              "\"map\","
              "\"x-kubernetes-list-map-keys\":[\"k\"]}"),
         AT_PROP ".x-kubernetes-list-map-keys: Invalid value: [\"k\"]: entries must all be names "
                 "of item properties"},
        {PROP("{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"x-kubernetes-list-map-keys\":["
              "\"k\"]}"),
         AT_PROP ".x-kubernetes-list-type: Required value: must be map if "
                 "x-kubernetes-list-map-keys is non-empty"},
        {PROP("{\"type\":\"string\",\"x-kubernetes-map-type\":\"atomic\"}"), AT_PROP
         ".type: Invalid value: \"string\": must be object if x-kubernetes-map-type is specified"},
        {PROP("{\"x-kubernetes-embedded-resource\":true,\"x-kubernetes-preserve-unknown-fields\":"
              "true}"),
         AT_PROP ".type: Required value: must be object if x-kubernetes-embedded-resource is true"},
        {PROP(
             "{\"x-kubernetes-int-or-string\":true,\"x-kubernetes-preserve-unknown-fields\":true}"),
         AT_PROP ".x-kubernetes-preserve-unknown-fields: Invalid value: true: must be false if "
                 "x-kubernetes-int-or-string is true"},
        {PROP("{\"type\":\"string\",\"x-kubernetes-validations\":[{\"rule\":\" \"}]}"),
         AT_PROP ".x-kubernetes-validations[0].rule: Required value: rule is not specified"},
        {PROP("{\"type\":\"string\",\"x-kubernetes-validations\":[{\"rule\":\"self ==\"}]}"),
         AT_PROP
         ".x-kubernetes-validations[0].rule: Invalid value: {\"rule\":\"self ==\"}: compilation "
         "failed: column 8: Syntax error: unexpected end of expression "},
        {"{\"type\":\"object\",\"properties\":{\"kind\":{\"type\":\"integer\"}}}",
         "schema.properties[kind].type: Invalid value: \"integer\": must be string"},
        {"{\"type\":\"object\",\"properties\":{\"metadata\":{\"type\":\"object\",\"properties\":{"
         "\"uid\":{\"type\":\"string\"}}}}}",
         "schema.properties[metadata]: Forbidden: must not specify anything other than name and "
         "generateName, "
         "but metadata is implicitly specified"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        check_schema(cases[i].schema, cases[i].want);
}
