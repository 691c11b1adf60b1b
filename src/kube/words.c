#include "kube/words.h"

#include "base/map.h"
#include "base/vec.h"

#define WORDS_MAX ((1u << 22) - 1) /* what pack.c can write */
#define SEEN 4096                  /* hashes of strings seen once; a newer one takes the place */

struct word {
    uint32_t refs, len, next; /* the next word of the slot, 0: none */
    char text[];
};

static struct {
    VEC(struct word *) by_id; /* 0 is none; NULL: free */
    VEC(uint32_t) vacant;     /* ids to give out again */
    uint32_t *slots;
    size_t n_slots; /* a power of two */
    uint32_t seen[SEEN];
} all;

static struct word *word(uint32_t id)
{
    return all.by_id.v[id];
}

static struct slice text_of(const struct word *w)
{
    return (struct slice){w->text, w->len};
}

static uint32_t *slot_of(uint32_t hash)
{
    return &all.slots[hash & (all.n_slots - 1)];
}

static void grow(void)
{
    size_t live = all.by_id.n - all.vacant.n;

    if (live < all.n_slots)
        return;
    free(all.slots);
    all.n_slots = all.n_slots ? all.n_slots * 2 : 512;
    all.slots = xcalloc(all.n_slots, sizeof *all.slots);
    for (uint32_t id = 1; id < all.by_id.n; id++) {
        struct word *w = word(id);
        if (!w)
            continue;
        uint32_t *slot = slot_of(hash_bytes(w->text, w->len));
        w->next = *slot;
        *slot = id;
    }
}

static uint32_t add(struct slice s, uint32_t hash)
{
    struct word *w = xmalloc(sizeof *w + s.n);
    uint32_t id;

    if (all.by_id.n == 0)
        vec_push(&all.by_id, NULL);
    grow();
    if (all.vacant.n) {
        id = all.vacant.v[--all.vacant.n];
    } else {
        id = (uint32_t)all.by_id.n;
        vec_push(&all.by_id, NULL);
    }
    all.by_id.v[id] = w;
    *w = (struct word){.refs = 1, .len = (uint32_t)s.n, .next = *slot_of(hash)};
    memcpy(w->text, s.p, s.n);
    *slot_of(hash) = id;
    return id;
}

static bool seen_before(uint32_t hash)
{
    uint32_t *place = &all.seen[(hash ^ hash >> 16) % SEEN];
    bool yes = *place == hash;

    *place = hash;
    return yes;
}

uint32_t words_take(struct slice s, bool always)
{
    uint32_t hash = hash_bytes(s.p, s.n);

    for (uint32_t id = all.n_slots ? *slot_of(hash) : 0; id; id = word(id)->next)
        if (slice_eq(text_of(word(id)), s)) {
            word(id)->refs++;
            return id;
        }
    if (!seen_before(hash) && !always)
        return 0;
    if (all.by_id.n - all.vacant.n > WORDS_MAX || s.n > UINT32_MAX)
        return 0;
    return add(s, hash);
}

struct slice words_text(uint32_t id)
{
    return text_of(word(id));
}

void words_drop(uint32_t id)
{
    struct word *w = word(id);

    if (--w->refs)
        return;
    uint32_t *at = slot_of(hash_bytes(w->text, w->len));
    while (*at != id)
        at = &word(*at)->next;
    *at = w->next;
    all.by_id.v[id] = NULL;
    vec_push(&all.vacant, id);
    free(w);
}

size_t words_count(void)
{
    return all.by_id.n ? all.by_id.n - 1 - all.vacant.n : 0;
}
