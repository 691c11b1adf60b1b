/*
 * The shim of a pod: process 1 of the pod's pid namespace, owner of its network, log pipes and
 * container inits, child of the node process. It outlives the kubelet and needs no libuv and no
 * TLS: shims are forks of the node process, so that their memory is mostly shared.
 *
 * Files, in the pod's directory (state/pods/UID):
 *     sandbox.json                        written by the kubelet before the start: struct below
 *     shim.json                           {"pid": N, "start": TICKS}: N as the machine sees it
 *     shim.sock                           SOCK_SEQPACKET, JSON packets, see below
 *     containers/NAME/ATTEMPT.spec.json   container.h
 *     containers/NAME/ATTEMPT.start.json  {"pid", "startedAt"}, by rename, once it runs
 *     containers/NAME/ATTEMPT.exit.json   {"startedAt", "finishedAt", "exitCode", "signal",
 *                                          "reason", "message"}, by rename, after its last log line
 *     logs/NAME/ATTEMPT.log               crilog.h
 *
 * sandbox.json: {"hostname": "…", "ip": "10.244.0.7", "prefix": 16, "gateway": "10.244.0.1",
 *                "routes": [{"dst": "10.96.0.0", "prefix": 12, "gateway": "…"}],
 *                "tmpfs": [{"path": "/abs", "size": BYTES}]}
 *
 * Requests and answers; each connection takes one request at a time:
 *     {"op":"start","container":C,"attempt":N}     {} or {"error":"…"}, once it runs or cannot
 *     {"op":"signal","container":C,"signal":15}    {}
 *     {"op":"kill","container":C}                  {} (SIGKILL to everything in the container)
 *     {"op":"exec","container":C,"argv":[…]} + 3 descriptors
 *                                                  {"exitCode":N} when it ends; closing kills it
 *     {"op":"socket"}                              {} + a TCP socket of the pod's network
 *     {"op":"watch"}                               an array of states, then one state a change
 *     {"op":"stop"}                                {} when every process is gone; the shim exits
 * State: {"container":C,"attempt":N,"state":"running"|"exited", …the members of its record}.
 * Times are RFC 3339 with nanoseconds. exitCode is 128+N for signal N.
 */
#ifndef MANTA_KUBELET_SHIM_H
#define MANTA_KUBELET_SHIM_H

#include "base/err.h"
#include <sys/types.h>

#define SHIM_PACKET_MAX 131072

struct shim_options {
    const char *dir; /* the pod's directory, absolute */
    bool namespaces;
    int node_net, node_mnt; /* descriptors of the node's namespaces, -1 without */
    int go;    /* a pipe: the node writes the shim's pid as text when the veth is there */
    int ready; /* a pipe: "ok" or an error text */
};

/* The process of a shim, in its namespaces already. Never returns. */
void shim_main(const struct shim_options *o) __attribute__((noreturn));

#endif
