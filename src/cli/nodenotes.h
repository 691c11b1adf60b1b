/*
 * What does not work on the node (its conditions that say "False"), told once as notes of a
 * timeline: pods that are not isolated, pods without a way to the internet.
 */
#ifndef MANTA_CLI_NODENOTES_H
#define MANTA_CLI_NODENOTES_H

#include "cli/timeline.h"
#include "kube/client.h"

struct node_notes;

/* Watches the nodes until it is freed. */
struct node_notes *node_notes_new(struct kube *kube, struct timeline *timeline);
void node_notes_free(struct node_notes *n); /* takes NULL */

/* Runs the loop until a node was there, or ms have passed. */
void node_notes_wait(struct node_notes *n, unsigned ms);

#endif
