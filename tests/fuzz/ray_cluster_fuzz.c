/*
 * Planners of RayClusters over whatever an API server might hold: [cluster, other objects…]. They
 * may refuse, but neither crash nor loop.
 */
#include "ray/fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct planner *const planners[] = {&raycluster_planner, &networkpolicy_planner,
                                                 &mtls_planner};

static void run(const struct planner *planner, struct snapshot s)
{
    struct plan first, second;
    struct outcome o = {.plan = &first};
    struct buf text cleanup(buf_done) = BUF_INIT;

    plan_init(&first);
    plan_init(&second);
    planner->plan(&s, &first);
    plan_print(&first, &text);
    if (!first.done && planner->finish)
        planner->finish(&s, &o, &second);
    plan_print(&second, &text);
    plan_done(&second);
    plan_done(&first);
}

/* Everything on, and one scheduler or another by the size of the input. */
static struct ray_options *options(struct arena *a, size_t size)
{
    static const char *const schedulers[] = {NULL, "volcano", "yunikorn", "scheduler-plugins"};
    struct ray_options *o = fixture_options(a, NULL);

    for (int i = 0; i < FEATURE_COUNT; i++)
        o->features[i] = true;
    o->cert_manager = true;
    o->batch_scheduler = schedulers[size % ARRAY_SIZE(schedulers)];
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t entropy[32];
    struct arena a cleanup(arena_done) = {0};
    struct json *j autojson = NULL;
    struct fixture world cleanup(fixture_done) = {0};

    if (json_parse((struct slice){(const char *)data, size}, &j, NULL) < 0)
        return 0;
    json_each(json_root(j), o, i, n)
        if (fixture_kind(o) != KIND_COUNT)
            fixture_put(&world, o);
    for (size_t k = 0; k < ARRAY_SIZE(planners); k++)
        run(planners[k], (struct snapshot){.kind = KIND_RAYCLUSTER,
                                           .object = yyjson_arr_get_first(json_root(j)),
                                           .world = fixture_world(&world),
                                           .options = options(&a, size),
                                           .entropy = entropy});
    return 0;
}
