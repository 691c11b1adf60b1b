/*
 * A pod's volumes as directories under its directory: volumes/NAME. emptyDir (on disk; medium
 * Memory is a tmpfs that the shim mounts), configMap, secret, projected (service account token,
 * configMap, secret, downwardAPI), downwardAPI, hostPath. Others are refused with a message.
 * Contents are written once, before the pod starts, and tokens again before they expire.
 */
#ifndef MANTA_KUBELET_VOLUMES_H
#define MANTA_KUBELET_VOLUMES_H

#include "kubelet/podenv.h"

struct volume_context {
    struct env_context env; /* container is NULL */
    const char *dir;        /* the pod's directory */
    /* A token for the pod's service account; conventions of pod_object_fn. */
    int (*token)(void *ctx, yyjson_val *pod, const char *audience, int64_t seconds, struct buf *out,
                 struct err *err);
};

/* Makes and fills all. On failure what is there stays; calling it again is fine. */
int volumes_make(const struct volume_context *c, struct err *err);

/* Adds the tmpfs mounts that the shim shall make to the array "tmpfs" of sandbox.json. */
void volumes_sandbox(const struct volume_context *c, yyjson_mut_doc *doc, yyjson_mut_val *arr);

/*
 * The absolute path on the machine of one volumeMount, expanded subPath included (made if it is
 * not there, as a directory). The caller's.
 */
int volume_source(const struct volume_context *c, yyjson_val *mount, const struct env *e,
                  char **ret, bool *ret_read_only, struct err *err);

#endif
