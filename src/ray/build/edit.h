/*
 * Small edits of containers and metadata that are being built. Everything put in is copied into
 * doc. "Missing" means by name: what the user wrote stays.
 */
#ifndef MANTA_RAY_BUILD_EDIT_H
#define MANTA_RAY_BUILD_EDIT_H

#include "data/json.h"

/* The list member `key` of obj, made empty where it is absent. */
yyjson_mut_val *edit_list(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key);
/* The item of a list whose `name` is name; NULL: none. list may be NULL. */
yyjson_mut_val *edit_named(yyjson_mut_val *list, const char *name);
void edit_append_str(yyjson_mut_doc *doc, yyjson_mut_val *list, const char *s);
/* Appends copies of the items. */
void edit_append_all(yyjson_mut_doc *doc, yyjson_mut_val *list, yyjson_val *items);
/* Puts in the string members of from; those that obj has are kept unless replace. */
void edit_overlay(yyjson_mut_doc *doc, yyjson_mut_val *obj, yyjson_val *from, bool replace);
/* A list of strings, ended by NULL, as member key. */
void edit_put_strings(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key,
                      const char *const *strings);

void env_append(yyjson_mut_doc *doc, yyjson_mut_val *container, const char *name,
                const char *value);
void env_append_field(yyjson_mut_doc *doc, yyjson_mut_val *container, const char *name,
                      const char *path); /* valueFrom.fieldRef */
void env_missing(yyjson_mut_doc *doc, yyjson_mut_val *container, const char *name,
                 const char *value);
bool env_has(yyjson_mut_val *container, const char *name);

/* Appends a mount unless one of that name is there. */
void mount_missing(yyjson_mut_doc *doc, yyjson_mut_val *container, const char *name,
                   const char *path, bool read_only);
bool mount_has_path(yyjson_mut_val *container, const char *path);

/* limits = {cpu, memory}; requests the same, or their own. */
void put_resources(yyjson_mut_doc *doc, yyjson_mut_val *container, const char *cpu,
                   const char *memory);
void put_resource_pair(yyjson_mut_doc *doc, yyjson_mut_val *container, const char *which,
                       const char *cpu, const char *memory);

#endif
