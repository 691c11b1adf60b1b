/*
 * What services mean on this node: names for the pods' name server, environment variables, and
 * service addresses that are listened on inside the node's network and carried to a ready endpoint
 * (round robin). The service default/kubernetes leads to the API server itself.
 */
#ifndef MANTA_KUBELET_SERVICES_H
#define MANTA_KUBELET_SERVICES_H

#include "kube/client.h"
#include "kubelet/dns.h"
#include "kubelet/podenv.h"

struct services;

struct services_opts {
    struct kube *kube;
    const char *reach;    /* path of reach.sock; NULL: no namespaces, names and variables only */
    const char *api_host; /* the API server's address and port on the machine */
    unsigned api_port;
    void (*changed)(void *ctx); /* the first lists are complete, and each change after them */
    void *ctx;
};

struct services *services_new(const struct services_opts *o);
void services_free(struct services *s);
bool services_synced(const struct services *s);

dns_lookup_fn services_lookup; /* ctx: struct services */
/* {NAME}_SERVICE_HOST and the others, of the namespace's services and default/kubernetes. */
void services_env(struct services *s, const char *ns, struct env *e);

#endif
