/*
 * One run of a container, from a shim's point of view: a small reaping init that is process 1 of a
 * pid namespace of its own, with the container's mounts, and the payload as its child.
 *
 * The init reaps, forwards signals, reports how the payload ended and exits; with it the kernel
 * ends every process of the container. SIGKILL to the init ends the container likewise.
 *
 * The specification is a JSON file that the kubelet writes (containers/NAME/ATTEMPT.spec.json):
 *     {"argv": ["bash", "-c", "…"], "env": ["K=V", …], "cwd": "/home/ray", "log": "logs/c/0.log",
 *      "mounts": [{"source": "/abs" or null, "target": "/abs", "readOnly": true, "size": 0,
 *                  "mode": 1023}]}
 * Paths under the pod's directory are relative to it in "log", absolute elsewhere.
 */
#ifndef MANTA_KUBELET_CONTAINER_H
#define MANTA_KUBELET_CONTAINER_H

#include "data/json.h"
#include <sys/types.h>

struct container_run {
    pid_t init; /* as this process sees it */
    int report; /* SOCK_SEQPACKET: one "R" (running) or "E…text" (could not start), then "S" + the
                 * int of wait(2); EOF without S: the init was killed */
    int out[2]; /* read ends of stdout, stderr */
};

/*
 * Starts it. base: an existing directory to build the root file system under; NULL: no namespaces
 * (the machine's file system and processes are the container's). The three descriptors are the
 * caller's, non-blocking.
 */
int container_start(yyjson_val *spec, const char *base, struct container_run *ret, struct err *err);

/*
 * Another process in the running container, with fds as its stdin, stdout, stderr (kept open
 * here). The result is a child of the caller whose exit status is the command's (128+N for a
 * signal); SIGKILL to it ends the command.
 */
pid_t container_exec(yyjson_val *spec, pid_t init, bool namespaces, yyjson_val *argv,
                     const int fds[3], struct err *err);

#endif
