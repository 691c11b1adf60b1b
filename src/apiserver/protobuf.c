#include "apiserver/protobuf.h"
#include "base/timefmt.h"
#include "base/vec.h"
#include "data/crd.h"
#include "data/types.h"

#include <stdio.h>

#define DEPTH_MAX 100

enum wire { WIRE_VARINT, WIRE_FIXED64, WIRE_BYTES, WIRE_FIXED32 = 5 };

/* One field as it came. */
struct item {
    unsigned number;
    enum wire wire;
    uint64_t n;         /* varint and fixed */
    struct slice bytes; /* WIRE_BYTES */
};

struct decoder {
    yyjson_mut_doc *doc;
    struct err *err;
    int depth;
};

static int malformed(struct decoder *d, const char *what)
{
    return err_set(d->err, ERR_BAD_REQUEST, "malformed protobuf: %s", what);
}

/* ---- the wire format ---- */

static bool read_varint(struct slice *s, uint64_t *ret)
{
    uint64_t n = 0;

    for (unsigned shift = 0; shift < 64 && s->n; shift += 7) {
        unsigned char c = (unsigned char)*s->p;

        s->p++;
        s->n--;
        n |= (uint64_t)(c & 127) << shift;
        if (c < 128) {
            *ret = n;
            return true;
        }
    }
    return false;
}

static bool read_fixed(struct slice *s, size_t size, uint64_t *ret)
{
    *ret = 0;
    if (s->n < size)
        return false;
    for (size_t i = 0; i < size; i++)
        *ret |= (uint64_t)(unsigned char)s->p[i] << (8 * i);
    s->p += size;
    s->n -= size;
    return true;
}

static bool read_bytes(struct slice *s, struct slice *ret)
{
    uint64_t n;

    if (!read_varint(s, &n) || n > s->n)
        return false;
    *ret = (struct slice){s->p, (size_t)n};
    s->p += n;
    s->n -= (size_t)n;
    return true;
}

/* The next field; false at the end and for what is no field (then *s is not empty). */
static bool read_item(struct slice *s, struct item *ret)
{
    struct slice rest = *s;
    uint64_t tag;
    bool ok = false;

    if (!read_varint(&rest, &tag) || tag >> 3 == 0 || tag >> 3 > 100000)
        return false;
    *ret = (struct item){.number = (unsigned)(tag >> 3), .wire = (enum wire)(tag & 7)};
    switch (ret->wire) {
    case WIRE_VARINT:
        ok = read_varint(&rest, &ret->n);
        break;
    case WIRE_FIXED64:
        ok = read_fixed(&rest, 8, &ret->n);
        break;
    case WIRE_FIXED32:
        ok = read_fixed(&rest, 4, &ret->n);
        break;
    case WIRE_BYTES:
        ok = read_bytes(&rest, &ret->bytes);
        break;
    }
    if (ok)
        *s = rest;
    return ok;
}

/* The last field of a number; false if it is not there. */
static bool find_item(struct slice message, unsigned number, struct item *ret)
{
    struct item it;
    bool found = false;

    while (read_item(&message, &it)) {
        if (it.number == number) {
            *ret = it;
            found = true;
        }
    }
    return found;
}

static int64_t int_item(struct slice message, unsigned number)
{
    struct item it;

    return find_item(message, number, &it) ? (int64_t)it.n : 0;
}

static struct slice bytes_item(struct slice message, unsigned number)
{
    struct item it;

    return find_item(message, number, &it) ? it.bytes : (struct slice){0};
}

/* ---- numbers ---- */

/* The line of a type, behind its name; NULL if there is none. */
static const char *numbers_of(const char *type)
{
    size_t n = strlen(type);

    for (const char *p = protobuf_numbers; *p; p = strchr(p, '\n') + 1)
        if (strncmp(p, type, n) == 0 && p[n] == '\t')
            return p + n + 1;
    return NULL;
}

/* What stands for number in a line: a member, or "+TYPE". */
static struct slice name_of(const char *line, unsigned number)
{
    struct slice rest = {line, strcspn(line, "\n")}, part, name;
    int64_t n;

    while (slice_cut(&rest, ' ', &part))
        if (slice_cut(&part, '=', &name) && slice_int64(part, &n) && n == number)
            return name;
    return (struct slice){0};
}

/* ---- values ---- */

static int decode_message(struct decoder *d, const struct type *t, const char *line,
                          const char *package, struct slice message, yyjson_mut_val *obj);
static int decode_value(struct decoder *d, const struct field *f, const struct item *it,
                        yyjson_mut_val *old, yyjson_mut_val **ret);

/* Bytes that are no text become "?", as JSON cannot carry them: Go would replace them as well. */
static yyjson_mut_val *text(struct decoder *d, struct slice s)
{
    autofree char *masked = NULL;

    if (slice_is_utf8(s))
        return yyjson_mut_strncpy(d->doc, s.n ? s.p : "", s.n);
    masked = xstrndup(s.p, s.n);
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)masked[i] >= 0x80)
            masked[i] = '?';
    return yyjson_mut_strncpy(d->doc, masked, s.n);
}

static yyjson_mut_val *time_value(struct decoder *d, const struct field *f, struct slice m)
{
    int64_t ns = int_item(m, 1) * SECOND_NS + int_item(m, 2);
    char out[TIME_TEXT];

    if (!m.n)
        return yyjson_mut_null(d->doc);
    return yyjson_mut_strcpy(d->doc, field_kind(f) == FIELD_TIME ? time_rfc3339(ns, out)
                                                                 : time_rfc3339_micro(ns, out));
}

static yyjson_mut_val *base64(struct decoder *d, struct slice s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct buf b cleanup(buf_done) = BUF_INIT;

    for (size_t i = 0; i < s.n; i += 3) {
        unsigned char c[3] = {0};

        memcpy(c, s.p + i, MIN(s.n - i, 3));
        buf_addc(&b, digits[c[0] >> 2]);
        buf_addc(&b, digits[(c[0] & 3) << 4 | c[1] >> 4]);
        buf_addc(&b, i + 1 < s.n ? digits[(c[1] & 15) << 2 | c[2] >> 6] : '=');
        buf_addc(&b, i + 2 < s.n ? digits[c[2] & 63] : '=');
    }
    return yyjson_mut_strcpy(d->doc, buf_str(&b));
}

/* RawExtension, FieldsV1 and JSON hold JSON text in field 1. */
static int raw_value(struct decoder *d, struct slice m, yyjson_mut_val **ret)
{
    struct json *j autojson = NULL;
    struct slice raw = bytes_item(m, 1);

    *ret = yyjson_mut_null(d->doc);
    if (!raw.n)
        return 0;
    int r = json_parse(raw, &j, d->err);
    if (r == 0)
        *ret = json_thaw(d->doc, json_root(j));
    return r;
}

static yyjson_mut_val *duration_value(struct decoder *d, struct slice m)
{
    char out[48];

    snprintf(out, sizeof out, "%gs", (double)int_item(m, 1) / 1e9);
    return yyjson_mut_strcpy(d->doc, out);
}

static yyjson_mut_val *int_or_string(struct decoder *d, struct slice m)
{
    return int_item(m, 1) == 0 ? yyjson_mut_sint(d->doc, (int32_t)int_item(m, 2))
                               : text(d, bytes_item(m, 3));
}

static yyjson_mut_val *number(struct decoder *d, const struct item *it)
{
    double wide;
    float narrow;
    uint32_t low = (uint32_t)it->n;

    memcpy(&wide, &it->n, sizeof wide);
    memcpy(&narrow, &low, sizeof narrow);
    return yyjson_mut_real(d->doc, it->wire == WIRE_FIXED32 ? (double)narrow : wide);
}

static int struct_value(struct decoder *d, const struct field *f, struct slice m,
                        yyjson_mut_val **ret)
{
    const char *name = type_openapi_name(field_type(f)), *line = numbers_of(name);

    *ret = yyjson_mut_obj(d->doc);
    if (!line)
        return err_set(d->err, ERR_BAD_REQUEST, "%s is not spoken as protobuf", name);
    return decode_message(d, field_type(f), line, name, m, *ret);
}

/* One entry of a map: a message of key and value. */
static int map_entry(struct decoder *d, const struct field *f, struct slice m, yyjson_mut_val *map)
{
    struct item value = {.wire = WIRE_BYTES};
    yyjson_mut_val *key = text(d, bytes_item(m, 1)), *v = NULL;

    find_item(m, 2, &value);
    int r = decode_value(d, field_item(f), &value, NULL, &v);
    if (r == 0)
        yyjson_mut_obj_put(map, key, v);
    return r;
}

static int list_item(struct decoder *d, const struct field *f, const struct item *it,
                     yyjson_mut_val *list)
{
    yyjson_mut_val *v = NULL;
    int r = decode_value(d, field_item(f), it, NULL, &v);

    if (r == 0)
        yyjson_mut_arr_append(list, v);
    return r;
}

/* A list within a map or list is a message with the items in field 1. */
static int wrapped_list(struct decoder *d, const struct field *f, struct slice m,
                        yyjson_mut_val **ret)
{
    struct item it;
    int r = 0;

    *ret = yyjson_mut_arr(d->doc);
    while (r == 0 && read_item(&m, &it))
        if (it.number == 1)
            r = list_item(d, f, &it, *ret);
    return r;
}

static int decode_value(struct decoder *d, const struct field *f, const struct item *it,
                        yyjson_mut_val *old, yyjson_mut_val **ret)
{
    switch (field_kind(f)) {
    case FIELD_STRING:
        *ret = text(d, it->bytes);
        return 0;
    case FIELD_BOOL:
        *ret = yyjson_mut_bool(d->doc, it->n != 0);
        return 0;
    case FIELD_INT32:
    case FIELD_INT64:
        *ret = yyjson_mut_sint(d->doc, (int64_t)it->n);
        return 0;
    case FIELD_FLOAT:
    case FIELD_DOUBLE:
        *ret = number(d, it);
        return 0;
    case FIELD_QUANTITY:
        *ret = text(d, bytes_item(it->bytes, 1));
        return 0;
    case FIELD_INT_OR_STRING:
        *ret = int_or_string(d, it->bytes);
        return 0;
    case FIELD_TIME:
    case FIELD_MICROTIME:
        *ret = time_value(d, f, it->bytes);
        return 0;
    case FIELD_DURATION:
        *ret = duration_value(d, it->bytes);
        return 0;
    case FIELD_BYTES:
        *ret = base64(d, it->bytes);
        return 0;
    case FIELD_RAW:
        return raw_value(d, it->bytes, ret);
    case FIELD_STRUCT:
        return struct_value(d, f, it->bytes, ret);
    case FIELD_MAP:
        *ret = old ? old : yyjson_mut_obj(d->doc);
        return map_entry(d, f, it->bytes, *ret);
    case FIELD_LIST:
        return wrapped_list(d, f, it->bytes, ret);
    }
    return malformed(d, "unknown kind of field");
}

/* ---- messages ---- */

/* A repeated field adds to its list, a map field to its map, any other replaces. */
static int decode_field(struct decoder *d, const struct field *f, const struct item *it,
                        yyjson_mut_val *obj)
{
    yyjson_mut_val *old = yyjson_mut_obj_get(obj, field_name(f)), *v = NULL;
    int r;

    if (field_kind(f) == FIELD_LIST) {
        v = old ? old : yyjson_mut_arr(d->doc);
        r = list_item(d, f, it, v);
    } else {
        r = decode_value(d, f, it, old, &v);
    }
    if (r == 0 && v != old)
        yyjson_mut_obj_put(obj, yyjson_mut_strcpy(d->doc, field_name(f)), v);
    return r;
}

/* "+TYPE": a message whose fields stand in obj itself. */
static int decode_inline(struct decoder *d, const struct type *t, const char *package,
                         struct slice name, struct slice message, yyjson_mut_val *obj)
{
    char full[200];
    const char *dot = strrchr(package, '.'), *line;

    snprintf(full, sizeof full, "%.*s.%.*s", (int)(dot - package), package, (int)name.n - 1,
             name.p + 1);
    line = numbers_of(full);
    return line ? decode_message(d, t, line, package, message, obj)
                : malformed(d, "unknown message");
}

static int decode_message(struct decoder *d, const struct type *t, const char *line,
                          const char *package, struct slice message, yyjson_mut_val *obj)
{
    struct item it;
    int r = 0;

    if (++d->depth > DEPTH_MAX)
        return malformed(d, "nested too deeply");
    while (r == 0 && read_item(&message, &it)) {
        struct slice name = name_of(line, it.number);
        const struct field *f = name.n ? type_field(t, name.p, name.n) : NULL;

        if (f)
            r = decode_field(d, f, &it, obj);
        else if (name.n && *name.p == '+')
            r = decode_inline(d, t, package, name, it.bytes, obj);
    }
    d->depth--;
    return r < 0 ? r : message.n ? malformed(d, "cut short") : 0;
}

/* ---- the envelope ---- */

static const struct type *find_type(const char *api_version, const char *kind)
{
    const struct type *t = type_find(api_version, kind);

    return t ? t : strcmp(kind, "DeleteOptions") == 0 ? type_named(kind) : NULL;
}

int protobuf_decode(struct slice body, yyjson_mut_doc *doc, yyjson_mut_val **ret, struct err *err)
{
    struct decoder d = {doc, err, 0};
    struct slice magic = {"k8s\0", 4};

    if (!slice_starts(body, magic))
        return malformed(&d, "it does not begin with \"k8s\"");
    struct slice unknown = {body.p + 4, body.n - 4}, meta = bytes_item(unknown, 1);
    struct slice version = bytes_item(meta, 1), kind = bytes_item(meta, 2);
    autofree char *v = xstrndup(version.n ? version.p : "", version.n);
    autofree char *k = xstrndup(kind.n ? kind.p : "", kind.n);
    const struct type *t = find_type(v, k);
    const char *name = t ? type_openapi_name(t) : "", *line = t ? numbers_of(name) : NULL;
    if (!line)
        return err_set(err, ERR_BAD_REQUEST,
                       "no kind \"%s\" is registered for version \"%s\" as protobuf", k, v);
    yyjson_mut_val *obj = yyjson_mut_obj(doc);
    int r = decode_message(&d, t, line, name, bytes_item(unknown, 2), obj);
    if (r < 0)
        return r;
    json_put_str(doc, obj, "kind", k);
    json_put_str(doc, obj, "apiVersion", v);
    *ret = obj;
    return 0;
}
