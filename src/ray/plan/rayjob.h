/*
 * RayJob inside src/ray: what its files share. The rules are upstream's v1.7.0; the numbers in
 * comments are those of the behaviour they implement (validation V1 … V31, states).
 */
#ifndef MANTA_RAY_RAYJOB_H
#define MANTA_RAY_RAYJOB_H

#include "ray/plan.h"

#define RAYJOB_FINALIZER "ray.io/rayjob-finalizer"
#define RAYJOB_POLL_NS (3 * INT64_C(1000000000)) /* how often a RayJob is looked at */

/* One pass over one RayJob. Everything it points to lives in the plan or the snapshot. */
struct rayjob {
    struct snapshot *s;
    struct plan *p;
    yyjson_val *object, *spec, *status;
    const char *ns, *name, *uid;
    const char *mode;       /* spec.submissionMode */
    const char *job_status; /* status.jobStatus, "" when absent */
    const char *deployment; /* status.jobDeploymentStatus, "" when absent */
    yyjson_mut_val *next;   /* the new status, a copy of the old to begin with */
    yyjson_mut_val *edited; /* the object with its finalizer added, or NULL */
    yyjson_val *cluster;    /* its RayCluster, NULL until looked up or when absent */
};

void rayjob_init(struct rayjob *j, struct snapshot *s, struct plan *p);

/* validate/rayjob.c and validate/rayjob_rules.c: NULL when fine, else the error's text (in the
 * arena) and the event's reason. */
const char *rayjob_invalid(struct rayjob *j, const char **ret_reason);
const char *rayjob_bad_rules(struct rayjob *j, yyjson_val *rules);

/* Readers of the new status; "" when absent. */
const char *rayjob_next(struct rayjob *j, const char *field);
void rayjob_set(struct rayjob *j, const char *field, const char *value); /* "" removes it */
bool rayjob_has_selector(struct rayjob *j);
bool rayjob_mode_is(struct rayjob *j, const char *mode);
bool rayjob_has_submitter(struct rayjob *j); /* K8sJobMode or SidecarMode */
bool job_status_is_terminal(const char *job_status);
/* now ≥ from + seconds, where from is RFC 3339 text; false when from is empty or no time. */
bool rayjob_passed(struct rayjob *j, const char *from, int64_t seconds);

/* Each gives true when it has set the new status: Failed by a deadline, Suspending by the spec. */
bool rayjob_deadline_passed(struct rayjob *j, const char *field, const char *reason);
bool rayjob_suspends(struct rayjob *j);
void rayjob_copy_cluster_status(struct rayjob *j);
void rayjob_look_again(struct rayjob *j); /* after RAYJOB_POLL_NS, whatever happens */

/* rayjob_running.c */
void rayjob_running(struct rayjob *j);
void rayjob_submitted(struct snapshot *s, const struct outcome *o, struct plan *p);

/* rayjob_status.c: retry bookkeeping and the status write (only where something counts), then a
 * look after RAYJOB_POLL_NS. */
void rayjob_persist(struct rayjob *j);
void rayjob_write_status(struct rayjob *j); /* the write alone */
void rayjob_fail(struct rayjob *j, const char *reason, const char *fmt, ...) printf_like(3, 4);

/* rayjob_children.c: adds what creates the child when it is missing. 0, or -1 when the pass ends
 * with plan's error or waits for a kind to fill. */
int rayjob_ensure_cluster(struct rayjob *j);
int rayjob_ensure_service(struct rayjob *j);
int rayjob_ensure_submitter(struct rayjob *j);
int rayjob_dash(struct rayjob *j, struct dash_target *ret); /* url from the new status, and token */
/* Both add a DELETE unless the child is gone or going; true when it is gone. */
bool rayjob_delete_cluster(struct rayjob *j);
bool rayjob_delete_submitter(struct rayjob *j);

/* rayjob_cleanup.c: what follows Complete and Failed. */
void rayjob_after_end(struct rayjob *j);

/* build/submit_json.c: the body of POST /api/jobs/ in HTTPMode; NULL and an error's text if there
 * is none. */
yyjson_mut_val *rayjob_http_request(struct rayjob *j, const char **ret_error);

#endif
