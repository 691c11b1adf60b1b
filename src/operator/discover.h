/*
 * What the API server offers, asked once at the start (spec: platform §1.5). Failures are fatal,
 * but that cert-manager is not there.
 */
#ifndef MANTA_OPERATOR_DISCOVER_H
#define MANTA_OPERATOR_DISCOVER_H

#include "kube/client.h"
#include "operator/options.h"

/* Whether the server is new enough for the gates that are on; before anything is served. */
int discover_version(struct kube *k, const struct operator_options *o, struct err *err);
/* Sets o->ray.openshift and cert_manager; refuses workload-aware scheduling where its API is not
 * served. */
int discover_groups(struct kube *k, struct operator_options *o, struct err *err);

#endif
