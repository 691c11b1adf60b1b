/*
 * JSON by yyjson. Two rules:
 *   - what is read is immutable: functions that read take `yyjson_val *`;
 *   - what is built or edited belongs to a `yyjson_mut_doc`, the arena of a plan or a request:
 *     functions that edit take the doc and a `yyjson_mut_val *`, and everything put in is copied.
 * json_freeze() goes from the second to the first, json_thaw() back.
 *
 * struct json is an immutable document with a reference count, for one thread at a time.
 *
 * Paths are members joined by dots, with numbers for array items: "spec.containers.0.name". A
 * member that itself has a dot is reached by json_get(json_at(obj, "metadata.labels"),
 * "ray.io/cluster"). Every reader accepts NULL (an absent value) and gives the default or NULL.
 */
#ifndef MANTA_DATA_JSON_H
#define MANTA_DATA_JSON_H

#include "base/buf.h"
#include "base/err.h"

#include <yyjson.h>

struct json {
    yyjson_doc *doc;
    unsigned refs;
};

/* Depth that is refused, to keep recursion bounded: deeper input is ERR_BAD_REQUEST. */
#define JSON_MAX_DEPTH 512

/* Parses strict JSON (RFC 8259; a repeated member is kept as is). The result has one reference. */
int json_parse(struct slice text, struct json **ret, struct err *err);
struct json *json_ref(struct json *j); /* NULL gives NULL */
void json_unref(struct json *j);
DEFINE_CLEANUP(struct json *, json_unref)
#define autojson cleanup(json_unref_p)

static inline yyjson_val *json_root(const struct json *j)
{
    return j ? yyjson_doc_get_root(j->doc) : NULL;
}

struct json *json_freeze(yyjson_mut_val *v);                   /* an immutable copy */
struct json *json_copy(yyjson_val *v);                         /* a copy of a part */
yyjson_mut_val *json_thaw(yyjson_mut_doc *doc, yyjson_val *v); /* an editable copy; NULL for NULL */
yyjson_mut_val *json_dup(yyjson_mut_doc *doc, yyjson_mut_val *v); /* another editable copy */

void json_mut_doc_free_p(yyjson_mut_doc **doc);
#define automut cleanup(json_mut_doc_free_p)
yyjson_mut_doc *json_mut_new(void);

/* Readers */
yyjson_val *json_get(yyjson_val *obj, const char *key);
yyjson_val *json_at(yyjson_val *v, const char *path);
const char *json_str(yyjson_val *v, const char *def); /* def unless v is a string */
const char *json_str_at(yyjson_val *v, const char *path, const char *def);
const char *json_get_str(yyjson_val *obj, const char *key, const char *def);
int64_t json_int_at(yyjson_val *v, const char *path, int64_t def);
bool json_bool_at(yyjson_val *v, const char *path, bool def);
bool json_equal(yyjson_val *a,
                yyjson_val *b);    /* member order ignored; 1 and 1.0 differ; NULLs equal */
bool json_is_empty(yyjson_val *v); /* absent, null, {}, [], or "" */

#define json_each(arr, item, i, n)                                                                 \
    for (size_t i = 0, n = yyjson_arr_size(arr), json_once_##i = 0; !json_once_##i;                \
         json_once_##i = 1)                                                                        \
        for (yyjson_val *item = yyjson_arr_get_first(arr); i < n;                                  \
             item = unsafe_yyjson_get_next(item), i++)

#define json_each_member(from, key, val)                                                           \
    for (yyjson_obj_iter iter_##key = yyjson_obj_iter_with(from); iter_##key.obj;                  \
         iter_##key.obj = NULL)                                                                    \
        for (yyjson_val * key, *val;                                                               \
             (key = yyjson_obj_iter_next(&iter_##key)) && (val = yyjson_obj_iter_get_val(key));)

/* Editors: keys and strings are copied into doc. Each gives the value put in. */
yyjson_mut_val *json_mut_get(yyjson_mut_val *obj, const char *key);
yyjson_mut_val *json_mut_at(yyjson_mut_val *v, const char *path);
const char *json_mut_str_at(yyjson_mut_val *v, const char *path, const char *def);
yyjson_mut_val *json_put(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key,
                         yyjson_mut_val *v);
yyjson_mut_val *json_put_str(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key,
                             const char *s);
yyjson_mut_val *json_put_int(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key, int64_t n);
yyjson_mut_val *json_put_bool(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key, bool b);
yyjson_mut_val *json_put_obj(yyjson_mut_doc *doc, yyjson_mut_val *obj,
                             const char *key); /* {}, replaced */
yyjson_mut_val *json_put_arr(yyjson_mut_doc *doc, yyjson_mut_val *obj,
                             const char *key); /* [], replaced */
/* The object at path, made where it is absent or null. No array steps. */
yyjson_mut_val *json_ensure(yyjson_mut_doc *doc, yyjson_mut_val *v, const char *path);
bool json_remove(yyjson_mut_val *obj, const char *key); /* whether it was there */

/* Writers: compact, members in their order, no escaping beyond RFC 8259. */
void json_write(struct buf *b, yyjson_val *v);
void json_mut_write(struct buf *b, yyjson_mut_val *v);
void json_write_pretty(struct buf *b, yyjson_val *v, int indent); /* indent 2 or 4 */
char *json_text(yyjson_val *v);                                   /* the caller's */

#endif
