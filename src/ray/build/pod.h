/* The pieces of a Ray pod while it is being built; see pod.c for the order, which is upstream's. */
#ifndef MANTA_RAY_BUILD_POD_H
#define MANTA_RAY_BUILD_POD_H

#include "ray/build/build.h"
#include "ray/build/edit.h"
#include "ray/build/params.h"

struct pod {
    struct arena *a;
    yyjson_mut_doc *doc;
    const struct cluster *c;
    yyjson_val *group;
    yyjson_val *user; /* the user's Ray container, before any change */
    const char *group_name;
    bool head;
    struct params params;
    yyjson_mut_val *meta, *spec, *ray; /* what is built; ray: the Ray container */
    const char *fqdn, *port;
    const char *start; /* the ray start line */
};

void pod_labels(struct pod *b);     /* labels.c */
void pod_autoscaler(struct pod *b); /* autoscaler.c: §8.9 */
void pod_gcs_ft(struct pod *b);     /* gcs_ft.c: §10.2 */
void pod_auth(struct pod *b);       /* auth.c: §8.11 */
void pod_tls(struct pod *b);        /* tls.c: §12.3 */
void pod_collector(struct pod *b);  /* collector.c: §8.10 */
void pod_wait_gcs(struct pod *b);   /* init.c: §8.8 */
void pod_volumes(struct pod *b);    /* volumes.c: §8.7 */
void pod_command(struct pod *b);    /* command.c: §8.6.5 */
void pod_env(struct pod *b);        /* env.c: §8.6.6 */
void pod_probes(struct pod *b);     /* probe.c: §8.6.7 */

/* Applied to single containers */
void container_auth(struct pod *b, yyjson_mut_val *container);
void container_tls(struct pod *b, yyjson_mut_val *container);
/* command = a shell as the options want it, args = one script */
void container_script(struct pod *b, yyjson_mut_val *container, const char *script);

/* The template's metadata, labels and spec as upstream's Default…PodTemplate leaves them. */
struct pod pod_begin(struct plan *p, const struct cluster *c, yyjson_val *group);
void pod_build(struct pod *b);
/* The Pod around what was built; name: see build_head_pod(). Not typed yet. */
yyjson_mut_val *build_pod_tree(struct plan *p, struct pod *b, const char *name);

yyjson_mut_val *pod_containers(struct pod *b);
yyjson_mut_val *pod_container(struct pod *b, const char *name);      /* NULL: none */
yyjson_mut_val *pod_init_container(struct pod *b, const char *name); /* NULL: none */
/* A volume {name: …} to fill, or NULL when one of that name is there. */
yyjson_mut_val *pod_volume(struct pod *b, const char *name);

#endif
