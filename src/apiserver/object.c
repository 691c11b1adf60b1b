#include "apiserver/storage_impl.h"
#include "data/types.h"

/*
 * One allocation holds the header and its strings; the text is a buffer of its own, which the
 * network shares.
 */

struct object *object_ref(const struct object *o)
{
    struct object *m = (struct object *)o;

    if (m)
        m->refs++;
    return m;
}

void object_unref(const struct object *o)
{
    struct object *m = (struct object *)o;

    if (!m || --m->refs > 0)
        return;
    rcbuf_unref(m->text);
    free(m->fields);
    free(m);
}

const struct resource *object_resource(const struct object *o)
{
    return o->kind->res;
}

/* Collects the strings of the header, then puts them behind the struct. */
struct header {
    struct buf strings;
    size_t ns, name, labels, owners; /* offsets in strings */
    unsigned n_labels, n_owners;
};

static void add_string(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s) + 1);
}

static void copy_uid(char out[37], yyjson_val *from)
{
    const char *uid = json_get_str(from, "uid", "");
    size_t n = strnlen(uid, 36);

    memset(out, 0, 37);
    memcpy(out, uid, n);
}

static void collect(struct header *h, yyjson_val *meta)
{
    const char *ns = json_get_str(meta, "namespace", "");

    h->ns = h->strings.len;
    add_string(&h->strings, ns);
    if (*ns) {
        buf_adds(&h->strings, ns);
        buf_addc(&h->strings, '/');
    }
    h->name = h->strings.len;
    add_string(&h->strings, json_get_str(meta, "name", ""));
    h->labels = h->strings.len;
    json_each_member(json_get(meta, "labels"), key, val) {
        add_string(&h->strings, yyjson_get_str(key));
        add_string(&h->strings, json_str(val, ""));
        h->n_labels++;
    }
    h->owners = h->strings.len;
    json_each(json_get(meta, "ownerReferences"), owner, i, n) {
        char uid[37];

        copy_uid(uid, owner);
        buf_add(&h->strings, uid, sizeof uid);
        h->n_owners++;
    }
}

static struct object *assemble(yyjson_val *meta)
{
    struct header h = {0};

    collect(&h, meta);
    struct object *o = xcalloc(1, sizeof *o + h.strings.len);
    char *strings = (char *)(o + 1);
    memcpy(strings, h.strings.data, h.strings.len);
    buf_done(&h.strings);
    o->refs = 1;
    o->ns = strings + h.ns;
    o->key = o->ns + strlen(o->ns) + 1;
    o->name = strings + h.name;
    o->labels = strings + h.labels;
    o->owners = strings + h.owners;
    o->n_labels = h.n_labels;
    o->n_owners = h.n_owners;
    return o;
}

/* What an absent field counts as: Go's zero value. */
static const char *zero_value(const struct resource *res, const char *path)
{
    const struct field *f = res->type ? type_at(res->type, path) : NULL;

    if (f && field_kind(f) == FIELD_BOOL)
        return "false";
    return f && (field_kind(f) == FIELD_INT32 || field_kind(f) == FIELD_INT64) ? "0" : "";
}

static void field_value(struct buf *out, const struct resource *res, const char *path,
                        yyjson_val *v)
{
    if (yyjson_is_null(v) || !v)
        buf_adds(out, zero_value(res, path));
    else if (yyjson_is_str(v))
        buf_adds(out, yyjson_get_str(v));
    else if (yyjson_is_bool(v))
        buf_adds(out, yyjson_get_bool(v) ? "true" : "false");
    else if (yyjson_is_int(v))
        buf_printf(out, "%lld", (long long)yyjson_get_sint(v));
    buf_addc(out, '\0');
}

static void index_fields(struct object *o, yyjson_val *root)
{
    const struct resource *res = o->kind->res;
    struct buf values cleanup(buf_done) = BUF_INIT;

    free(o->fields);
    o->fields = NULL;
    if (!res || !res->fields || !root)
        return;
    for (size_t i = 0; res->fields[i]; i++) {
        yyjson_val *v = json_at(root, res->fields[i]);

        if (yyjson_is_obj(v)) /* an event's source */
            v = json_get(v, "component");
        field_value(&values, res, res->fields[i], v);
    }
    o->fields = buf_take(&values);
}

int object_from_text(struct stored_kind *kind, uint64_t rv, struct rcbuf *text, struct object **ret,
                     struct err *err)
{
    /* our own text: its depth was looked at when it came in */
    yyjson_doc *doc = yyjson_read(text->data, text->len, 0);
    yyjson_val *root = yyjson_doc_get_root(doc), *meta = json_get(root, "metadata");

    if (!*json_get_str(meta, "name", "")) {
        yyjson_doc_free(doc);
        return err_set(err, ERR_BAD_REQUEST, "an object without a name");
    }
    struct object *o = assemble(meta);
    o->kind = kind;
    o->rv = rv;
    o->len = text->len;
    o->text = text;
    o->terminating = json_get_str(meta, "deletionTimestamp", NULL) != NULL;
    copy_uid(o->uid, meta);
    index_fields(o, root);
    yyjson_doc_free(doc);
    *ret = o;
    return 0;
}

void object_index_fields(struct object *o)
{
    struct json *j autojson = NULL;

    if (o->kind->res && o->kind->res->fields)
        j = object_parse(o);
    index_fields(o, json_root(j));
}

void object_sleep(struct object *o)
{
    rcbuf_unref(take(o->text));
}

struct rcbuf *object_bytes(const struct object *o)
{
    return o->text ? rcbuf_ref(o->text) : storage_fetch(o->kind->storage, o->rv);
}

struct json *object_parse(const struct object *o)
{
    struct json *j = NULL;
    struct rcbuf *text = object_bytes(o);

    if (text)
        json_parse(rcbuf_slice(text), &j, NULL);
    rcbuf_unref(text);
    return j;
}

const char *object_label(const struct object *o, const char *key)
{
    const char *p = o->labels;

    for (unsigned i = 0; i < o->n_labels; i++) {
        const char *value = p + strlen(p) + 1;

        if (strcmp(p, key) == 0)
            return value;
        p = value + strlen(value) + 1;
    }
    return NULL;
}

const char *object_field(const struct object *o, const char *path)
{
    const struct resource *res = o->kind->res;
    const char *p = o->fields;

    if (strcmp(path, "metadata.name") == 0)
        return o->name;
    if (strcmp(path, "metadata.namespace") == 0)
        return o->ns;
    for (size_t i = 0; p && res && res->fields[i]; i++, p += strlen(p) + 1)
        if (strcmp(res->fields[i], path) == 0)
            return p;
    return NULL;
}
