/*
 * Leader election on a Lease (coordination.k8s.io/v1) with client-go's rules: lease 15 s, renew
 * deadline 10 s, retry every 2 s with jitter; a holder is taken as dead 15 s after the last change
 * that *we* saw, by our own clock. On a connection of its own, 5 s a request.
 */
#ifndef MANTA_KUBE_LEASE_H
#define MANTA_KUBE_LEASE_H

#include "kube/client.h"

struct lease;

struct lease_opts {
    const char *ns, *name;
    const char *identity;   /* "host_uuid" */
    const char *user_agent; /* NULL: "manta/leader-election" */
    void (*on_started)(void *ctx);
    void (*on_lost)(void *ctx); /* not renewed in time, or somebody else holds it */
    void (*on_leader)(void *ctx, const char *identity); /* a new holder was seen; may be NULL */
    void *ctx;
    bool release_on_stop; /* give it up on lease_stop(); client-go's ReleaseOnCancel */
    int64_t duration_ns, deadline_ns, retry_ns; /* 0: 15, 10, 2 s */
};

int lease_new(uv_loop_t *loop, const struct kube_config *config, const struct lease_opts *opts,
              struct lease **ret, struct err *err); /* begins at once */
/* Stops; done (may be NULL) is called from the loop after the release was answered, or at once. */
void lease_stop(struct lease *l, void (*done)(void *ctx), void *ctx);
void lease_free(struct lease *l);
/* Tells the cluster who leads, as client-go does: a core Event on the Lease, reason LeaderElection,
 * "<identity> became leader". In the background; its failure is nobody's business. */
void lease_announce(struct lease *l);
/* Ask before every write: it also says no when the process slept through the lease. */
bool lease_held(const struct lease *l);

#endif
