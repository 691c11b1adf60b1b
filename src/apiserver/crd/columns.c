/* Printer columns of custom resources: a JSON path and a type each. */
#include "apiserver/crd/crd.h"

#include "apiserver/tables/cells.h"
#include "base/arena.h"
#include "data/jsonpath.h"

#include <stdio.h>

struct crd_printer {
    struct printer printer;
    struct arena arena;
    struct column columns[];
};

struct found {
    struct buf *b;
    size_t n;
    yyjson_val *first;
};

/* Strings as they are, everything else as JSON: as fmt prints what a path found. */
static bool collect(void *arg, yyjson_val *v)
{
    struct found *f = arg;

    if (!f->n++)
        f->first = v;
    else
        buf_addc(f->b, ' ');
    if (yyjson_is_str(v))
        buf_adds(f->b, yyjson_get_str(v));
    else
        json_write(f->b, v);
    return true;
}

static yyjson_mut_val *typed_cell(const struct cell *cell, const struct column *column,
                                  const struct found *f)
{
    char age[TABLE_AGE];

    if (!strcmp(column->type, "integer"))
        return yyjson_is_num(f->first)
                   ? yyjson_mut_sint(cell->doc, yyjson_is_real(f->first)
                                                    ? (int64_t)yyjson_get_real(f->first)
                                                    : yyjson_get_sint(f->first))
                   : NULL;
    if (!strcmp(column->type, "number"))
        return yyjson_is_num(f->first) ? yyjson_mut_real(cell->doc, yyjson_get_num(f->first))
                                       : NULL;
    if (!strcmp(column->type, "boolean"))
        return yyjson_is_bool(f->first) ? yyjson_mut_bool(cell->doc, yyjson_get_bool(f->first))
                                        : NULL;
    if (!strcmp(column->type, "date"))
        return yyjson_is_str(f->first) ? cell_str(cell, human_since(f->first, cell->now_ns, age))
                                       : NULL;
    return cell_str(cell, buf_str(f->b));
}

static CELL(cell_jsonpath)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    struct found f = {.b = &b};

    if (!column->arg)
        return NULL;
    jsonpath_each(column->arg, cell->obj, collect, &f);
    if (!f.first || yyjson_is_null(f.first))
        return NULL;
    return typed_cell(cell, column, &f);
}

static void add_column(struct crd_printer *p, yyjson_val *c)
{
    struct jsonpath *path = NULL;
    struct arena *a = &p->arena;
    const char *text = json_get_str(c, "jsonPath", "");

    jsonpath_parse(slice_of(text), &path, NULL);
    p->columns[p->printer.n++] = (struct column){
        .name = arena_strdup(a, json_get_str(c, "name", "")),
        .type = arena_strdup(a, json_get_str(c, "type", "string")),
        .format = arena_strdup(a, json_get_str(c, "format", "")),
        .description = arena_strdup(a, json_get_str(c, "description", "")),
        .priority = (int)json_int_at(c, "priority", 0),
        .cell = cell_jsonpath,
        .arg = path,
    };
}

static void add_age(struct crd_printer *p)
{
    struct jsonpath *path = NULL;

    jsonpath_parse(SLICE(".metadata.creationTimestamp"), &path, NULL);
    p->columns[p->printer.n++] =
        (struct column){.name = "Age", .type = "date", .cell = cell_jsonpath, .arg = path};
}

struct printer *crd_printer_new(yyjson_val *version)
{
    yyjson_val *columns = json_get(version, "additionalPrinterColumns");
    size_t n = yyjson_arr_size(columns);
    struct crd_printer *p = xcalloc(1, sizeof *p + (n + 2) * sizeof p->columns[0]);

    p->printer.columns = p->columns;
    p->columns[p->printer.n++] = (struct column){.name = "Name",
                                                 .type = "string",
                                                 .format = "name",
                                                 .cell = cell_text,
                                                 .path = "metadata.name"};
    json_each(columns, c, i, k)
        add_column(p, c);
    if (!n)
        add_age(p);
    return &p->printer;
}

void crd_printer_free(struct printer *printer)
{
    if (!printer)
        return;
    struct crd_printer *p = container_of(printer, struct crd_printer, printer);
    for (size_t i = 0; i < printer->n; i++)
        if (printer->columns[i].cell == cell_jsonpath)
            jsonpath_free((struct jsonpath *)printer->columns[i].arg);
    arena_done(&p->arena);
    free(p);
}
