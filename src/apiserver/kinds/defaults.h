/*
 * Defaults as data: rows of (path, JSON text or function). A row sets what is absent. Paths as in
 * rules.h; a member with a leading "+" is a struct by value in Go and is made where it is absent,
 * others are only walked when they are there.
 *
 *     {"+spec.+template.+spec", .table = pod_spec_defaults},
 *     {"replicas", "1"},
 */
#ifndef MANTA_APISERVER_KINDS_DEFAULTS_H
#define MANTA_APISERVER_KINDS_DEFAULTS_H

#include "data/json.h"

struct change;
struct kind_defaults;

typedef void default_fn(yyjson_mut_doc *doc, yyjson_mut_val *at, const struct change *ch);

struct kind_defaults {
    const char *path; /* NULL ends a list */
    const char *json; /* the value to set at path */
    default_fn *fn;   /* or: called with the object at path ("" is the place itself) */
    const struct kind_defaults *table; /* or: rows for the object at path */
    bool zero;                         /* 0 and false count as absent, too (no pointer in Go) */
};

void defaults_apply(const struct kind_defaults *rows, yyjson_mut_doc *doc, yyjson_mut_val *v,
                    const struct change *ch);

extern const struct kind_defaults pod_spec_defaults[], pod_defaults[];

#endif
