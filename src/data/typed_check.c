/* typed_check: what strict decoding refuses. typed_default: the constants of a built-in kind. */
#include "data/typed.h"
#include "data/gofmt.h"
#include "data/typed_value.h"
#include "data/types_table.h"

struct checker {
    typed_check_fn *fn;
    void *arg;
};

static void check_value(struct checker *c, const struct field *f, yyjson_val *v,
                        const struct typed_at *at);

static void report(struct checker *c, enum typed_problem problem, const struct typed_at *at)
{
    struct buf path cleanup(buf_done) = BUF_INIT, text cleanup(buf_done) = BUF_INIT;

    typed_path(at, &path);
    buf_printf(&text, "%s field \"%s\"", problem == TYPED_UNKNOWN ? "unknown" : "duplicate",
               buf_str(&path));
    c->fn(c->arg, problem, buf_str(&text));
}

/* Repeated keys of a map, by sorting: one request may hold very many. */
static void check_repeated(struct checker *c, yyjson_val *map, const struct typed_at *at)
{
    size_t n;
    autofree struct member *m = members_sorted(map, &n);

    for (size_t i = 1; i < n; i++)
        if (member_same_key(&m[i - 1], &m[i])) {
            struct slice name = {yyjson_get_str(m[i].key), yyjson_get_len(m[i].key)};
            report(c, TYPED_DUPLICATE, &(struct typed_at){.up = at, .name = name});
        }
}

static void check_struct(struct checker *c, const struct type *t, yyjson_val *v,
                         const struct typed_at *at)
{
    bool seen[TYPE_MAX_FIELDS] = {0};

    json_each_member(v, key, val) {
        struct slice name = {yyjson_get_str(key), yyjson_get_len(key)};
        const struct field *f = type_field(t, name.p, name.n);
        struct typed_at here = {.up = at, .in = t, .name = name};

        if (!f) {
            report(c, TYPED_UNKNOWN, &here);
            continue;
        }
        bool *before = &seen[f - type_nth(t, 0)];
        if (*before)
            report(c, TYPED_DUPLICATE, &here);
        *before = true;
        check_value(c, f, val, &here);
    }
}

static void check_inside(struct checker *c, const struct field *f, yyjson_val *v,
                         const struct typed_at *at)
{
    const struct type *t = field_object_type(f);

    if (t && yyjson_is_obj(v)) {
        check_struct(c, t, v, at);
    } else if (field_kind(f) == FIELD_LIST) {
        json_each(v, item, i, n)
            check_value(c, field_item(f), item, &(struct typed_at){.up = at, .index = i});
    } else if (field_kind(f) == FIELD_MAP) {
        check_repeated(c, v, at);
        json_each_member(v, key, val) {
            struct typed_at here = {.up = at, .name = {yyjson_get_str(key), yyjson_get_len(key)}};

            check_value(c, field_item(f), val, &here);
        }
    }
}

static void check_value(struct checker *c, const struct field *f, yyjson_val *v,
                        const struct typed_at *at)
{
    struct buf text cleanup(buf_done) = BUF_INIT;

    if (yyjson_is_null(v))
        return;
    if (typed_accepts(f, v)) {
        check_inside(c, f, v, at);
        return;
    }
    typed_mismatch(f, v, at, &text);
    c->fn(c->arg, TYPED_WRONG_KIND, buf_str(&text));
}

void typed_check(const struct type *t, yyjson_val *v, typed_check_fn *fn, void *arg)
{
    struct checker c = {.fn = fn, .arg = arg};
    struct typed_at root = {0};

    check_struct(&c, t, v, &root);
}

/* --- defaults --- */

static yyjson_mut_val *constant(yyjson_mut_doc *doc, const char *text)
{
    yyjson_doc *parsed = yyjson_read(text, strlen(text), 0);
    yyjson_mut_val *v = parsed ? yyjson_val_mut_copy(doc, yyjson_doc_get_root(parsed)) : NULL;

    yyjson_doc_free(parsed);
    return v;
}

static void default_value(const struct field *f, yyjson_mut_doc *doc, yyjson_mut_val *v)
{
    const struct field *item = field_item(f);
    size_t i, n;
    yyjson_mut_val *key, *val;

    if (yyjson_mut_is_obj(v) && field_type(f)) {
        typed_default(field_type(f), doc, v);
    } else if (item && yyjson_mut_is_arr(v)) {
        yyjson_mut_arr_foreach(v, i, n, val)
            default_value(item, doc, val);
    } else if (item && yyjson_mut_is_obj(v)) {
        yyjson_mut_obj_foreach(v, i, n, key, val) default_value(item, doc, val);
    }
}

/* Go cannot tell a zero from an absent value unless there is a pointer. */
static bool is_unset(const struct field *f, yyjson_mut_val *v)
{
    if (!v || yyjson_mut_is_null(v))
        return true;
    if (field_is(f, FIELD_POINTER))
        return false;
    return (yyjson_mut_is_str(v) && yyjson_mut_get_len(v) == 0) ||
           (yyjson_mut_is_num(v) && yyjson_mut_get_num(v) == 0);
}

void typed_default(const struct type *t, yyjson_mut_doc *doc, yyjson_mut_val *v)
{
    for (size_t i = 0; i < type_n_fields(t); i++) {
        const struct field *f = type_nth(t, i);
        const struct rules *rules = field_rules(f);
        const char *def = rules->put ? table_string(rules->put) : field_default(f);
        yyjson_mut_val *value = json_mut_get(v, field_name(f));

        if (def && is_unset(f, value))
            value = json_put(doc, v, field_name(f), constant(doc, def));
        if (value)
            default_value(f, doc, value);
    }
}
