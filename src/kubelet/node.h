/*
 * The node process (`manta shim --state DIR`): it lives in the node's namespaces, holds the bridge,
 * makes sockets there for whoever asks (base/reach.h) and is the parent of all shims. It outlives
 * the kubelet. If it is killed, pods go on (the kernel bridges their traffic); the next kubelet
 * starts another one, which joins the namespaces through a living shim.
 *
 * Requests on reach.sock beside those of base/reach.h, answers as text:
 *     "info"        → {"pid":N,"namespaces":true,"why":"what is refused","internet":"…"}
 *     "pod DIR"     → "ok PID" once the shim of that pod's directory serves, or "error TEXT"
 *     "stop"        → "ok", and the process ends; shims do not
 */
#ifndef MANTA_KUBELET_NODE_H
#define MANTA_KUBELET_NODE_H

#include "base/err.h"
#include <sys/types.h>

/* The addresses of the pods' world. */
#define NODE_BRIDGE "br0"
#define NODE_GATEWAY "10.244.0.1" /* the bridge: DNS server, way to the services */
#define NODE_POD_NET "10.244.0.0"
#define NODE_POD_PREFIX 16
#define NODE_SERVICE_NET "10.96.0.0"
#define NODE_SERVICE_PREFIX 12
#define NODE_UPLINK "10.244.0.2" /* the way out, where slirp4netns runs */

struct node_options {
    const char *state_dir;
    bool no_namespaces;
    pid_t join;   /* a living shim to join; 0: new namespaces */
    int ready_fd; /* gets "ready\n"; -1: none */
};

/* Serves until SIGTERM or "stop"; the exit code. */
int node_run(const struct node_options *o);

struct node_info {
    pid_t pid;
    bool namespaces;
    char why[512];      /* why there are no namespaces */
    char internet[256]; /* why pods have no way out; "" when they have */
};

/* The kubelet's side. path: of reach.sock. */
int node_info(const char *path, struct node_info *ret, struct err *err);
int node_pod(const char *path, const char *dir, pid_t *ret_pid, struct err *err);
int node_stop(const char *path, struct err *err);
/*
 * Starts the node process of state_dir (a process of its own session, `self` is this program) and
 * waits until it serves. join: as in node_options.
 */
int node_spawn(const char *self, const char *state_dir, bool no_namespaces, pid_t join,
               struct err *err);

#endif
