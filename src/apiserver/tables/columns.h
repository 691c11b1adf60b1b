/*
 * What `kubectl get` shows: the columns and cells of Table answers (kinds.h: table_columns,
 * table_cells). A printer is a list of columns; a column is a name, a type and a function that
 * computes one cell from an object. Columns and cells are those of kube-apiserver v1.36 (its
 * internal printers), whose words scripts parse.
 *
 * The printer of a custom resource is compiled from additionalPrinterColumns (crd/columns.c).
 */
#ifndef MANTA_APISERVER_TABLES_COLUMNS_H
#define MANTA_APISERVER_TABLES_COLUMNS_H

#include "apiserver/kinds.h"
#include "data/json.h"

struct cell {
    yyjson_mut_doc *doc;
    yyjson_val *obj;
    int64_t now_ns; /* ages count from here */
};

struct column {
    const char *name, *type;
    const char *format; /* "" or "name", "date", ... */
    int priority;       /* 0 always, 1 only with -o wide */
    /* The cell's value, in cell->doc; NULL gives null. */
    yyjson_mut_val *(*cell)(const struct cell *cell, const struct column *column);
    const char *path;   /* for the cell function: where to look */
    const char *absent; /* what to print when nothing is there */
    const char *description;
    const void *arg; /* of the cell function */
};

struct printer {
    const char *group, *plural;
    const struct column *columns;
    size_t n;
};

/* The printer of a built-in resource; those without one of their own get Name and Created At. */
const struct printer *printer_find(const char *group, const char *plural);
bool printer_is_fallback(const struct printer *p);
const struct printer *printer_of(const struct resource *res); /* built-in or custom */

/* Durations as kubectl shows ages: "5s", "3m20s", "4h", "2d3h". out has TABLE_AGE bytes. */
#define TABLE_AGE 32
char *human_duration(int64_t ns, char *out);
/* The time since text (RFC 3339), "<unknown>" if it is absent. */
char *human_since(yyjson_val *text, int64_t now_ns, char *out);

#endif
