#include "data/jsonpath.h"
#include "base/test.h"

static const char *const text =
    "{\"spec\":{\"replicas\":3,\"a.b\":1},\"list\":[1,2,3],\"empty\":{},"
    "\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\",\"n\":2},"
    "{\"type\":\"Other\",\"status\":\"False\",\"n\":5,\"reason\":\"Other\"}]}}";

static bool collect(void *ctx, yyjson_val *v)
{
    struct buf *b = ctx;

    if (b->len)
        buf_addc(b, ' ');
    json_write(b, v);
    return true;
}

TEST(paths)
{
    static const struct {
        const char *path, *want;
    } cases[] = {
        {".spec.replicas", "3"},
        {"spec.replicas", "3"},
        {"{.spec.replicas}", "3"},
        {"$.spec.replicas", "3"},
        {".spec['a.b']", "1"},
        {".spec.a\\.b", "1"},
        {".spec.none", ""},
        {".spec.replicas.deeper", ""},
        {".list[0]", "1"},
        {".list[-1]", "3"},
        {".list[9]", ""},
        {".list[1:]", "2 3"},
        {".list[:2]", "1 2"},
        {".list[0:-1]", "1 2"},
        {".list[*]", "1 2 3"},
        {".list.[1]", "2"},
        {".empty", "{}"},
        {".status.conditions[*].type", "\"Ready\" \"Other\""},
        {".status.conditions[?(@.type==\"Ready\")].status", "\"True\""},
        {".status.conditions[?(@.type=='Ready')].status", "\"True\""},
        {".status.conditions[?( @.type != 'Ready' )].status", "\"False\""},
        {".status.conditions[?(@.n>2)].type", "\"Other\""},
        {".status.conditions[?(@.n<=2)].type", "\"Ready\""},
        {".status.conditions[?(@.n>='x')].type", ""},
        {".status.conditions[?(@.reason)].type", "\"Other\""},
        {".status.conditions[?(@.reason==@.type)].n", "5"},
        {".status.conditions[?(@.none=='x')].type", ""},
        {".spec.*", "3 1"},
        {".", NULL},
    };
    autojson struct json *j = NULL;
    struct err err = {0};

    CHECK_OK(json_parse(slice_of(text), &j, &err), &err);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct jsonpath *p cleanup(jsonpath_free_p) = NULL;
        struct buf b cleanup(buf_done) = BUF_INIT;
        CHECK_OK(jsonpath_parse(slice_of(cases[i].path), &p, &err), &err);
        if (!p)
            continue;
        jsonpath_each(p, json_root(j), collect, &b);
        if (strcmp(buf_str(&b), cases[i].want ? cases[i].want : text) != 0)
            FAIL("%s: got %s", cases[i].path, buf_str(&b));
    }
}

TEST(malformed)
{
    static const struct {
        const char *path, *want;
    } cases[] = {
        {"..a", "column 3: recursive descent is not supported"},
        {".a..b", "column 5: recursive descent is not supported"},
        {".a.", "column 4: a name is missing"},
        {".a[", "column 4: invalid array index"},
        {".a[x]", "column 4: invalid array index"},
        {".a[1", "column 5: unterminated array"},
        {".a[1:x]", "column 6: invalid array index"},
        {".a['b]", "column 7: unterminated quoted string"},
        {".a[99999999999999999999]", "column 24: invalid array index"},
        {".a[?(b)]", "column 6: a filter must begin with @"},
        {".a[?(@.b==)]", "column 11: a string, a number, true, false, null or @ is expected"},
        {".a[?(@.b==\"x)]", "column 15: unterminated quoted string"},
        {".a[?(@.b=='x']", "column 14: unterminated filter"},
        {".a[?(@.b]", "column 9: unterminated filter"},
        {".a b", "column 3: '.' or '[' is expected"},
        {".a}", "column 3: '.' or '[' is expected"},
        {".a\\", "column 4: a path must not end in a backslash"},
        {"(", "column 1: a name is missing"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct jsonpath *p = NULL;
        struct err err = {0};
        CHECK_INT(jsonpath_parse(slice_of(cases[i].path), &p, &err), ERR_INVALID);
        CHECK_STR(err.msg, cases[i].want);
    }
}
