/*
 * What command lines ask of an API server: which resource a kind is, and `apply` as kubectl does it
 * on the client's side (last-applied annotation, three-way merge patch). Blocking; not from a
 * callback.
 */
#ifndef MANTA_CLI_CLUSTER_H
#define MANTA_CLI_CLUSTER_H

#include "data/yaml.h"
#include "kube/client.h"

/* A resource found by discovery; strings are its own. */
struct resource_ref {
    char *api_version, *plural, *kind;
    struct gvr gvr; /* points at the three above */
};
void resource_ref_done(struct resource_ref *r);

/* Asks the server which resource `kind` of `api_version` is. */
int cluster_resource(struct kube *k, const char *api_version, const char *kind,
                     struct resource_ref *ret, struct err *err);

/* All objects of files and folders' *.yaml, *.yml, *.json; "-" is standard input. Lists are taken
 * apart. */
struct manifest {
    yyjson_val *object; /* borrowed from docs */
    const char *file;
    unsigned line;
};
struct manifests {
    struct manifest *v;
    size_t n;
    struct yaml_docs *docs; /* one a file */
    size_t n_docs;
};
int manifests_read(char **files, size_t n, struct manifests *ret, struct err *err);
void manifests_done(struct manifests *m);

/* Query of writes: a field that the type does not have is an error. */
#define STRICT "fieldValidation=Strict"

enum applied { APPLIED_CREATED, APPLIED_CONFIGURED, APPLIED_UNCHANGED };
/* ret_object: what the server has now (the caller's reference); may be NULL. */
int cluster_apply(struct kube *k, yyjson_val *object, const char *default_ns, enum applied *ret,
                  struct json **ret_object, struct err *err);

#endif
