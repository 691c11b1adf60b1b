/*
 * Strategic merge patch. The patch is copied first, since directives are taken out of it as they
 * are obeyed. Lists that merge are handled as arrays of pointers and put together again at the end.
 */
#include "data/patch.h"
#include "data/gofmt.h"
#include "base/mem.h"
#include "base/vec.h"

#define DIRECTIVE "$patch"
#define RETAIN_KEYS "$retainKeys"
#define DELETE_PREFIX "$deleteFromPrimitiveList"
#define ORDER_PREFIX "$setElementOrder"

struct merger {
    yyjson_mut_doc *doc;
    patch_lookup *lookup;
    struct err *err;
};

struct items {
    yyjson_mut_val **v;
    size_t n, cap;
};

static void items_done(struct items *items)
{
    vec_done(items);
}
#define autoitems cleanup(items_done)

/* What is known of an object: the struct it is, or the struct that each of its values is. */
struct scope {
    const void *type;
    bool is_map;
};

static yyjson_mut_val *merge_map(struct merger *m, yyjson_mut_val *to, yyjson_mut_val *patch,
                                 struct scope scope);

/* ---- small things ---- */

static struct slice text_of(yyjson_mut_val *v)
{
    return (struct slice){yyjson_mut_get_str(v), yyjson_mut_get_len(v)};
}

static bool has_prefix(struct slice key, const char *prefix)
{
    return slice_starts(key, slice_of(prefix));
}

/* The name behind "$setElementOrder/"; false if there is no slash. */
static bool directive_target(struct slice key, const char *prefix, struct slice *ret)
{
    size_t n = strlen(prefix);

    if (key.n <= n || key.p[n] != '/')
        return false;
    *ret = (struct slice){key.p + n + 1, key.n - n - 1};
    return true;
}

static struct patch_field lookup(struct merger *m, struct scope scope, struct slice name)
{
    struct patch_field field = {0};

    if (scope.is_map)
        return (struct patch_field){.type = scope.type};
    if (!scope.type || !m->lookup(scope.type, name, &field))
        field = (struct patch_field){0};
    return field;
}

static struct scope scope_of(const struct patch_field *field)
{
    return (struct scope){field->type, field->is_map};
}

static yyjson_mut_val *get(yyjson_mut_val *obj, struct slice key)
{
    return yyjson_mut_obj_getn(obj, key.p, key.n);
}

static void put(struct merger *m, yyjson_mut_val *obj, struct slice key, yyjson_mut_val *v)
{
    yyjson_mut_val *k = yyjson_mut_strncpy(m->doc, key.p, key.n);

    if (get(obj, key))
        yyjson_mut_obj_replace(obj, k, v);
    else
        yyjson_mut_obj_add(obj, k, v);
}

static void items_of(yyjson_mut_val *arr, struct items *ret)
{
    size_t idx, max;
    yyjson_mut_val *v;

    yyjson_mut_arr_foreach(arr, idx, max, v)
        vec_push(ret, v);
}

static yyjson_mut_val *array_of(struct merger *m, const struct items *items)
{
    yyjson_mut_val *arr = yyjson_mut_arr(m->doc);

    for (size_t i = 0; i < items->n; i++)
        yyjson_mut_arr_append(arr, items->v[i]);
    return arr;
}

/* ---- errors, in Go's words ---- */

static void add_shown(struct buf *b, yyjson_mut_val *v)
{
    autojson struct json *j = json_freeze(v);

    go_print(b, json_root(j));
}

static const char *go_type(yyjson_mut_val *v)
{
    return yyjson_mut_is_str(v)    ? "string"
           : yyjson_mut_is_bool(v) ? "bool"
           : yyjson_mut_is_real(v) ? "float64"
           : yyjson_mut_is_num(v)  ? "int64"
           : yyjson_mut_is_arr(v)  ? "[]interface {}"
           : yyjson_mut_is_obj(v)  ? "map[string]interface {}"
                                   : "%!s(<nil>)";
}

static int bad_type(struct merger *m, const char *expected, yyjson_mut_val *v)
{
    return err_set(m->err, ERR_INTERNAL, "expected a %s, but received a %s", expected, go_type(v));
}

static int no_merge_key(struct merger *m, yyjson_mut_val *v, const char *key)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    add_shown(&b, v);
    return err_set(m->err, ERR_INTERNAL, "map: %s does not contain declared merge key: %s",
                   buf_str(&b), key);
}

static int bad_directive(struct merger *m, yyjson_mut_val *directive, yyjson_mut_val *in)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    buf_adds(&b, "unknown patch type: ");
    if (!yyjson_mut_is_str(directive))
        buf_printf(&b, "%%!s(%s=", go_type(directive));
    add_shown(&b, directive);
    buf_adds(&b, yyjson_mut_is_str(directive) ? " in map: " : ") in map: ");
    add_shown(&b, in);
    return err_set(m->err, ERR_INTERNAL, "%s", buf_str(&b));
}

/* ---- values that are only in the patch ---- */

static void drop_nulls(yyjson_mut_val *v)
{
    size_t idx, max;
    yyjson_mut_val *item;

    if (yyjson_mut_is_arr(v)) {
        yyjson_mut_arr_foreach(v, idx, max, item)
            drop_nulls(item);
        return;
    }
    yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(v);
    for (yyjson_mut_val *key; (key = yyjson_mut_obj_iter_next(&it));) {
        if (yyjson_mut_is_null(yyjson_mut_obj_iter_get_val(key)))
            yyjson_mut_obj_iter_remove(&it);
        else
            drop_nulls(yyjson_mut_obj_iter_get_val(key));
    }
}

/* Takes out objects with "$patch"; false if v itself is one. */
static bool drop_directives(yyjson_mut_val *v)
{
    if (yyjson_mut_is_arr(v)) {
        yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(v);
        for (yyjson_mut_val *item; (item = yyjson_mut_arr_iter_next(&it));)
            if (!drop_directives(item))
                yyjson_mut_arr_iter_remove(&it);
        return true;
    }
    if (!yyjson_mut_is_obj(v))
        return true;
    if (yyjson_mut_obj_get(v, DIRECTIVE))
        return false;
    yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(v);
    for (yyjson_mut_val *key; (key = yyjson_mut_obj_iter_next(&it));)
        if (!drop_directives(yyjson_mut_obj_iter_get_val(key)))
            yyjson_mut_obj_iter_remove(&it);
    return true;
}

static void put_new(struct merger *m, yyjson_mut_val *to, struct slice key, yyjson_mut_val *v)
{
    drop_nulls(v);
    if (drop_directives(v))
        put(m, to, key, v);
    else
        yyjson_mut_obj_remove_keyn(to, key.p, key.n);
}

/* ---- lists ---- */

/* What identifies an item: its merge key's value, or the item itself. NULL: it has no such key. */
static yyjson_mut_val *identity(yyjson_mut_val *item, const char *merge_key)
{
    return merge_key ? yyjson_mut_obj_get(item, merge_key) : item;
}

static bool same(yyjson_mut_val *a, yyjson_mut_val *b)
{
    return a && b && yyjson_mut_equals(a, b);
}

static int64_t index_of(const struct items *items, yyjson_mut_val *id, const char *merge_key)
{
    for (size_t i = 0; i < items->n; i++)
        if (same(identity(items->v[i], merge_key), id))
            return (int64_t)i;
    return -1;
}

static int need_merge_keys(struct merger *m, const struct items *items, const char *merge_key)
{
    for (size_t i = 0; merge_key && i < items->n; i++) {
        if (!yyjson_mut_is_obj(items->v[i]))
            return bad_type(m, "map[string]interface {}", items->v[i]);
        if (!yyjson_mut_obj_get(items->v[i], merge_key))
            return no_merge_key(m, items->v[i], merge_key);
    }
    return 0;
}

/* Sorts items stably by where their like is in order. */
static void sort_by(struct items *items, const struct items *order, const char *merge_key)
{
    for (size_t i = 1; i < items->n; i++) {
        yyjson_mut_val *v = items->v[i];
        int64_t at = index_of(order, identity(v, merge_key), merge_key);
        size_t j = i;
        for (; j > 0; j--) {
            int64_t before = index_of(order, identity(items->v[j - 1], merge_key), merge_key);
            if (at < 0 || before < 0 || before <= at)
                break;
            items->v[j] = items->v[j - 1];
        }
        items->v[j] = v;
    }
}

/*
 * Puts merged in order: what is in patch_order first of all as it is there; the others, which only
 * the server has, are woven in where the live order has them before a patched item.
 */
static int arrange(struct merger *m, const struct items *merged, const struct items *patch_order,
                   const struct items *live_order, const char *merge_key, struct items *ret)
{
    struct items patched autoitems = {0}, others autoitems = {0};
    size_t i = 0, j = 0;

    int r = need_merge_keys(m, merged, merge_key);
    if (r == 0)
        r = need_merge_keys(m, patch_order, merge_key);
    if (r < 0)
        return r;
    for (size_t k = 0; k < merged->n; k++) {
        bool in_patch = index_of(patch_order, identity(merged->v[k], merge_key), merge_key) >= 0;
        vec_push(in_patch ? &patched : &others, merged->v[k]);
    }
    sort_by(&patched, patch_order, merge_key);
    sort_by(&others, live_order, merge_key);
    while (i < others.n || j < patched.n) {
        bool other = j >= patched.n;
        if (!other && i < others.n) {
            int64_t a = index_of(live_order, identity(others.v[i], merge_key), merge_key);
            int64_t b = index_of(live_order, identity(patched.v[j], merge_key), merge_key);
            other = a >= 0 && b >= 0 && a < b;
        }
        vec_push(ret, other ? others.v[i++] : patched.v[j++]);
    }
    return 0;
}

static int mixed_kinds(struct merger *m, const struct items *a, const struct items *b)
{
    struct buf text cleanup(buf_done) = BUF_INIT;

    buf_adds(&text, "list element types are not identical: [");
    add_shown(&text, array_of(m, a));
    buf_addc(&text, ' ');
    add_shown(&text, array_of(m, b));
    buf_addc(&text, ']');
    return err_set(m->err, ERR_INTERNAL, "%s", buf_str(&text));
}

/* All items must be of one kind, and not lists. */
static int check_kinds(struct merger *m, const struct items *a, const struct items *b,
                       bool *ret_maps)
{
    const struct items *lists[] = {a, b};
    yyjson_mut_val *first = NULL;

    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < lists[k]->n; i++) {
            yyjson_mut_val *v = lists[k]->v[i];
            if (!first)
                first = v;
            if (strcmp(go_type(first), go_type(v)) != 0)
                return mixed_kinds(m, a, b);
            if (yyjson_mut_is_arr(v))
                return err_set(m->err, ERR_INVALID, "lists of lists are not supported");
        }
    }
    *ret_maps = yyjson_mut_is_obj(first);
    return 0;
}

static void remove_matching(struct items *items, yyjson_mut_val *id, const char *merge_key)
{
    int64_t i;

    while ((i = index_of(items, id, merge_key)) >= 0)
        vec_remove(items, (size_t)i);
}

/* Obeys items of the patch that are directives and takes them out of it. */
static int obey_item_directives(struct merger *m, struct items *to, struct items *patch,
                                const char *merge_key)
{
    size_t kept = 0;
    bool replace = false;

    for (size_t i = 0; i < patch->n; i++) {
        yyjson_mut_val *directive = yyjson_mut_obj_get(patch->v[i], DIRECTIVE);
        if (!directive) {
            patch->v[kept++] = patch->v[i];
        } else if (yyjson_mut_equals_str(directive, "delete")) {
            yyjson_mut_val *id = yyjson_mut_obj_get(patch->v[i], merge_key);
            if (!id)
                return no_merge_key(m, patch->v[i], merge_key);
            remove_matching(to, id, merge_key);
        } else if (yyjson_mut_equals_str(directive, "replace")) {
            replace = true;
        } else if (yyjson_mut_equals_str(directive, "merge")) {
            return err_set(m->err, ERR_INTERNAL,
                           "merging lists cannot yet be specified in the patch");
        } else {
            return bad_directive(m, directive, patch->v[i]);
        }
    }
    patch->n = kept;
    if (replace) {
        struct items old = *to;
        *to = *patch;
        *patch = old;
        patch->n = 0;
    }
    return 0;
}

static int merge_maps_of_list(struct merger *m, struct items *merged, const struct items *patch,
                              const struct patch_field *field)
{
    for (size_t i = 0; i < patch->n; i++) {
        yyjson_mut_val *id = yyjson_mut_obj_get(patch->v[i], field->merge_key);
        if (!id)
            return no_merge_key(m, patch->v[i], field->merge_key);
        int64_t at = index_of(merged, id, field->merge_key);
        if (at < 0) {
            vec_push(merged, patch->v[i]);
            continue;
        }
        /* a copy: merging uses the patch up, and its merge key is needed for the order */
        yyjson_mut_val *change = json_dup(m->doc, patch->v[i]);
        merged->v[at] = merge_map(m, merged->v[at], change, scope_of(field));
        if (!merged->v[at])
            return m->err->code;
    }
    return 0;
}

static void add_unique(struct items *merged, const struct items *more)
{
    for (size_t i = 0; i < more->n; i++)
        if (index_of(merged, more->v[i], NULL) < 0)
            vec_push(merged, more->v[i]);
}

/* Merges patch into to (both are used up); ret gets the items in their order. */
static int merge_list(struct merger *m, struct items *to, struct items *patch,
                      const struct patch_field *field, bool deleting, struct items *ret)
{
    struct items merged autoitems = {0};
    bool maps = false;

    int r = check_kinds(m, to, patch, &maps);
    if (r < 0)
        return r;
    if (!maps && deleting) {
        for (size_t i = 0; i < to->n; i++)
            if (index_of(patch, to->v[i], NULL) < 0)
                vec_push(ret, to->v[i]);
        return 0;
    }
    if (!maps) {
        add_unique(&merged, to);
        add_unique(&merged, patch);
        return arrange(m, &merged, patch, to, NULL, ret);
    }
    if (!field->merge_key)
        return err_set(m->err, ERR_INTERNAL, "cannot merge lists without merge key");
    r = obey_item_directives(m, to, patch, field->merge_key);
    if (r < 0)
        return r;
    for (size_t i = 0; i < to->n; i++)
        vec_push(&merged, to->v[i]);
    r = merge_maps_of_list(m, &merged, patch, field);
    return r < 0 ? r : arrange(m, &merged, patch, to, field->merge_key, ret);
}

/* ---- $setElementOrder ---- */

/* The patch's items must appear in the order list, in its order; deletions do not count. */
static int check_order(struct merger *m, const struct items *patch, const struct items *order,
                       const char *merge_key)
{
    size_t i = 0, j = 0;

    if (!patch->n || !order->n)
        return 0;
    while (i < patch->n && j < order->n) {
        if (yyjson_mut_is_obj(patch->v[i]) && yyjson_mut_obj_get(patch->v[i], DIRECTIVE)) {
            i++;
            continue;
        }
        yyjson_mut_val *id = identity(patch->v[i], merge_key),
                       *want = identity(order->v[j], merge_key);
        if (merge_key && (!id || !want))
            return no_merge_key(m, id ? order->v[j] : patch->v[i], merge_key);
        i += same(id, want);
        j++;
    }
    while (i < patch->n && yyjson_mut_obj_get(patch->v[i], DIRECTIVE))
        i++;
    if (i == patch->n)
        return 0;
    struct buf b cleanup(buf_done) = BUF_INIT;
    buf_adds(&b, "The order in patch list:\n");
    add_shown(&b, array_of(m, patch));
    buf_adds(&b, "\n doesn't match " ORDER_PREFIX " list:\n");
    add_shown(&b, array_of(m, order));
    buf_adds(&b, "\n");
    return err_set(m->err, ERR_INTERNAL, "%s", buf_str(&b));
}

static int order_list(struct merger *m, yyjson_mut_val *to, yyjson_mut_val *patch,
                      struct slice name, const struct items *order, struct scope scope)
{
    struct items live autoitems = {0}, changes autoitems = {0}, merged autoitems = {0};
    struct items work autoitems = {0}, result autoitems = {0};
    struct patch_field field = lookup(m, scope, name);
    yyjson_mut_val *old = get(to, name), *new = get(patch, name);

    if (old && !yyjson_mut_is_arr(old))
        return bad_type(m, "[]interface {}", old);
    if (new && !yyjson_mut_is_arr(new))
        return bad_type(m, "[]interface {}", new);
    items_of(old, &live);
    items_of(new, &changes);
    int r = check_order(m, &changes, order, field.merge_key);
    if (r < 0 || (!old && !new))
        return r;
    if (!old && drop_directives(new)) {
        items_of(new, &merged);
    } else if (new &&field.merge) {
        items_of(old, &work);
        r = merge_list(m, &work, &changes, &field, false, &merged);
        if (r < 0)
            return r;
    } else {
        items_of(new ? new : old, &merged);
    }
    r = arrange(m, &merged, order, &live, field.merge_key, &result);
    if (r < 0)
        return r;
    put(m, to, name, array_of(m, &result));
    yyjson_mut_obj_remove_keyn(patch, name.p, name.n);
    return 0;
}

/* Obeys every $setElementOrder of patch, and takes it and its list out of patch. */
static int obey_orders(struct merger *m, yyjson_mut_val *to, yyjson_mut_val *patch,
                       struct scope scope)
{
    struct items keys autoitems = {0};
    size_t idx, max;
    yyjson_mut_val *key, *val;

    yyjson_mut_obj_foreach(patch, idx, max, key, val) if (has_prefix(text_of(key), ORDER_PREFIX))
        vec_push(&keys, key);
    for (size_t i = 0; i < keys.n; i++) {
        struct items order autoitems = {0};
        struct slice name = {0}, directive = text_of(keys.v[i]);
        val = yyjson_mut_obj_remove_keyn(patch, directive.p, directive.n);
        if (!yyjson_mut_is_arr(val))
            return bad_type(m, "[]interface {}", val);
        if (!directive_target(directive, ORDER_PREFIX, &name))
            return err_set(m->err, ERR_BAD_REQUEST, "invalid patch format of setElementOrder list");
        items_of(val, &order);
        int r = order_list(m, to, patch, name, &order, scope);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- maps ---- */

static bool arr_has_str(yyjson_mut_val *arr, struct slice s)
{
    size_t idx, max;
    yyjson_mut_val *v;

    yyjson_mut_arr_foreach(arr, idx, max, v)
        if (yyjson_mut_equals_strn(v, s.p, s.n))
            return true;
    return false;
}

static int obey_retain_keys(struct merger *m, yyjson_mut_val *to, yyjson_mut_val *patch)
{
    yyjson_mut_val *keep = yyjson_mut_obj_remove_key(patch, RETAIN_KEYS), *key, *val;
    size_t idx, max;

    if (!keep)
        return 0;
    if (!yyjson_mut_is_arr(keep))
        return err_set(m->err, ERR_BAD_REQUEST, "invalid patch format of retainKeys");
    yyjson_mut_obj_foreach(patch, idx, max, key, val)
    {
        struct slice name = text_of(key);
        if (yyjson_mut_is_null(val) || has_prefix(name, DELETE_PREFIX) ||
            has_prefix(name, ORDER_PREFIX))
            continue;
        if (!arr_has_str(keep, name))
            return err_set(m->err, ERR_BAD_REQUEST, "invalid patch format of retainKeys");
    }
    yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(to);
    while ((key = yyjson_mut_obj_iter_next(&it)))
        if (!arr_has_str(keep, text_of(key)))
            yyjson_mut_obj_iter_remove(&it);
    return 0;
}

static int merge_list_member(struct merger *m, yyjson_mut_val *to, struct slice key,
                             yyjson_mut_val *val, struct scope scope, bool deleting)
{
    struct items old autoitems = {0}, changes autoitems = {0}, result autoitems = {0};
    struct patch_field field = lookup(m, scope, key);

    if (!field.merge && !deleting) {
        put(m, to, key, val);
        return 0;
    }
    items_of(get(to, key), &old);
    items_of(val, &changes);
    int r = merge_list(m, &old, &changes, &field, deleting, &result);
    if (r == 0)
        put(m, to, key, array_of(m, &result));
    return r;
}

static int merge_map_member(struct merger *m, yyjson_mut_val *to, struct slice key,
                            yyjson_mut_val *val, struct scope scope)
{
    struct patch_field field = lookup(m, scope, key);
    yyjson_mut_val *merged = val;

    if (!field.replace) {
        merged = merge_map(m, get(to, key), val, scope_of(&field));
        if (!merged)
            return m->err->code;
    }
    put(m, to, key, merged);
    return 0;
}

static int merge_member(struct merger *m, yyjson_mut_val *to, struct slice key, yyjson_mut_val *val,
                        struct scope scope)
{
    bool deleting = has_prefix(key, DELETE_PREFIX);

    if (deleting && !directive_target(key, DELETE_PREFIX, &key))
        return err_set(m->err, ERR_BAD_REQUEST, "invalid patch format of primitive list");
    if (yyjson_mut_is_null(val)) {
        yyjson_mut_obj_remove_keyn(to, key.p, key.n);
        return 0;
    }
    yyjson_mut_val *old = get(to, key);
    if (deleting && !(yyjson_mut_is_arr(old) && yyjson_mut_is_arr(val)))
        return 0;
    if (yyjson_mut_is_arr(old) && yyjson_mut_is_arr(val))
        return merge_list_member(m, to, key, val, scope, deleting);
    if (yyjson_mut_is_obj(old) && yyjson_mut_is_obj(val))
        return merge_map_member(m, to, key, val, scope);
    put_new(m, to, key, val);
    return 0;
}

/* Gives the merged object, which is to itself or one of the patch; NULL on an error. */
static yyjson_mut_val *merge_map(struct merger *m, yyjson_mut_val *to, yyjson_mut_val *patch,
                                 struct scope scope)
{
    yyjson_mut_val *directive = yyjson_mut_obj_get(patch, DIRECTIVE);

    if (directive && yyjson_mut_equals_str(directive, "replace")) {
        yyjson_mut_obj_remove_key(patch, DIRECTIVE);
        return patch;
    }
    if (directive && yyjson_mut_equals_str(directive, "delete"))
        return yyjson_mut_obj(m->doc);
    if (directive) {
        bad_directive(m, directive, patch);
        return NULL;
    }
    if (obey_retain_keys(m, to, patch) < 0 || obey_orders(m, to, patch, scope) < 0)
        return NULL;
    yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(patch);
    for (yyjson_mut_val *key; (key = yyjson_mut_obj_iter_next(&it));) {
        yyjson_mut_val *val = yyjson_mut_obj_iter_get_val(key);
        yyjson_mut_obj_iter_remove(&it); /* val is about to hang elsewhere */
        if (merge_member(m, to, text_of(key), val, scope) < 0)
            return NULL;
    }
    return to;
}

int patch_strategic(yyjson_mut_doc *doc, yyjson_mut_val **root, yyjson_val *patch,
                    const struct patch_meta *meta, struct err *err)
{
    struct err own = {0};
    struct merger m = {.doc = doc, .lookup = meta->lookup, .err = err ? err : &own};

    if (!yyjson_is_obj(patch) || !yyjson_mut_is_obj(*root))
        return err_set(err, ERR_BAD_REQUEST, "invalid JSON document");
    yyjson_mut_val *merged =
        merge_map(&m, *root, json_thaw(doc, patch), (struct scope){meta->type, false});
    if (!merged)
        return m.err->code;
    *root = merged;
    return 0;
}
