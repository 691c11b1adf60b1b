#include "base/test.h"
#include "kube/split.h"

static struct buf got;

static int collect(unused void *ctx, struct slice item, unused struct err *err)
{
    buf_add_slice(&got, item);
    buf_addc(&got, '|');
    return 0;
}

/* Feeds text in pieces of n bytes. */
static int feed(bool list, const char *text, size_t n, struct buf *rest, struct err *err)
{
    struct split s cleanup(split_done) = {.list = list, .on_item = collect};
    int r = 0;

    buf_reset(&got);
    for (size_t i = 0, len = strlen(text); i < len && r == 0; i += n)
        r = split_feed(&s, (struct slice){text + i, MIN(n, len - i)}, err);
    buf_reset(rest);
    buf_add_slice(rest, buf_slice(&s.rest));
    return r;
}

TEST(list_in_pieces)
{
    const char *text =
        "{\"kind\":\"PodList\",\"metadata\":{\"items\":[1],\"continue\":\"x\"}, \"items\" : [ "
        "{\"a\":\"}]\\\"{\",\"items\":[{}]} , {\"b\":[[],{}]}\n] ,\"z\":[{\"items\":[]}]}";
    struct buf rest cleanup(buf_done) = BUF_INIT;
    struct err err;

    for (size_t n = 1; n < 40; n++) {
        CHECK_OK(feed(true, text, n, &rest, &err), &err);
        CHECK_STR(buf_str(&got), "{\"a\":\"}]\\\"{\",\"items\":[{}]}|{\"b\":[[],{}]}|");
        CHECK_STR(buf_str(&rest),
                  "{\"kind\":\"PodList\",\"metadata\":{\"items\":[1],\"continue\":\"x\"}, "
                  "\"items\" : [] ,\"z\":[{\"items\":[]}]}");
    }
    CHECK_OK(feed(true, "{\"items\":null,\"x\":[{}]}", 3, &rest, &err), &err);
    CHECK_STR(buf_str(&got), "");
    CHECK_OK(feed(true, "{\"x\":\"items\",\"y\":[{}]}", 3, &rest, &err), &err);
    CHECK_STR(buf_str(&got), "");
    CHECK_OK(feed(true, "{\"items\":[]}", 3, &rest, &err), &err);
    CHECK(feed(true, "{\"items\":[1]}", 3, &rest, &err) < 0);
    CHECK(feed(true, "{\"items\":[\"\"]}", 3, &rest, &err) < 0);
    buf_done(&got);
}

TEST(lines_in_pieces)
{
    struct buf rest cleanup(buf_done) = BUF_INIT;
    struct err err;

    for (size_t n = 1; n < 12; n++) {
        CHECK_OK(feed(false, "{\"a\":1}\n\n{\"b\":2}\n{\"c", n, &rest, &err), &err);
        CHECK_STR(buf_str(&got), "{\"a\":1}|{\"b\":2}|");
    }
    buf_done(&got);
}
