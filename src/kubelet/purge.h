/* Ending pods without a kubelet: their shims by socket, else by pid, then their files. Blocking. */
#ifndef MANTA_KUBELET_PURGE_H
#define MANTA_KUBELET_PURGE_H

#include "base/err.h"
#include <sys/types.h>

/* Ends the pod of that directory at once and removes it. */
int pod_purge_dir(const char *dir, struct err *err);
pid_t purge_shim_pid(const char *dir); /* of its shim, if that still lives; else 0 */

#endif
