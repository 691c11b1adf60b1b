#include "data/yaml.h"
#include "data/gofmt.h"
#include "data/yaml_scalar.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"

#include <math.h>
#include <yaml.h>

#define TAG_PREFIX "tag:yaml.org,2002:"

/* Values that aliases may add, beyond which a small text is becoming a large document. */
#define ALIAS_BUDGET 100000

struct anchor {
    yyjson_mut_val *value; /* NULL while it is being read */
    size_t size;           /* values in it */
    size_t depth;
};

struct reader {
    yaml_parser_t parser;
    yaml_event_t event;
    bool have_event;
    unsigned flags;
    yyjson_mut_doc *doc;
    struct map anchors; /* struct anchor by name */
    size_t values;      /* in the document so far */
    size_t aliased;     /* of them, what aliases added */
    size_t depth;
    struct slice text;
    struct err *err;
};

/* A value that was read, and how much of the document it is. */
struct got {
    yyjson_mut_val *v;
    size_t size, depth;
};

static int read_node(struct reader *r, struct got *ret);

/* ---- errors ---- */

static int fail_at(struct reader *r, size_t line, const char *fmt, ...) printf_like(3, 4);
static int fail_at(struct reader *r, size_t line, const char *fmt, ...)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    return err_set(r->err, ERR_BAD_REQUEST, "line %zu: %s", line, buf_str(&b));
}

static size_t event_line(const struct reader *r)
{
    return r->event.start_mark.line + 1;
}

/* libyaml's own complaint: about the text (a line is known) or about its bytes (an offset is). */
static int parser_error(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    size_t line = p->problem_mark.line + 1;

    if (p->error == YAML_MEMORY_ERROR)
        abort();
    if (p->error == YAML_READER_ERROR) {
        line = 1;
        for (size_t i = 0; i < p->problem_offset && i < r->text.n; i++)
            line += r->text.p[i] == '\n';
    }
    return fail_at(r, line, "%s", p->problem ? p->problem : "unknown problem parsing YAML content");
}

static int next_event(struct reader *r)
{
    if (r->have_event)
        yaml_event_delete(&r->event);
    r->have_event = false;
    if (!yaml_parser_parse(&r->parser, &r->event))
        return parser_error(r);
    r->have_event = true;
    return 0;
}

/* ---- scalars ---- */

static yyjson_mut_val *number(struct reader *r, double f)
{
    /* a JSON number has no trace of a point with nothing behind it */
    if (f == trunc(f) && fabs(f) < 9223372036854775808.0)
        return yyjson_mut_sint(r->doc, (int64_t)f);
    return yyjson_mut_real(r->doc, f);
}

static int scalar_value(struct reader *r, struct scalar s, struct slice text, yyjson_mut_val **ret)
{
    char shown[GO_FLOAT_TEXT];

    switch (s.kind) {
    case SCALAR_NULL:
        *ret = yyjson_mut_null(r->doc);
        return 0;
    case SCALAR_BOOL:
        *ret = yyjson_mut_bool(r->doc, s.b);
        return 0;
    case SCALAR_INT:
        *ret = yyjson_mut_sint(r->doc, s.i);
        return 0;
    case SCALAR_UINT:
        *ret = yyjson_mut_uint(r->doc, s.u);
        return 0;
    case SCALAR_FLOAT:
        if (!isfinite(s.f))
            return fail_at(r, event_line(r), "json: unsupported value: %s", go_float(s.f, shown));
        *ret = number(r, s.f);
        return 0;
    default:
        *ret = yyjson_mut_strncpy(r->doc, text.p, text.n);
        return 0;
    }
}

/* !!binary: the bytes that base64 text stands for, as far as JSON can hold them. */
static int binary_value(struct reader *r, struct slice s, yyjson_mut_val **ret)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct buf b cleanup(buf_done) = BUF_INIT;
    uint32_t bits = 0;
    size_t n = 0, pad = 0;

    for (size_t i = 0; i < s.n; i++) {
        const char *at = s.p[i] ? strchr(letters, s.p[i]) : NULL;
        if (s.p[i] == '\n' || s.p[i] == '\r')
            continue;
        pad += s.p[i] == '=';
        if (!at && s.p[i] != '=')
            pad = 3;
        if (pad > 2 || (pad && at))
            return fail_at(r, event_line(r), "!!binary value contains invalid base64 data");
        bits = bits << 6 | (at ? (uint32_t)(at - letters) : 0);
        if (++n % 4)
            continue;
        char bytes[3] = {(char)(bits >> 16), (char)(bits >> 8), (char)bits};
        buf_add(&b, bytes, 3 - pad);
    }
    if (n % 4)
        return fail_at(r, event_line(r), "!!binary value contains invalid base64 data");
    struct buf text cleanup(buf_done) = BUF_INIT;
    buf_add_utf8(&text, buf_slice(&b));
    *ret = yyjson_mut_strncpy(r->doc, buf_str(&text), text.len);
    return 0;
}

/* A scalar with one of YAML's own tags: it must be what the tag says. */
static int tagged_value(struct reader *r, const char *tag, struct slice text, yyjson_mut_val **ret)
{
    static const struct {
        const char *tag;
        enum scalar_kind kind;
    } tags[] = {
        {"null", SCALAR_NULL}, {"bool", SCALAR_BOOL},   {"int", SCALAR_INT},
        {"int", SCALAR_UINT},  {"float", SCALAR_FLOAT},
    };
    struct scalar s = scalar_resolve(text);
    const char *name = "str";

    if (!strcmp(tag, "binary"))
        return binary_value(r, text, ret);
    for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
        if (tags[i].kind == s.kind)
            name = tags[i].tag;
        if (tags[i].kind == s.kind && !strcmp(tags[i].tag, tag))
            return scalar_value(r, s, text, ret);
    }
    if (!strcmp(tag, "float") && s.kind == SCALAR_INT) {
        *ret = number(r, (double)s.i);
        return 0;
    }
    if (!strcmp(tag, "str") || !strcmp(tag, "timestamp")) {
        *ret = yyjson_mut_strncpy(r->doc, text.p, text.n);
        return 0;
    }
    return fail_at(r, event_line(r), "cannot decode !!%s `%.*s` as a !!%s", name, SLICE_FMT(text),
                   tag);
}

static bool is_yaml_tag(const char *tag)
{
    static const char *const names[] = {"null", "bool",      "int",   "float",
                                        "str",  "timestamp", "binary"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (!strcmp(tag, names[i]))
            return true;
    return false;
}

static int read_scalar(struct reader *r, yyjson_mut_val **ret)
{
    const char *tag = (const char *)r->event.data.scalar.tag;
    struct slice text = {(const char *)r->event.data.scalar.value, r->event.data.scalar.length};
    size_t prefix = strlen(TAG_PREFIX);

    if (tag && !strncmp(tag, TAG_PREFIX, prefix) && is_yaml_tag(tag + prefix))
        return tagged_value(r, tag + prefix, text, ret);
    if (tag || !r->event.data.scalar.plain_implicit) {
        *ret = yyjson_mut_strncpy(r->doc, text.p, text.n);
        return 0;
    }
    return scalar_value(r, scalar_resolve(text), text, ret);
}

/* ---- anchors ---- */

/* The name is taken from the event before the value is read: an anchor inside itself has no value.
 */
static struct anchor *set_anchor(struct reader *r, const yaml_char_t *name)
{
    if (!name)
        return NULL;
    struct anchor *a = map_get(&r->anchors, (const char *)name);
    if (!a) {
        a = xnew(struct anchor);
        map_put(&r->anchors, (const char *)name, a);
    }
    a->value = NULL;
    return a;
}

static void forget_anchors(struct reader *r)
{
    for (struct map_item *i = map_next(&r->anchors, NULL); i; i = map_next(&r->anchors, i))
        free(i->value);
    map_done(&r->anchors);
    r->anchors = (struct map){0};
}

static int read_alias(struct reader *r, struct got *ret)
{
    const char *name = (const char *)r->event.data.alias.anchor;
    const struct anchor *a = map_get(&r->anchors, name);

    if (!a)
        return fail_at(r, event_line(r), "unknown anchor '%s' referenced", name);
    if (!a->value)
        return fail_at(r, event_line(r), "anchor '%s' value contains itself", name);
    if (r->depth + a->depth > JSON_MAX_DEPTH)
        return fail_at(r, event_line(r), "nested deeper than %d levels", JSON_MAX_DEPTH);
    r->aliased += a->size;
    if (r->aliased > ALIAS_BUDGET && r->aliased > r->text.n)
        return fail_at(r, event_line(r), "document contains excessive aliasing");
    *ret = (struct got){json_dup(r->doc, a->value), a->size, a->depth};
    return 0;
}

/* ---- collections ---- */

/* The member's name that a scalar gives: the words of sigs.k8s.io/yaml. */
static int key_text(struct reader *r, yyjson_mut_val *v, struct buf *ret)
{
    char number_text[GO_FLOAT_TEXT];

    if (yyjson_mut_is_str(v))
        buf_add(ret, yyjson_mut_get_str(v), yyjson_mut_get_len(v));
    else if (yyjson_mut_is_bool(v))
        buf_adds(ret, yyjson_mut_get_bool(v) ? "true" : "false");
    else if (yyjson_mut_is_uint(v))
        buf_printf(ret, "%llu", (unsigned long long)yyjson_mut_get_uint(v));
    else if (yyjson_mut_is_int(v))
        buf_printf(ret, "%lld", (long long)yyjson_mut_get_sint(v));
    else if (yyjson_mut_is_real(v))
        buf_adds(ret, go_float(yyjson_mut_get_real(v), number_text));
    else
        return fail_at(r, event_line(r), "a key must be a string, a number or a boolean");
    buf_add(ret, "", 0);
    if (ret->len && memchr(ret->data, '\0', ret->len))
        return fail_at(r, event_line(r), "a key must not contain a NUL");
    return 0;
}

struct mapping {
    yyjson_mut_val *obj;
    struct map members; /* values of obj by key, so that long mappings are not searched */
    struct got got;
};

static void mapping_done(struct mapping *m)
{
    map_done(&m->members);
}

/* Sets a member; one that is there keeps its place and gets the new value. */
static void set_member(struct reader *r, struct mapping *m, const char *key, size_t len,
                       yyjson_mut_val *v)
{
    yyjson_mut_val *old = map_get(&m->members, key);

    if (old) {
        old->tag = v->tag;
        old->uni = v->uni;
        return;
    }
    yyjson_mut_obj_add(m->obj, yyjson_mut_strncpy(r->doc, key, len), v);
    map_put(&m->members, key, v);
}

static int merge_mapping(struct reader *r, struct mapping *m, yyjson_mut_val *from, size_t line)
{
    size_t idx, max;
    yyjson_mut_val *key, *val;

    if (!yyjson_mut_is_obj(from))
        return fail_at(r, line, "map merge requires map or sequence of maps as the value");
    yyjson_mut_obj_foreach(from, idx, max, key, val)
        set_member(r, m, yyjson_mut_get_str(key), yyjson_mut_get_len(key), json_dup(r->doc, val));
    return 0;
}

/* "<<": the members of a mapping, or of several, of which earlier ones win. */
static int read_merge(struct reader *r, struct mapping *m)
{
    struct got source;
    size_t line = event_line(r);
    int ret = next_event(r);

    if (ret == 0)
        ret = read_node(r, &source);
    if (ret < 0)
        return ret;
    m->got.size += source.size;
    m->got.depth = MAX(m->got.depth, source.depth);
    if (!yyjson_mut_is_arr(source.v))
        return merge_mapping(r, m, source.v, line);
    for (size_t i = yyjson_mut_arr_size(source.v); ret == 0 && i > 0; i--)
        ret = merge_mapping(r, m, yyjson_mut_arr_get(source.v, i - 1), line);
    return ret;
}

static bool is_merge_key(const struct reader *r)
{
    const char *tag = (const char *)r->event.data.scalar.tag;

    if (r->event.type != YAML_SCALAR_EVENT || r->event.data.scalar.length != 2 ||
        memcmp(r->event.data.scalar.value, "<<", 2) != 0)
        return false;
    return tag ? !strcmp(tag, TAG_PREFIX "merge") : r->event.data.scalar.plain_implicit;
}

static int read_member(struct reader *r, struct mapping *m)
{
    struct buf key cleanup(buf_done) = BUF_INIT;
    struct got k, v;
    size_t line = event_line(r);

    if (is_merge_key(r))
        return read_merge(r, m);
    int ret = read_node(r, &k);
    if (ret == 0)
        ret = key_text(r, k.v, &key);
    if (ret == 0 && r->flags & YAML_STRICT && map_has(&m->members, buf_str(&key)))
        return fail_at(r, line, "key \"%s\" already set in map", buf_str(&key));
    if (ret == 0)
        ret = next_event(r);
    if (ret == 0)
        ret = read_node(r, &v);
    if (ret < 0)
        return ret;
    m->got.size += v.size + 1;
    m->got.depth = MAX(m->got.depth, v.depth);
    set_member(r, m, buf_str(&key), key.len, v.v);
    return 0;
}

static int read_mapping(struct reader *r, struct got *ret)
{
    struct mapping m cleanup(mapping_done) = {.obj = yyjson_mut_obj(r->doc)};

    for (;;) {
        int e = next_event(r);
        if (e < 0)
            return e;
        if (r->event.type == YAML_MAPPING_END_EVENT)
            break;
        e = read_member(r, &m);
        if (e < 0)
            return e;
    }
    *ret = (struct got){m.obj, m.got.size + 1, m.got.depth + 1};
    return 0;
}

static int read_sequence(struct reader *r, struct got *ret)
{
    struct got all = {yyjson_mut_arr(r->doc), 1, 0}, item;

    for (;;) {
        int e = next_event(r);
        if (e < 0)
            return e;
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            break;
        e = read_node(r, &item);
        if (e < 0)
            return e;
        yyjson_mut_arr_append(all.v, item.v);
        all.size += item.size;
        all.depth = MAX(all.depth, item.depth);
    }
    all.depth++;
    *ret = all;
    return 0;
}

/* Reads the node whose first event is at hand. */
static int read_node(struct reader *r, struct got *ret)
{
    struct anchor *anchor = NULL;
    int e = 0;

    if (r->depth >= JSON_MAX_DEPTH)
        return fail_at(r, event_line(r), "nested deeper than %d levels", JSON_MAX_DEPTH);
    r->depth++;
    r->values++;
    switch (r->event.type) {
    case YAML_ALIAS_EVENT:
        e = read_alias(r, ret);
        break;
    case YAML_SCALAR_EVENT:
        anchor = set_anchor(r, r->event.data.scalar.anchor);
        *ret = (struct got){.size = 1};
        e = read_scalar(r, &ret->v);
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = set_anchor(r, r->event.data.sequence_start.anchor);
        e = read_sequence(r, ret);
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = set_anchor(r, r->event.data.mapping_start.anchor);
        e = read_mapping(r, ret);
        break;
    default:
        e = fail_at(r, event_line(r), "unexpected content");
    }
    r->depth--;
    if (e == 0 && anchor)
        *anchor = (struct anchor){ret->v, ret->size, ret->depth};
    return e;
}

/* ---- documents ---- */

static void reader_open(struct reader *r, struct slice text, unsigned flags, struct err *err)
{
    *r = (struct reader){.flags = flags, .text = text, .err = err};
    if (!yaml_parser_initialize(&r->parser))
        abort();
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)(text.n ? text.p : ""), text.n);
}

static void reader_close(struct reader *r)
{
    if (r->have_event)
        yaml_event_delete(&r->event);
    yaml_parser_delete(&r->parser);
    forget_anchors(r);
}

/* *ret is NULL at the end of the stream. ret_empty: the document had no content at all. */
static int read_document(struct reader *r, struct json **ret, unsigned *ret_line, bool *ret_empty)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    struct got got;
    int e;

    *ret = NULL;
    do {
        e = next_event(r);
        if (e < 0)
            return e;
        if (r->event.type == YAML_STREAM_END_EVENT)
            return 0;
    } while (r->event.type != YAML_DOCUMENT_START_EVENT);
    e = next_event(r);
    if (e < 0)
        return e;
    r->doc = doc;
    *ret_line = (unsigned)event_line(r);
    *ret_empty = r->event.type == YAML_SCALAR_EVENT && !r->event.data.scalar.length &&
                 r->event.data.scalar.plain_implicit;
    e = read_node(r, &got);
    forget_anchors(r);
    if (e == 0)
        *ret = json_freeze(got.v);
    return e;
}

int yaml_parse(struct slice text, unsigned flags, struct json **ret, struct err *err)
{
    struct reader r;
    autojson struct json *j = NULL;
    unsigned line;
    bool empty;

    reader_open(&r, text, flags, err);
    int e = read_document(&r, &j, &line, &empty);
    while (e == 0 && r.event.type != YAML_STREAM_END_EVENT)
        e = next_event(&r);
    reader_close(&r);
    if (e < 0)
        return e;
    if (j)
        *ret = take(j);
    else
        return json_parse(SLICE("null"), ret, err);
    return 0;
}

int yaml_or_json(struct slice text, unsigned flags, struct json **ret, struct err *err)
{
    struct slice start = slice_trim(text);

    if (start.n && (*start.p == '{' || *start.p == '[') && json_parse(text, ret, NULL) == 0)
        return 0;
    return yaml_parse(text, flags, ret, err);
}

int yaml_parse_all(struct slice text, unsigned flags, struct yaml_docs *ret, struct err *err)
{
    VEC(struct yaml_doc) docs = {0};
    struct reader r;
    int e;

    reader_open(&r, text, flags, err);
    for (;;) {
        struct yaml_doc doc = {0};
        bool empty = false;
        e = read_document(&r, &doc.json, &doc.line, &empty);
        if (e < 0 || !doc.json)
            break;
        if (empty)
            json_unref(doc.json);
        else
            vec_push(&docs, doc);
    }
    reader_close(&r);
    struct yaml_docs all = {docs.v, docs.n};
    if (e == 0)
        *ret = all;
    else
        yaml_docs_done(&all);
    return e;
}

void yaml_docs_done(struct yaml_docs *docs)
{
    for (size_t i = 0; i < docs->n; i++)
        json_unref(docs->v[i].json);
    free(docs->v);
    *docs = (struct yaml_docs){0};
}
