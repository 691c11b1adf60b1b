#include "data/selector.h"
#include "base/test.h"

TEST(label_text)
{
    static const struct {
        const char *in, *canonical;
    } cases[] = {
        {"", ""},
        {"  ", ""},
        {"a=b", "a=b"},
        {"a==b", "a=b"},
        {"a = b , c != d", "a=b,c!=d"},
        {"c,a", "a,c"},
        {"!a", "!a"},
        {"! a", "!a"},
        {"e in (y,x,y)", "e in (x,y)"},
        {"f notin (z)", "f notin (z)"},
        {"a in ()", "a in ()"},
        {"a in (,)", "a in ()"},
        {"a in (b,,c)", "a in (,b,c)"},
        {"a=", "a="},
        {"a=,b", "a=,b"},
        {"in in (in,notin)", "in in (in,notin)"},
        {"notin=in", "notin=in"},
        {"a>1,b<2", "a>1,b<2"},
        {"ray.io/cluster=x", "ray.io/cluster=x"},
        {"a in(b)", "a in (b)"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct selector *s cleanup(selector_free_p) = NULL;
        struct buf b cleanup(buf_done) = BUF_INIT;
        struct err err = {0};
        CHECK_OK(selector_parse(slice_of(cases[i].in), &s, &err), &err);
        selector_to_string(s, &b);
        CHECK_STR(buf_str(&b), cases[i].canonical);
    }
}

#define NAME_RULE                                                                                  \
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "  \
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for " \
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
#define VALUE_RULE                                                                                 \
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "    \
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value', " \
    " "                                                                                            \
    "or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

TEST(label_errors)
{
    static const struct {
        const char *in, *want;
    } cases[] = {
        {"app>x", "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' "
                  "operators, the value must be an integer"},
        {"app=bad value", "found 'value', expected: ',' or 'end of string'"},
        {"app in (x", "unable to parse requirement: found '', expected: ',' or ')'"},
        {"app in x", "unable to parse requirement: found 'x' expected: '('"},
        {"app in", "unable to parse requirement: found '' expected: '('"},
        {"app in ((", "unable to parse requirement: found '(', expected: ',', ')' or identifier"},
        {"app in (a b)", "unable to parse requirement: found 'b', expected: ',' or ')'"},
        {"app in (a,(", "unable to parse requirement: found '(', expected: ',', or identifier"},
        {"app in (,", "unable to parse requirement: found '', expected: ',', or identifier"},
        {"=a", "found '=', expected: !, identifier, or 'end of string'"},
        {",", "found ',', expected: !, identifier, or 'end of string'"},
        {"a,", "found '', expected: identifier after ','"},
        {"a,,b", "found ',', expected: identifier after ','"},
        {"!", "unable to parse requirement: found '', expected: identifier"},
        {"!!a", "unable to parse requirement: found '!', expected: identifier"},
        {"!a=b", "found '=', expected: ',' or 'end of string'"},
        {"a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"},
        {"a!b", "unable to parse requirement: found '!', expected: in, notin, =, ==, !=, gt, lt"},
        {"a=(", "unable to parse requirement: found '(', expected: identifier"},
        {"a==!", "unable to parse requirement: found '!', expected: identifier"},
        {"a)", "unable to parse requirement: found ')', expected: in, notin, =, ==, !=, gt, lt"},
        {"-a=b", "unable to parse requirement: <nil>: Invalid value: \"-a\": " NAME_RULE},
        {"a=-b", "unable to parse requirement: values[0][a]: Invalid value: \"-b\": " VALUE_RULE},
        {"/a", "unable to parse requirement: <nil>: Invalid value: \"/a\": prefix part must be "
               "non-empty"},
        {"b/",
         "unable to parse requirement: <nil>: Invalid value: \"b/\": name part must be non-empty"},
        {"a=" X64, "unable to parse requirement: values[0][a]: Invalid value: \"" X64
                   "\": must be no more than 63 bytes"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct selector *s = NULL;
        struct err err = {0};
        CHECK_INT(selector_parse(slice_of(cases[i].in), &s, &err), ERR_BAD_REQUEST);
        CHECK_STR(err.msg, cases[i].want);
        CHECK(!s);
    }
}

static bool label_matches(const char *selector, const char *labels)
{
    struct selector *s cleanup(selector_free_p) = NULL;
    autojson struct json *j = NULL;
    struct err err = {0};

    CHECK_OK(selector_parse(slice_of(selector), &s, &err), &err);
    CHECK_OK(json_parse(slice_of(labels), &j, &err), &err);
    return selector_matches(s, json_root(j));
}

TEST(label_match)
{
    static const struct {
        const char *selector, *labels;
        bool want;
    } cases[] = {
        {"", "{}", true},
        {"a=b", "{\"a\":\"b\"}", true},
        {"a=b", "{\"a\":\"c\"}", false},
        {"a=b", "{}", false},
        {"a=", "{}", false},
        {"a!=b", "{}", true},
        {"a!=b", "{\"a\":\"b\"}", false},
        {"a in (b,c)", "{\"a\":\"c\"}", true},
        {"a notin (b,c)", "{\"a\":\"c\"}", false},
        {"a notin (b,c)", "{}", true},
        {"a", "{\"a\":\"\"}", true},
        {"!a", "{\"a\":\"\"}", false},
        {"a>5", "{\"a\":\"6\"}", true},
        {"a>5", "{\"a\":\"5\"}", false},
        {"a<5", "{\"a\":\"x\"}", false},
        {"a,b=1", "{\"a\":\"\",\"b\":\"2\"}", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (label_matches(cases[i].selector, cases[i].labels) != cases[i].want)
            FAIL("%s on %s", cases[i].selector, cases[i].labels);
    CHECK(selector_matches(NULL, NULL));
}

static void from_json(const char *text, const char *want, const char *error)
{
    struct selector *s cleanup(selector_free_p) = NULL;
    struct buf b cleanup(buf_done) = BUF_INIT;
    autojson struct json *j = NULL;
    struct err err = {0};

    CHECK_OK(json_parse(slice_of(text), &j, &err), &err);
    int r = selector_from_json(json_root(j), &s, &err);
    CHECK_INT(r, error ? ERR_BAD_REQUEST : 0);
    if (error) {
        CHECK_STR(err.msg, error);
        return;
    }
    selector_to_string(s, &b);
    CHECK_STR(buf_str(&b), want);
}

TEST(label_json)
{
    from_json("{}", "", NULL);
    from_json("null", "", NULL);
    from_json("{\"matchLabels\":{\"b\":\"1\",\"a\":\"\"},\"matchExpressions\":["
              "{\"key\":\"c\",\"operator\":\"In\",\"values\":[\"y\",\"x\"]},"
              "{\"key\":\"d\",\"operator\":\"NotIn\",\"values\":[\"y\"]},"
              "{\"key\":\"e\",\"operator\":\"Exists\"},"
              "{\"key\":\"f\",\"operator\":\"DoesNotExist\"}]}",
              "a=,b=1,c in (x,y),d notin (y),e,!f", NULL);
    from_json("{\"matchExpressions\":[{\"key\":\"c\",\"operator\":\"Like\"}]}", NULL,
              "\"Like\" is not a valid label selector operator");
    from_json("{\"matchExpressions\":[{\"key\":\"c\",\"operator\":\"In\"}]}", NULL,
              "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty");
    from_json(
        "{\"matchExpressions\":[{\"key\":\"c\",\"operator\":\"Exists\",\"values\":[\"x\"]}]}", NULL,
        "values: Invalid value: [\"x\"]: values set must be empty for exists and does not exist");
    from_json("{\"matchExpressions\":[{\"key\":\"c\",\"operator\":\"In\",\"values\":[1]}]}", NULL,
              "values[0] must be a string");
    from_json("{\"matchLabels\":{\"a\":1}}", NULL, "label \"a\" must be a string");
    from_json("[]", NULL, "a label selector must be an object");
}

static const struct field_label labels[] = {
    {"metadata.name", NULL, NULL},
    {"metadata.namespace", NULL, NULL},
    {"spec.hostNetwork", NULL, "false"},
    {"involved", "status.of", NULL},
};

TEST(field_text)
{
    static const struct {
        const char *in, *canonical;
    } cases[] = {
        {"", ""},         {"b=1,a==2", "a=2,b=1"},
        {"a!=x", "a!=x"}, {"a=x\\,y\\=z\\\\", "a=x\\,y\\=z\\\\"},
        {"a=", "a="},     {",,a=1,", "a=1"},
        {"=", ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct field_selector *s cleanup(field_selector_free_p) = NULL;
        struct buf b cleanup(buf_done) = BUF_INIT;
        struct err err = {0};
        CHECK_OK(field_selector_parse(slice_of(cases[i].in), &s, &err), &err);
        field_selector_to_string(s, &b);
        CHECK_STR(buf_str(&b), cases[i].canonical);
    }
}

TEST(field_errors)
{
    static const struct {
        const char *in, *want;
    } cases[] = {
        {"metadata.name>a",
         "invalid selector: 'metadata.name>a'; can't understand 'metadata.name>a'"},
        {"a=1,metadata.name",
         "invalid selector: 'a=1,metadata.name'; can't understand 'metadata.name'"},
        {"a=x=y", "invalid field selector: unescaped character in value: 61"},
        {"a=\\x", "invalid field selector: invalid escape sequence: \\x"},
        {"a=x\\", "invalid field selector: invalid escape sequence: \\"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct field_selector *s = NULL;
        struct err err = {0};
        CHECK_INT(field_selector_parse(slice_of(cases[i].in), &s, &err), ERR_BAD_REQUEST);
        CHECK_STR(err.msg, cases[i].want);
    }
}

TEST(field_check)
{
    struct field_selector *s cleanup(field_selector_free_p) = NULL;
    struct err err = {0};

    CHECK_OK(field_selector_parse(slice_of("data.a=1"), &s, &err), &err);
    CHECK_INT(field_selector_check(s, labels, 2, true, &err), ERR_BAD_REQUEST);
    CHECK_STR(err.msg, "\"data.a\" is not a known field selector: only \"metadata.name\", "
                       "\"metadata.namespace\"");
    CHECK_INT(field_selector_check(s, labels, 2, false, &err), ERR_BAD_REQUEST);
    CHECK_STR(err.msg, "field label not supported: data.a");
}

TEST(field_match)
{
    static const struct {
        const char *selector;
        bool want;
    } cases[] = {
        {"", true},
        {"metadata.name=x", true},
        {"metadata.name!=x", false},
        {"metadata.name=x,metadata.namespace=n", false},
        {"metadata.namespace=", true},
        {"spec.hostNetwork=false", true},
        {"spec.hostNetwork!=true", true},
        {"involved=y", true},
        {"involved=z", false},
    };
    autojson struct json *j = NULL;
    struct err err = {0};

    CHECK_OK(
        json_parse(slice_of("{\"metadata\":{\"name\":\"x\"},\"status\":{\"of\":\"y\"}}"), &j, &err),
        &err);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct field_selector *s cleanup(field_selector_free_p) = NULL;
        CHECK_OK(field_selector_parse(slice_of(cases[i].selector), &s, &err), &err);
        if (field_selector_matches(s, labels, ARRAY_SIZE(labels), json_root(j)) != cases[i].want)
            FAIL("%s", cases[i].selector);
    }
    struct field_selector *s cleanup(field_selector_free_p) = NULL;
    CHECK_OK(field_selector_parse(slice_of("a!=1,metadata.name=x"), &s, &err), &err);
    CHECK_STR(field_selector_exact(s, "metadata.name"), "x");
    CHECK_STR(field_selector_exact(s, "a"), NULL);
}
