/*
 * The pods' way to the internet: slirp4netns, where the machine has it and it may open
 * /dev/net/tun, with its tap in the pods' bridge. It translates for any pod and answers at
 * NODE_UPLINK. It belongs to the machine's network, so it is forked off before the node process
 * enters its namespaces, and it ends with the node process.
 */
#ifndef MANTA_KUBELET_UPLINK_H
#define MANTA_KUBELET_UPLINK_H

#include "base/macro.h"
#include <sys/types.h>

struct uplink {
    pid_t pid; /* 0: none */
    int go;    /* written once the namespaces are there */
    int ready; /* slirp4netns writes a byte when its tap is there */
    char problem[256];
};

void uplink_fork(struct uplink *u);
void uplink_start(struct uplink *u, int rtnl); /* waits up to a second */
void uplink_stop(struct uplink *u);
const char *uplink_problem(const struct uplink *u); /* "" while it works */

#endif
