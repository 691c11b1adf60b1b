/*
 * The process kubelet: pods as processes of this machine (`manta kubelet`).
 *
 * It watches the pods of its node, makes each a shim with namespaces of its own (shim.h), runs
 * probes, writes status and events as a Kubernetes kubelet does, binds pending pods (there is one
 * node), serves logs, answers DNS for the pods and forwards service addresses. Everything that
 * must survive it lives in shims and in files under the state directory; a new kubelet on the same
 * directory takes the pods back.
 *
 * State directory (mode 0700):
 *     reach.sock            sockets of the node's network (base/reach.h), served by the node
 * process node.json             {"pid":N,"start":N} of the node process pods/UID/             one
 * pod: pod.json, shim.sock, hosts, resolv.conf, volumes/, logs/
 */
#ifndef MANTA_KUBELET_KUBELET_H
#define MANTA_KUBELET_KUBELET_H

#include "base/err.h"

struct kubelet_options {
    const char *kubeconfig; /* NULL: KUBECONFIG or the user's default */
    const char *state_dir;
    const char *node_name; /* NULL: "manta" */
    const char *cache_dir; /* of images; NULL: image_cache_dir() */
    int ready_fd; /* gets one line, "ready" or "ready: WHAT DOES NOT WORK", and is closed; -1: none
                   */
    bool cleanup; /* SIGTERM/SIGINT end all pods and the node process, too */
    bool no_namespaces; /* as if they did not work, for tests */
};

/* Runs until SIGTERM or SIGINT (exit code 0) or a fatal error (1, said on standard error). */
int kubelet_run(const struct kubelet_options *o);

/* Ends every pod and the node process under state_dir and removes their files. Without a kubelet.
 */
int kubelet_purge(const char *state_dir, struct err *err);

/* The verbs. */
int verb_kubelet(int argc, char **argv);
int verb_shim(int argc, char **argv); /* internal: the node process, parent of all shims */

#endif
