#include "base/test.h"
#include "kube/store.h"

/* An object as text: name, UID, version, one label. */
static struct json *object(const char *name, const char *uid, uint64_t rv, const char *cluster)
{
    struct json *j = NULL;
    struct err err;
    char text[512];

    snprintf(text, sizeof text,
             "{\"kind\":\"Pod\",\"metadata\":{\"namespace\":\"ns\",\"name\":\"%s\",\"uid\":\"%s\","
             "\"resourceVersion\":\"%llu\",\"labels\":{\"ray.io/"
             "cluster\":\"%s\"},\"managedFields\":[{}],"
             "\"ownerReferences\":[{\"uid\":\"owner-%s\",\"controller\":true}]}}",
             name, uid, (unsigned long long)rv, cluster, cluster);
    CHECK_OK(json_parse(slice_of(text), &j, &err), &err);
    return j;
}

static const struct store_opts indexed = {.labels = {"ray.io/cluster"}, .by_owner = true};

static bool watched(struct store *s, const char *name, const char *uid, uint64_t rv)
{
    autojson struct json *j = object(name, uid, rv, "c");
    return store_watched(s, json_root(j));
}
static bool answered(struct store *s, const char *name, const char *uid, uint64_t rv)
{
    autojson struct json *j = object(name, uid, rv, "c");
    return store_answered(s, json_root(j));
}
static bool deleted(struct store *s, const char *name, const char *uid, uint64_t rv)
{
    autojson struct json *j = object(name, uid, rv, "c");
    return store_watched_deleted(s, json_root(j));
}
static void listed(struct store *s, const char *name, const char *uid, uint64_t rv)
{
    autojson struct json *j = object(name, uid, rv, "c");
    store_list_item(s, json_root(j));
}
static uint64_t version(struct store *s, const char *name)
{
    return meta_rv(json_root(store_get(s, "ns", name)));
}
static void sync_empty(struct store *s, uint64_t rv)
{
    store_list_begin(s);
    store_list_end(s, rv);
}

TEST(higher_version_wins_from_any_source)
{
    struct store *s = store_new(&indexed);

    sync_empty(s, 1);
    CHECK(answered(s, "a", "u1", 5));
    CHECK(!watched(s, "a", "u1", 4));
    CHECK(!watched(s, "a", "u1", 5));
    CHECK_INT(version(s, "a"), 5);
    CHECK(watched(s, "a", "u1", 7));
    CHECK(!answered(s, "a", "u1", 6));
    CHECK_INT(version(s, "a"), 7);
    CHECK(!json_at(json_root(store_get(s, "ns", "a")), "metadata.managedFields"));
    store_free(s);
}

TEST(names_have_one_owner)
{
    struct store *s = store_new(&indexed);

    sync_empty(s, 1);
    watched(s, "a", "u1", 5);
    CHECK(answered(s, "a", "u2", 9)); /* its deletion was not seen yet */
    CHECK(!watched(s, "a", "u1", 6));
    CHECK(!deleted(s, "a", "u1", 8));
    CHECK_INT(version(s, "a"), 9);
    CHECK_INT(store_count(s), 1);
    store_free(s);
}

TEST(dead_stay_dead)
{
    struct store *s = store_new(&indexed);
    autojson struct json *status = NULL, *dying = NULL;
    struct err err;

    json_parse(SLICE("{\"kind\":\"Status\",\"status\":\"Success\"}"), &status, &err);
    sync_empty(s, 1);
    watched(s, "a", "u1", 5);
    CHECK(deleted(s, "a", "u1", 6));
    CHECK(!answered(s, "a", "u1", 5)); /* the answer to a PUT that lost the race */
    CHECK(!watched(s, "a", "u1", 5));  /* a server that repeats itself */
    answered(s, "b", "u2", 10);
    CHECK(store_answered_deleted(s, "ns", "b", json_root(status)));
    CHECK(!watched(s, "b", "u2", 10));
    CHECK(!deleted(s, "b", "u2", 11));
    CHECK_INT(store_count(s), 0);
    /* an object that is only being deleted stays */
    answered(s, "c", "u3", 12);
    json_parse(
        SLICE(
            "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"c\",\"uid\":\"u3\",\"resourceVersion\":"
            "\"13\",\"deletionTimestamp\":\"x\",\"deletionGracePeriodSeconds\":30}}"),
        &dying, &err);
    CHECK(store_answered_deleted(s, "ns", "c", json_root(dying)));
    CHECK(meta_deleting(json_root(store_get(s, "ns", "c"))));
    store_free(s);
}

TEST(late_answer_about_something_deleted)
{
    struct store *s = store_new(&indexed);

    sync_empty(s, 1);
    store_bookmark(s, 20);
    CHECK(!answered(s, "a", "u1", 15)); /* created and deleted between two looks of ours */
    CHECK(answered(s, "b", "u2", 21));
    store_free(s);
}

TEST(lists)
{
    struct store *s = store_new(&indexed);

    CHECK(!store_synced(s));
    sync_empty(s, 10);
    CHECK(store_synced(s));
    watched(s, "old", "u1", 11);
    answered(s, "mine", "u2", 30);
    store_list_begin(s); /* a page, then the connection dies */
    listed(s, "new", "u3", 15);
    store_list_abort(s);
    CHECK_INT(store_count(s), 3);
    store_list_begin(s); /* a list older than our write */
    listed(s, "new", "u3", 15);
    listed(s, "new", "u3", 15);
    store_list_end(s, 25);
    CHECK(!store_get(s, "ns", "old"));
    CHECK_INT(version(s, "mine"), 30);
    CHECK_INT(version(s, "new"), 15);
    CHECK_INT(store_floor(s), 25);
    store_free(s);
}

static bool keep_c(yyjson_val *obj)
{
    const char *c = meta_label(obj, "ray.io/cluster");
    return c && *c == 'c';
}

TEST(selectors_hold_for_answers)
{
    struct store *s = store_new(&(struct store_opts){.keep = keep_c});
    autojson struct json *other = object("a", "u1", 9, "other");

    sync_empty(s, 1);
    answered(s, "a", "u1", 5);
    CHECK(store_answered(s, json_root(other))); /* leaves the selection */
    CHECK_INT(store_count(s), 0);
    CHECK(answered(s, "a", "u1", 10)); /* and comes back */
    CHECK_INT(store_count(s), 1);
    store_free(s);
}

TEST(indexes)
{
    struct store *s = store_new(&indexed);
    struct arena a = {0};
    size_t n;

    for (int i = 9; i >= 0; i--) {
        char name[8], uid[8];
        snprintf(name, sizeof name, "p%d", i);
        snprintf(uid, sizeof uid, "u%d", i);
        autojson struct json *j = object(name, uid, (uint64_t)i + 1, i % 2 ? "odd" : "even");
        store_watched(s, json_root(j));
    }
    struct json **l = store_list(s, &a, "ns", "ray.io/cluster", "odd", &n);
    CHECK_INT(n, 5);
    CHECK_STR(meta_name(json_root(l[0])), "p1");
    CHECK_STR(meta_name(json_root(l[4])), "p9");
    store_by_owner(s, &a, "owner-even", &n);
    CHECK_INT(n, 5);
    autojson struct json *moved = object("p1", "u1", 100, "even");
    store_watched(s, json_root(moved));
    store_by_owner(s, &a, "owner-even", &n);
    CHECK_INT(n, 6);
    store_list(s, &a, "ns", "ray.io/cluster", "odd", &n);
    CHECK_INT(n, 4);
    store_list(s, &a, "ns", NULL, NULL, &n);
    CHECK_INT(n, 10);
    store_list(s, &a, "elsewhere", NULL, NULL, &n);
    CHECK_INT(n, 0);
    deleted(s, "p1", "u1", 101);
    store_by_owner(s, &a, "owner-even", &n);
    CHECK_INT(n, 5);
    arena_done(&a);
    store_free(s);
}

/*
 * The adversary: a server in memory whose history is a log of writes, and a network that delays the
 * answers to writes, cuts the watch anywhere, repeats old events, answers 410, lists from the past,
 * in pages that repeat items, and breaks lists off. When all is delivered, store and server agree;
 * on the way no object's version goes back and no dead UID comes back.
 */
#define NAMES 12

struct write {
    int name;
    unsigned uid;
    bool gone;
};
struct server {
    struct write log[4000]; /* version = index + 1 */
    unsigned nlog, next_uid;
    unsigned uid[NAMES]; /* 0: does not exist */
    unsigned rv[NAMES];
};
struct answer {
    unsigned at, rv; /* delivered at step `at` */
    bool gone;
    unsigned uid;
    int name;
};

static uint32_t seed;
static uint32_t dice(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 10) % n;
}

static struct json *server_object(int name, unsigned uid, unsigned rv)
{
    char n[16], u[16];

    snprintf(n, sizeof n, "n%d", name);
    snprintf(u, sizeof u, "u%u", uid);
    return object(n, u, rv, "c");
}

/* One write to a random name; gives what its answer would say. */
static struct answer server_write(struct server *v)
{
    int name = (int)dice(NAMES);
    bool gone = v->uid[name] && dice(3) == 0;

    if (!v->uid[name])
        v->uid[name] = ++v->next_uid;
    v->log[v->nlog++] = (struct write){name, v->uid[name], gone};
    struct answer a = {.rv = v->nlog, .gone = gone, .uid = v->uid[name], .name = name};
    v->rv[name] = v->nlog;
    if (gone)
        v->uid[name] = 0;
    return a;
}

static void deliver_event(struct store *s, const struct server *v, unsigned rv)
{
    const struct write *w = &v->log[rv - 1];
    autojson struct json *j = server_object(w->name, w->uid, rv);

    if (w->gone)
        store_watched_deleted(s, json_root(j));
    else
        store_watched(s, json_root(j));
}

static void deliver_answer(struct store *s, const struct answer *a)
{
    char n[16], text[128];
    autojson struct json *j = NULL;
    struct err err;

    snprintf(n, sizeof n, "n%d", a->name);
    snprintf(text, sizeof text, "{\"kind\":\"Status\",\"details\":{\"uid\":\"u%u\"}}", a->uid);
    if (a->gone) {
        CHECK_OK(json_parse(slice_of(text), &j, &err), &err);
        store_answered_deleted(s, "ns", n, json_root(j));
    } else {
        j = server_object(a->name, a->uid, a->rv);
        store_answered(s, json_root(j));
    }
}

/* The state at version `at`, in pages that may repeat items; may break off. Gives whether it ended.
 */
static bool deliver_list(struct store *s, const struct server *v, unsigned at, bool whole)
{
    unsigned uid[NAMES] = {0}, rv[NAMES] = {0};

    for (unsigned i = 0; i < at; i++) {
        uid[v->log[i].name] = v->log[i].gone ? 0 : v->log[i].uid;
        rv[v->log[i].name] = i + 1;
    }
    store_list_begin(s);
    for (int i = 0; i < NAMES; i++) {
        if (!whole && dice(20) == 0) {
            store_list_abort(s);
            return false;
        }
        if (!uid[i])
            continue;
        autojson struct json *j = server_object(i, uid[i], rv[i]);
        store_list_item(s, json_root(j));
        if (dice(4) == 0)
            store_list_item(s, json_root(j));
    }
    store_list_end(s, at);
    return true;
}

struct witness {
    uint64_t high[4000]; /* by UID */
    bool dead[4000];     /* told by the server, not by us */
};

static void witness_change(void *ctx, unused struct json *was, struct json *now)
{
    struct witness *w = ctx;

    if (!now)
        return;
    unsigned uid = (unsigned)strtoul(meta_uid(json_root(now)) + 1, NULL, 10);
    uint64_t rv = meta_rv(json_root(now));
    if (rv <= w->high[uid])
        FAIL("u%u went from %llu to %llu (seed %u)", uid, (unsigned long long)w->high[uid],
             (unsigned long long)rv, seed);
    w->high[uid] = rv;
}

static void compare(struct store *s, const struct server *v)
{
    size_t live = 0;

    for (int i = 0; i < NAMES; i++) {
        char n[16], u[16];
        snprintf(n, sizeof n, "n%d", i);
        snprintf(u, sizeof u, "u%u", v->uid[i]);
        yyjson_val *obj = json_root(store_get(s, "ns", n));
        CHECK_STR(obj ? meta_uid(obj) : "u0", u);
        if (v->uid[i])
            CHECK_INT(meta_rv(obj), v->rv[i]);
        live += v->uid[i] != 0;
    }
    CHECK_INT(store_count(s), live);
}

static void adversary(uint32_t start)
{
    struct server *v = xnew(struct server);
    struct witness *w = xnew(struct witness);
    struct store *s = store_new(&(struct store_opts){
        .labels = {"ray.io/cluster"}, .by_owner = true, .on_change = witness_change, .ctx = w});
    VEC(struct answer) late = {0};
    unsigned at = 0, step; /* at: version the watch has told */

    seed = start;
    deliver_list(s, v, 0, true);
    for (step = 0; step < 1500; step++) {
        switch (dice(10)) {
        case 0 ... 3: {
            struct answer a = server_write(v);
            a.at = step + dice(40);
            vec_push(&late, a);
            break;
        }
        case 4 ... 7:
            if (at < v->nlog)
                deliver_event(s, v, ++at);
            break;
        case 8: /* says again what it said */
            for (unsigned i = at > 5 ? at - dice(5) : at; i && i <= at; i++)
                deliver_event(s, v, i);
            break;
        default:
            if (dice(8) == 0) { /* 410, and perhaps a list from the past */
                unsigned from = v->nlog - dice(MIN(v->nlog + 1, 20));
                if (deliver_list(s, v, from, false))
                    at = from;
            } else if (at) {
                store_bookmark(s, at);
            }
        }
        for (size_t i = 0; i < late.n; i++)
            if (late.v[i].at <= step) {
                deliver_answer(s, &late.v[i]);
                vec_remove(&late, i);
                i--;
            }
    }
    for (size_t i = 0; i < late.n; i++)
        deliver_answer(s, &late.v[i]);
    while (at < v->nlog)
        deliver_event(s, v, ++at);
    compare(s, v);
    deliver_list(s, v, v->nlog, true);
    compare(s, v);
    CHECK(store_tombstones(s) <= 256 + 16);
    vec_done(&late);
    store_free(s);
    free(v);
    free(w);
}

TEST(adversary)
{
    for (uint32_t i = 1; i <= 200; i++)
        adversary(i * 7919);
}
