/*
 * The file system that a container sees: the machine's own, read-only, with private writable
 * places and the pod's volumes over it. Called in the container's own mount namespace, by a
 * process that may mount there.
 *
 * The new root is a tmpfs with every entry of / bound into it. Where a mount point does not exist
 * (and could not be made, as the machine's directories are read-only), its parent is "mirrored": a
 * tmpfs with every entry of the parent bound into it, and the missing name.
 */
#ifndef MANTA_KUBELET_ROOTFS_H
#define MANTA_KUBELET_ROOTFS_H

#include "base/err.h"

struct rootfs_mount {
    const char *source; /* absolute path on the machine, file or directory; NULL: a tmpfs */
    const char *target; /* absolute path in the container */
    bool read_only;
    int64_t size;  /* bytes of a tmpfs; 0: the kernel's default */
    unsigned mode; /* of a tmpfs' root */
};

/*
 * Builds the root under `base` (an existing directory), makes it this process' root, mounts /proc,
 * then the mounts in their order. The working directory is / afterwards.
 */
int rootfs_enter(const char *base, const struct rootfs_mount *mounts, size_t n, struct err *err);

#endif
