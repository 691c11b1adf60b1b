#include "data/typed_value.h"

#include "base/timefmt.h"
#include "data/gofmt.h"
#include "data/quantity.h"

#include <math.h>

static struct slice text_of(yyjson_val *v)
{
    return (struct slice){yyjson_get_str(v), yyjson_get_len(v)};
}

static bool integer_between(yyjson_val *v, int64_t min, int64_t max)
{
    if (yyjson_is_real(v)) {
        double d = yyjson_get_real(v);
        return d == floor(d) && d >= (double)min && d < (double)max + 1.0;
    }
    if (yyjson_is_uint(v))
        return yyjson_get_uint(v) <= (uint64_t)max;
    return yyjson_is_sint(v) && yyjson_get_sint(v) >= min;
}

static bool is_base64(struct slice s)
{
    size_t n = 0, pad = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == '\r' || c == '\n')
            continue;
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '+' || c == '/';
        if (c == '=' ? ++pad > 2 : !letter || pad)
            return false;
        n++;
    }
    return n % 4 == 0;
}

static bool is_time(struct slice s)
{
    static const char shape[] = "0000-00-00T00:00:00Z";
    int64_t ns;

    if (time_parse(s, &ns))
        return true;
    /* A year that nanoseconds do not reach. */
    if (s.n != sizeof(shape) - 1)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (shape[i] == '0' ? s.p[i] < '0' || s.p[i] > '9' : s.p[i] != shape[i])
            return false;
    return true;
}

/* MicroTime is read by one layout: exactly six digits of a second (metav1.RFC3339Micro). */
static bool has_micros(struct slice s)
{
    const char *dot = s.n ? memchr(s.p, '.', s.n) : NULL;
    size_t digits = 0;

    while (dot && dot + 1 + digits < s.p + s.n && dot[1 + digits] >= '0' && dot[1 + digits] <= '9')
        digits++;
    return digits == 6;
}

static bool is_quantity(yyjson_val *v)
{
    struct quantity q;

    return yyjson_is_num(v) || (yyjson_is_str(v) && quantity_parse(text_of(v), &q, NULL) == 0);
}

bool typed_accepts(const struct field *f, yyjson_val *v)
{
    switch (field_kind(f)) {
    case FIELD_STRING:
    case FIELD_DURATION:
        return yyjson_is_str(v);
    case FIELD_BOOL:
        return yyjson_is_bool(v);
    case FIELD_INT32:
        return integer_between(v, INT32_MIN, INT32_MAX);
    case FIELD_INT64:
        return integer_between(v, INT64_MIN, INT64_MAX);
    case FIELD_FLOAT:
    case FIELD_DOUBLE:
        return yyjson_is_num(v);
    case FIELD_QUANTITY:
        return is_quantity(v);
    case FIELD_INT_OR_STRING:
        return yyjson_is_str(v) || integer_between(v, INT32_MIN, INT32_MAX);
    case FIELD_TIME:
        return yyjson_is_str(v) && is_time(text_of(v));
    case FIELD_MICROTIME:
        return yyjson_is_str(v) && is_time(text_of(v)) && has_micros(text_of(v));
    case FIELD_BYTES:
        return yyjson_is_str(v) && is_base64(text_of(v));
    case FIELD_RAW:
        return true;
    case FIELD_LIST:
        return yyjson_is_arr(v);
    case FIELD_MAP:
    case FIELD_STRUCT:
        return yyjson_is_obj(v);
    }
    return false;
}

void typed_path(const struct typed_at *at, struct buf *out)
{
    if (!at || !at->up)
        return;
    typed_path(at->up, out);
    if (!at->name.p) {
        buf_printf(out, "[%zu]", at->index);
        return;
    }
    if (out->len)
        buf_addc(out, '.');
    buf_add_slice(out, at->name);
}

/* Go leaves items of lists out of its paths. */
static void go_path(const struct typed_at *at, struct buf *out)
{
    if (!at || !at->up)
        return;
    go_path(at->up, out);
    if (at->name.p) {
        buf_addc(out, '.');
        buf_add_slice(out, at->name);
    }
}

static void go_type(const struct field *f, struct buf *out)
{
    static const char *const names[] = {
        [FIELD_STRING] = "string",
        [FIELD_BOOL] = "bool",
        [FIELD_INT32] = "int32",
        [FIELD_INT64] = "int64",
        [FIELD_FLOAT] = "float32",
        [FIELD_DOUBLE] = "float64",
        [FIELD_BYTES] = "[]uint8",
        [FIELD_DURATION] = "string",
        [FIELD_QUANTITY] = "resource.Quantity",
        [FIELD_TIME] = "v1.Time",
        [FIELD_MICROTIME] = "v1.MicroTime",
        [FIELD_INT_OR_STRING] = "int32",
        [FIELD_RAW] = "runtime.RawExtension",
    };
    const struct type *t = field_type(f);

    if (t) {
        const char *version = strrchr(type_package(t), '/');
        buf_printf(out, "%s.%s", version ? version + 1 : type_package(t), type_name(t));
    } else if (field_item(f)) {
        buf_adds(out, field_kind(f) == FIELD_LIST ? "[]" : "map[string]");
        if (field_is(field_item(f), FIELD_POINTER))
            buf_addc(out, '*');
        go_type(field_item(f), out);
    } else {
        buf_adds(out, names[field_kind(f)]);
    }
}

static void go_value(yyjson_val *v, struct buf *out)
{
    char number[GO_FLOAT_TEXT];

    if (yyjson_is_obj(v))
        buf_adds(out, "object");
    else if (yyjson_is_arr(v))
        buf_adds(out, "array");
    else if (yyjson_is_str(v))
        buf_adds(out, "string");
    else if (yyjson_is_bool(v))
        buf_adds(out, "bool");
    else if (yyjson_is_real(v))
        buf_printf(out, "number %s", go_float_json(yyjson_get_real(v), number));
    else
        buf_adds(out, "number");
}

void typed_mismatch(const struct field *f, yyjson_val *v, const struct typed_at *at,
                    struct buf *out)
{
    const struct typed_at *in = at;

    if (field_kind(f) == FIELD_QUANTITY && yyjson_is_str(v)) {
        struct quantity q;
        struct err err = {0};

        quantity_parse(text_of(v), &q, &err);
        buf_adds(out, err.msg);
        return;
    }
    while (in && !in->in)
        in = in->up;
    buf_adds(out, "json: cannot unmarshal ");
    go_value(v, out);
    if (in) {
        buf_printf(out, " into Go struct field %s", type_name(in->in));
        go_path(at, out);
    } else {
        buf_adds(out, " into Go value");
    }
    buf_adds(out, " of type ");
    go_type(f, out);
}
