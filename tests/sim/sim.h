/*
 * A cluster in memory for tests of planners: objects with versions and owners, an executor that can
 * stop after any write, and a kubelet by rules. No sockets, no processes, no time but its own.
 *
 *     struct sim s; sim_init(&s, options);
 *     sim_apply(&s, object); sim_settle(&s); … sim_done(&s);
 */
#ifndef MANTA_TESTS_SIM_H
#define MANTA_TESTS_SIM_H

#include "ray/fixture.h"

struct sim_event {
    const char *kind, *name, *reason;
    bool warning;
};

struct sim {
    struct fixture world;
    struct arena arena;
    const struct ray_options *options;
    const char *refuses; /* kind that cannot be created */
    bool brief;          /* dumps show names and status only */
    yyjson_val *rules;   /* the kubelet's: [{match: {kind, labels}, do}], the first match wins */
    int64_t now_ns;
    uint64_t version, uids;
    unsigned attempt;
    long budget; /* writes until the operator dies; negative: it does not */
    bool died;
    unsigned deaths;
    bool verbose;
    struct buf story;             /* the plans as text, one after the other, without bodies */
    VEC(struct sim_event) events; /* each kind, name, reason once */
};

void sim_init(struct sim *s, const struct ray_options *o);
void sim_done(struct sim *s);

/* As a user: creates, or changes spec and metadata of what is there. */
void sim_apply(struct sim *s, yyjson_val *object);
void sim_put(struct sim *s, yyjson_mut_doc *doc,
             yyjson_mut_val *object); /* any change; new version */
void sim_delete(struct sim *s, yyjson_val *object);
/* One write of the operator: 0 or ERR_…. */
int sim_act(struct sim *s, const struct action *a);

/* One pass of the planner over the object; true when something was written. */
bool sim_pass(struct sim *s, const struct planner *planner, const char *ns, const char *name,
              int64_t *ret_requeue, bool *ret_error);
bool sim_kubelet(struct sim *s); /* true: something changed */
void sim_round(struct sim *s);   /* one pass of every planner over every object */
/* Passes and kubelet by turns until nothing happens; dead operators are started again. */
void sim_settle(struct sim *s);

/* kubelet.c: how a pod or Job is under the rules; NULL: unchanged */
bool sim_lingers(struct sim *s, yyjson_val *object); /* stays after its deletion */
yyjson_mut_val *sim_status(struct sim *s, yyjson_mut_doc *doc, yyjson_val *object);

#endif
