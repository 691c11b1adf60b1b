#include "data/quantity.h"

#include "base/file.h"
#include "base/test.h"

static const char *format_name(enum quantity_format f)
{
    static const char *const names[] = {"", "DecimalSI", "BinarySI", "DecimalExponent"};

    return names[f];
}

static char *text(const struct quantity *q, void print(const struct quantity *, struct buf *))
{
    struct buf b = BUF_INIT;

    print(q, &b);
    return buf_take(&b);
}

static struct quantity parse(const char *s)
{
    struct quantity q = {0};
    struct err err;

    CHECK_OK(quantity_parse(slice_of(s), &q, &err), &err);
    return q;
}

/* One line of recorded.tsv: what Kubernetes makes of a text. Where the value does not fit an int64
 * it gives the low bits, which we do not copy. */
static void check_line(struct slice line)
{
    struct slice f[5] = {0};
    struct quantity q;
    struct err err;

    for (size_t i = 0; i < ARRAY_SIZE(f) && slice_cut(&line, '\t', &f[i]); i++)
        continue;
    if (quantity_parse(f[0], &q, &err) < 0) {
        if (!slice_is(f[1], "error") || !slice_is(f[2], err.msg))
            FAIL("%.*s: %s", SLICE_FMT(f[0]), err.msg);
        return;
    }
    autofree char *printed = text(&q, quantity_print), *canonical = text(&q, quantity_canonical);
    autofree char *value = NULL;
    if (asprintf(&value, "%lld", (long long)quantity_value(&q)) < 0)
        abort();
    if (!slice_is(f[1], printed) || !slice_is(f[2], format_name(q.format)) ||
        !slice_is(f[3], canonical) || (quantity_value(&q) != INT64_MAX && !slice_is(f[4], value)))
        FAIL("%.*s: got %s %s %s %s", SLICE_FMT(f[0]), printed, format_name(q.format), canonical,
             value);
}

TEST(rc_152_recorded)
{
    struct buf file cleanup(buf_done) = BUF_INIT;
    struct slice rest, line;
    struct err err;
    const char *source = getenv("MANTA_SOURCE");
    autofree char *path = NULL;

    if (asprintf(&path, "%s/tests/golden/quantity/recorded.tsv", source ? source : ".") < 0)
        abort();
    CHECK_OK(file_read(path, &file, &err), &err);
    rest = buf_slice(&file);
    while (slice_cut(&rest, '\n', &line))
        if (line.n && *line.p != '#')
            check_line(line);
}

TEST(addition_keeps_the_left_format_unless_zero)
{
    static const struct {
        const char *a, *b, *sum;
    } cases[] = {
        {"1Gi", "1G", "2073741824"},
        {"1G", "1Gi", "2073741824"},
        {"0", "1Gi", "1Gi"},
        {"1500m", "500m", "2"},
        {"1", "-1", "0"},
        {"1e3", "1", "1001"},
        {"1Gi", "1Gi", "2Gi"},
        {"100m", "1n", "100000001n"},
        {"0", "0", "0"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct quantity a = parse(cases[i].a), b = parse(cases[i].b);

        CHECK_INT(quantity_add(&a, &b), 0);
        autofree char *sum = text(&a, quantity_print);
        CHECK_STR(sum, cases[i].sum);
        CHECK_INT(quantity_sub(&a, &b), 0);
        b = parse(cases[i].a);
        CHECK_INT(quantity_cmp(&a, &b), 0);
    }
}

TEST(unset_takes_the_format_of_the_first)
{
    struct quantity sum = {0}, x = parse("1536Mi");

    autofree char *zero = text(&sum, quantity_print);
    CHECK_STR(zero, "0");
    CHECK_INT(quantity_add(&sum, &x), 0);
    CHECK_INT(quantity_add(&sum, &x), 0);
    autofree char *three = text(&sum, quantity_print);
    CHECK_STR(three, "3Gi");
}

TEST(multiplication_is_exact_and_refuses_overflow)
{
    struct quantity q = parse("1.500"), big = parse("99999999999999999999999999999999999999");

    CHECK_INT(quantity_mul(&q, 3), 0);
    autofree char *s = text(&q, quantity_print);
    CHECK_STR(s, "4500m");
    CHECK_INT(quantity_mul(&big, 1000000), ERR_INVALID);
    autofree char *same = text(&big, quantity_canonical);
    CHECK_STR(same, "99999999999999999999999999999999999999");
    CHECK(quantity_add(&big, &big) == ERR_INVALID || quantity_cmp(&big, &q) > 0);
}

TEST(comparison)
{
    static const struct {
        const char *a, *b;
        int want;
    } cases[] = {
        {"1", "1000m", 0}, {"1Gi", "1G", 1},     {"-1", "1", -1},
        {"1e50", "1", 1},  {"-1e50", "1n", -1},  {"1n", "1e50", -1},
        {"0", "-1n", 1},   {"-1e50", "-1n", -1}, {"-0", "0", 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct quantity a = parse(cases[i].a), b = parse(cases[i].b);

        CHECK_INT(quantity_cmp(&a, &b), cases[i].want);
    }
}

TEST(conversions)
{
    struct quantity q = parse("1500m"), minus = parse("-1500m"), huge = parse("1e40");

    CHECK_INT(quantity_value(&q), 2);
    CHECK_INT(quantity_milli(&q), 1500);
    CHECK_INT(quantity_value(&minus), -2);
    CHECK_INT(quantity_value(&huge), INT64_MAX);
    CHECK(quantity_double(&q) == 1.5);
    CHECK(quantity_double(&huge) == 1e40);
    q = parse("700m");
    CHECK(quantity_double(&q) == 0.7);
}

TEST(too_many_digits_is_an_error)
{
    static const char *const texts[] = {
        "1234567890123456789012345678901234567890123",
        "1e999999999",
        "100E100000",
        "1e-99999999999",
    };
    struct quantity q;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        CHECK_INT(quantity_parse(slice_of(texts[i]), &q, NULL), ERR_BAD_REQUEST);
    q = parse("1000000000000000000000000000000000000000000000000000000"); /* one digit */
    autofree char *s = text(&q, quantity_print);
    CHECK_STR(s, "1000000000000000000000000000000000000E");
}
