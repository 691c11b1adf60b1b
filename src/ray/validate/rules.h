/* The rules behind validate.h, by area. Each gives NULL or why the spec is refused. */
#ifndef MANTA_RAY_VALIDATE_RULES_H
#define MANTA_RAY_VALIDATE_RULES_H

#include "ray/cluster.h"

typedef const char *rule(struct arena *a, const struct cluster *c);

/* groups.c: §5.2 rules 1-4 */
rule rule_head_containers, rule_head_resources, rule_head_labels, rule_worker_groups;
/* gcs_ft.c: rules 5-8 */
rule rule_ft_twice, rule_redis_address, rule_ft_options, rule_redis_username;
/* autoscaler.c: rules 9-13 */
rule rule_suspend_gate, rule_autoscaler_env, rule_autoscaler, rule_autoscaler_idle,
    rule_autoscaler_command;
/* history.c: rule 14 */
rule rule_history;
/* security.c: rules 15-17 */
rule rule_auth, rule_network_policy, rule_tls;

/* Shared: whether a group may use what only autoscaler v2 can do. */
bool may_use_v2(const struct cluster *c);

#endif
