/* Rules of pods, shared by every kind that has a pod template. */
#ifndef MANTA_APISERVER_KINDS_RULES_POD_H
#define MANTA_APISERVER_KINDS_RULES_POD_H

#include "apiserver/kinds/rules.h"

extern const struct rule pod_spec_rules[]; /* at a PodSpec */
extern const struct rule pod_rules[];      /* at a Pod */
extern const struct rule pod_update_rules[];
extern const struct rule pod_ephemeral_rules[]; /* on updates by pods/ephemeralcontainers */
extern const struct rule pod_status_rules[];
extern const struct rule pod_template_rules[]; /* at a PodTemplateSpec */

check_fn check_pod_requests; /* a container's resources: no request above its limit */

/* Shared by rules_pod.c and rules_volume.c. */
extern const struct rule volume_rules[]; /* at a Volume */
check_fn check_field_path;               /* downward API: a field of the pod */
check_fn check_resource_name;            /* downward API: a container's resource */
check_fn check_relative;                 /* a path without a leading slash and without .. */
bool path_has_dotdot(const char *path);

#endif
