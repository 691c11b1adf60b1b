#include "base/base64.h"
#include "base/arena.h"
#include "base/map.h"
#include "base/names.h"
#include "base/table.h"
#include "base/timefmt.h"
#include "base/vec.h"
#include "base/test.h"

TEST(slice_utf8)
{
    CHECK(slice_is_utf8(SLICE("")));
    CHECK(slice_is_utf8(SLICE("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")));
    CHECK(!slice_is_utf8(SLICE("\xff")));
    CHECK(!slice_is_utf8(SLICE("\xc0\x80")));     /* not the shortest */
    CHECK(!slice_is_utf8(SLICE("\xed\xa0\x80"))); /* a surrogate */
    CHECK(!slice_is_utf8(SLICE("\xf4\x90\x80\x80")));
    CHECK(!slice_is_utf8(SLICE("\xe2\x82"))); /* cut short */
}

TEST(buf_keeps_within_its_limit)
{
    struct buf b cleanup(buf_done) = BUF_LIMIT(5);

    buf_adds(&b, "abc");
    CHECK(!b.over);
    buf_adds(&b, "def");
    CHECK(b.over);
    CHECK_STR(buf_str(&b), "abc");
    buf_consume(&b, 2);
    CHECK_STR(buf_str(&b), "c");
}

TEST(map_survives_many_puts_and_removes)
{
    struct map m = {0};
    char key[32];

    for (intptr_t i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "k%d", (int)i);
        CHECK(map_put(&m, key, (void *)(i + 1)) == NULL);
        if (i % 3 == 0)
            CHECK(map_remove(&m, key) == (void *)(i + 1));
    }
    size_t seen = 0;
    for (struct map_item *i = map_next(&m, NULL); i; i = map_next(&m, i))
        seen++;
    CHECK_INT(seen, m.n);
    CHECK(!map_has(&m, "k0"));
    CHECK(map_get(&m, "k4999") == (void *)5000);
    map_done(&m);
}

TEST(arena_gives_zeroed_aligned_memory)
{
    struct arena a = {0};

    for (int i = 1; i < 3000; i++) {
        char *p = arena_alloc(&a, (size_t)i);
        CHECK((uintptr_t)p % _Alignof(max_align_t) == 0 && p[0] == 0 && p[i - 1] == 0);
        memset(p, 0xff, (size_t)i);
    }
    CHECK_STR(arena_printf(&a, "%s-%d", "x", 7), "x-7");
    arena_done(&a);
}

TEST(time_text_round_trips)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000000Z"},
        {"2024-02-29T23:59:59.5+02:00", "2024-02-29T21:59:59.500000000Z"},
        {"2026-11-24T01:02:03.123456789Z", "2026-11-24T01:02:03.123456789Z"},
    };
    char out[TIME_TEXT];
    int64_t ns;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CHECK(time_parse(slice_of(cases[i].in), &ns));
        CHECK_STR(time_rfc3339_nano(ns, out), cases[i].out);
    }
    CHECK(!time_parse(SLICE("2024-13-01T00:00:00Z"), &ns));
    CHECK(!time_parse(SLICE("2024-01-01T00:00:00"), &ns));
    CHECK(!time_parse(SLICE(""), &ns));
}

TEST(names_follow_kubernetes)
{
    CHECK(!name_dns1123_label(SLICE("a-1")));
    CHECK(name_dns1123_label(SLICE("A")) && name_dns1123_label(SLICE("-a")));
    CHECK(!name_dns1123_subdomain(SLICE("a.b-c.d")));
    CHECK(name_dns1123_subdomain(SLICE("a..b")) && name_dns1123_subdomain(SLICE("")));
    CHECK(!name_dns1035_label(SLICE("a1")) && name_dns1035_label(SLICE("1a")));
    CHECK(!name_qualified(SLICE("ray.io/cluster")) && !name_qualified(SLICE("A_b.c")));
    CHECK(name_qualified(SLICE("/x")) && name_qualified(SLICE("a/b/c")));
    CHECK(!name_label_value(SLICE("")) && name_label_value(SLICE("-x")));
}

TEST(slice_int64_takes_whole_numbers_only)
{
    int64_t v;

    CHECK(slice_int64(SLICE("-9223372036854775808"), &v) && v == INT64_MIN);
    CHECK(!slice_int64(SLICE("9223372036854775808"), &v));
    CHECK(!slice_int64(SLICE(""), &v) && !slice_int64(SLICE("1x"), &v));
}

TEST(err_codes_map_to_status_reasons)
{
    struct err err;

    CHECK_INT(err_set(&err, ERR_CONFLICT, "a %d", 1), ERR_CONFLICT);
    err_wrap(&err, "updating %s", "x");
    CHECK_STR(err.msg, "updating x: a 1");
    CHECK_STR(err_reason(ERR_ALREADY_EXISTS), "AlreadyExists");
    CHECK_INT(err_http(ERR_INVALID), 422);
    CHECK_INT(err_from_reason("AlreadyExists", 409), ERR_ALREADY_EXISTS);
    CHECK_INT(err_from_reason("", 404), ERR_NOT_FOUND);
}

TEST(files_are_replaced_whole)
{
    char dir[] = "/tmp/manta-test-XXXXXX";
    struct buf got cleanup(buf_done) = BUF_INIT;
    struct err err;

    CHECK(mkdtemp(dir));
    autofree char *sub = xasprintf("%s/a/b", dir);
    autofree char *path = xasprintf("%s/f", sub);
    CHECK_OK(file_mkdirs(sub, 0700, &err), &err);
    CHECK_OK(file_write(path, SLICE("one"), 0600, &err), &err);
    CHECK_OK(file_write(path, SLICE("two"), 0600, &err), &err);
    CHECK_OK(file_read(path, &got, &err), &err);
    CHECK_STR(buf_str(&got), "two");
    CHECK_OK(file_remove_tree(dir, &err), &err);
    CHECK_INT(file_read(path, &got, &err), ERR_NOT_FOUND);
}

TEST(base64)
{
    static const char *const pairs[][2] = {
        {"", ""},        {"f", "Zg=="},          {"fo", "Zm8="},
        {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}, {"\xff\xfe", "//4="}};
    struct buf b cleanup(buf_done) = BUF_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        buf_reset(&b);
        base64_encode(&b, slice_of(pairs[i][0]));
        CHECK_STR(buf_str(&b), pairs[i][1]);
        buf_reset(&b);
        CHECK(base64_decode(&b, slice_of(pairs[i][1])));
        CHECK_STR(buf_str(&b), pairs[i][0]);
    }
    buf_reset(&b);
    CHECK(base64_decode(&b, SLICE("Zm9v\nYmFy\n")));
    CHECK_STR(buf_str(&b), "foobar");
    CHECK(!base64_decode(&b, SLICE("Zg=")));
    CHECK(!base64_decode(&b, SLICE("Z===")));
    CHECK(!base64_decode(&b, SLICE("Zg==Zg==")));
    CHECK(!base64_decode(&b, SLICE("Z!==")));
}
