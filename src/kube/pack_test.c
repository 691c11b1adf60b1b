#include "base/mem.h"
#include "base/test.h"
#include "base/vec.h"
#include "kube/pack.h"
#include "kube/words.h"

static struct json *repacked(yyjson_mut_val *v)
{
    struct packed *p = packed_new(v);
    struct json *j = packed_open(p);

    packed_free(p); /* what was opened needs it no longer */
    return j;
}

static void same(const char *text)
{
    autojson struct json *j = NULL;
    automut yyjson_mut_doc *doc = json_mut_new();
    struct err err;

    CHECK_OK(json_parse(slice_of(text), &j, &err), &err);
    autofree char *was = json_text(json_root(j));
    for (int time = 0; time < 3; time++) { /* strings become words from the second time on */
        autojson struct json *packed = repacked(json_thaw(doc, json_root(j)));
        CHECK(json_equal(json_root(packed), json_root(j)));
        autofree char *now = json_text(json_root(packed));
        CHECK_STR(now, was);
    }
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

TEST(numbers)
{
    same("[0,1,127,128,16383,16384,9223372036854775807,18446744073709551615]");
    same("[-1,-127,-128,-129,-9223372036854775808,1.0,-0.5,1e300,5e-324]");
}

TEST(texts_of_all_lengths)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    buf_addc(&b, '[');
    for (int n = 0; n < 300; n++) {
        buf_adds(&b, n ? ",\"" : "\"");
        for (int i = 0; i < n; i++)
            buf_addc(&b, (char)('a' + (n + i) % 26));
        buf_addc(&b, '"');
    }
    buf_addc(&b, ']');
    same(buf_str(&b));
}

TEST(words_are_given_back)
{
    size_t before = words_count();
    automut yyjson_mut_doc *doc = json_mut_new();
    VEC(struct packed *) all = {0};

    for (int i = 0; i < 20000; i++) { /* more than two bytes can number */
        yyjson_mut_val *v = yyjson_mut_obj(doc);
        autofree char *name = xasprintf("name-%d", i);
        json_put_str(doc, v, name, "a value that all have");
        vec_push(&all, packed_new(v));
    }
    CHECK(words_count() >= before + 20000);
    for (size_t i = 0; i < all.n; i += 997) {
        autojson struct json *j = packed_open(all.v[i]);
        autofree char *name = xasprintf("name-%zu", i);
        CHECK_STR(json_get_str(json_root(j), name, ""), "a value that all have");
    }
    for (size_t i = 0; i < all.n; i++)
        packed_free(all.v[i]);
    vec_done(&all);
    CHECK_INT(words_count(), before);
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
    packed = repacked(root);
    CHECK_STR(json_str_at(json_root(packed), "a.b.c", ""), "d");
    CHECK_INT(json_int_at(json_root(packed), "n", 0), 7);
    autojson struct json *again = json_ref(packed);
    CHECK(again == packed);
}
