/*
 * The environment and the command of a container, by Kubernetes' rules: envFrom, then env in its
 * order with $(VAR) of what came before, service variables under both; valueFrom of fields,
 * resources, ConfigMaps and Secrets. Pure: everything comes in, nothing is looked up elsewhere.
 */
#ifndef MANTA_KUBELET_PODENV_H
#define MANTA_KUBELET_PODENV_H

#include "base/vec.h"
#include "data/json.h"

struct env_var {
    char *name, *value;
};
struct env {
    VEC(struct env_var) vars; /* names are unique; the last setting wins */
};
void env_done(struct env *e);
void env_set(struct env *e, const char *name, const char *value);
const char *env_get(const struct env *e, const char *name); /* NULL if unset */

/* An object that a pod refers to; kind "ConfigMap" or "Secret". ERR_NOT_FOUND, or another code
 * while it is not known; *ret is borrowed until the next change of the caller's stores. */
typedef int pod_object_fn(void *ctx, const char *kind, const char *ns, const char *name,
                          yyjson_val **ret, struct err *err);

struct env_context {
    yyjson_val *pod;
    yyjson_val *container;
    const char *pod_ip, *host_ip, *node_name;
    int64_t node_cpu_milli, node_memory; /* for resourceFieldRef without a limit */
    pod_object_fn *object;
    void *ctx;
};

/* Adds the container's variables to e, which may hold some already (the image's, services'). */
int env_build(const struct env_context *c, struct env *e, struct err *err);

/* $(VAR) from e, $$ for $; unknown references stay as they are. The caller's. */
char *env_expand(const struct env *e, const char *text);

/* A downward API field ("metadata.name", "metadata.labels['k']", "status.podIP" …), the caller's.
 */
int env_field(const struct env_context *c, const char *path, char **ret, struct err *err);
/* A resource of a container of the pod, divided, rounded up. */
int env_resource(const struct env_context *c, yyjson_val *ref, char **ret, struct err *err);

/* The bytes under a key of a ConfigMap (data, binaryData) or Secret. False if there is no such key.
 */
bool object_key(yyjson_val *object, const char *key, struct buf *out);

#endif
