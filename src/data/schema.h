/*
 * Structural schemas, as CustomResourceDefinitions have them, compiled into a form in which equal
 * subtrees are one: nodes of a pool are hash-consed, across versions and definitions, because four
 * CRDs of Ray are megabytes of the same pod template. Descriptions are not kept.
 *
 *     struct schema_pool *pool = schema_pool_new();
 *     r = schema_compile(pool, json_at(version, "schema.openAPIV3Schema"), &schema, err);
 *     schema_prune(schema, obj, 0, &unknown);
 *     schema_default(schema, doc, obj);
 *     schema_validate(schema, new, old, &errs);
 *     schema_unref(schema); schema_pool_free(pool);
 *
 * Rules and words are k8s.io/apiextensions-apiserver's. A schema is immutable and counted; it must
 * not outlive its pool. At the root, apiVersion, kind and metadata are the API server's own
 * business: they are neither pruned nor reported as unknown. The same holds below
 * x-kubernetes-embedded-resource.
 */
#ifndef MANTA_DATA_SCHEMA_H
#define MANTA_DATA_SCHEMA_H

#include "data/field_error.h"

struct schema;
struct schema_pool;

struct schema_pool *schema_pool_new(void);
void schema_pool_free(struct schema_pool *pool); /* every schema must have been released */

struct schema_stats {
    size_t nodes, strings; /* distinct */
    size_t bytes;          /* all of the pool */
};
void schema_pool_stats(const struct schema_pool *pool, struct schema_stats *ret);

/*
 * ERR_INVALID when the schema cannot be compiled (bad pattern, bad rule, wrong types); use
 * schema_check() first, which says all that is wrong.
 */
int schema_compile(struct schema_pool *pool, yyjson_val *openapi, struct schema **ret,
                   struct err *err);
struct schema *schema_ref(struct schema *s);
void schema_unref(struct schema *s);
DEFINE_CLEANUP(struct schema *, schema_unref)

/*
 * Adds what is wrong with a CRD's schema: structural rules, forbidden keywords, defaults that do
 * not fit. path is where it stands: "spec.versions[0].schema.openAPIV3Schema".
 */
void schema_check(yyjson_val *openapi, const char *path, struct field_errors *errs);

/* A sorted list of field paths. */
struct schema_paths {
    char **v;
    size_t n, cap;
};
void schema_paths_done(struct schema_paths *paths);

/*
 * Removes members that the schema does not name. unknown, unless NULL, gets their paths sorted,
 * as `unknown field "spec.foo"` wants them (fieldValidation Warn and Strict).
 */
void schema_prune(const struct schema *s, yyjson_mut_val *obj, struct schema_paths *unknown);

/* Fills in defaults, and drops nulls where null is not allowed but a default is there. */
void schema_default(const struct schema *s, yyjson_mut_doc *doc, yyjson_mut_val *obj);

/*
 * Adds what is wrong with obj: value validation, list types, and x-kubernetes-validations.
 * old is the stored object on an update, NULL on a create: rules with oldSelf only run with it, and
 * (ratcheting) errors of values that did not change are left out.
 */
void schema_validate(const struct schema *s, yyjson_val *obj, yyjson_val *old,
                     struct field_errors *errs);

#endif
