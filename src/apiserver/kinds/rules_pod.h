/* Rules of pods, shared by every kind that has a pod template. */
#ifndef MANTA_APISERVER_KINDS_RULES_POD_H
#define MANTA_APISERVER_KINDS_RULES_POD_H

#include "apiserver/kinds/rules.h"

extern const struct rule pod_spec_rules[];  /* at a PodSpec */
extern const struct rule pod_rules[];       /* at a Pod */
extern const struct rule pod_update_rules[];
extern const struct rule pod_status_rules[];
extern const struct rule pod_template_rules[]; /* at a PodTemplateSpec */

check_fn check_pod_requests; /* a container's resources: no request above its limit */

#endif
