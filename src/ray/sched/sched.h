/*
 * Batch schedulers behind one table (spec: raycluster §13, rayjob §11). A row is a name and hooks,
 * any of which may be absent; the row of no scheduler has none.
 */
#ifndef MANTA_RAY_SCHED_H
#define MANTA_RAY_SCHED_H

#include "ray/plan/pass.h"
#include "ray/plan/rayjob.h"

#define SUBMITTER_GROUP "submittergroup"

/*
 * Whose pods are spoken of: a RayCluster, or a RayJob with the cluster that it describes. The
 * view's object, name, labels and annotations are the parent's own; head, groups and spec are the
 * cluster's, absent when a RayJob selects a cluster of somebody else's. Cheap to make.
 */
struct sched_parent {
    struct snapshot *s;
    struct plan *p;
    struct cluster c;
    struct rayjob *job; /* NULL: a RayCluster */
};

/* Hooks give false when the pass has to end; then the plan's error says why. */
struct scheduler {
    const char *name;
    /* Before pods are made; of a RayJob, before its cluster is. */
    bool (*submit)(struct sched_parent *x);
    /*
     * What is about to be created, edited in place: a pod or pod template of this group, or with
     * group "" the RayCluster of a RayJob, whose words its pods inherit.
     */
    bool (*decorate)(struct sched_parent *x, yyjson_mut_val *child, const char *group);
    /* A RayJob has ended, or what it made is gone. must_work: its failure ends the pass. */
    bool (*clean_up)(struct sched_parent *x, bool must_work);
    /* What the RayCluster controller watches for it: upstream's "owned" kinds. */
    const enum ray_kind *owns;
    size_t n_owns;
};

struct sched_parent sched_cluster(struct pass *x);
struct sched_parent sched_job(struct rayjob *j);

/* The hooks of the scheduler that the options name. */
bool sched_submit(struct sched_parent *x);
bool sched_decorate(struct sched_parent *x, yyjson_mut_val *child, const char *group);
bool sched_clean_up(struct sched_parent *x, bool must_work);

/* The one that the options name; never NULL. */
const struct scheduler *scheduler_of(const struct ray_options *o);
bool scheduler_known(const char *name); /* for the operator's own start-up check */

/* For the rows. */
bool sched_fail(struct sched_parent *x, const char *fmt, ...) printf_like(2, 3); /* false */
/* POST of body; that it exists already is fine. */
struct action *sched_create(struct sched_parent *x, enum ray_kind kind, yyjson_mut_val *body);
/* A label of the child, under another name or the same, when the parent has it and it says
 * something. */
void sched_copy_label(struct sched_parent *x, yyjson_mut_val *child, const char *label,
                      const char *from);
void sched_put_annotation(struct sched_parent *x, yyjson_mut_val *child, const char *key,
                          const char *value);
/* spec.schedulerName of a pod or template; a RayCluster (group "") has none. */
void sched_put_name(struct sched_parent *x, yyjson_mut_val *child, const char *group,
                    const char *name);

extern const struct scheduler volcano_scheduler, yunikorn_scheduler, kai_scheduler,
    plugins_scheduler, was_scheduler;

#endif
