/*
 * Where the dashboard of a RayCluster is, and what opens it (spec rayjob §13.2, §13.3): shared by
 * the planners of RayJob and RayService.
 */
#ifndef MANTA_RAY_DASHBOARD_H
#define MANTA_RAY_DASHBOARD_H

#include "ray/plan.h"

/* "svc.ns.svc.cluster.local:8265", by the port of that name in the head Service; NULL and a text.
 */
const char *dashboard_url(struct snapshot *s, struct arena *a, yyjson_val *cluster,
                          const char *port_name, const char **ret_error);

/*
 * How to reach the dashboard at url: the Service of the cluster for a proxy, and with token
 * authentication the token of its Secret. cluster may be NULL. 0, or -1 and a text.
 */
int dashboard_target(struct snapshot *s, struct arena *a, yyjson_val *cluster, const char *url,
                     struct dash_target *ret, const char **ret_error);

#endif
