#include "data/crd.h"
#include "data/crd_schema.h"
#include "data/types_table.h"

#include <string.h>

#define GROUP "ray.io"
/* The annotation is part of what upstream installs; tools that compare CRDs look at it. */
#define GENERATOR "{\"controller-gen.kubebuilder.io/version\":\"v0.16.5\"}"

const char *crd_kind(size_t n)
{
    for (size_t i = 0; i < n_version_rows; i++)
        if (version_rows[i].storage && n-- == 0)
            return table_string(version_rows[i].kind);
    return NULL;
}

static void write_columns(struct schema_writer *w, uint16_t columns)
{
    enum { NAME, TYPE, PATH, PRIORITY, N };

    if (!list_size(columns))
        return;
    schema_key(w, "additionalPrinterColumns");
    for (uint16_t i = 0; i < list_size(columns); i += N) {
        buf_adds(w->out, i ? ",{" : "[{");
        schema_member(w, "jsonPath", list_string(columns, i + PATH));
        schema_member(w, "name", list_string(columns, i + NAME));
        if (*list_string(columns, i + PRIORITY)) {
            schema_key(w, "priority");
            buf_adds(w->out, list_string(columns, i + PRIORITY));
        }
        schema_member(w, "type", list_string(columns, i + TYPE));
        buf_addc(w->out, '}');
    }
    buf_addc(w->out, ']');
}

static void write_version(struct schema_writer *w, const struct version_row *v)
{
    buf_addc(w->out, '{');
    write_columns(w, v->columns);
    if (v->deprecated) {
        schema_key(w, "deprecated");
        buf_adds(w->out, "true");
        schema_member(w, "deprecationWarning", table_string(v->deprecated));
    }
    schema_member(w, "name", table_string(v->version));
    schema_key(w, "schema");
    buf_adds(w->out, "{\"openAPIV3Schema\":");
    schema_write_inline(&type_rows[v->type], w->out);
    buf_printf(w->out, "},\"served\":true,\"storage\":%s,\"subresources\":{\"status\":{}}}",
               v->storage ? "true" : "false");
}

static void write_names(struct schema_writer *w, const struct version_row *v)
{
    const char *kind = table_string(v->kind), *plural = table_string(v->plural);

    schema_key(w, "names");
    buf_printf(
        w->out,
        "{\"categories\":[\"all\"],\"kind\":\"%s\",\"listKind\":\"%sList\",\"plural\":\"%s\","
        "\"singular\":\"%.*s\"}",
        kind, kind, plural, (int)strlen(plural) - 1, plural);
}

bool crd_write(const char *kind, struct buf *out)
{
    struct schema_writer w = {.out = out};
    const struct version_row *v = version_rows, *end = version_rows + n_version_rows;

    while (v < end && strcmp(table_string(v->kind), kind) != 0)
        v++;
    if (v == end)
        return false;
    buf_printf(out,
               "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"CustomResourceDefinition\","
               "\"metadata\":{\"annotations\":" GENERATOR ",\"name\":\"%s." GROUP "\"},\"spec\":{",
               table_string(v->plural));
    schema_member(&w, "group", GROUP);
    write_names(&w, v);
    schema_member(&w, "scope", "Namespaced");
    schema_key(&w, "versions");
    buf_addc(out, '[');
    for (; v < end && !strcmp(table_string(v->kind), kind); v++) {
        if (out->data[out->len - 1] == '}')
            buf_addc(out, ',');
        write_version(&w, v);
    }
    buf_adds(out, "]}}");
    return true;
}
