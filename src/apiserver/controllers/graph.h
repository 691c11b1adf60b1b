/*
 * Who owns whom: a node for every object, by UID, with edges from owners to dependents. An owner
 * that is named but was never seen has a node that does not exist. Kept by the garbage collector
 * from committed writes.
 */
#ifndef MANTA_APISERVER_CONTROLLERS_GRAPH_H
#define MANTA_APISERVER_CONTROLLERS_GRAPH_H

#include "apiserver/storage.h"
#include "base/vec.h"

struct node {
    char uid[37];
    bool exists;
    bool terminating;
    unsigned kind; /* of what exists: index into graph.kinds */
    char *ns, *name;
    VEC(struct node *) owners, dependents;
};

/* Names, not rows of the registry: those of CRDs come and go. */
struct graph_kind {
    char *group, *plural;
};

struct graph {
    struct map nodes; /* by UID */
    VEC(struct graph_kind) kinds;
};

void graph_done(struct graph *g);
struct node *graph_find(const struct graph *g, const char *uid);
/* The object's node as it is now; made if needed. */
struct node *graph_put(struct graph *g, const struct object *o);
/* It is gone: its edges to owners go, too. The node stays while it has dependents (graph_tidy). */
struct node *graph_remove(struct graph *g, const char *uid);
void graph_tidy(struct graph *g, struct node *n); /* frees a node that is of no use any more */

#endif
