#include "operator/supervisor.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/test.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* What a story of workers leaves behind; shared with the children. */
struct story {
    int workers;           /* started so far */
    int64_t crashed, back; /* monotonic ns */
    bool quarantined;
};

static struct story *story_new(void)
{
    struct story *s =
        mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    log_threshold = LOG_ERROR + 1;
    signal(SIGABRT, SIG_DFL);
    return s;
}

static void die(int number)
{
    signal(number, SIG_DFL); /* a sanitizer's handler would turn the signal into an exit */
    raise(number);
}

/* Plans "a" and dies of it, until it is quarantined. */
static int poisoned(struct guard *g, void *ctx)
{
    struct story *s = ctx;

    s->workers++;
    s->back = clock_mono_ns();
    if (guard_quarantined(g, "a", 1)) {
        s->quarantined = true;
        return 7;
    }
    guard_enter(g, "b", 1);
    guard_leave(g);
    guard_enter(g, "a", 1);
    s->crashed = clock_mono_ns();
    die(SIGSEGV);
    return 1;
}

TEST(an_object_that_kills_two_workers_is_quarantined)
{
    struct story *s = story_new();

    CHECK_INT(supervise(poisoned, s), 7);
    CHECK_INT(s->workers, 3);
    CHECK(s->quarantined);
    CHECK(s->back > s->crashed);
}

static int killed(struct guard *g, void *ctx)
{
    struct story *s = ctx;

    if (++s->workers > 3) {
        s->quarantined = guard_quarantined(g, "a", 1);
        return 0;
    }
    guard_enter(g, "a", 1);
    raise(SIGKILL);
    return 1;
}

TEST(sigkill_never_counts_against_an_object)
{
    struct story *s = story_new();

    CHECK_INT(supervise(killed, s), 0);
    CHECK_INT(s->workers, 4);
    CHECK(!s->quarantined);
}

static int outside(struct guard *g, void *ctx)
{
    struct story *s = ctx;

    if (++s->workers > 3) {
        s->quarantined = guard_quarantined(g, "a", 1);
        return 0;
    }
    guard_enter(g, "a", 1);
    guard_leave(g);
    die(SIGABRT);
    return 1;
}

TEST(a_crash_outside_a_plan_counts_against_nobody)
{
    struct story *s = story_new();

    CHECK_INT(supervise(outside, s), 0);
    CHECK(!s->quarantined);
}

static int endless(struct guard *g, void *ctx)
{
    struct story *s = ctx;

    if (++s->workers > 1)
        return 0;
    signal(SIGABRT, SIG_DFL);
    guard_enter(g, "a", 1);
    for (;;)
        pause();
}

TEST(a_plan_without_end_is_aborted)
{
    struct story *s = story_new();

    CHECK_INT(supervise(endless, s), 0);
    CHECK_INT(s->workers, 2);
}

TEST(a_new_generation_is_a_fresh_start)
{
    struct guard *g = guard_new();

    for (int i = 0; i < GUARD_KILLS; i++) {
        guard_reset(g);
        guard_enter(g, "a", 1);
        CHECK(guard_blame(g, SIGSEGV));
    }
    CHECK(guard_quarantined(g, "a", 1));
    CHECK(!guard_quarantined(g, "a", 2));
    guard_reset(g);
    guard_enter(g, "a", 2);
    CHECK(guard_blame(g, SIGFPE));
    CHECK(!guard_quarantined(g, "a", 2));
    guard_free(g);
}

static int until_term(unused struct guard *g, void *ctx)
{
    struct story *s = ctx;
    sigset_t set;
    int got;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    s->workers++;
    kill(getppid(), SIGTERM);
    sigwait(&set, &got);
    return 42;
}

TEST(sigterm_is_handed_on_and_the_exit_code_comes_back)
{
    struct story *s = story_new();

    CHECK_INT(supervise(until_term, s), 42);
    CHECK_INT(s->workers, 1);
}
