/* Pruning and defaulting. */
#include "data/schema_node.h"
#include "base/mem.h"
#include "base/vec.h"

#include <stdio.h>

void path_back(struct field_path *p, size_t mark)
{
    p->text.len = mark;
    if (p->text.data)
        p->text.data[mark] = '\0';
}

void path_child(struct field_path *p, struct slice name)
{
    if (p->text.len)
        buf_addc(&p->text, '.');
    buf_add_slice(&p->text, name);
}

void path_index(struct field_path *p, size_t i)
{
    buf_printf(&p->text, "[%zu]", i);
}

void path_key(struct field_path *p, struct slice key)
{
    buf_addc(&p->text, '[');
    buf_add_slice(&p->text, key);
    buf_addc(&p->text, ']');
}

void schema_paths_done(struct schema_paths *paths)
{
    for (size_t i = 0; i < paths->n; i++)
        free(paths->v[i]);
    vec_done(paths);
}

static struct slice key_of(yyjson_mut_val *key)
{
    return (struct slice){yyjson_mut_get_str(key), yyjson_mut_get_len(key)};
}

/* ---- pruning ---- */

struct pruner {
    struct field_path path;
    struct schema_paths *unknown;
};

static bool is_meta(struct slice key)
{
    return slice_is(key, "apiVersion") || slice_is(key, "kind") || slice_is(key, "metadata");
}

static void prune(struct pruner *p, const struct schema *s, yyjson_mut_val *v, bool embedded);

static void record(struct pruner *p, struct slice key)
{
    size_t mark = path_mark(&p->path);

    if (!p->unknown || (!mark && is_meta(key)))
        return;
    path_child(&p->path, key);
    vec_push(p->unknown, xstrdup(path_text(&p->path)));
    path_back(&p->path, mark);
}

/* Whether a member stays; what is in it is pruned. preserve: unknown members stay as they are. */
static bool prune_member(struct pruner *p, const struct schema *s, struct slice key,
                         yyjson_mut_val *val, bool embedded, bool preserve)
{
    size_t mark = path_mark(&p->path);
    const struct schema *prop = s ? schema_property(s, key) : NULL;

    if (embedded && is_meta(key))
        return true;
    if (!prop &&
        !(s && (s->additional || s->flags & (SCHEMA_ADDITIONAL_ANY | SCHEMA_ADDITIONAL_NONE)))) {
        if (!preserve)
            record(p, key);
        return preserve;
    }
    path_child(&p->path, key);
    prune(p, prop ? prop : s->additional, val, false);
    path_back(&p->path, mark);
    return true;
}

/* One value. preserve: unknown members stay, but what the schema does name is pruned inside. */
static void prune_value(struct pruner *p, const struct schema *s, yyjson_mut_val *v, bool embedded,
                        bool preserve)
{
    size_t idx, max, mark = path_mark(&p->path);
    yyjson_mut_val *item;

    embedded |= s && s->flags & SCHEMA_EMBEDDED;
    if (yyjson_mut_is_arr(v)) {
        const struct schema *items = s ? s->items : NULL;
        if (preserve && !items)
            return;
        yyjson_mut_arr_foreach(v, idx, max, item) {
            path_index(&p->path, idx);
            prune_value(p, items, item, false,
                        preserve || (items && items->flags & SCHEMA_PRESERVE));
            path_back(&p->path, mark);
        }
        return;
    }
    yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(v);
    for (yyjson_mut_val *key; (key = yyjson_mut_obj_iter_next(&it));)
        if (!prune_member(p, s, key_of(key), yyjson_mut_obj_iter_get_val(key), embedded, preserve))
            yyjson_mut_obj_iter_remove(&it);
}

static void prune(struct pruner *p, const struct schema *s, yyjson_mut_val *v, bool embedded)
{
    prune_value(p, s, v, embedded, s && s->flags & SCHEMA_PRESERVE);
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void schema_prune(const struct schema *s, yyjson_mut_val *obj, struct schema_paths *unknown)
{
    struct pruner p = {.unknown = unknown};

    prune(&p, s, obj, true);
    buf_done(&p.path.text);
    if (unknown && unknown->n)
        qsort(unknown->v, unknown->n, sizeof(*unknown->v), compare_paths);
}

/* ---- defaulting ---- */

static bool is_stray_null(yyjson_mut_val *v, const struct schema *s)
{
    return yyjson_mut_is_null(v) && s && !(s->flags & SCHEMA_NULLABLE);
}

/* Takes out nulls that are neither allowed nor have a default. */
static void drop_nulls(const struct schema *s, yyjson_mut_val *v)
{
    size_t idx, max;
    yyjson_mut_val *item;

    if (yyjson_mut_is_arr(v)) {
        yyjson_mut_arr_foreach(v, idx, max, item)
            drop_nulls(s ? s->items : NULL, item);
        return;
    }
    yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(v);
    for (yyjson_mut_val *key; (key = yyjson_mut_obj_iter_next(&it));) {
        const struct schema *member = schema_member(s, key_of(key));
        yyjson_mut_val *val = yyjson_mut_obj_iter_get_val(key);
        if (is_stray_null(val, member) && !schema_default_of(member))
            yyjson_mut_obj_iter_remove(&it);
        else if (member)
            drop_nulls(member, val);
    }
}

static void fill(const struct schema *s, yyjson_mut_doc *doc, yyjson_mut_val *v);

static yyjson_mut_val *default_value(const struct schema *s, yyjson_mut_doc *doc)
{
    return json_thaw(doc, json_root(schema_default_of(s)));
}

/* Makes a stray null into the default where it stands in its container. */
static void fill_null(const struct schema *s, yyjson_mut_doc *doc, yyjson_mut_val *v)
{
    if (!is_stray_null(v, s) || !schema_default_of(s))
        return;
    const yyjson_mut_val *def = default_value(s, doc);
    v->tag = def->tag;
    v->uni = def->uni;
}

static void fill_props(const struct schema *s, yyjson_mut_doc *doc, yyjson_mut_val *obj)
{
    for (size_t i = 0; i < s->n_props; i++) {
        const struct schema *prop = s->props[i].schema;
        if (!schema_default_of(prop))
            continue;
        yyjson_mut_val *old = json_mut_get(obj, s->props[i].name);
        if (!old || is_stray_null(old, prop))
            json_put(doc, obj, s->props[i].name, default_value(prop, doc));
    }
}

static void fill(const struct schema *s, yyjson_mut_doc *doc, yyjson_mut_val *v)
{
    size_t idx, max;
    yyjson_mut_val *item, *key;

    if (!s || !(s->flags & SCHEMA_HAS_DEFAULTS))
        return;
    if (yyjson_mut_is_obj(v)) {
        fill_props(s, doc, v);
        yyjson_mut_obj_foreach(v, idx, max, key, item)
        {
            const struct schema *member = schema_member(s, key_of(key));
            fill_null(member, doc, item);
            fill(member, doc, item);
        }
    } else if (yyjson_mut_is_arr(v)) {
        yyjson_mut_arr_foreach(v, idx, max, item) {
            fill_null(s->items, doc, item);
            fill(s->items, doc, item);
        }
    }
}

void schema_default(const struct schema *s, yyjson_mut_doc *doc, yyjson_mut_val *obj)
{
    drop_nulls(s, obj);
    fill(s, doc, obj);
}
