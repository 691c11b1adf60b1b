#include "base/clock.h"
#include "base/test.h"
#include "kube/queue.h"

static struct queue *q;
static char order[256]; /* keys as they were run */
static bool end_at_once;

static void run(unused void *ctx, const char *key)
{
    strncat(order, key, sizeof order - strlen(order) - 1);
    if (end_at_once)
        queue_done(q, key, QUEUE_FORGET, 0);
}

static void setup(uv_loop_t *loop, unsigned concurrency, bool at_once)
{
    uv_loop_init(loop);
    q = queue_new(loop, &(struct queue_opts){.concurrency = concurrency, .run = run});
    order[0] = 0;
    end_at_once = at_once;
}

static void teardown(uv_loop_t *loop)
{
    queue_free(q);
    uv_run(loop, UV_RUN_DEFAULT);
    CHECK_INT(uv_loop_close(loop), 0);
}

/* Runs the loop until nothing is ready that could start. */
static void turn(uv_loop_t *loop)
{
    for (int i = 0; i < 5; i++)
        uv_run(loop, UV_RUN_NOWAIT);
}

TEST(one_key_runs_once)
{
    uv_loop_t loop;

    setup(&loop, 4, true);
    queue_add(q, "a");
    queue_add(q, "b");
    queue_add(q, "a");
    CHECK_STR(order, ""); /* never from inside an add */
    turn(&loop);
    CHECK_STR(order, "ab");
    CHECK_INT(queue_depth(q), 0);
    teardown(&loop);
}

TEST(never_twice_at_the_same_time)
{
    uv_loop_t loop;

    setup(&loop, 4, false);
    queue_add(q, "a");
    turn(&loop);
    queue_add(q, "a");
    queue_add(q, "a");
    turn(&loop);
    CHECK_STR(order, "a");
    CHECK_INT(queue_running(q), 1);
    queue_done(q, "a", QUEUE_FORGET, 0);
    turn(&loop);
    CHECK_STR(order, "aa");
    queue_done(q, "a", QUEUE_FORGET, 0);
    turn(&loop);
    CHECK_STR(order, "aa");
    teardown(&loop);
}

TEST(concurrency_and_priority)
{
    uv_loop_t loop;

    setup(&loop, 2, false);
    queue_add_low(q, "x");
    queue_add_low(q, "y");
    queue_add(q, "a");
    queue_add(q, "b");
    queue_add(q, "y"); /* a live event lifts it */
    turn(&loop);
    CHECK_STR(order, "ab");
    queue_done(q, "b", QUEUE_FORGET, 0);
    turn(&loop);
    queue_done(q, "a", QUEUE_FORGET, 0);
    turn(&loop);
    CHECK_STR(order, "abyx");
    teardown(&loop);
}

TEST(lent_places)
{
    uv_loop_t loop;

    setup(&loop, 1, false);
    queue_add(q, "a");
    queue_add(q, "b");
    queue_add(q, "c");
    turn(&loop);
    CHECK_STR(order, "a");
    queue_lend(q, -1); /* a waits */
    turn(&loop);
    CHECK_STR(order, "ab");
    queue_lend(q, 1);
    queue_done(q, "a", QUEUE_FORGET, 0);
    turn(&loop);
    CHECK_STR(order, "ab");
    queue_done(q, "b", QUEUE_FORGET, 0);
    turn(&loop);
    CHECK_STR(order, "abc");
    teardown(&loop);
}

TEST(paused)
{
    uv_loop_t loop;

    setup(&loop, 1, true);
    queue_pause(q, true);
    queue_add(q, "a");
    turn(&loop);
    CHECK_STR(order, "");
    queue_pause(q, false);
    turn(&loop);
    CHECK_STR(order, "a");
    teardown(&loop);
}

TEST(earliest_time_wins)
{
    uv_loop_t loop;

    setup(&loop, 1, true);
    int64_t start = clock_mono_ns();
    queue_add_after(q, "late", 60 * INT64_C(1000000000));
    queue_add_after(q, "late", 90 * INT64_C(1000000000));
    queue_add_after(q, "c", 30 * INT64_C(1000000));
    queue_add_after(q, "b", 20 * INT64_C(1000000));
    queue_add_after(q, "a", 40 * INT64_C(1000000));
    queue_add_after(q, "a", 10 * INT64_C(1000000));
    CHECK_INT(queue_delayed(q), 4);
    while (strlen(order) < 3)
        uv_run(&loop, UV_RUN_ONCE);
    CHECK_STR(order, "abc");
    CHECK(clock_mono_ns() - start >= 30 * INT64_C(1000000));
    queue_add(q, "late"); /* an event does not wait for the delay, and uses it up */
    turn(&loop);
    CHECK_STR(order, "abclate");
    CHECK_INT(queue_delayed(q), 0);
    teardown(&loop);
}

TEST(backoff)
{
    uv_loop_t loop;

    CHECK_INT(queue_backoff_ns(0), 5000000);
    CHECK_INT(queue_backoff_ns(3), 40000000);
    CHECK_INT(queue_backoff_ns(17), INT64_C(655360000000));
    CHECK_INT(queue_backoff_ns(18), INT64_C(1000000000000));
    CHECK_INT(queue_backoff_ns(1000), INT64_C(1000000000000));
    setup(&loop, 1, false);
    queue_add(q, "a");
    turn(&loop);
    queue_done(q, "a", QUEUE_RETRY, 60 * INT64_C(1000000000)); /* an error beats a delay */
    CHECK_INT(queue_failures(q, "a"), 1);
    while (strlen(order) < 2)
        uv_run(&loop, UV_RUN_ONCE);
    queue_done(q, "a", QUEUE_AGAIN, 0);
    CHECK_INT(queue_failures(q, "a"), 1);
    turn(&loop);
    CHECK_STR(order, "aaa");
    queue_done(q, "a", QUEUE_FORGET, 1000000);
    CHECK_INT(queue_failures(q, "a"), 0);
    CHECK_INT(queue_delayed(q), 1);
    teardown(&loop);
}

static unsigned ran;
static void count(unused void *ctx, const char *key)
{
    ran++;
    queue_done(q, key, QUEUE_FORGET, 0);
}

TEST(many_delays)
{
    uv_loop_t loop;
    uint32_t x = 1;

    setup(&loop, 1, true);
    queue_free(q);
    q = queue_new(&loop, &(struct queue_opts){.run = count});
    ran = 0;
    for (int i = 0; i < 2000; i++) {
        char key[16];
        x = x * 1664525u + 1013904223u;
        snprintf(key, sizeof key, "k%d", i % 700);
        queue_add_after(q, key, (int64_t)(x >> 12) + 1);
        if (i % 5 == 0)
            queue_add(q, key);
    }
    while (queue_delayed(q) + queue_depth(q))
        uv_run(&loop, UV_RUN_ONCE);
    CHECK_INT(ran, 700);
    teardown(&loop);
}
