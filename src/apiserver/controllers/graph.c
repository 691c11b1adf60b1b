#include "apiserver/controllers/graph.h"

struct node *graph_find(const struct graph *g, const char *uid)
{
    return map_get(&g->nodes, uid);
}

static struct node *node_of(struct graph *g, const char *uid)
{
    struct node *n = graph_find(g, uid);

    if (n)
        return n;
    n = xnew(struct node);
    memcpy(n->uid, uid, strnlen(uid, sizeof n->uid - 1));
    map_put(&g->nodes, uid, n);
    return n;
}

static void node_free(struct node *n)
{
    free(n->ns);
    free(n->name);
    vec_done(&n->owners);
    vec_done(&n->dependents);
    free(n);
}

void graph_tidy(struct graph *g, struct node *n)
{
    if (n->exists || n->dependents.n || n->owners.n)
        return;
    map_remove(&g->nodes, n->uid);
    node_free(n);
}

static void unlink_owner(struct node *owner, struct node *dependent)
{
    for (size_t i = 0; i < owner->dependents.n; i++)
        if (owner->dependents.v[i] == dependent) {
            vec_remove(&owner->dependents, i);
            return;
        }
}

static void drop_owners(struct graph *g, struct node *n)
{
    for (size_t i = 0; i < n->owners.n; i++) {
        struct node *owner = n->owners.v[i];
        unlink_owner(owner, n);
        if (owner != n)
            graph_tidy(g, owner);
    }
    n->owners.n = 0;
}

static bool same_owners(const struct node *n, const struct object *o)
{
    if (n->owners.n != o->n_owners)
        return false;
    for (unsigned i = 0; i < o->n_owners; i++)
        if (strcmp(n->owners.v[i]->uid, o->owners + i * 37))
            return false;
    return true;
}

static unsigned kind_of(struct graph *g, const struct resource *res)
{
    for (size_t i = 0; i < g->kinds.n; i++)
        if (!strcmp(g->kinds.v[i].plural, res->plural) && !strcmp(g->kinds.v[i].group, res->group))
            return (unsigned)i;
    vec_push(&g->kinds, (struct graph_kind){xstrdup(res->group), xstrdup(res->plural)});
    return (unsigned)g->kinds.n - 1;
}

struct node *graph_put(struct graph *g, const struct object *o)
{
    struct node *n = node_of(g, o->uid);

    if (!n->exists) {
        n->exists = true;
        free(n->ns);
        free(n->name);
        n->ns = xstrdup(o->ns);
        n->name = xstrdup(o->name);
    }
    n->kind = kind_of(g, object_resource(o));
    n->terminating = o->terminating;
    if (same_owners(n, o))
        return n;
    drop_owners(g, n);
    for (unsigned i = 0; i < o->n_owners; i++) {
        struct node *owner = node_of(g, o->owners + i * 37);
        vec_push(&n->owners, owner);
        vec_push(&owner->dependents, n);
    }
    return n;
}

struct node *graph_remove(struct graph *g, const char *uid)
{
    struct node *n = graph_find(g, uid);

    if (!n)
        return NULL;
    n->exists = false;
    drop_owners(g, n);
    return n;
}

void graph_done(struct graph *g)
{
    for (struct map_item *i = map_next(&g->nodes, NULL); i; i = map_next(&g->nodes, i))
        node_free(i->value);
    map_done(&g->nodes);
    for (size_t i = 0; i < g->kinds.n; i++) {
        free(g->kinds.v[i].group);
        free(g->kinds.v[i].plural);
    }
    vec_done(&g->kinds);
}
