#include "ray/build/edit.h"

#include <string.h>

yyjson_mut_val *edit_list(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key)
{
    yyjson_mut_val *list = json_mut_get(obj, key);

    return yyjson_mut_is_arr(list) ? list : json_put_arr(doc, obj, key);
}

yyjson_mut_val *edit_named(yyjson_mut_val *list, const char *name)
{
    yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(list);
    yyjson_mut_val *item;

    while ((item = yyjson_mut_arr_iter_next(&it)))
        if (!strcmp(json_mut_str_at(item, "name", ""), name))
            return item;
    return NULL;
}

void edit_append_str(yyjson_mut_doc *doc, yyjson_mut_val *list, const char *s)
{
    yyjson_mut_arr_append(list, yyjson_mut_strcpy(doc, s));
}

void edit_append_all(yyjson_mut_doc *doc, yyjson_mut_val *list, yyjson_val *items)
{
    json_each(items, item, i, n)
        yyjson_mut_arr_append(list, json_thaw(doc, item));
}

void edit_overlay(yyjson_mut_doc *doc, yyjson_mut_val *obj, yyjson_val *from, bool replace)
{
    json_each_member(from, key, val)
        if (replace || !json_mut_get(obj, json_str(key, "")))
            json_put_str(doc, obj, json_str(key, ""), json_str(val, ""));
}

void edit_put_strings(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key,
                      const char *const *strings)
{
    yyjson_mut_val *list = json_put_arr(doc, obj, key);

    for (; *strings; strings++)
        edit_append_str(doc, list, *strings);
}

static yyjson_mut_val *add_env(yyjson_mut_doc *doc, yyjson_mut_val *container, const char *name)
{
    yyjson_mut_val *e = yyjson_mut_arr_add_obj(doc, edit_list(doc, container, "env"));

    json_put_str(doc, e, "name", name);
    return e;
}

void env_append(yyjson_mut_doc *doc, yyjson_mut_val *container, const char *name, const char *value)
{
    json_put_str(doc, add_env(doc, container, name), "value", value);
}

void env_append_field(yyjson_mut_doc *doc, yyjson_mut_val *container, const char *name,
                      const char *path)
{
    yyjson_mut_val *e = add_env(doc, container, name);

    json_put_str(doc, json_ensure(doc, e, "valueFrom.fieldRef"), "fieldPath", path);
}

bool env_has(yyjson_mut_val *container, const char *name)
{
    return edit_named(json_mut_get(container, "env"), name);
}

void env_missing(yyjson_mut_doc *doc, yyjson_mut_val *container, const char *name,
                 const char *value)
{
    if (!env_has(container, name))
        env_append(doc, container, name, value);
}

void mount_missing(yyjson_mut_doc *doc, yyjson_mut_val *container, const char *name,
                   const char *path, bool read_only)
{
    yyjson_mut_val *list = edit_list(doc, container, "volumeMounts");

    if (edit_named(list, name))
        return;
    yyjson_mut_val *m = yyjson_mut_arr_add_obj(doc, list);
    json_put_str(doc, m, "name", name);
    if (read_only)
        json_put_bool(doc, m, "readOnly", true);
    json_put_str(doc, m, "mountPath", path);
}

bool mount_has_path(yyjson_mut_val *container, const char *path)
{
    yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(json_mut_get(container, "volumeMounts"));
    yyjson_mut_val *m;

    while ((m = yyjson_mut_arr_iter_next(&it)))
        if (!strcmp(json_mut_str_at(m, "mountPath", ""), path))
            return true;
    return false;
}

void put_resource_pair(yyjson_mut_doc *doc, yyjson_mut_val *container, const char *which,
                       const char *cpu, const char *memory)
{
    yyjson_mut_val *pair = json_put_obj(doc, json_ensure(doc, container, "resources"), which);

    json_put_str(doc, pair, "cpu", cpu);
    json_put_str(doc, pair, "memory", memory);
}

void put_resources(yyjson_mut_doc *doc, yyjson_mut_val *container, const char *cpu,
                   const char *memory)
{
    json_put_obj(doc, container, "resources");
    put_resource_pair(doc, container, "limits", cpu, memory);
    put_resource_pair(doc, container, "requests", cpu, memory);
}
