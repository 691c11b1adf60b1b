/* schema: a schema, an object, and maybe the object before it. */
#include "data/schema.h"
#include "parts.h"

static void use(const struct schema *s, yyjson_val *obj, yyjson_val *old)
{
    struct schema_paths unknown cleanup(schema_paths_done) = {0};
    struct field_errors errs cleanup(field_errors_done) = {0};
    struct buf text cleanup(buf_done) = BUF_INIT;
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *edited = json_thaw(doc, obj);

    schema_prune(s, edited, &unknown);
    schema_default(s, doc, edited);
    autojson struct json *result = json_freeze(edited);
    schema_validate(s, json_root(result), old, &errs);
    field_errors_text(&errs, &text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = {(const char *)data, size};
    autojson struct json *openapi = fuzz_json(&rest), *obj = fuzz_json(&rest),
                         *old = fuzz_json(&rest);
    struct field_errors errs cleanup(field_errors_done) = {0};
    struct schema *s = NULL;

    if (!openapi)
        return 0;
    schema_check(json_root(openapi), "schema", &errs);
    struct schema_pool *pool = schema_pool_new();
    if (schema_compile(pool, json_root(openapi), &s, NULL) == 0 && yyjson_is_obj(json_root(obj)))
        use(s, json_root(obj), json_root(old));
    schema_unref(s);
    schema_pool_free(pool);
    return 0;
}
