/*
 * Namespaces: the node's (user, network, mount) and a pod's. As root the user namespace is left
 * out; everything else is the same. What was measured to work without root on which kernels is why
 * the layout is so: one user namespace for all pods, a bridge and veths in the node's network.
 */
#ifndef MANTA_KUBELET_NS_H
#define MANTA_KUBELET_NS_H

#include "base/err.h"
#include <sys/types.h>

/*
 * Moves this process (one thread) into new namespaces of a node: user (unless root), network,
 * mount; then proves that what pods need works there: lo up, a bridge, a tmpfs, a nested pid
 * namespace with its /proc. On failure the process may be left half inside: call it in a child.
 */
int ns_enter_node(struct err *err);

/* Joins the node namespaces that a living shim (its pid) belongs to: see shim.h, NS_FD_*. */
int ns_join_node(pid_t shim, struct err *err);

/* fork() with namespaces: flags of clone(2). 0 in the child, the pid in the parent, -1 and errno.
 */
pid_t ns_fork(int flags);

/* Start time of a process in clock ticks since boot, 0 if there is none: with the pid it names a
 * process for ever. */
uint64_t proc_start_time(pid_t pid);
pid_t proc_parent(pid_t pid); /* 0 if there is no such process */

/* What a person can do where namespaces are refused. */
const char *ns_advice(void);

/* Descriptors that every shim keeps, so that a new node process can join their namespaces. */
#define NS_FD_NET 200
#define NS_FD_MNT 201

#endif
