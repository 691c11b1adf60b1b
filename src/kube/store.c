#include "kube/store.h"

#include "base/map.h"
#include "kube/pack.h"

/* Objects with one value of an index. */
struct bucket {
    char *key;
    VEC(struct entry *) of;
};

enum { INDEX_OWNER = STORE_LABEL_INDEXES, INDEXES };

struct entry {
    struct json *doc;
    uint64_t rv;
    uint32_t seen; /* the last list that had it */
    struct bucket *in[INDEXES];
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
    struct map index[INDEXES];
    struct map tombs; /* UID → struct tomb */
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
    return s;
}

static void bucket_free(struct bucket *b)
{
    vec_done(&b->of);
    free(b->key);
    free(b);
}

void store_free(struct store *s)
{
    if (!s)
        return;
    for (struct map_item *i = map_next(&s->by_name, NULL); i; i = map_next(&s->by_name, i)) {
        json_unref(((struct entry *)i->value)->doc);
        free(i->value);
    }
    for (size_t k = 0; k < INDEXES; k++) {
        for (struct map_item *i = map_next(&s->index[k], NULL); i; i = map_next(&s->index[k], i))
            bucket_free(i->value);
        map_done(&s->index[k]);
    }
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
    buf_printf(b, "%s/%s", ns ? ns : "", name);
}

/* The key of obj in index k, or false if it is in none. */
static bool index_key(const struct store *s, yyjson_val *obj, size_t k, struct buf *b)
{
    const char *value;

    buf_reset(b);
    if (k == INDEX_OWNER) {
        value = s->opts.by_owner ? json_get_str(meta_controller(obj), "uid", NULL) : NULL;
        buf_adds(b, value ? value : "");
    } else {
        value = s->opts.labels[k] ? meta_label(obj, s->opts.labels[k]) : NULL;
        buf_printf(b, "%s/%s", meta_namespace(obj), value ? value : "");
    }
    return value != NULL;
}

static void index_remove(struct store *s, struct entry *e, size_t k)
{
    struct bucket *b = e->in[k];

    if (!b)
        return;
    for (size_t i = 0; i < b->of.n; i++)
        if (b->of.v[i] == e) {
            b->of.v[i] = b->of.v[--b->of.n];
            break;
        }
    if (b->of.n == 0) {
        map_remove(&s->index[k], b->key);
        bucket_free(b);
    }
    e->in[k] = NULL;
}

static void index_update(struct store *s, struct entry *e)
{
    struct buf key cleanup(buf_done) = BUF_INIT;

    for (size_t k = 0; k < INDEXES; k++) {
        bool has = index_key(s, json_root(e->doc), k, &key);
        if (has && e->in[k] && strcmp(e->in[k]->key, buf_str(&key)) == 0)
            continue;
        index_remove(s, e, k);
        if (!has)
            continue;
        struct bucket *b = map_get(&s->index[k], buf_str(&key));
        if (!b) {
            b = xnew(struct bucket);
            b->key = xstrdup(buf_str(&key));
            map_put(&s->index[k], b->key, b);
        }
        vec_push(&b->of, e);
        e->in[k] = b;
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

static struct json *trimmed(struct store *s, yyjson_val *obj)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *v = json_thaw(doc, obj);

    json_remove(json_mut_get(v, "metadata"), "managedFields");
    if (s->opts.trim)
        s->opts.trim(doc, v);
    return json_pack(v);
}

static void entry_remove(struct store *s, const char *key, struct entry *e)
{
    struct json *was = e->doc;

    for (size_t k = 0; k < INDEXES; k++)
        index_remove(s, e, k);
    map_remove(&s->by_name, key);
    free(e);
    changed(s, was, NULL);
    json_unref(was);
}

static void entry_put(struct store *s, const char *key, struct entry *e, yyjson_val *obj,
                      uint64_t rv)
{
    struct json *was = e ? e->doc : NULL;

    if (!e) {
        e = xnew(struct entry);
        map_put(&s->by_name, key, e);
    }
    e->doc = trimmed(s, obj);
    e->rv = rv;
    index_update(s, e);
    changed(s, was, e->doc);
    json_unref(was);
}

static const char *entry_uid(const struct entry *e)
{
    return e ? meta_uid(json_root(e->doc)) : "";
}

/* Takes note of an object that the selector does not let through (any more). */
static bool refuse(struct store *s, const char *key, const char *uid, uint64_t rv)
{
    struct entry *e = map_get(&s->by_name, key);

    if (!e || strcmp(entry_uid(e), uid) != 0 || e->rv > rv)
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
    bool same = e && strcmp(entry_uid(e), uid) == 0;
    if (same && src == BY_LIST)
        e->seen = s->list;
    if (is_dead(s, uid, rv, src) || (e && rv <= e->rv))
        return false;
    if (!e && src == BY_ANSWER && s->synced && rv <= s->floor)
        return false;
    if (e && !same) { /* the name has a new owner: the old one died unseen */
        struct tomb *t = bury(s, entry_uid(e), rv - 1);
        if (src != BY_ANSWER)
            tomb_pass(s, entry_uid(e), t);
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
    bool gone = e && strcmp(entry_uid(e), uid) == 0 && e->rv <= rv;
    bool newer = e && !gone && strcmp(entry_uid(e), uid) == 0;
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
    if (!e || (*uid && strcmp(entry_uid(e), uid) != 0))
        return false;
    bury(s, entry_uid(e), 0);
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
        tomb_pass(s, entry_uid(e), bury(s, entry_uid(e), rv));
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

struct json *store_get(const struct store *s, const char *ns, const char *name)
{
    struct buf key cleanup(buf_done) = BUF_INIT;

    object_key(&key, ns, name);
    struct entry *e = map_get(&s->by_name, buf_str(&key));
    return e ? e->doc : NULL;
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

static struct json **bucket_docs(const struct bucket *b, struct arena *a, size_t *ret_n)
{
    size_t n = b ? b->of.n : 0;
    struct json **docs = arena_array(a, struct json *, n + 1);

    for (size_t i = 0; i < n; i++)
        docs[i] = b->of.v[i]->doc;
    return sorted(docs, n, ret_n);
}

static const struct map *index_of_label(const struct store *s, const char *label)
{
    for (size_t k = 0; label && k < STORE_LABEL_INDEXES; k++)
        if (s->opts.labels[k] && strcmp(s->opts.labels[k], label) == 0)
            return &s->index[k];
    return NULL;
}

static bool matches(yyjson_val *obj, const char *ns, const char *label, const char *value)
{
    if (ns && strcmp(meta_namespace(obj), ns) != 0)
        return false;
    const char *have = label ? meta_label(obj, label) : NULL;
    return !label || (have && strcmp(have, value) == 0);
}

static struct json **scan(const struct store *s, struct arena *a, const char *ns, const char *label,
                          const char *value, size_t *ret_n)
{
    struct json **docs = arena_array(a, struct json *, s->by_name.n + 1);
    size_t n = 0;

    for (struct map_item *i = map_next(&s->by_name, NULL); i; i = map_next(&s->by_name, i)) {
        struct json *doc = ((struct entry *)i->value)->doc;
        if (matches(json_root(doc), ns, label, value))
            docs[n++] = doc;
    }
    return sorted(docs, n, ret_n);
}

struct json **store_list(const struct store *s, struct arena *a, const char *ns, const char *label,
                         const char *value, size_t *ret_n)
{
    struct buf key cleanup(buf_done) = BUF_INIT;
    const struct map *index = ns ? index_of_label(s, label) : NULL;

    if (!index)
        return scan(s, a, ns, label, value, ret_n);
    object_key(&key, ns, value);
    return bucket_docs(map_get(index, buf_str(&key)), a, ret_n);
}

struct json **store_by_owner(const struct store *s, struct arena *a, const char *uid, size_t *ret_n)
{
    return bucket_docs(map_get(&s->index[INDEX_OWNER], uid), a, ret_n);
}

void store_each(const struct store *s, void (*fn)(void *ctx, struct json *obj), void *ctx)
{
    for (struct map_item *i = map_next(&s->by_name, NULL); i; i = map_next(&s->by_name, i))
        fn(ctx, ((struct entry *)i->value)->doc);
}
