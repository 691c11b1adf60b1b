#include "data/json.h"
#include "base/mem.h"

/* Values lie in one row, each container before what it holds: where the open ones end says how deep
 * it is. Few texts have more values than the limit, and those cost a step a value. */
static bool deeper_than(const yyjson_doc *doc, size_t limit)
{
    const yyjson_val *ends[JSON_MAX_DEPTH];
    size_t depth = 0, n = yyjson_doc_get_val_count((yyjson_doc *)(uintptr_t)doc);
    yyjson_val *v = yyjson_doc_get_root((yyjson_doc *)(uintptr_t)doc);

    for (size_t i = 0; n > limit && i < n; i++, v++) {
        while (depth && v >= ends[depth - 1])
            depth--;
        if (!yyjson_is_ctn(v))
            continue;
        if (depth == limit)
            return true;
        ends[depth++] = unsafe_yyjson_get_next(v);
    }
    return false;
}

static struct json *wrap(yyjson_doc *doc)
{
    if (!doc)
        abort(); /* out of memory */
    struct json *j = xnew(struct json);
    j->doc = doc;
    j->refs = 1;
    return j;
}

int json_parse(struct slice text, struct json **ret, struct err *err)
{
    yyjson_read_err e;

    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text.p, text.n, 0, NULL, &e);
    if (!doc)
        return err_set(err, ERR_BAD_REQUEST, "invalid JSON at byte %zu: %s", e.pos, e.msg);
    if (deeper_than(doc, JSON_MAX_DEPTH)) {
        yyjson_doc_free(doc);
        return err_set(err, ERR_BAD_REQUEST, "nested deeper than %d levels", JSON_MAX_DEPTH);
    }
    *ret = wrap(doc);
    return 0;
}

struct json *json_ref(struct json *j)
{
    if (j)
        j->refs++;
    return j;
}

void json_unref(struct json *j)
{
    if (!j || --j->refs)
        return;
    yyjson_doc_free(j->doc);
    free(j);
}

struct json *json_freeze(yyjson_mut_val *v)
{
    return wrap(yyjson_mut_val_imut_copy(v, NULL));
}

struct json *json_copy(yyjson_val *v)
{
    automut yyjson_mut_doc *doc = json_mut_new();

    return json_freeze(json_thaw(doc, v));
}

yyjson_mut_val *json_thaw(yyjson_mut_doc *doc, yyjson_val *v)
{
    return v ? yyjson_val_mut_copy(doc, v) : NULL;
}

yyjson_mut_val *json_dup(yyjson_mut_doc *doc, yyjson_mut_val *v)
{
    return v ? yyjson_mut_val_mut_copy(doc, v) : NULL;
}

void json_mut_doc_free_p(yyjson_mut_doc **doc)
{
    yyjson_mut_doc_free(*doc);
}

yyjson_mut_doc *json_mut_new(void)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);

    if (!doc)
        abort();
    return doc;
}

yyjson_val *json_get(yyjson_val *obj, const char *key)
{
    return yyjson_obj_get(obj, key);
}

/* One step of a path: a member, or an item where the container is an array. */
static yyjson_val *step(yyjson_val *v, struct slice part)
{
    int64_t i;

    if (!yyjson_is_arr(v))
        return yyjson_obj_getn(v, part.p, part.n);
    return slice_int64(part, &i) && i >= 0 ? yyjson_arr_get(v, (size_t)i) : NULL;
}

yyjson_val *json_at(yyjson_val *v, const char *path)
{
    struct slice rest = slice_of(path), part;

    while (v && slice_cut(&rest, '.', &part))
        v = step(v, part);
    return v;
}

const char *json_str(yyjson_val *v, const char *def)
{
    return yyjson_is_str(v) ? yyjson_get_str(v) : def;
}

const char *json_str_at(yyjson_val *v, const char *path, const char *def)
{
    return json_str(json_at(v, path), def);
}

const char *json_get_str(yyjson_val *obj, const char *key, const char *def)
{
    return json_str(json_get(obj, key), def);
}

int64_t json_int_at(yyjson_val *v, const char *path, int64_t def)
{
    v = json_at(v, path);
    return yyjson_is_int(v) ? yyjson_get_sint(v) : def;
}

bool json_bool_at(yyjson_val *v, const char *path, bool def)
{
    v = json_at(v, path);
    return yyjson_is_bool(v) ? yyjson_get_bool(v) : def;
}

bool json_equal(yyjson_val *a, yyjson_val *b)
{
    return a && b ? yyjson_equals(a, b) : a == b;
}

bool json_is_empty(yyjson_val *v)
{
    return !v || yyjson_is_null(v) || (yyjson_is_ctn(v) && yyjson_get_len(v) == 0) ||
           (yyjson_is_str(v) && yyjson_get_len(v) == 0);
}

yyjson_mut_val *json_mut_get(yyjson_mut_val *obj, const char *key)
{
    return yyjson_mut_obj_get(obj, key);
}

static yyjson_mut_val *mut_step(yyjson_mut_val *v, struct slice part)
{
    int64_t i;

    if (!yyjson_mut_is_arr(v))
        return yyjson_mut_obj_getn(v, part.p, part.n);
    return slice_int64(part, &i) && i >= 0 ? yyjson_mut_arr_get(v, (size_t)i) : NULL;
}

yyjson_mut_val *json_mut_at(yyjson_mut_val *v, const char *path)
{
    struct slice rest = slice_of(path), part;

    while (v && slice_cut(&rest, '.', &part))
        v = mut_step(v, part);
    return v;
}

const char *json_mut_str_at(yyjson_mut_val *v, const char *path, const char *def)
{
    v = json_mut_at(v, path);
    return yyjson_mut_is_str(v) ? yyjson_mut_get_str(v) : def;
}

/* Replaces in place, so that a member keeps its position; a new one goes last. */
static yyjson_mut_val *put(yyjson_mut_doc *doc, yyjson_mut_val *obj, struct slice key,
                           yyjson_mut_val *v)
{
    yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(obj);
    size_t at = 0;

    /* Not yyjson_mut_obj_replace(): that copies v into the old node, and v would not be in the
     * tree. */
    for (yyjson_mut_val *k; (k = yyjson_mut_obj_iter_next(&it)); at++) {
        if (!slice_eq((struct slice){yyjson_mut_get_str(k), yyjson_mut_get_len(k)}, key))
            continue;
        yyjson_mut_obj_iter_remove(&it);
        yyjson_mut_obj_insert(obj, yyjson_mut_strncpy(doc, key.p, key.n), v, at);
        return v;
    }
    yyjson_mut_obj_add(obj, yyjson_mut_strncpy(doc, key.p, key.n), v);
    return v;
}

yyjson_mut_val *json_put(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key,
                         yyjson_mut_val *v)
{
    return put(doc, obj, slice_of(key), v);
}

yyjson_mut_val *json_put_str(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key,
                             const char *s)
{
    return json_put(doc, obj, key, yyjson_mut_strcpy(doc, s));
}

yyjson_mut_val *json_put_int(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key, int64_t n)
{
    return json_put(doc, obj, key,
                    n >= 0 ? yyjson_mut_uint(doc, (uint64_t)n) : yyjson_mut_sint(doc, n));
}

yyjson_mut_val *json_put_bool(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key, bool b)
{
    return json_put(doc, obj, key, yyjson_mut_bool(doc, b));
}

yyjson_mut_val *json_put_obj(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key)
{
    return json_put(doc, obj, key, yyjson_mut_obj(doc));
}

yyjson_mut_val *json_put_arr(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key)
{
    return json_put(doc, obj, key, yyjson_mut_arr(doc));
}

yyjson_mut_val *json_ensure(yyjson_mut_doc *doc, yyjson_mut_val *v, const char *path)
{
    struct slice rest = slice_of(path), part;

    while (slice_cut(&rest, '.', &part)) {
        yyjson_mut_val *next = yyjson_mut_obj_getn(v, part.p, part.n);
        if (!next || yyjson_mut_is_null(next))
            next = put(doc, v, part, yyjson_mut_obj(doc));
        v = next;
    }
    return v;
}

bool json_remove(yyjson_mut_val *obj, const char *key)
{
    return yyjson_mut_obj_remove_key(obj, key) != NULL;
}

static void add_text(struct buf *b, char *text, size_t n)
{
    if (!text)
        abort();
    buf_add(b, text, n);
    free(text);
}

void json_write(struct buf *b, yyjson_val *v)
{
    size_t n = 0;
    char *text = yyjson_val_write_opts(v, 0, NULL, &n, NULL);

    add_text(b, text, n);
}

void json_mut_write(struct buf *b, yyjson_mut_val *v)
{
    size_t n = 0;
    char *text = yyjson_mut_val_write_opts(v, 0, NULL, &n, NULL);

    add_text(b, text, n);
}

void json_write_pretty(struct buf *b, yyjson_val *v, int indent)
{
    size_t n = 0;
    yyjson_write_flag flag = indent == 2 ? YYJSON_WRITE_PRETTY_TWO_SPACES : YYJSON_WRITE_PRETTY;
    char *text = yyjson_val_write_opts(v, flag, NULL, &n, NULL);

    add_text(b, text, n);
}

char *json_text(yyjson_val *v)
{
    struct buf b = BUF_INIT;

    json_write(&b, v);
    return buf_take(&b);
}
