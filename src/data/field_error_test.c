#include "data/field_error.h"
#include "data/gofmt.h"
#include "base/test.h"

TEST(texts)
{
    struct field_errors errs cleanup(field_errors_done) = {0};
    struct buf b cleanup(buf_done) = BUF_INIT;
    autojson struct json *j = NULL;
    const char *const words[] = {"A", "B"};

    CHECK_OK(
        json_parse(slice_of("{\"s\":\"a\\\"b\",\"o\":{\"z\":1,\"a\":\"<\"},\"f\":1.5,\"i\":7}"), &j,
                   NULL),
        &(struct err){0});
    yyjson_val *o = json_root(j);
    field_required(&errs, "spec.x", "");
    field_errors_text(&errs, &b);
    CHECK_STR(buf_str(&b), "spec.x: Required value");
    field_invalid(&errs, "a", json_get(o, "s"), "no");
    field_invalid(&errs, "a", json_get(o, "o"), "no");
    field_invalid(&errs, NULL, NULL, "no");
    field_invalid(&errs, "a", json_get(o, "f"), NULL);
    field_not_supported(&errs, "a", json_get(o, "i"), words, 2);
    field_too_many(&errs, "a", 3, 1);
    field_too_long(&errs, "a", 5);
    field_duplicate(&errs, "a[1]", json_get(o, "i"));
    static const char *const want[] = {
        "Required value",
        "Invalid value: \"a\\\"b\": no",
        "Invalid value: {\"z\":1,\"a\":\"\\u003c\"}: no",
        "Invalid value: null: no",
        "Invalid value: 1.5",
        "Unsupported value: 7: supported values: \"A\", \"B\"",
        "Too many: 3: must have at most 1 item",
        "Too long: may not be more than 5 bytes",
        "Duplicate value: 7",
    };
    CHECK_INT(errs.n, ARRAY_SIZE(want));
    for (size_t i = 0; i < errs.n && i < ARRAY_SIZE(want); i++)
        CHECK_STR(errs.v[i].message, want[i]);
    CHECK_STR(errs.v[3].field, "<nil>");
    CHECK_STR(field_error_reason(FIELD_TYPE_INVALID), "FieldValueTypeInvalid");
}

TEST(floats_as_go)
{
    static const struct {
        double v;
        const char *g, *json;
    } cases[] = {
        {0, "0", "0"},
        {1, "1", "1"},
        {1.5, "1.5", "1.5"},
        {100000, "100000", "100000"},
        {1000000, "1e+06", "1000000"},
        {123456789, "1.23456789e+08", "123456789"},
        {1e20, "1e+20", "100000000000000000000"},
        {1e21, "1e+21", "1e+21"},
        {1.234e22, "1.234e+22", "1.234e+22"},
        {0.0001, "0.0001", "0.0001"},
        {0.00001, "1e-05", "0.00001"},
        {1e-7, "1e-07", "1e-7"},
        {-2.5, "-2.5", "-2.5"},
        {12345678.5, "1.23456785e+07", "12345678.5"},
        {1e-300, "1e-300", "1e-300"},
    };
    char text[GO_FLOAT_TEXT];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CHECK_STR(go_float(cases[i].v, text), cases[i].g);
        CHECK_STR(go_float_json(cases[i].v, text), cases[i].json);
    }
}

TEST(quotes_as_go)
{
    static const struct {
        const char *in, *want;
    } cases[] = {
        {"", "\"\""},
        {"a'b", "\"a'b\""},
        {"tab\tnl\n", "\"tab\\tnl\\n\""},
        {"\x01\x7f", "\"\\x01\\x7f\""},
        {"gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\""},
        {"\xff\xc3", "\"\\xff\\xc3\""},
        {"\xe2\x80\x8b", "\"\\u200b\""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct buf b cleanup(buf_done) = BUF_INIT;
        go_quote(&b, slice_of(cases[i].in));
        CHECK_STR(buf_str(&b), cases[i].want);
    }
}
