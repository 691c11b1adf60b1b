#include "base/mem.h"
#include "base/test.h"
#include "kube/pack.h"

static void same(const char *text)
{
    autojson struct json *j = NULL, *packed = NULL;
    automut yyjson_mut_doc *doc = json_mut_new();
    struct err err;

    CHECK_OK(json_parse(slice_of(text), &j, &err), &err);
    packed = json_pack(json_thaw(doc, json_root(j)));
    CHECK(json_equal(json_root(packed), json_root(j)));
    autofree char *was = json_text(json_root(j)), *now = json_text(json_root(packed));
    CHECK_STR(now, was);
}

TEST(packed_is_the_same)
{
    same("{}");
    same("[]");
    same("null");
    same("\"a\"");
    same("[1,-2,1.5,true,false,null,\"\",\"x\",\"x\",[],{},[[1],{\"a\":[]}]]");
    same("{\"metadata\":{\"name\":\"a\",\"labels\":{\"a\":\"a\",\"b\":\"Running\"}},\"Running\":"
         "\"metadata\","
         "\"n\\u0000ul\":\"v\\u0000l\",\"ü\":\"ü\"}");
}

TEST(long_documents)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    buf_addc(&b, '{');
    for (int i = 0; i < 6000; i++)
        buf_printf(&b, "%s\"name%d\":[\"value%d\",\"value%d\"]", i ? "," : "", i, i, i / 100);
    buf_addc(&b, '}');
    same(buf_str(&b));
}

TEST(readers_work)
{
    autojson struct json *packed = NULL;
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *root = yyjson_mut_obj(doc);

    json_put_str(doc, json_ensure(doc, root, "a.b"), "c", "d");
    json_put_int(doc, root, "n", 7);
    packed = json_pack(root);
    CHECK_STR(json_str_at(json_root(packed), "a.b.c", ""), "d");
    CHECK_INT(json_int_at(json_root(packed), "n", 0), 7);
    autojson struct json *again = json_ref(packed);
    CHECK(again == packed);
}
