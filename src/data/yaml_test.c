/*
 * tests/golden/data/yaml_read.json and yaml_write.json hold texts and what sigs.k8s.io/yaml v1.6,
 * which kubectl uses, makes of them; errors are in our own words.
 */
#include "data/yaml.h"
#include "base/test.h"

static struct json *load(const char *name)
{
    const char *source = getenv("MANTA_SOURCE");
    struct buf text cleanup(buf_done) = BUF_INIT;
    struct json *j = NULL;
    struct err err = {0};
    char path[512];

    snprintf(path, sizeof(path), "%s/tests/golden/data/%s.json", source ? source : ".", name);
    CHECK_OK(file_read(path, &text, &err), &err);
    CHECK_OK(json_parse(buf_slice(&text), &j, &err), &err);
    CHECK(yyjson_arr_size(json_root(j)) > 100);
    return j;
}

static struct slice text_of(yyjson_val *v)
{
    return (struct slice){yyjson_get_str(v), yyjson_get_len(v)};
}

/* Equal as JSON, where a number with and without a point may be the same one. */
static bool same(yyjson_val *a, yyjson_val *b)
{
    if (yyjson_is_num(a) && yyjson_is_num(b))
        return yyjson_get_num(a) == yyjson_get_num(b);
    if (yyjson_is_arr(a) && yyjson_is_arr(b) && yyjson_arr_size(a) == yyjson_arr_size(b)) {
        json_each(a, item, i, n)
            if (!same(item, yyjson_arr_get(b, i)))
                return false;
        return true;
    }
    if (yyjson_is_obj(a) && yyjson_is_obj(b) && yyjson_obj_size(a) == yyjson_obj_size(b)) {
        json_each_member(a, key, val)
            if (!same(val, yyjson_obj_getn(b, yyjson_get_str(key), yyjson_get_len(key))))
                return false;
        return true;
    }
    return json_equal(a, b);
}

TEST(reads_as_kubectl)
{
    autojson struct json *cases = load("yaml_read");

    json_each(json_root(cases), c, i, n) {
        autojson struct json *j = NULL;
        struct err err = {0};
        const char *error = json_get_str(c, "error", NULL);
        int r = yaml_parse(text_of(json_get(c, "yaml")), 0, &j, &err);
        if (error) {
            CHECK_INT(r, ERR_BAD_REQUEST);
            CHECK_STR(err.msg, error);
        } else if (r < 0 || !same(json_root(j), json_get(c, "json"))) {
            autofree char *got = j ? json_text(json_root(j)) : NULL;
            autofree char *want = json_text(json_get(c, "json"));
            FAIL("%s:\n got  %s\n want %s", json_get_str(c, "yaml", ""), r < 0 ? err.msg : got,
                 want);
        }
    }
}

TEST(writes_as_kubectl)
{
    autojson struct json *cases = load("yaml_write");

    json_each(json_root(cases), c, i, n) {
        struct buf b cleanup(buf_done) = BUF_INIT;
        yaml_write(&b, json_get(c, "json"));
        CHECK_STR(buf_str(&b), json_get_str(c, "yaml", ""));
    }
}

TEST(strict)
{
    autojson struct json *j = NULL;
    struct err err = {0};

    CHECK_INT(yaml_parse(slice_of("a: 1\nb:\n  c: 1\n  c: 2\n"), YAML_STRICT, &j, &err),
              ERR_BAD_REQUEST);
    CHECK_STR(err.msg, "line 4: key \"c\" already set in map");
    CHECK_OK(yaml_parse(slice_of("a: 1\na: 2\n"), 0, &j, &err), &err);
    CHECK_INT(json_int_at(json_root(j), "a", 0), 2);
}

TEST(several_documents)
{
    struct yaml_docs docs = {0};
    struct err err = {0};

    CHECK_OK(
        yaml_parse_all(
            slice_of("# only a comment\n---\na: 1\n---\n---\n# none\n---\n- b\n...\n---\nnull\n"),
            0, &docs, &err),
        &err);
    CHECK_INT(docs.n, 3);
    if (docs.n == 3) {
        CHECK_INT(json_int_at(json_root(docs.v[0].json), "a", 0), 1);
        CHECK_INT(docs.v[0].line, 3);
        CHECK_STR(json_str_at(json_root(docs.v[1].json), "0", NULL), "b");
        CHECK_INT(docs.v[1].line, 8);
        CHECK(yyjson_is_null(json_root(docs.v[2].json)));
    }
    yaml_docs_done(&docs);
    CHECK_INT(yaml_parse_all(slice_of("a: 1\n---\n[\n"), 0, &docs, &err), ERR_BAD_REQUEST);
    CHECK_STR(err.msg, "line 4: did not find expected node content");
    CHECK_OK(yaml_parse_all(SLICE(""), 0, &docs, &err), &err);
    CHECK_INT(docs.n, 0);
}

/* A few hundred bytes of aliases to aliases would be gigabytes. */
TEST(billion_laughs)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    autojson struct json *j = NULL;
    struct err err = {0};

    buf_adds(&b, "a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 10; i++)
        buf_printf(&b, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1,
                   i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    CHECK_INT(yaml_parse(buf_slice(&b), 0, &j, &err), ERR_BAD_REQUEST);
    CHECK_STR(err.msg, "line 6: document contains excessive aliasing");
}

TEST(deep_nesting)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    autojson struct json *j = NULL;
    struct err err = {0};

    for (int i = 0; i < 600; i++)
        buf_addc(&b, '[');
    CHECK_INT(yaml_parse(buf_slice(&b), 0, &j, &err), ERR_BAD_REQUEST);
    CHECK_STR(err.msg, "line 1: nested deeper than 512 levels");
    buf_reset(&b);
    for (int i = 0; i < 600; i++)
        buf_adds(&b, "- ");
    CHECK_INT(yaml_parse(buf_slice(&b), 0, &j, &err), ERR_BAD_REQUEST);
    buf_reset(&b); /* also where aliases do the nesting */
    buf_adds(&b, "a0: &a0 [x]\n");
    for (int i = 1; i < 600; i++)
        buf_printf(&b, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    CHECK_INT(yaml_parse(buf_slice(&b), 0, &j, &err), ERR_BAD_REQUEST);
}

TEST(malformed_bytes)
{
    static const struct {
        struct slice text;
        const char *want;
    } cases[] = {
        {SLICE("a: \x01"), "line 1: control characters are not allowed"},
        {SLICE("a: 1\nb: \xff"), "line 2: invalid leading UTF-8 octet"},
        {SLICE("a: \xc3"), "line 1: incomplete UTF-8 octet sequence"},
        {SLICE("a: \xc3("), "line 1: invalid trailing UTF-8 octet"},
        {SLICE("a: \xed\xa0\x80"), "line 1: invalid Unicode character"},
        {SLICE("a: b\0c"), "line 1: control characters are not allowed"},
        {SLICE("\"a\\0b\": c"), "line 1: a key must not contain a NUL"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct json *j = NULL;
        struct err err = {0};
        CHECK_INT(yaml_parse(cases[i].text, 0, &j, &err), ERR_BAD_REQUEST);
        CHECK_STR(err.msg, cases[i].want);
        json_unref(j);
    }
}

TEST(binary_is_made_utf8)
{
    autojson struct json *j = NULL, *again = NULL;
    struct buf text cleanup(buf_done) = BUF_INIT;
    struct err err = {0};

    CHECK_OK(yaml_parse(SLICE("a: !!binary /2H+"), 0, &j, &err), &err);
    CHECK_STR(json_get_str(json_root(j), "a", NULL), "\xef\xbf\xbd"
                                                     "a"
                                                     "\xef\xbf\xbd");
    yaml_write(&text, json_root(j));
    CHECK_OK(yaml_parse(buf_slice(&text), YAML_STRICT, &again, &err), &err);
    CHECK(json_equal(json_root(j), json_root(again)));
}

TEST(json_or_yaml)
{
    autojson struct json *a = NULL, *b = NULL;
    struct err err = {0};

    CHECK_OK(yaml_or_json(slice_of(" {\"a\":1}\n"), 0, &a, &err), &err);
    CHECK_OK(yaml_or_json(slice_of("{a: 1}\n"), 0, &b, &err), &err);
    CHECK(json_equal(json_root(a), json_root(b)));
}
