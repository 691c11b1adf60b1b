#include "data/yaml.h"
#include "data/gofmt.h"
#include "data/yaml_scalar.h"

#include <ctype.h>
#include <stdio.h>
#include <yaml.h>

struct writer {
    yaml_emitter_t emitter;
    struct buf *out;
};

static int collect(void *data, unsigned char *text, size_t n)
{
    buf_add(data, text, n);
    return 1;
}

/* What fails here is memory, or a bug: the events come in an order that is right by construction.
 */
static void emit(struct writer *w, yaml_event_t *event, int made)
{
    if (!made || !yaml_emitter_emit(&w->emitter, event))
        abort();
}

static void emit_scalar(struct writer *w, struct slice text, yaml_scalar_style_t style)
{
    yaml_event_t e;

    emit(w, &e,
         yaml_scalar_event_initialize(&e, NULL, NULL, (const yaml_char_t *)text.p, (int)text.n, 1,
                                      1, style));
}

/* Literal when there are lines, plain where that reads back as the same string, else quoted. */
static void emit_string(struct writer *w, struct slice s)
{
    yaml_scalar_style_t style = YAML_PLAIN_SCALAR_STYLE;

    if (s.n && memchr(s.p, '\n', s.n))
        style = YAML_LITERAL_SCALAR_STYLE;
    else if (scalar_resolve(s).kind != SCALAR_STRING || scalar_is_timestamp(s) ||
             scalar_is_base60(s))
        style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    emit_scalar(w, s, style);
}

static void emit_number(struct writer *w, yyjson_val *v)
{
    char text[GO_FLOAT_TEXT];

    if (yyjson_is_uint(v))
        snprintf(text, sizeof(text), "%llu", (unsigned long long)yyjson_get_uint(v));
    else if (yyjson_is_int(v))
        snprintf(text, sizeof(text), "%lld", (long long)yyjson_get_sint(v));
    else {
        /* as JSON first, which then reads as an integer where it looks like one and fits */
        go_float_json(yyjson_get_real(v), text);
        enum scalar_kind kind = scalar_resolve(slice_of(text)).kind;
        if (kind != SCALAR_INT && kind != SCALAR_UINT)
            go_float(yyjson_get_real(v), text);
    }
    emit_scalar(w, slice_of(text), YAML_PLAIN_SCALAR_STYLE);
}

/* ---- the order of keys: numbers in them count as numbers ---- */

struct runes {
    const char *p, *end;
};

static bool is_digit(struct runes r)
{
    return r.p < r.end && isdigit((unsigned char)*r.p);
}

/* Beyond ASCII all is a letter but Latin-1's signs, and the blocks of punctuation and symbols. */
static bool is_letter(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;

    if (*p < 0x80)
        return isalpha(*p);
    if (*p == 0xc2)
        return p[1] == 0xaa || p[1] == 0xb5 || p[1] == 0xba;
    if (*p == 0xe2) /* U+2000 … U+2BFF */
        return p[1] > 0xaf;
    return !(*p == 0xef && p[1] == 0xbb && p[2] == 0xbf) && *p != 0xee && *p < 0xf0;
}

static int64_t take_digits(struct runes *r, int64_t n)
{
    for (; is_digit(*r); r->p++)
        n = (int64_t)((uint64_t)n * 10 + (uint64_t)(*r->p - '0'));
    return n;
}

/* Digits before the difference make zeros in it count. */
static int64_t leading(const char *start, const char *at)
{
    while (at > start && isdigit((unsigned char)at[-1]))
        if (*--at != '0')
            return 1;
    return 0;
}

static int compare_keys(const void *x, const void *y)
{
    const struct member *mx = x, *my = y;
    const char *start = yyjson_get_str(mx->key);
    struct runes a = {start, start + yyjson_get_len(mx->key)};
    struct runes b = {yyjson_get_str(my->key), yyjson_get_str(my->key) + yyjson_get_len(my->key)};

    while (a.p < a.end && b.p < b.end && *a.p == *b.p)
        a.p++, b.p++;
    if (a.p == a.end || b.p == b.end)
        return a.p == a.end ? -(b.p < b.end) : 1;
    bool al = is_letter(a.p), bl = is_letter(b.p);
    int by_byte = (unsigned char)*a.p < (unsigned char)*b.p ? -1 : 1;
    if (al && bl)
        return by_byte;
    if (al || bl)
        return bl ? -1 : 1;
    int64_t zeros = *a.p == '0' || *b.p == '0' ? leading(start, a.p) : 0;
    const char *a0 = a.p, *b0 = b.p;
    int64_t an = take_digits(&a, zeros), bn = take_digits(&b, zeros);
    if (an != bn)
        return an < bn ? -1 : 1;
    if (a.p - a0 != b.p - b0)
        return a.p - a0 < b.p - b0 ? -1 : 1;
    return by_byte;
}

static void emit_value(struct writer *w, yyjson_val *v);

static void emit_object(struct writer *w, yyjson_val *obj)
{
    yaml_event_t e;
    size_t n;
    autofree struct member *members = members_sorted(obj, &n);

    qsort(members, n, sizeof(*members), compare_keys);
    emit(w, &e, yaml_mapping_start_event_initialize(&e, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE));
    for (size_t i = 0; i < n; i++) {
        emit_string(w,
                    (struct slice){yyjson_get_str(members[i].key), yyjson_get_len(members[i].key)});
        emit_value(w, members[i].val);
    }
    emit(w, &e, yaml_mapping_end_event_initialize(&e));
}

static void emit_array(struct writer *w, yyjson_val *arr)
{
    yaml_event_t e;

    emit(w, &e, yaml_sequence_start_event_initialize(&e, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE));
    json_each(arr, item, i, n)
        emit_value(w, item);
    emit(w, &e, yaml_sequence_end_event_initialize(&e));
}

static void emit_value(struct writer *w, yyjson_val *v)
{
    if (yyjson_is_obj(v))
        emit_object(w, v);
    else if (yyjson_is_arr(v))
        emit_array(w, v);
    else if (yyjson_is_str(v))
        emit_string(w, (struct slice){yyjson_get_str(v), yyjson_get_len(v)});
    else if (yyjson_is_num(v))
        emit_number(w, v);
    else
        emit_scalar(w,
                    slice_of(yyjson_is_true(v)    ? "true"
                             : yyjson_is_false(v) ? "false"
                                                  : "null"),
                    YAML_PLAIN_SCALAR_STYLE);
}

void yaml_write(struct buf *b, yyjson_val *v)
{
    struct writer w = {.out = b};
    yaml_event_t e;

    if (!yaml_emitter_initialize(&w.emitter))
        abort();
    yaml_emitter_set_output(&w.emitter, collect, b);
    yaml_emitter_set_unicode(&w.emitter, 1);
    emit(&w, &e, yaml_stream_start_event_initialize(&e, YAML_UTF8_ENCODING));
    emit(&w, &e, yaml_document_start_event_initialize(&e, NULL, NULL, NULL, 1));
    emit_value(&w, v);
    w.emitter.open_ended = 0; /* no "..." behind a text that ends in empty lines */
    emit(&w, &e, yaml_document_end_event_initialize(&e, 1));
    w.emitter.open_ended = 0;
    emit(&w, &e, yaml_stream_end_event_initialize(&e));
    yaml_emitter_delete(&w.emitter);
}
