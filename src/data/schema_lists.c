/* Uniqueness in list types set and map, and the metadata of embedded resources. */
#include "data/gofmt.h"
#include "data/schema_node.h"
#include "base/map.h"
#include "base/names.h"

struct walker {
    struct field_path path;
    struct field_errors *errs;
};

static void walk(struct walker *w, const struct schema *s, yyjson_val *v);

static void duplicate(struct walker *w, size_t i, const char *text)
{
    size_t mark = path_mark(&w->path);
    struct buf b cleanup(buf_done) = BUF_INIT;

    path_index(&w->path, i);
    buf_printf(&b, "Duplicate value: %s", text);
    field_error_add(w->errs, FIELD_DUPLICATE, path_text(&w->path), buf_str(&b));
    path_back(&w->path, mark);
}

/* Counts text; true when it is there for the second time: only that one is reported. */
static bool is_second(struct map *seen, const char *text)
{
    uintptr_t n = (uintptr_t)map_get(seen, text) + 1;

    map_put(seen, text, (void *)n);
    return n == 2;
}

static void check_set(struct walker *w, yyjson_val *arr)
{
    struct map seen = {0};

    json_each(arr, item, i, n) {
        struct buf b cleanup(buf_done) = BUF_INIT;
        go_json(&b, item, true);
        if (is_second(&seen, buf_str(&b)))
            duplicate(w, i, buf_str(&b));
    }
    map_done(&seen);
}

/* {"key":value,…} of an item: its keys that are there, by name. */
static void key_text(const struct schema_extra *x, yyjson_val *item, struct buf *ret)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *keys = yyjson_mut_obj(doc);

    for (size_t k = 0; x && k < x->list_keys.n; k++) {
        yyjson_val *v = json_get(item, x->list_keys.v[k]);
        if (v)
            json_put(doc, keys, x->list_keys.v[k], json_thaw(doc, v));
    }
    autojson struct json *j = json_freeze(keys);
    go_json(ret, json_root(j), true);
}

static bool only_objects(struct walker *w, yyjson_val *arr)
{
    size_t mark = path_mark(&w->path);

    json_each(arr, item, i, n) {
        if (yyjson_is_obj(item) || yyjson_is_null(item))
            continue;
        path_index(&w->path, i);
        field_invalid(w->errs, path_text(&w->path), item,
                      "must be an object for an array of list-type map");
        path_back(&w->path, mark);
        return false;
    }
    return true;
}

static void check_map(struct walker *w, const struct schema *s, yyjson_val *arr)
{
    struct map seen = {0};

    if (!only_objects(w, arr))
        return;
    json_each(arr, item, i, n) {
        struct buf b cleanup(buf_done) = BUF_INIT;
        key_text(s->extra, item, &b);
        if (is_second(&seen, buf_str(&b)))
            duplicate(w, i, buf_str(&b));
    }
    map_done(&seen);
}

static void walk_members(struct walker *w, const struct schema *s, yyjson_val *obj)
{
    size_t mark = path_mark(&w->path);

    json_each_member(obj, key, val) {
        struct slice name = {yyjson_get_str(key), yyjson_get_len(key)};
        const struct schema *prop = schema_property(s, name);
        if (!prop && !s->additional)
            continue;
        if (prop)
            path_child(&w->path, name);
        else
            path_key(&w->path, name);
        walk(w, prop ? prop : s->additional, val);
        path_back(&w->path, mark);
    }
}

static void walk(struct walker *w, const struct schema *s, yyjson_val *v)
{
    size_t mark = path_mark(&w->path);

    if (!(s->flags & SCHEMA_HAS_LISTS))
        return;
    if (yyjson_is_obj(v))
        walk_members(w, s, v);
    if (!yyjson_is_arr(v))
        return;
    if (s->list_type == LIST_SET)
        check_set(w, v);
    else if (s->list_type == LIST_MAP)
        check_map(w, s, v);
    json_each(v, item, i, n) {
        if (!s->items)
            break;
        path_index(&w->path, i);
        walk(w, s->items, item);
        path_back(&w->path, mark);
    }
}

void schema_validate_lists(const struct schema *s, yyjson_val *obj, struct field_errors *errs)
{
    struct walker w = {.errs = errs};

    walk(&w, s, obj);
    buf_done(&w.path.text);
}

/* ---- x-kubernetes-embedded-resource ---- */

static void need_word(struct walker *w, yyjson_val *obj, const char *name)
{
    size_t mark = path_mark(&w->path);

    path_child(&w->path, slice_of(name));
    if (!*json_get_str(obj, name, ""))
        field_required(w->errs, path_text(&w->path), "must not be empty");
    path_back(&w->path, mark);
}

static void check_embedded(struct walker *w, yyjson_val *obj)
{
    size_t mark = path_mark(&w->path);
    const char *name = json_str_at(obj, "metadata.name", ""), *problem;

    need_word(w, obj, "apiVersion");
    need_word(w, obj, "kind");
    problem = *name ? name_dns1123_subdomain(slice_of(name)) : NULL;
    if (problem) {
        path_child(&w->path, SLICE("metadata"));
        path_child(&w->path, SLICE("name"));
        field_invalid_str(w->errs, path_text(&w->path), name, problem);
        path_back(&w->path, mark);
    }
}

static void walk_embedded(struct walker *w, const struct schema *s, yyjson_val *v)
{
    size_t mark = path_mark(&w->path);

    if (!(s->flags & SCHEMA_HAS_EMBEDDED))
        return;
    if (yyjson_is_obj(v) && s->flags & SCHEMA_EMBEDDED)
        check_embedded(w, v);
    json_each_member(v, key, val) {
        struct slice name = {yyjson_get_str(key), yyjson_get_len(key)};
        const struct schema *prop = schema_property(s, name);
        if (!prop && !s->additional)
            continue;
        if (prop)
            path_child(&w->path, name);
        else
            path_key(&w->path, name);
        walk_embedded(w, prop ? prop : s->additional, val);
        path_back(&w->path, mark);
    }
    json_each(v, item, i, n) {
        if (!s->items)
            break;
        path_index(&w->path, i);
        walk_embedded(w, s->items, item);
        path_back(&w->path, mark);
    }
}

void schema_validate_embedded(const struct schema *s, yyjson_val *obj, struct field_errors *errs)
{
    struct walker w = {.errs = errs};

    walk_embedded(&w, s, obj);
    buf_done(&w.path.text);
}
