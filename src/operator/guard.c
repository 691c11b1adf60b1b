#include "operator/guard.h"
#include "base/clock.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

struct guard *guard_new(void)
{
    struct guard *g =
        mmap(NULL, sizeof *g, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (g == MAP_FAILED)
        abort();
    return g;
}

void guard_free(struct guard *g)
{
    if (g)
        munmap(g, sizeof *g);
}

void guard_enter(struct guard *g, const char *uid, int64_t generation)
{
    if (!g)
        return;
    snprintf(g->uid, sizeof g->uid, "%s", uid);
    g->generation = generation;
    g->since = clock_mono_ns();
    g->entered++;
}

void guard_leave(struct guard *g)
{
    if (g)
        g->entered++;
}

static const struct guard_record *find(const struct guard *g, const char *uid)
{
    for (size_t i = 0; i < GUARD_RECORDS; i++)
        if (g->records[i].kills && !strcmp(g->records[i].uid, uid))
            return &g->records[i];
    return NULL;
}

bool guard_quarantined(const struct guard *g, const char *uid, int64_t generation)
{
    const struct guard_record *r = g ? find(g, uid) : NULL;

    return r && r->generation == generation && r->kills >= GUARD_KILLS;
}

static bool is_inside(const struct guard *g)
{
    return g->entered & 1;
}

bool guard_blame(struct guard *g, int signal)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    struct guard_record *r;
    bool counts = false;

    for (size_t i = 0; i < ARRAY_SIZE(crashes); i++)
        counts = counts || crashes[i] == signal;
    if (!counts || !is_inside(g))
        return false;
    r = (struct guard_record *)(uintptr_t)find(g, g->uid);
    if (!r) {
        r = &g->records[g->next++ % GUARD_RECORDS];
        *r = (struct guard_record){.generation = g->generation};
        memcpy(r->uid, g->uid, sizeof r->uid);
    }
    if (r->generation != g->generation) { /* it was changed since: a fresh start */
        r->generation = g->generation;
        r->kills = 0;
    }
    r->kills++;
    return true;
}

bool guard_too_long(const struct guard *g, int64_t now_ns)
{
    return is_inside(g) && now_ns - g->since > GUARD_PLAN_NS;
}

void guard_reset(struct guard *g)
{
    if (is_inside(g))
        g->entered++;
}
