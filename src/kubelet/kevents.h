/*
 * Events of the node as a kubelet writes them: core/v1 Events with a count, the same event again
 * being a PATCH of the first. In the background; failures are dropped, as a kubelet drops them.
 */
#ifndef MANTA_KUBELET_KEVENTS_H
#define MANTA_KUBELET_KEVENTS_H

#include "kube/client.h"

struct kevents;

struct kevents *kevents_new(struct kube *k, const char *node_name);
void kevents_free(struct kevents *e);

struct kevent {
    yyjson_val *object;    /* the pod or node */
    const char *container; /* NULL: about the object */
    bool init;             /* the container is an init container */
    bool warning;
    const char *reason, *message;
    const char *component; /* NULL: "kubelet" */
};
void kevents_emit(struct kevents *e, const struct kevent *ev);

#endif
