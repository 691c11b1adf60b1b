/*
 * Cases are in tests/golden/data: those of RFC 6902 and RFC 7386, what a kube-apiserver makes of
 * them, and strategic merges whose results were computed by apimachinery v0.36.
 */
#include "data/patch.h"
#include "data/types.h"
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
    CHECK(yyjson_arr_size(json_root(j)) > 0);
    return j;
}

static void check_result(yyjson_val *c, size_t i, yyjson_mut_val *root)
{
    autojson struct json *got = json_freeze(root);
    yyjson_val *want = json_get(c, "want");

    if (json_equal(json_root(got), want))
        return;
    autofree char *got_text = json_text(json_root(got));
    autofree char *want_text = json_text(want);
    FAIL("case %zu, %s:\n got  %s\n want %s", i, json_get_str(c, "name", ""), got_text, want_text);
}

static void check_code(yyjson_val *c, size_t i, int r, const struct err *err)
{
    const char *want = json_get_str(c, "code", "");

    if (strcmp(want, r ? err_reason(r) : "") != 0)
        FAIL("case %zu, %s: got \"%s\" (%s), want \"%s\"", i, json_get_str(c, "name", ""),
             err_reason(r), err->msg, want);
    CHECK(r == 0 || err->msg[0]);
}

TEST(json_patch)
{
    autojson struct json *cases = load("patch_json");

    json_each(json_root(cases), c, i, n) {
        automut yyjson_mut_doc *doc = json_mut_new();
        yyjson_mut_val *root = json_thaw(doc, json_get(c, "doc"));
        struct err err = {0};
        int r = patch_json(doc, &root, json_get(c, "patch"), &err);
        check_code(c, i, r, &err);
        if (r == 0)
            check_result(c, i, root);
    }
}

TEST(merge_patch)
{
    autojson struct json *cases = load("patch_merge");

    json_each(json_root(cases), c, i, n) {
        automut yyjson_mut_doc *doc = json_mut_new();
        yyjson_mut_val *root = json_thaw(doc, json_get(c, "doc"));
        check_result(c, i, patch_merge(doc, root, json_get(c, "patch")));
        /* and the way back: a diff to the wanted result leads there, unless it has nulls */
        autojson struct json *diff =
            json_freeze(patch_merge_diff(doc, json_get(c, "doc"), json_get(c, "want")));
        root = patch_merge(doc, json_thaw(doc, json_get(c, "doc")), json_root(diff));
        check_result(c, i, root);
    }
}

TEST(strategic_merge)
{
    autojson struct json *cases = load("patch_strategic");

    json_each(json_root(cases), c, i, n) {
        automut yyjson_mut_doc *doc = json_mut_new();
        yyjson_mut_val *root = json_thaw(doc, json_get(c, "original"));
        struct patch_meta meta = {patch_lookup_types, type_named(json_get_str(c, "type", ""))};
        struct err err = {0};
        int r = patch_strategic(doc, &root, json_get(c, "patch"), &meta, &err);
        check_code(c, i, r, &err);
        if (r == 0)
            check_result(c, i, root);
        else
            CHECK_STR(err.msg, json_get_str(c, "error", NULL));
    }
}

static int apply(const char *doc_text, const char *patch_text, struct err *err)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    autojson struct json *j = NULL, *patch = NULL;

    CHECK_OK(json_parse(slice_of(doc_text), &j, err), err);
    CHECK_OK(json_parse(slice_of(patch_text), &patch, err), err);
    yyjson_mut_val *root = json_thaw(doc, json_root(j));
    return patch_json(doc, &root, json_root(patch), err);
}

TEST(json_patch_words)
{
    static const struct {
        const char *patch, *want;
    } cases[] = {
        {"{}", "error decoding patch: json: cannot unmarshal object into Go value of type "
               "[]handlers.jsonPatchOp"},
        {"[7]", "error decoding patch: json: cannot unmarshal number into Go value of type "
                "handlers.jsonPatchOp"},
        {"[{\"op\":\"add\",\"path\":1}]",
         "error decoding patch: json: cannot unmarshal number into Go "
         "struct field jsonPatchOp.path of type string"},
        {"[{\"op\":\"frob\"}]", "Unexpected kind: frob"},
        {"[{\"op\":\"remove\",\"path\":\"/q\"}]",
         "remove operation does not apply at \"/q\": no such member to remove"},
        {"[{\"op\":\"test\",\"path\":\"/a\",\"value\":2}]",
         "test operation does not apply at \"/a\": the value there is another"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct err err = {0};
        CHECK(apply("{\"a\":1}", cases[i].patch, &err) < 0);
        CHECK_STR(err.msg, cases[i].want);
    }
}

/* Copies of copies, nesting by moves, and sheer length are bounded. */
TEST(json_patch_bounds)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    struct err err = {0};

    buf_adds(&b, "[{\"op\":\"add\",\"path\":\"/a\",\"value\":[1]}");
    for (int i = 0; i < 40; i++)
        buf_adds(&b, ",{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/-\"}");
    buf_addc(&b, ']');
    CHECK_INT(apply("{}", buf_str(&b), &err), ERR_INVALID);

    buf_reset(&b);
    buf_adds(&b, "[{\"op\":\"add\",\"path\":\"/a\",\"value\":{}}");
    for (int i = 0; i < 600; i++)
        buf_adds(&b, ",{\"op\":\"add\",\"path\":\"/b\",\"value\":{}},{\"op\":\"move\",\"from\":\"/"
                     "a\",\"path\":\"/b/b\"}"
                     ",{\"op\":\"move\",\"from\":\"/b\",\"path\":\"/a\"}");
    buf_addc(&b, ']');
    CHECK_INT(apply("{}", buf_str(&b), &err), ERR_INVALID);

    buf_reset(&b);
    buf_adds(&b, "[{\"op\":\"test\",\"path\":\"/a\"}");
    for (int i = 0; i < PATCH_MAX_OPS; i++)
        buf_adds(&b, ",{\"op\":\"test\",\"path\":\"/a\"}");
    buf_addc(&b, ']');
    CHECK_INT(apply("{}", buf_str(&b), &err), ERR_TOO_LARGE);
    CHECK_STR(err.msg, "The allowed maximum operations in a JSON patch is 10000, got 10001");
}

TEST(pointers) /* RFC 6901, section 5 */
{
    static const struct {
        const char *pointer, *want;
    } cases[] = {
        {"/foo", "[\"bar\",\"baz\"]"},
        {"/foo/0", "\"bar\""},
        {"/", "0"},
        {"/a~1b", "1"},
        {"/c%d", "2"},
        {"/e^f", "3"},
        {"/g|h", "4"},
        {"/i\\j", "5"},
        {"/k\"l", "6"},
        {"/ ", "7"},
        {"/m~0n", "8"},
    };
    const char *text = "{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,"
                       "\"i\\\\j\":5,\"k\\\"l\":6,\" \":7,\"m~n\":8}";
    automut yyjson_mut_doc *doc = json_mut_new();
    autojson struct json *j = NULL;
    struct err err = {0};
    yyjson_mut_val *v = NULL;

    CHECK_OK(json_parse(slice_of(text), &j, &err), &err);
    yyjson_mut_val *root = json_thaw(doc, json_root(j));
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct buf b cleanup(buf_done) = BUF_INIT;
        CHECK_OK(json_pointer(root, slice_of(cases[i].pointer), &v, &err), &err);
        json_mut_write(&b, v);
        CHECK_STR(buf_str(&b), cases[i].want);
    }
    CHECK_OK(json_pointer(root, SLICE(""), &v, &err), &err);
    CHECK(v == root);
    CHECK_INT(json_pointer(root, SLICE("/nope/x"), &v, &err), ERR_NOT_FOUND);
    CHECK_INT(json_pointer(root, SLICE("foo"), &v, &err), ERR_BAD_REQUEST);
}
