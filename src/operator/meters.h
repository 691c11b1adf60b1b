/*
 * What is measured about the work itself, under upstream's names: requests to the API server, and
 * with --enable-metrics the kuberay_* series over custom resources (spec: platform §5).
 */
#ifndef MANTA_OPERATOR_METERS_H
#define MANTA_OPERATOR_METERS_H

#include "kube/client.h"
#include "operator/observe.h"

void meters_request(const char *host, const struct kube_seen *seen);

/* kuberay_*: from here on each scrape lists the custom resources that are watched; a scrape starts
 * the watches of those that nobody has asked for yet, as upstream's does. */
void meters_collect(struct observe *o);
/* A status was written: how long it took to get there. */
void meters_status(enum ray_kind kind, yyjson_val *was, yyjson_val *now, int64_t now_ns);
void meters_gone(enum ray_kind kind, const char *ns, const char *name);

#endif
