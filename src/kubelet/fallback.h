/*
 * Pods without namespaces: what has to change in a container's words so that several Ray nodes live
 * on one machine. Each pod has an address 127.77.x.y of its own; names of services become
 * addresses (nothing resolves them), `ray start` is told its address, and the ports that a second
 * node would not get are moved. The head's own ports stay, so one RayCluster can run at a time.
 */
#ifndef MANTA_KUBELET_FALLBACK_H
#define MANTA_KUBELET_FALLBACK_H

#include "base/err.h"
#include "kubelet/dns.h"

struct fallback {
    const char *ip; /* of the pod */
    dns_lookup_fn *lookup;
    void *ctx;
};

#define FALLBACK_AGENT_PORT 52365 /* what KubeRay gives every dashboard agent */

/* Writes the n-th pod's address, n from 1 to 65,000. */
void fallback_ip(unsigned n, char out[16]);
unsigned fallback_port(const char *ip, unsigned port); /* where a port of the pod really is */
void fallback_temp_dir(const char *ip, char out[40]);  /* short: Ray puts sockets below it */

/*
 * A word of the command or the value of a variable as it has to be; the caller's. ERR_UNAVAILABLE
 * if it names a service that has no address yet.
 */
int fallback_text(const struct fallback *f, const char *text, char **ret, struct err *err);

#endif
