#include "data/json.h"
#include "base/mem.h"
#include "base/test.h"

static struct json *parse(const char *text)
{
    struct json *j = NULL;
    struct err err;

    CHECK_OK(json_parse(slice_of(text), &j, &err), &err);
    return j;
}

TEST(paths_reach_members_and_items)
{
    autojson struct json *j = parse("{\"a\":{\"b\":[{\"c\":7},{\"c\":\"x\"}]},\"t\":true}");
    yyjson_val *root = json_root(j);

    CHECK_INT(json_int_at(root, "a.b.0.c", -1), 7);
    CHECK_STR(json_str_at(root, "a.b.1.c", NULL), "x");
    CHECK_STR(json_str_at(root, "a.b.2.c", "none"), "none");
    CHECK(json_bool_at(root, "t", false));
    CHECK(json_at(NULL, "a.b") == NULL);
}

TEST(deep_and_broken_input_is_refused)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    struct json *j = NULL;
    struct err err;

    for (int i = 0; i < 100000; i++)
        buf_addc(&b, '[');
    CHECK_INT(json_parse(buf_slice(&b), &j, &err), ERR_BAD_REQUEST);
    CHECK_INT(json_parse(SLICE("{\"a\":}"), &j, &err), ERR_BAD_REQUEST);
    CHECK_INT(json_parse(SLICE(""), &j, &err), ERR_BAD_REQUEST);
    CHECK(j == NULL);
}

TEST(walks_visit_everything)
{
    autojson struct json *j = parse("{\"k\":[1,2,3],\"l\":[],\"m\":4}");
    int64_t sum = 0;
    size_t members = 0;

    json_each(json_get(json_root(j), "k"), item, i, n)
        sum += yyjson_get_sint(item) * (int64_t)n;
    json_each(json_get(json_root(j), "l"), item, i, n)
        sum += 1000 + (item != NULL);
    json_each_member(json_root(j), key, val)
        members += key && val;
    CHECK_INT(sum, 18);
    CHECK_INT(members, 3);
}

TEST(edits_keep_member_order)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    autojson struct json *j = parse("{\"a\":1,\"b\":2}");
    yyjson_mut_val *v = json_thaw(doc, json_root(j));

    json_put_str(doc, v, "a", "one");
    json_put_int(doc, json_ensure(doc, v, "c.d"), "e", -5);
    CHECK(json_remove(v, "b"));
    autojson struct json *out = json_freeze(v);
    autofree char *text = json_text(json_root(out));
    CHECK_STR(text, "{\"a\":\"one\",\"c\":{\"d\":{\"e\":-5}}}");
}

TEST(put_gives_what_is_in_the_tree)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *o = yyjson_mut_obj(doc);
    struct buf b cleanup(buf_done) = BUF_INIT;

    json_put_int(doc, o, "a", 1);
    json_put_obj(doc, o, "b");
    json_put_int(doc, o, "c", 3);
    json_put_int(doc, json_put_obj(doc, o, "b"), "x", 1);
    json_put_int(doc, json_put_obj(doc, o, "a"), "y", 2);
    json_put_int(doc, json_put_obj(doc, o, "c"), "z", 3);
    json_mut_write(&b, o);
    CHECK_STR(buf_str(&b), "{\"a\":{\"y\":2},\"b\":{\"x\":1},\"c\":{\"z\":3}}");
}
