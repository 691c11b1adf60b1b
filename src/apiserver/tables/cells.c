/* Cells of any kind: found by a path. */
#include "apiserver/tables/cells.h"

#include <stdio.h>

/* At path, which may be two alternatives "a|b" (the same field in two versions). */
static yyjson_val *at(const struct cell *cell, const char *path)
{
    const char *bar = strchr(path, '|');
    char first[64];

    if (!bar)
        return json_at(cell->obj, path);
    snprintf(first, sizeof first, "%.*s", (int)(bar - path), path);
    yyjson_val *v = json_at(cell->obj, first);
    return v ? v : json_at(cell->obj, bar + 1);
}

yyjson_mut_val *cell_str(const struct cell *cell, const char *s)
{
    return s ? yyjson_mut_strcpy(cell->doc, s) : NULL;
}

/* Strings, numbers and int-or-string as text. */
CELL(cell_text)
{
    yyjson_val *v = at(cell, column->path);
    char text[32];

    if (yyjson_is_int(v)) {
        snprintf(text, sizeof text, "%lld", (long long)yyjson_get_sint(v));
        return cell_str(cell, text);
    }
    const char *s = json_str(v, "");
    return cell_str(cell, *s ? s : column->absent ? column->absent : "");
}

CELL(cell_int)
{
    yyjson_val *v = at(cell, column->path);

    if (!yyjson_is_int(v) && column->absent)
        return cell_str(cell, column->absent);
    return yyjson_mut_sint(cell->doc, yyjson_is_int(v) ? yyjson_get_sint(v) : 0);
}

CELL(cell_bool)
{
    return yyjson_mut_bool(cell->doc, yyjson_get_bool(at(cell, column->path)));
}

CELL(cell_bool_word)
{
    yyjson_val *v = at(cell, column->path);

    if (!v)
        return cell_str(cell, column->absent);
    return cell_str(cell, yyjson_get_bool(v) ? "True" : "False");
}

CELL(cell_len)
{
    yyjson_val *v = at(cell, column->path);
    size_t n = yyjson_is_arr(v) ? yyjson_arr_size(v) : yyjson_obj_size(v);

    return yyjson_mut_sint(cell->doc, (int64_t)n);
}

CELL(cell_age)
{
    yyjson_val *v = at(cell, column->path);
    char age[TABLE_AGE];

    if (!yyjson_is_str(v) && column->absent)
        return cell_str(cell, column->absent);
    return cell_str(cell, human_since(v, cell->now_ns, age));
}

CELL(cell_time)
{
    return cell_str(cell, json_str(at(cell, column->path), "<unknown>"));
}

CELL(cell_join)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    json_each(at(cell, column->path), v, i, n)
        buf_printf(&b, "%s%s", i ? "," : "", json_str(v, ""));
    return cell_str(cell, b.len ? b.data : column->absent);
}

struct pair {
    const char *key, *value;
};

static int pair_order(const void *a, const void *b)
{
    return strcmp(((const struct pair *)a)->key, ((const struct pair *)b)->key);
}

/* A map as "a=b,c=d" in the order of its keys. */
static void add_labels(struct buf *b, yyjson_val *map)
{
    size_t n = 0, max = yyjson_obj_size(map);
    struct pair *pairs = calloc(max ? max : 1, sizeof *pairs);

    json_each_member(map, key, val)
        pairs[n++] = (struct pair){yyjson_get_str(key), json_str(val, "")};
    qsort(pairs, n, sizeof *pairs, pair_order);
    for (size_t i = 0; i < n; i++)
        buf_printf(b, "%s%s=%s", b->len ? "," : "", pairs[i].key, pairs[i].value);
    free(pairs);
}

CELL(cell_labels)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    add_labels(&b, at(cell, column->path));
    return cell_str(cell, b.len ? b.data : column->absent);
}

/* One expression of a selector as Kubernetes prints it: "k in (a,b)", "!k", "k". */
static void add_expression(struct buf *b, yyjson_val *e)
{
    const char *key = json_get_str(e, "key", ""), *op = json_get_str(e, "operator", "");

    buf_adds(b, b->len ? "," : "");
    if (!strcmp(op, "Exists")) {
        buf_adds(b, key);
        return;
    }
    if (!strcmp(op, "DoesNotExist")) {
        buf_printf(b, "!%s", key);
        return;
    }
    buf_printf(b, "%s %s (", key, !strcmp(op, "In") ? "in" : "notin");
    json_each(json_get(e, "values"), v, i, n)
        buf_printf(b, "%s%s", i ? "," : "", json_str(v, ""));
    buf_addc(b, ')');
}

CELL(cell_selector)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    yyjson_val *selector = at(cell, column->path);

    add_labels(&b, json_get(selector, "matchLabels"));
    json_each(json_get(selector, "matchExpressions"), e, i, n)
        add_expression(&b, e);
    return cell_str(cell, b.len ? b.data : column->absent);
}

static yyjson_mut_val *joined(const struct cell *cell, const char *path, const char *member)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    json_each(at(cell, path), c, i, n)
        buf_printf(&b, "%s%s", i ? "," : "", json_get_str(c, member, ""));
    return cell_str(cell, buf_str(&b));
}

CELL(cell_containers)
{
    return joined(cell, column->path, "name");
}

CELL(cell_images)
{
    return joined(cell, column->path, "image");
}

CELL(cell_ratio)
{
    char text[48];

    snprintf(text, sizeof text, "%lld/%lld", (long long)json_int_at(cell->obj, column->path, 0),
             (long long)json_int_at(cell->obj, column->arg, 0));
    return cell_str(cell, text);
}
