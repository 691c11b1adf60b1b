#include "kube/store.h"

#include "base/map.h"
#include "kube/pack.h"

#define INDEXES (STORE_LABEL_INDEXES + 1) /* the last one by owner */

/* An object at rest. Who shares a value of index k with it follows by next[k]. */
struct entry {
    struct packed *packed;
    struct json *open; /* while somebody may look at it: until the next change */
    uint64_t rv, uid;  /* the UID's hash */
    uint32_t seen;     /* the last list that had it */
    uint32_t in;       /* bit k: it is in index k */
    struct entry *next[];
};

/* A UID that is gone. rv 0: we deleted it and do not know its last version. */
struct tomb {
    uint64_t rv;
    uint32_t seen;
    bool passed; /* the watch has told of it; kept a while in `recent` */
};

/* Tombstones kept after the watch has passed them, against servers that repeat themselves. */
#define RECENT 256

struct store {
    struct store_opts opts;
    struct map by_name; /* "ns/name" → struct entry */
    size_t n_index;
    struct map index[INDEXES];  /* value → the first entry that has it */
    VEC(struct entry *) opened; /* those with a document open */
    struct map tombs;           /* UID → struct tomb */
    char *recent[RECENT];
    size_t recent_at;
    uint64_t floor;
    uint32_t list; /* number of the last list begun */
    bool listing, synced;
};

enum source { BY_WATCH, BY_ANSWER, BY_LIST };

struct store *store_new(const struct store_opts *opts)
{
    struct store *s = xnew(struct store);

    s->opts = *opts;
    while (s->n_index < STORE_LABEL_INDEXES && opts->labels[s->n_index])
        s->n_index++;
    s->n_index += opts->by_owner;
    return s;
}

static struct json *entry_doc(struct store *s, struct entry *e)
{
    if (!e->open) {
        e->open = packed_open(e->packed);
        vec_push(&s->opened, e);
    }
    return e->open;
}

void store_rest(struct store *s)
{
    for (size_t i = 0; i < s->opened.n; i++) {
        json_unref(s->opened.v[i]->open);
        s->opened.v[i]->open = NULL;
    }
    vec_done(&s->opened);
}

void store_free(struct store *s)
{
    if (!s)
        return;
    store_rest(s);
    for (struct map_item *i = map_next(&s->by_name, NULL); i; i = map_next(&s->by_name, i)) {
        packed_free(((struct entry *)i->value)->packed);
        free(i->value);
    }
    for (size_t k = 0; k < s->n_index; k++)
        map_done(&s->index[k]);
    for (struct map_item *i = map_next(&s->tombs, NULL); i; i = map_next(&s->tombs, i))
        free(i->value);
    for (size_t i = 0; i < RECENT; i++)
        free(s->recent[i]);
    map_done(&s->by_name);
    map_done(&s->tombs);
    free(s);
}

/* ---- indexes ---- */

static void object_key(struct buf *b, const char *ns, const char *name)
{
    buf_adds(b, ns ? ns : "");
    buf_addc(b, '/');
    buf_adds(b, name);
}

static bool is_owner_index(const struct store *s, size_t k)
{
    return s->opts.by_owner && k + 1 == s->n_index;
}

/* The key of obj in index k, or false if it is in none. */
static bool index_key(const struct store *s, yyjson_val *obj, size_t k, struct buf *b)
{
    const char *value;

    buf_reset(b);
    if (is_owner_index(s, k)) {
        value = json_get_str(meta_controller(obj), "uid", NULL);
        buf_adds(b, value ? value : "");
    } else {
        value = meta_label(obj, s->opts.labels[k]);
        object_key(b, meta_namespace(obj), value ? value : "");
    }
    return value != NULL;
}

static void index_remove(struct store *s, struct entry *e, size_t k, const char *key)
{
    struct entry *first = map_get(&s->index[k], key), *before = first;

    if (first == e && !e->next[k])
        map_remove(&s->index[k], key);
    else if (first == e)
        map_put(&s->index[k], key, e->next[k]);
    else
        while (before->next[k] != e)
            before = before->next[k];
    if (before != e)
        before->next[k] = e->next[k];
    e->in &= ~(1u << k);
}

static void index_add(struct store *s, struct entry *e, size_t k, const char *key)
{
    e->next[k] = map_put(&s->index[k], key, e);
    e->in |= 1u << k;
}

/* From where the document `was` put it to where `now` does; either may be NULL. */
static void index_move(struct store *s, struct entry *e, yyjson_val *was, yyjson_val *now)
{
    struct buf old cleanup(buf_done) = BUF_INIT, key cleanup(buf_done) = BUF_INIT;

    for (size_t k = 0; k < s->n_index; k++) {
        bool had = was && e->in >> k & 1 && index_key(s, was, k, &old);
        bool has = now && index_key(s, now, k, &key);
        if (had && has && strcmp(buf_str(&old), buf_str(&key)) == 0)
            continue;
        if (had)
            index_remove(s, e, k, buf_str(&old));
        if (has)
            index_add(s, e, k, buf_str(&key));
    }
}

/* ---- tombstones ---- */

/* The watch has told of it: it goes to the ring of recent ones, and drops the oldest of them. */
static void tomb_pass(struct store *s, const char *uid, struct tomb *t)
{
    if (t->passed)
        return;
    t->passed = true;
    char **slot = &s->recent[s->recent_at++ % RECENT];
    if (*slot) {
        struct tomb *old = map_get(&s->tombs, *slot);
        if (old && old->passed)
            free(map_remove(&s->tombs, *slot));
        free(*slot);
    }
    *slot = xstrdup(uid);
}

static struct tomb *bury(struct store *s, const char *uid, uint64_t rv)
{
    struct tomb *t = map_get(&s->tombs, uid);

    if (!t) {
        t = xnew(struct tomb);
        map_put(&s->tombs, uid, t);
    }
    t->rv = rv;
    return t;
}

/* Whether news of version rv about the UID comes from before its death. An object that left a
 * selector and came back lives on: its version is higher. */
static bool is_dead(struct store *s, const char *uid, uint64_t rv, enum source src)
{
    struct tomb *t = map_get(&s->tombs, uid);

    if (!t)
        return false;
    if (src == BY_LIST)
        t->seen = s->list;
    if (t->rv == 0 || rv <= t->rv)
        return true;
    free(map_remove(&s->tombs, uid));
    return false;
}

/* ---- changes ---- */

static void raise_floor(struct store *s, uint64_t rv)
{
    s->floor = MAX(s->floor, rv);
}

static void changed(struct store *s, struct json *was, struct json *now)
{
    if (s->opts.on_change)
        s->opts.on_change(s->opts.ctx, was, now);
}

static struct packed *trimmed(struct store *s, yyjson_val *obj)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *v = json_thaw(doc, obj);

    json_remove(json_mut_get(v, "metadata"), "managedFields");
    if (s->opts.trim)
        s->opts.trim(doc, v);
    return packed_new(v);
}

static void entry_remove(struct store *s, const char *key, struct entry *e)
{
    autojson struct json *was = packed_open(e->packed);

    store_rest(s);
    index_move(s, e, json_root(was), NULL);
    map_remove(&s->by_name, key);
    packed_free(e->packed);
    free(e);
    changed(s, was, NULL);
}

/* Names one object among all that ever were; two with the same hash would have to meet under one
 * name to be mistaken for each other. */
static uint64_t uid_hash(const char *uid)
{
    uint64_t h = UINT64_C(14695981039346656037);

    for (; *uid; uid++)
        h = (h ^ (unsigned char)*uid) * UINT64_C(1099511628211);
    return h;
}

static struct entry *entry_new(struct store *s, const char *key)
{
    struct entry *e = xcalloc(1, sizeof *e + s->n_index * sizeof *e->next);

    map_put(&s->by_name, key, e);
    return e;
}

static void entry_put(struct store *s, const char *key, struct entry *e, yyjson_val *obj,
                      uint64_t rv)
{
    autojson struct json *was = e ? packed_open(e->packed) : NULL;

    store_rest(s);
    if (!e)
        e = entry_new(s, key);
    packed_free(e->packed);
    e->packed = trimmed(s, obj);
    e->rv = rv;
    e->uid = uid_hash(meta_uid(obj));
    autojson struct json *now = packed_open(e->packed);
    index_move(s, e, json_root(was), json_root(now));
    changed(s, was, now);
}

static bool is_of(const struct entry *e, const char *uid)
{
    return e && e->uid == uid_hash(uid);
}

static struct tomb *bury_entry(struct store *s, struct entry *e, uint64_t rv)
{
    return bury(s, meta_uid(json_root(entry_doc(s, e))), rv);
}

/* Takes note of an object that the selector does not let through (any more). */
static bool refuse(struct store *s, const char *key, const char *uid, uint64_t rv)
{
    struct entry *e = map_get(&s->by_name, key);

    if (!is_of(e, uid) || e->rv > rv)
        return false;
    bury(s, uid, rv);
    entry_remove(s, key, e);
    return true;
}

static bool apply(struct store *s, yyjson_val *obj, enum source src)
{
    struct buf key cleanup(buf_done) = BUF_INIT;
    const char *uid = meta_uid(obj);
    uint64_t rv = meta_rv(obj);

    object_key(&key, meta_namespace(obj), meta_name(obj));
    if (s->opts.keep && !s->opts.keep(obj))
        return refuse(s, buf_str(&key), uid, rv);
    struct entry *e = map_get(&s->by_name, buf_str(&key));
    bool same = is_of(e, uid);
    if (same && src == BY_LIST)
        e->seen = s->list;
    if (is_dead(s, uid, rv, src) || (e && rv <= e->rv))
        return false;
    if (!e && src == BY_ANSWER && s->synced && rv <= s->floor)
        return false;
    if (e && !same) { /* the name has a new owner: the old one died unseen */
        struct tomb *t = bury_entry(s, e, rv - 1);
        if (src != BY_ANSWER)
            tomb_pass(s, meta_uid(json_root(entry_doc(s, e))), t);
        entry_remove(s, buf_str(&key), e);
        e = NULL;
    }
    entry_put(s, buf_str(&key), e, obj, rv);
    if (src == BY_LIST)
        ((struct entry *)map_get(&s->by_name, buf_str(&key)))->seen = s->list;
    return true;
}

bool store_watched(struct store *s, yyjson_val *obj)
{
    bool news = apply(s, obj, BY_WATCH);

    raise_floor(s, meta_rv(obj));
    return news;
}

bool store_answered(struct store *s, yyjson_val *obj)
{
    return apply(s, obj, BY_ANSWER);
}

bool store_watched_deleted(struct store *s, yyjson_val *obj)
{
    struct buf key cleanup(buf_done) = BUF_INIT;
    const char *uid = meta_uid(obj);
    uint64_t rv = meta_rv(obj);

    object_key(&key, meta_namespace(obj), meta_name(obj));
    struct entry *e = map_get(&s->by_name, buf_str(&key));
    bool gone = is_of(e, uid) && e->rv <= rv;
    bool newer = is_of(e, uid) && !gone;
    if (!newer)
        tomb_pass(s, uid, bury(s, uid, rv));
    if (gone)
        entry_remove(s, buf_str(&key), e);
    raise_floor(s, rv);
    return gone;
}

static bool delete_is_final(yyjson_val *answer)
{
    yyjson_val *meta = json_get(answer, "metadata");

    if (strcmp(json_get_str(answer, "kind", ""), "Status") == 0 || !*meta_uid(answer))
        return true;
    return yyjson_arr_size(json_get(meta, "finalizers")) == 0 &&
           (!meta_deleting(answer) || json_int_at(meta, "deletionGracePeriodSeconds", 0) == 0);
}

bool store_answered_deleted(struct store *s, const char *ns, const char *name, yyjson_val *answer)
{
    struct buf key cleanup(buf_done) = BUF_INIT;

    if (!delete_is_final(answer))
        return store_answered(s, answer);
    object_key(&key, ns, name);
    struct entry *e = map_get(&s->by_name, buf_str(&key));
    const char *uid = json_str_at(answer, "details.uid", meta_uid(answer));
    if (!e || (*uid && !is_of(e, uid)))
        return false;
    bury_entry(s, e, 0);
    entry_remove(s, buf_str(&key), e);
    return true;
}

void store_bookmark(struct store *s, uint64_t rv)
{
    raise_floor(s, rv);
}

/* ---- lists ---- */

void store_list_begin(struct store *s)
{
    s->list++;
    s->listing = true;
}

void store_list_item(struct store *s, yyjson_val *obj)
{
    apply(s, obj, BY_LIST);
}

void store_list_abort(struct store *s)
{
    s->listing = false;
}

/* What the list of version rv does not have is gone, unless we know it from later than that. */
static void sweep(struct store *s, uint64_t rv)
{
    for (struct map_item *i = map_next(&s->by_name, NULL); i; i = map_next(&s->by_name, i)) {
        struct entry *e = i->value;
        if (e->seen == s->list || e->rv > rv)
            continue;
        tomb_pass(s, meta_uid(json_root(entry_doc(s, e))), bury_entry(s, e, rv));
        autofree char *key = xstrdup(i->key);
        entry_remove(s, key, e);
    }
    for (struct map_item *i = map_next(&s->tombs, NULL); i; i = map_next(&s->tombs, i)) {
        struct tomb *t = i->value;
        if (!t->passed && t->seen != s->list)
            tomb_pass(s, i->key, t);
    }
}

void store_list_end(struct store *s, uint64_t rv)
{
    if (!s->listing)
        return;
    s->listing = false;
    sweep(s, rv);
    s->floor = rv; /* the watch goes on from here, even if it was further before */
    s->synced = true;
}

/* ---- reading ---- */

bool store_synced(const struct store *s)
{
    return s->synced;
}

uint64_t store_floor(const struct store *s)
{
    return s->floor;
}

size_t store_count(const struct store *s)
{
    return s->by_name.n;
}

size_t store_tombstones(const struct store *s)
{
    return s->tombs.n;
}

struct json *store_get(struct store *s, const char *ns, const char *name)
{
    struct buf key cleanup(buf_done) = BUF_INIT;

    object_key(&key, ns, name);
    struct entry *e = map_get(&s->by_name, buf_str(&key));
    return e ? entry_doc(s, e) : NULL;
}

static int by_key(const void *a, const void *b)
{
    yyjson_val *x = json_root(*(struct json *const *)a), *y = json_root(*(struct json *const *)b);
    int c = strcmp(meta_namespace(x), meta_namespace(y));

    return c ? c : strcmp(meta_name(x), meta_name(y));
}

static struct json **sorted(struct json **docs, size_t n, size_t *ret_n)
{
    if (n > 1)
        qsort(docs, n, sizeof *docs, by_key);
    *ret_n = n;
    return docs;
}

static struct json **index_docs(struct store *s, size_t k, const char *key, struct arena *a,
                                size_t *ret_n)
{
    struct entry *first = map_get(&s->index[k], key);
    size_t n = 0;

    for (struct entry *e = first; e; e = e->next[k])
        n++;
    struct json **docs = arena_array(a, struct json *, n + 1);
    n = 0;
    for (struct entry *e = first; e; e = e->next[k])
        docs[n++] = entry_doc(s, e);
    return sorted(docs, n, ret_n);
}

static size_t index_of_label(const struct store *s, const char *label)
{
    for (size_t k = 0; label && k < STORE_LABEL_INDEXES && s->opts.labels[k]; k++)
        if (strcmp(s->opts.labels[k], label) == 0)
            return k;
    return INDEXES;
}

static bool matches(yyjson_val *obj, const char *ns, const char *label, const char *value)
{
    if (ns && strcmp(meta_namespace(obj), ns) != 0)
        return false;
    const char *have = label ? meta_label(obj, label) : NULL;
    return !label || (have && strcmp(have, value) == 0);
}

/* Documents that do not match are closed again at once, or all of a large store would be open. */
static struct json **scan(struct store *s, struct arena *a, const char *ns, const char *label,
                          const char *value, size_t *ret_n)
{
    struct json **docs = arena_array(a, struct json *, s->by_name.n + 1);
    size_t n = 0;

    for (struct map_item *i = map_next(&s->by_name, NULL); i; i = map_next(&s->by_name, i)) {
        struct entry *e = i->value;
        autojson struct json *doc = e->open ? json_ref(e->open) : packed_open(e->packed);
        if (!matches(json_root(doc), ns, label, value))
            continue;
        if (!e->open) {
            e->open = json_ref(doc);
            vec_push(&s->opened, e);
        }
        docs[n++] = doc;
    }
    return sorted(docs, n, ret_n);
}

struct json **store_list(struct store *s, struct arena *a, const char *ns, const char *label,
                         const char *value, size_t *ret_n)
{
    struct buf key cleanup(buf_done) = BUF_INIT;
    size_t k = ns ? index_of_label(s, label) : INDEXES;

    if (k == INDEXES)
        return scan(s, a, ns, label, value, ret_n);
    object_key(&key, ns, value);
    return index_docs(s, k, buf_str(&key), a, ret_n);
}

struct json **store_by_owner(struct store *s, struct arena *a, const char *uid, size_t *ret_n)
{
    return index_docs(s, s->n_index - 1, uid, a, ret_n);
}

void store_each(struct store *s, void (*fn)(void *ctx, struct json *obj), void *ctx)
{
    for (struct map_item *i = map_next(&s->by_name, NULL); i; i = map_next(&s->by_name, i)) {
        const struct entry *e = i->value;
        autojson struct json *doc = e->open ? json_ref(e->open) : packed_open(e->packed);
        fn(ctx, doc);
    }
}
