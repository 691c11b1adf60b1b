/* Tables and ages: the parts that know no kind. */
#include "apiserver/tables/columns.h"

#include "apiserver/crd/crd.h"
#include "base/timefmt.h"

#include <stdio.h>

const struct printer *printer_of(const struct resource *res)
{
    return res->built_in ? printer_find(res->group, res->plural) : crd_printer(res);
}

bool table_is_plain(const struct resource *res)
{
    return res->built_in && printer_is_fallback(printer_of(res));
}

void table_columns(const struct resource *res, struct buf *out)
{
    const struct printer *p = printer_of(res);
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *arr = yyjson_mut_arr(doc);

    for (size_t i = 0; i < p->n; i++) {
        const struct column *c = &p->columns[i];
        yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, arr);
        json_put_str(doc, o, "name", c->name);
        json_put_str(doc, o, "type", c->type);
        json_put_str(doc, o, "format", c->format ? c->format : "");
        json_put_str(doc, o, "description", c->description ? c->description : "");
        json_put_int(doc, o, "priority", c->priority);
    }
    json_mut_write(out, arr);
}

void table_cells(const struct resource *res, yyjson_val *obj, int64_t now, struct buf *out)
{
    const struct printer *p = printer_of(res);
    yyjson_mut_doc *doc automut = json_mut_new();
    struct cell cell = {.doc = doc, .obj = obj, .now_ns = now};
    yyjson_mut_val *arr = yyjson_mut_arr(doc);

    for (size_t i = 0; i < p->n; i++) {
        yyjson_mut_val *v = p->columns[i].cell(&cell, &p->columns[i]);
        yyjson_mut_arr_append(arr, v ? v : yyjson_mut_null(doc));
    }
    json_mut_write(out, arr);
}

/* A pod that is over says so beside its cells: kubectl greys it. */
void table_conditions(const struct resource *res, yyjson_val *obj, struct buf *out)
{
    const char *phase = json_str_at(obj, "status.phase", "");

    if (*res->group || strcmp(res->plural, "pods"))
        return;
    if (!strcmp(phase, "Succeeded") || !strcmp(phase, "Failed"))
        buf_printf(out,
                   ",\"conditions\":[{\"type\":\"Completed\",\"status\":\"True\",\"reason\":"
                   "\"%s\",\"message\":\"The pod %s.\"}]",
                   phase, *phase == 'S' ? "has completed successfully" : "failed");
}

/* k8s.io/apimachinery duration.HumanDuration: two units while the first is small. */
char *human_duration(int64_t ns, char *out)
{
    int64_t s = ns / SECOND_NS, m = s / 60, h = m / 60, d = h / 24, y = d / 365;
    static const struct {
        int64_t below; /* of the unit */
        char unit, rest;
    } steps[] = {{10, 'm', 's'}, {180, 'm', 0}, {8, 'h', 'm'}, {48, 'h', 0},
                 {8, 'd', 'h'},  {730, 'd', 0}, {8, 'y', 'd'}};
    const int64_t value[] = {m, m, h, h, d, d, y},
                  rest[] = {s % 60, 0, m % 60, 0, h % 24, 0, d % 365};

    if (s < -1) {
        snprintf(out, TABLE_AGE, "<invalid>");
        return out;
    }
    if (s < 120) {
        snprintf(out, TABLE_AGE, "%llds", (long long)MAX(s, 0));
        return out;
    }
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        if (value[i] >= steps[i].below)
            continue;
        int n = snprintf(out, TABLE_AGE, "%lld%c", (long long)value[i], steps[i].unit);
        if (rest[i])
            snprintf(out + n, (size_t)(TABLE_AGE - n), "%lld%c", (long long)rest[i], steps[i].rest);
        return out;
    }
    snprintf(out, TABLE_AGE, "%lldy", (long long)y);
    return out;
}

char *human_since(yyjson_val *text, int64_t now_ns, char *out)
{
    const char *s = json_str(text, "");
    int64_t at;

    if (!time_parse(slice_of(s), &at)) {
        snprintf(out, TABLE_AGE, "<unknown>");
        return out;
    }
    return human_duration(now_ns - at, out);
}
