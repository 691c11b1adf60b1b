#include "ray/gotext.h"
#include "data/gofmt.h"
#include "base/test.h"

static void quotes_to(struct slice in, const char *want)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    go_quote(&b, in);
    CHECK_STR(buf_str(&b), want);
}

/* Rows of upstream's own vectors for the submit command. */
TEST(quote_is_gos)
{
    quotes_to(SLICE("plain $HOME `x`"), "\"plain $HOME `x`\"");
    quotes_to(SLICE("a\"b\\c\n\t\a"), "\"a\\\"b\\\\c\\n\\t\\a\"");
    quotes_to(SLICE("\xc2\xa0"), "\"\\u00a0\"");
    quotes_to(SLICE("\xe2\x80\x8b"), "\"\\u200b\"");
    quotes_to(SLICE("\x7f"), "\"\\x7f\"");
    quotes_to(SLICE("\xff"), "\"\\xff\"");
    quotes_to(SLICE("\xe2\x80\xa8"), "\"\\u2028\"");
    quotes_to(SLICE("\xef\xbb\xbf"), "\"\\ufeff\"");
    quotes_to(SLICE("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
              "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
    quotes_to(SLICE("\xc3"), "\"\\xc3\"");
}

TEST(trim_takes_unicode_space)
{
    CHECK(slice_is(go_trim_space(SLICE(" \n\xc2\xa0 a b \xe3\x80\x80")), "a b"));
    CHECK_INT(go_trim_space(SLICE(" \t ")).n, 0);
    CHECK(slice_is(go_trim_space(SLICE("\xff")), "\xff"));
}
