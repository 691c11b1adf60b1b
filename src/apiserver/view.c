/*
 * Objects as text for the wire. The stored text of an object begins with its kind and apiVersion in
 * this order (change_write sees to it), so another version of it, or an item of a typed list (which
 * has neither), is a matter of the first bytes: nothing is parsed unless a hook converts.
 */
#include "apiserver/server.h"
#include "base/clock.h"
#include "data/yaml.h"

#include <stdio.h>

#define META_VERSION(v) ((v)->beta ? "meta.k8s.io/v1beta1" : "meta.k8s.io/v1")

static bool converts(const struct resource *res)
{
    return res->hooks && res->hooks->from_stored;
}

/* {"kind":"Pod","apiVersion":"v1", */
static void add_head(struct buf *out, const struct resource *res)
{
    buf_printf(out, "{\"kind\":\"%s\",\"apiVersion\":\"%s\",", res->kind, res->api_version);
}

struct json *object_in_version(const struct resource *res, const struct object *o)
{
    struct json *stored = object_parse(o);

    if (res == res->stored || !stored)
        return stored;
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *root;
    if (converts(res)) {
        root = res->hooks->from_stored(res, doc, json_root(stored));
    } else {
        root = json_thaw(doc, json_root(stored));
        json_put_str(doc, root, "apiVersion", res->api_version);
    }
    struct json *j = json_freeze(root);
    json_unref(stored);
    return j;
}

/* An object as it is; bare: without kind and apiVersion, as items of typed lists are. */
static void add_object(const struct resource *res, const struct object *o, bool bare,
                       struct buf *out)
{
    struct buf head cleanup(buf_done) = BUF_INIT;
    struct rcbuf *text = object_bytes(o);

    if (!text)
        return;
    add_head(&head, res->stored);
    struct slice s = {text->data, text->len - 1};
    if (!converts(res) && slice_starts(s, buf_slice(&head))) {
        if (bare)
            buf_addc(out, '{');
        else
            add_head(out, res);
        buf_add(out, s.p + head.len, s.n - head.len);
    } else {
        struct json *j autojson = object_in_version(res, o);

        json_write(out, json_root(j));
    }
    rcbuf_unref(text);
}

static void add_partial(const struct view *v, yyjson_val *root, struct buf *out)
{
    buf_printf(out, "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"%s\",\"metadata\":",
               META_VERSION(v));
    json_write(out, json_get(root, "metadata"));
    buf_addc(out, '}');
}

static void add_row(const struct view *v, const struct resource *res, yyjson_val *root, int64_t now,
                    struct buf *out)
{
    buf_adds(out, "{\"cells\":");
    table_cells(res, root, now, out);
    table_conditions(res, root, out);
    buf_adds(out, ",\"object\":");
    if (v->include == INCLUDE_METADATA)
        add_partial(v, root, out);
    else if (v->include == INCLUDE_OBJECT)
        json_write(out, root);
    else
        buf_adds(out, "null");
    buf_addc(out, '}');
}

void view_item(const struct view *v, const struct resource *res, const struct object *o,
               int64_t now, struct buf *out)
{
    if (v->rep == REP_OBJECT) {
        add_object(res, o, res->built_in, out);
        return;
    }
    struct json *j autojson = object_in_version(res, o);
    if (v->rep == REP_TABLE)
        add_row(v, res, json_root(j), now, out);
    else
        add_partial(v, json_root(j), out);
}

static void open_table(const struct view *v, struct buf *out)
{
    buf_printf(out, "{\"kind\":\"Table\",\"apiVersion\":\"%s\",\"metadata\":{", META_VERSION(v));
}

static void add_columns(const struct resource *res, struct buf *out)
{
    buf_adds(out, ",\"columnDefinitions\":");
    table_columns(res, out);
}

/* The items come before the metadata, which is known last: only members' order differs. */
void view_list_open(const struct view *v, const struct resource *res, struct buf *out)
{
    if (v->rep == REP_TABLE) {
        buf_printf(out, "{\"kind\":\"Table\",\"apiVersion\":\"%s\"", META_VERSION(v));
        add_columns(res, out);
        buf_adds(out, ",\"rows\":[");
    } else if (v->rep == REP_PARTIAL_LIST) {
        buf_printf(out, "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"%s\",\"items\":[",
                   META_VERSION(v));
    } else {
        buf_printf(out, "{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"items\":[", res->list_kind,
                   res->api_version);
    }
}

void view_list_close(const struct view *v, const struct resource *res, const struct list_meta *meta,
                     struct buf *out)
{
    bool none = out->data[out->len - 1] == '[';
    /* Kinds without columns of their own have no rows rather than an empty list of them. */
    if (none && (v->rep == REP_PARTIAL_LIST || (v->rep == REP_TABLE && table_is_plain(res)))) {
        out->len--;
        buf_adds(out, "null");
    } else {
        buf_addc(out, ']');
    }
    buf_printf(out, ",\"metadata\":{\"resourceVersion\":\"%llu\"", (unsigned long long)meta->rv);
    /* lists of custom kinds are maps in Go, and say "continue" even where there is nothing to */
    if (meta->next || (v->rep == REP_OBJECT && !res->built_in))
        buf_printf(out, ",\"continue\":\"%s\"", meta->next ? meta->next : "");
    if (meta->next && meta->remaining > 0)
        buf_printf(out, ",\"remainingItemCount\":%lld", (long long)meta->remaining);
    buf_adds(out, "}}\n");
}

/* A scale has columns of its own, whatever it is the scale of. */
static const struct resource scale = {
    .group = "autoscaling", .version = "v1", .plural = "scales", .kind = "Scale", .built_in = true};

/* A Table of one row. */
static void add_small_table(const struct view *v, const struct resource *res, yyjson_val *root,
                            bool columns, struct buf *out)
{
    const char *rv = json_str_at(root, "metadata.resourceVersion", "");

    open_table(v, out);
    buf_printf(out, "\"resourceVersion\":\"%s\"}", rv);
    if (columns)
        add_columns(res, out);
    else
        buf_adds(out, ",\"columnDefinitions\":null");
    buf_adds(out, ",\"rows\":[");
    add_row(v, res, root, clock_wall_ns(), out);
    buf_adds(out, "]}");
}

static void add_value(const struct view *v, const struct resource *res, yyjson_val *root,
                      bool columns, struct buf *out)
{
    if (!res && !strcmp(json_get_str(root, "kind", ""), "Scale"))
        res = &scale;
    if (v->rep == REP_TABLE && res)
        add_small_table(v, res, root, columns, out);
    else if (v->rep == REP_PARTIAL)
        add_partial(v, root, out);
    else
        json_write(out, root);
}

void view_value(const struct view *v, const struct resource *res, yyjson_val *root, struct buf *out)
{
    add_value(v, res, root, true, out);
    buf_addc(out, '\n');
}

struct rcbuf *view_object(const struct view *v, const struct resource *res, const struct object *o)
{
    struct buf out cleanup(buf_done) = BUF_INIT;

    if (v->rep == REP_OBJECT && v->encoding == ENCODE_JSON && res == res->stored)
        return object_bytes(o);
    if (v->rep == REP_OBJECT) {
        add_object(res, o, false, &out);
        buf_addc(&out, '\n');
    } else {
        struct json *j autojson = object_in_version(res, o);

        view_value(v, res, json_root(j), &out);
    }
    view_finish(v, &out);
    return rcbuf_take_buf(&out);
}

struct rcbuf *view_event(const struct view *v, const struct resource *res, const char *type,
                         const struct object *o, yyjson_val *root, bool columns)
{
    struct buf out cleanup(buf_done) = BUF_INIT;

    buf_printf(&out, "{\"type\":\"%s\",\"object\":", type);
    if (root) {
        add_value(v, res, root, columns, &out);
    } else if (v->rep == REP_OBJECT) {
        add_object(res, o, false, &out);
    } else {
        struct json *j autojson = object_in_version(res, o);

        add_value(v, res, json_root(j), columns, &out);
    }
    buf_adds(&out, "}\n");
    return rcbuf_take_buf(&out);
}

/* ---- encodings ---- */

static void add_varint(struct buf *b, size_t n)
{
    for (; n > 127; n >>= 7)
        buf_addc(b, (char)(n | 128));
    buf_addc(b, (char)n);
}

static void add_field(struct buf *b, char tag, struct slice s)
{
    buf_addc(b, tag);
    add_varint(b, s.n);
    buf_add_slice(b, s);
}

/*
 * runtime.Unknown, the envelope of Kubernetes' protobuf, with JSON inside: what its contentType
 * field is for. It serves clients that accept nothing else; no kind is spoken as protobuf.
 */
static void to_protobuf(struct buf *text)
{
    struct buf out = BUF_INIT, type cleanup(buf_done) = BUF_INIT;
    struct json *j autojson = NULL;

    json_parse(buf_slice(text), &j, NULL);
    add_field(&type, 0x0a, slice_of(json_get_str(json_root(j), "apiVersion", "")));
    add_field(&type, 0x12, slice_of(json_get_str(json_root(j), "kind", "")));
    buf_add(&out, "k8s\0", 4);
    add_field(&out, 0x0a, buf_slice(&type));
    add_field(&out, 0x12, buf_slice(text));
    add_field(&out, 0x1a, SLICE(""));
    add_field(&out, 0x22, SLICE("application/json"));
    buf_done(text);
    *text = out;
}

void view_finish(const struct view *v, struct buf *text)
{
    struct json *j autojson = NULL;

    if (v->encoding == ENCODE_JSON)
        return;
    if (v->encoding == ENCODE_PROTOBUF) {
        to_protobuf(text);
        return;
    }
    if (json_parse(buf_slice(text), &j, NULL) < 0)
        return;
    buf_reset(text);
    if (v->encoding == ENCODE_YAML) {
        yaml_write(text, json_root(j));
    } else {
        json_write_pretty(text, json_root(j), 2);
        buf_addc(text, '\n');
    }
}

const char *view_content_type(const struct view *v)
{
    static const char *const types[] = {
        [ENCODE_JSON] = "application/json",
        [ENCODE_PRETTY] = "application/json",
        [ENCODE_YAML] = "application/yaml",
        [ENCODE_PROTOBUF] = "application/vnd.kubernetes.protobuf",
    };

    return types[v->encoding];
}
