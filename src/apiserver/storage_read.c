/* Reading what is committed: objects, lists of now and of old versions, history, followers. */
#include "apiserver/storage_impl.h"

#include <stdio.h>

/* ---- following ---- */

void storage_follow(struct storage *s, storage_follower *f, void *arg)
{
    vec_push(&s->followers, (struct follower){f, arg});
}

void storage_unfollow(struct storage *s, storage_follower *f, void *arg)
{
    for (size_t i = 0; i < s->followers.n; i++) {
        if (s->followers.v[i].f == f && s->followers.v[i].arg == arg) {
            vec_remove(&s->followers, i);
            return;
        }
    }
}

static int expired(const struct storage *s, uint64_t rv, struct err *err)
{
    return err_set(err, ERR_EXPIRED, "too old resource version: %llu (%llu)",
                   (unsigned long long)rv, (unsigned long long)s->history.floor);
}

int storage_history(struct storage *s, const struct resource *res, uint64_t after,
                    bool (*visit)(void *arg, const struct event *e), void *arg, struct err *err)
{
    const struct stored_kind *k = storage_kind(s, res);

    if (after < s->history.floor)
        return expired(s, after, err);
    for (size_t i = history_after(&s->history, after); i < s->history.n; i++) {
        const struct event *e = history_at(&s->history, i);

        if (e->object->kind == k && !visit(arg, e))
            break;
    }
    return 0;
}

/* ---- reading ---- */

#define KEY_MAX 1024

/* "namespace/name", or the name alone, cut at the size of out (no such key exists then). */
static const char *join_key(char out[KEY_MAX], const char *ns, const char *name)
{
    size_t n = ns ? strnlen(ns, KEY_MAX / 2) : 0, m = strnlen(name, KEY_MAX / 2 - 2);
    char *p = out;

    if (n) {
        memcpy(p, ns, n);
        p += n;
        *p++ = '/';
    }
    memcpy(p, name, m);
    p[m] = '\0';
    return out;
}

struct object *storage_get(struct storage *s, const struct resource *res, const char *ns,
                           const char *name)
{
    char key[KEY_MAX];

    return object_ref(keyindex_find(&storage_kind(s, res)->objects, join_key(key, ns, name)));
}

struct object *storage_newest(struct storage *s, const struct resource *res, const char *ns,
                              const char *name, bool *ret_pending)
{
    struct stored_kind *k = storage_kind(s, res);
    char key[KEY_MAX];

    join_key(key, ns, name);
    const struct pending *p = map_get(&k->pending, key);
    *ret_pending = p != NULL;
    return object_ref(p ? p->object : keyindex_find(&k->objects, key));
}

static bool in_namespace(const struct object *o, const char *ns)
{
    return !ns || !*ns || strcmp(o->ns, ns) == 0;
}

/* What differed at an old version: the state then of each key that was written since. */
struct undo {
    const char *key;
    struct object *then; /* NULL: it did not exist */
};
typedef VEC(struct undo) undo_list;

static int undo_order(const void *a, const void *b)
{
    return strcmp(((const struct undo *)a)->key, ((const struct undo *)b)->key);
}

static void collect_undo(struct storage *s, const struct stored_kind *k, uint64_t at,
                         undo_list *ret)
{
    struct map seen = {0};

    for (size_t i = history_after(&s->history, at); i < s->history.n; i++) {
        struct event *e = history_at(&s->history, i);

        if (e->object->kind != k || map_has(&seen, e->object->key))
            continue;
        map_put(&seen, e->object->key, e);
        vec_push(ret, (struct undo){e->object->key, e->prev});
    }
    map_done(&seen);
    if (ret->n)
        qsort(ret->v, ret->n, sizeof *ret->v, undo_order);
}

/* Merges two sorted runs: the present and what was different. */
static void walk(const struct keyindex *ix, const undo_list *undo, const struct storage_scan *scan,
                 struct keyindex_pos pos, bool (*visit)(void *arg, const struct object *o),
                 void *arg)
{
    struct object *now = keyindex_next(ix, &pos);
    size_t u = 0;

    while (u < undo->n && scan->after && strcmp(undo->v[u].key, scan->after) <= 0)
        u++;
    while (now || u < undo->n) {
        int order = !now ? 1 : u == undo->n ? -1 : strcmp(now->key, undo->v[u].key);
        struct object *o = order < 0 ? now : undo->v[u].then;

        if (order >= 0)
            u++;
        if (order <= 0)
            now = keyindex_next(ix, &pos);
        if (o && in_namespace(o, scan->ns) && !visit(arg, o))
            return;
    }
}

/* All of one namespace stands together: from "ns/" to the first key of another. */
static void walk_namespace(const struct keyindex *ix, const struct storage_scan *scan,
                           bool (*visit)(void *arg, const struct object *o), void *arg)
{
    char first[300];
    struct keyindex_pos pos;

    snprintf(first, sizeof first, "%s/", scan->ns);
    pos = keyindex_seek(ix, scan->after ? scan->after : first, scan->after != NULL);
    for (struct object *o; (o = keyindex_next(ix, &pos));)
        if (!in_namespace(o, scan->ns) || !visit(arg, o))
            return;
}

int storage_each(struct storage *s, const struct storage_scan *scan,
                 bool (*visit)(void *arg, const struct object *o), void *arg, struct err *err)
{
    struct stored_kind *k = storage_kind(s, scan->res);
    undo_list undo = {0};

    if (scan->at && scan->at < s->history.floor)
        return expired(s, scan->at, err);
    if (scan->at && scan->at < s->rv)
        collect_undo(s, k, scan->at, &undo);
    if (!undo.n && scan->ns && *scan->ns)
        walk_namespace(&k->objects, scan, visit, arg);
    else
        walk(&k->objects, &undo, scan, keyindex_seek(&k->objects, scan->after, true), visit, arg);
    vec_done(&undo);
    return 0;
}
