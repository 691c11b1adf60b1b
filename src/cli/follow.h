/*
 * Following one RayJob from its creation to its end: watches of the RayJob, its cluster and its
 * pods become steps of a timeline; the log of the Ray job goes to standard output.
 */
#ifndef MANTA_CLI_FOLLOW_H
#define MANTA_CLI_FOLLOW_H

#include "cli/timeline.h"
#include "kube/client.h"

struct follow;

struct follow_opts {
    struct kube *kube;
    const char *ns, *name;     /* of the RayJob; copied */
    const char *reach;         /* reach.sock; NULL: none; copied */
    struct timeline *timeline; /* borrowed */
    /* The job has ended (state is Ray's word, or the RayJob's when Ray was never asked) or is gone.
     */
    void (*on_end)(void *ctx, const char *state, const char *message);
    void (*on_gone)(void *ctx);
    void *ctx;
};

struct follow *follow_new(const struct follow_opts *o);
void follow_free(struct follow *f);
void follow_quiet(struct follow *f); /* no more steps: the job is being stopped */

#endif
