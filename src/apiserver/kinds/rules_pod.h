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

/* rules_pod_rare.c; a place each as its row says. */
check_fn check_mount_rare, check_claims, check_seccomp_type, check_proc_mount, check_gates,
    check_host_users, check_windows, check_spreads, check_nameservers, check_search,
    check_sysctl_name, check_match_field, check_projected_paths;

check_fn check_pod_requests; /* a container's resources: no request above its limit */

/* Shared by rules_pod.c and rules_volume.c. */
extern const struct rule volume_rules[]; /* at a Volume */
check_fn check_field_path;               /* downward API: a field of the pod */
check_fn check_resource_name;            /* downward API: a container's resource */
check_fn check_relative;                 /* a path without a leading slash and without .. */
bool path_has_dotdot(const char *path);

#endif
