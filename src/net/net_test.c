#include "base/test.h"

#include "net/client.h"
#include "net/server.h"

TEST(rcbuf_take)
{
    struct buf b = BUF_INIT;
    buf_adds(&b, "abc");
    struct rcbuf *r = rcbuf_take_buf(&b);
    CHECK_INT(r->len, 3);
    CHECK_INT(b.len, 0);
    rcbuf_unref(rcbuf_ref(r));
    CHECK(slice_is(rcbuf_slice(r), "abc"));
    rcbuf_unref(r);
}

TEST(list_has)
{
    CHECK(http_list_has(SLICE("keep-alive, Upgrade"), "upgrade"));
    CHECK(!http_list_has(SLICE("keep-alive, Upgraded"), "upgrade"));
    CHECK(!http_list_has(SLICE(""), "upgrade"));
}

TEST(field_valid)
{
    CHECK(http_field_valid(SLICE("x-a"), SLICE("b\tc")));
    CHECK(!http_field_valid(SLICE("x a"), SLICE("b")));
    CHECK(!http_field_valid(SLICE("x"), SLICE("b\r\nc: d")));
    CHECK(!http_field_valid(SLICE(""), SLICE("b")));
}
