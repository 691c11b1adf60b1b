#include "data/typed.h"

#include "base/timefmt.h"
#include "data/gofmt.h"
#include "data/quantity.h"
#include "data/typed_value.h"

#include <stdio.h>
#include <string.h>

struct writer {
    struct buf *out;
    unsigned flags;
    int r; /* the first error */
    struct err *err;
};

static void write_value(struct writer *w, const struct field *f, yyjson_val *v,
                        const struct typed_at *at);
static void write_struct(struct writer *w, const struct type *t, yyjson_val *v,
                         const struct typed_at *at);

static struct slice text_of(yyjson_val *v)
{
    return (struct slice){yyjson_get_str(v), yyjson_get_len(v)};
}

static void write_string(struct writer *w, struct slice s)
{
    go_json_string(w->out, s, !(w->flags & TYPED_NO_ESCAPE));
}

/* The value as Go would have decoded it: NULL for absent, null and (reported) the wrong kind. */
static yyjson_val *accept(struct writer *w, const struct field *f, yyjson_val *v,
                          const struct typed_at *at)
{
    struct buf path cleanup(buf_done) = BUF_INIT, text cleanup(buf_done) = BUF_INIT;

    if (!v || yyjson_is_null(v))
        return NULL;
    if (typed_accepts(f, v))
        return v;
    if (w->flags & TYPED_LENIENT || w->r)
        return NULL;
    typed_path(at, &path);
    typed_mismatch(f, v, at, &text);
    w->r = err_set(w->err, ERR_BAD_REQUEST, "%s: %s", buf_str(&path), buf_str(&text));
    return NULL;
}

static bool is_zero_time(yyjson_val *v)
{
    return !v || slice_is(text_of(v), "0001-01-01T00:00:00Z");
}

/* Whether Go's omitempty or omitzero leaves out a field with this (accepted) value. */
static bool omitted(const struct field *f, yyjson_val *v)
{
    if (field_omit(f) == OMIT_NEVER)
        return false;
    if (field_is(f, FIELD_POINTER))
        return !v;
    switch (field_kind(f)) {
    case FIELD_BOOL:
        return !yyjson_get_bool(v);
    case FIELD_INT32:
    case FIELD_INT64:
    case FIELD_FLOAT:
    case FIELD_DOUBLE:
        return yyjson_get_num(v) == 0;
    case FIELD_STRING:
    case FIELD_BYTES:
        return yyjson_get_len(v) == 0;
    case FIELD_LIST:
        return yyjson_arr_size(v) == 0;
    case FIELD_MAP:
        return yyjson_obj_size(v) == 0;
    case FIELD_TIME:
    case FIELD_MICROTIME:
        return field_omit(f) == OMIT_ZERO && is_zero_time(v);
    default: /* a struct by value is always written */
        return false;
    }
}

static void write_int(struct writer *w, yyjson_val *v)
{
    if (yyjson_is_real(v))
        buf_add_int(w->out, (int64_t)yyjson_get_real(v));
    else if (yyjson_is_uint(v) && yyjson_get_uint(v) > INT64_MAX)
        buf_printf(w->out, "%llu", (unsigned long long)yyjson_get_uint(v));
    else
        buf_add_int(w->out, yyjson_get_sint(v));
}

static void write_float(struct writer *w, double d, bool single)
{
    char text[GO_FLOAT_TEXT];

    buf_adds(w->out, go_float_json(single ? go_float32(d) : d, text));
}

static void write_quantity(struct writer *w, yyjson_val *v)
{
    struct buf number cleanup(buf_done) = BUF_INIT;
    struct quantity q = {0};

    if (yyjson_is_num(v)) {
        go_json(&number, v, false);
        quantity_parse(buf_slice(&number), &q, NULL);
    } else if (v) {
        quantity_parse(text_of(v), &q, NULL);
    }
    buf_addc(w->out, '"');
    quantity_print(&q, w->out);
    buf_addc(w->out, '"');
}

static void write_time(struct writer *w, yyjson_val *v, bool micro)
{
    char text[TIME_TEXT];
    int64_t ns;

    if (is_zero_time(v)) {
        buf_adds(w->out, "null");
    } else if (time_parse(text_of(v), &ns)) {
        buf_printf(w->out, "\"%s\"", micro ? time_rfc3339_micro(ns, text) : time_rfc3339(ns, text));
    } else {
        buf_printf(w->out, "\"%.*s%s", SLICE_FMT(((struct slice){yyjson_get_str(v), 19})),
                   micro ? ".000000Z\"" : "Z\"");
    }
}

static void write_bytes(struct writer *w, yyjson_val *v)
{
    struct slice s = text_of(v);

    buf_addc(w->out, '"');
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '\r' && s.p[i] != '\n')
            buf_addc(w->out, s.p[i]);
    buf_addc(w->out, '"');
}

static void write_list(struct writer *w, const struct field *f, yyjson_val *v,
                       const struct typed_at *at)
{
    buf_addc(w->out, '[');
    json_each(v, item, i, n) {
        struct typed_at here = {.up = at, .index = i};

        if (i)
            buf_addc(w->out, ',');
        write_value(w, field_item(f), item, &here);
    }
    buf_addc(w->out, ']');
}

static void write_map(struct writer *w, const struct field *f, yyjson_val *v,
                      const struct typed_at *at)
{
    size_t n;
    autofree struct member *members = members_sorted(v, &n);
    const char *before = "";

    buf_addc(w->out, '{');
    for (size_t i = 0; i < n; i++) {
        struct typed_at here = {.up = at, .name = text_of(members[i].key)};

        if (i + 1 < n && member_same_key(&members[i], &members[i + 1]))
            continue; /* the last one wins */
        buf_adds(w->out, before);
        before = ",";
        write_string(w, text_of(members[i].key));
        buf_addc(w->out, ':');
        write_value(w, field_item(f), members[i].val, &here);
    }
    buf_addc(w->out, '}');
}

static void write_raw(struct writer *w, const struct field *f, yyjson_val *v,
                      const struct typed_at *at)
{
    const struct type *t = field_object_type(f);

    if (t && yyjson_is_obj(v))
        write_struct(w, t, v, at);
    else
        go_json(w->out, v, false);
}

/* Go's zero value, where it is not null. */
static const char *zero(const struct field *f)
{
    static const char *const zeros[] = {
        [FIELD_STRING] = "\"\"",    [FIELD_BOOL] = "false",      [FIELD_INT32] = "0",
        [FIELD_INT64] = "0",        [FIELD_FLOAT] = "0",         [FIELD_DOUBLE] = "0",
        [FIELD_QUANTITY] = "\"0\"", [FIELD_INT_OR_STRING] = "0", [FIELD_DURATION] = "\"0s\"",
        [FIELD_STRUCT] = NULL,
    };
    const char *z = zeros[field_kind(f)];

    return z && !field_is(f, FIELD_POINTER) ? z : "null";
}

static void write_scalar(struct writer *w, const struct field *f, yyjson_val *v)
{
    switch (field_kind(f)) {
    case FIELD_BOOL:
        buf_adds(w->out, yyjson_get_bool(v) ? "true" : "false");
        break;
    case FIELD_INT32:
    case FIELD_INT64:
        write_int(w, v);
        break;
    case FIELD_FLOAT:
    case FIELD_DOUBLE:
        write_float(w, yyjson_get_num(v), field_kind(f) == FIELD_FLOAT);
        break;
    case FIELD_QUANTITY:
        write_quantity(w, v);
        break;
    case FIELD_INT_OR_STRING:
        if (yyjson_is_num(v))
            write_int(w, v);
        else
            write_string(w, text_of(v));
        break;
    case FIELD_TIME:
    case FIELD_MICROTIME:
        write_time(w, v, field_kind(f) == FIELD_MICROTIME);
        break;
    case FIELD_BYTES:
        write_bytes(w, v);
        break;
    default:
        write_string(w, text_of(v));
    }
}

/* A value that accept() has passed. */
static void write_accepted(struct writer *w, const struct field *f, yyjson_val *v,
                           const struct typed_at *at)
{
    bool by_value = field_kind(f) == FIELD_STRUCT && !field_is(f, FIELD_POINTER);

    if (!v && !by_value) {
        buf_adds(w->out, zero(f));
        return;
    }
    switch (field_kind(f)) {
    case FIELD_STRUCT:
        write_struct(w, field_type(f), v, at);
        break;
    case FIELD_LIST:
        write_list(w, f, v, at);
        break;
    case FIELD_MAP:
        write_map(w, f, v, at);
        break;
    case FIELD_RAW:
        write_raw(w, f, v, at);
        break;
    default:
        write_scalar(w, f, v);
    }
}

static void write_value(struct writer *w, const struct field *f, yyjson_val *v,
                        const struct typed_at *at)
{
    write_accepted(w, f, accept(w, f, v, at), at);
}

static void write_struct(struct writer *w, const struct type *t, yyjson_val *v,
                         const struct typed_at *at)
{
    yyjson_val *values[TYPE_MAX_FIELDS] = {0};
    const char *before = "\"";

    json_each_member(v, key, val) {
        const struct field *f = type_field(t, yyjson_get_str(key), yyjson_get_len(key));

        if (f)
            values[f - type_nth(t, 0)] = val;
    }
    buf_addc(w->out, '{');
    for (size_t i = 0; i < type_n_fields(t); i++) {
        const struct field *f = type_nth(t, i);
        struct typed_at here = {.up = at, .in = t, .name = slice_of(field_name(f))};
        yyjson_val *value = accept(w, f, values[i], &here);

        if (omitted(f, value))
            continue;
        buf_adds(w->out, before);
        buf_add_slice(w->out, here.name);
        buf_adds(w->out, "\":");
        write_accepted(w, f, value, &here);
        before = ",\"";
    }
    buf_addc(w->out, '}');
}

int typed_json(const struct type *t, yyjson_val *in, struct buf *out, unsigned flags,
               struct err *err)
{
    struct writer w = {.out = out, .flags = flags, .err = err};
    struct typed_at root = {0};

    if (in && !yyjson_is_null(in) && !yyjson_is_obj(in)) {
        if (!(flags & TYPED_LENIENT))
            return err_set(err, ERR_BAD_REQUEST, "a %s must be an object", type_name(t));
        in = NULL;
    }
    write_struct(&w, t, in, &root);
    return w.r;
}

int typed_json_mut(const struct type *t, yyjson_mut_val *in, struct buf *out, unsigned flags,
                   struct err *err)
{
    autojson struct json *copy = in ? json_freeze(in) : NULL;

    return typed_json(t, json_root(copy), out, flags, err);
}

int typed_copy(const struct type *t, yyjson_mut_doc *doc, yyjson_val *in, unsigned flags,
               yyjson_mut_val **ret, struct err *err)
{
    struct buf text cleanup(buf_done) = BUF_INIT;
    autojson struct json *copy = NULL;
    int r = typed_json(t, in, &text, flags, err);

    if (r < 0)
        return r;
    r = json_parse(buf_slice(&text), &copy, err);
    if (r < 0)
        return r;
    *ret = json_thaw(doc, json_root(copy));
    return 0;
}
