/* What kubectl get shows: golden rows. */
#include "apiserver/tables/columns.h"
#include "base/test.h"
#include "base/timefmt.h"

static const char *path_of(const char *name)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/tests/golden/apiserver/%s", getenv("MANTA_SOURCE"), name);
    return path;
}

static void add_row(yyjson_val *t, int64_t now, struct buf *out)
{
    struct resource res = {.group = json_get_str(t, "group", ""),
                           .plural = json_get_str(t, "plural", ""),
                           .built_in = true};

    buf_printf(out, "%s ", res.plural);
    table_cells(&res, json_get(t, "object"), now, out);
    buf_addc(out, '\n');
}

TEST(rows)
{
    struct buf text cleanup(buf_done) = BUF_INIT, out cleanup(buf_done) = BUF_INIT;
    struct json *cases autojson = NULL;
    struct err err = {0};
    int64_t now;

    CHECK(time_parse(SLICE("2026-01-01T01:00:00Z"), &now));
    CHECK_OK(file_read(path_of("rows.json"), &text, &err), &err);
    CHECK_OK(json_parse(buf_slice(&text), &cases, &err), &err);
    json_each(json_root(cases), t, i, n)
        add_row(t, now, &out);
    CHECK_GOLDEN(path_of("rows.txt"), buf_str(&out));
}

TEST(durations)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } cases[] = {{0, "0s"},         {119, "119s"},     {120, "2m"},        {125, "2m5s"},
                 {600, "10m"},      {10799, "179m"},   {10800, "3h"},      {10860, "3h1m"},
                 {28800, "8h"},     {172799, "47h"},   {172800, "2d"},     {176400, "2d1h"},
                 {691200, "8d"},    {63072000, "2y"},  {63158400, "2y1d"}, {-1, "0s"},
                 {-5, "<invalid>"}, {315360000, "10y"}};
    char out[TABLE_AGE];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        CHECK_STR(human_duration(cases[i].seconds * SECOND_NS, out), cases[i].text);
}
