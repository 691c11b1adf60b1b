/*
 * RayCluster scenarios in memory: what the planners leave behind, also when the operator dies after
 * any of its writes. tests/golden/ray/scenarios has the scenarios, and what they end in.
 */
#include "scenario.h"

#include "base/test.h"

#include <dirent.h>

struct run {
    struct json *file;
    struct sim s;
    struct buf out;
    yyjson_val *facts; /* records to compare with, or NULL */
    bool broken;
};

static void record(void *arg, struct sim *s, const char *label)
{
    struct run *r = arg;

    buf_printf(&r->out, "== %s\n", label);
    if (r->facts)
        facts_compare(s, json_get(r->facts, label), &r->out);
    else
        scenario_dump(s, &r->out);
}

static struct json *read_json(const char *path)
{
    struct buf text cleanup(buf_done) = BUF_INIT;
    struct json *j = NULL;

    return file_read(path, &text, NULL) < 0 || json_parse(buf_slice(&text), &j, NULL) < 0 ? NULL
                                                                                          : j;
}

/* Plays once; the records as text into out. Gives how often the operator died; -1: cannot be
 * played. */
static int play(yyjson_val *scenario, yyjson_val *facts, long budget, struct buf *out,
                struct buf *story)
{
    struct arena a cleanup(arena_done) = {0};
    struct ray_options *o = scenario_options(&a, scenario);
    struct run r = {.facts = facts};

    if (!o)
        return -1;
    sim_init(&r.s, o);
    r.s.budget = budget;
    r.s.verbose = story != NULL;
    scenario_play(&r.s, scenario, record, &r);
    buf_adds(out, buf_str(&r.out));
    if (story)
        buf_adds(story, buf_str(&r.s.story));
    buf_done(&r.out);
    int deaths = (int)r.s.deaths;
    sim_done(&r.s);
    return deaths;
}

/* Calls fn for each NAME.json in dir that starts with one of our prefixes. */
static int each_scenario(const char *dir, void (*fn)(const char *dir, const char *name))
{
    static const char *const prefixes[] = {"rc-",
                                           "gate-",
                                           "volcano-cluster",
                                           "volcano-scale",
                                           "yunikorn-cluster",
                                           "kai-cluster",
                                           "scheduler-plugins-cluster"};
    struct dirent **list;
    int n = scandir(dir, &list, NULL, alphasort), found = 0;

    for (int i = 0; i < n; i++) {
        char *dot = strstr(list[i]->d_name, ".json");

        for (size_t k = 0; dot && k < ARRAY_SIZE(prefixes); k++)
            if (!strncmp(list[i]->d_name, prefixes[k], strlen(prefixes[k]))) {
                *dot = 0;
                fn(dir, list[i]->d_name);
                found++;
                break;
            }
        free(list[i]);
    }
    if (n >= 0)
        free(list);
    return found;
}

/* Bodies are long, and the records show the objects. */
static void without_bodies(struct buf *out, const char *story)
{
    struct slice rest = slice_of(story), line;

    while (slice_cut(&rest, '\n', &line))
        if (!slice_starts(line, SLICE("    {")) && line.n)
            buf_printf(out, "%.*s\n", SLICE_FMT(line));
}

static void check_golden(const char *dir, const char *name)
{
    struct arena a cleanup(arena_done) = {0};
    struct json *j autojson = read_json(arena_printf(&a, "%s/%s.json", dir, name));
    struct buf out cleanup(buf_done) = BUF_INIT, story cleanup(buf_done) = BUF_INIT,
                   text cleanup(buf_done) = BUF_INIT;

    if (play(json_root(j), NULL, -1, &out, &story) < 0)
        FAIL("%s: cannot be played", name);
    without_bodies(&text, buf_str(&story));
    buf_adds(&text, buf_str(&out));
    CHECK_GOLDEN(arena_printf(&a, "%s/%s.txt", dir, name), buf_str(&text));
}

TEST(stories)
{
    struct arena a cleanup(arena_done) = {0};

    CHECK(each_scenario(fixture_path(&a, "scenarios"), check_golden) > 0);
}

/* More data than the tree has: a directory beside it, when somebody has put it there. */
static const char *more_scenarios(struct arena *a)
{
    const char *dir = getenv("MANTA_SHARED"), *root = getenv("MANTA_SOURCE");

    return dir ? arena_printf(a, "%s/conformance/scenarios", dir)
               : arena_printf(a, "%s/../shared/conformance/scenarios", root ? root : ".");
}

/* Single passes, refusals and time-outs make the moment of a death matter. */
static bool counts_passes(yyjson_val *scenario)
{
    if (json_bool_at(scenario, "timed", false))
        return true;
    json_each(json_get(scenario, "steps"), step, i, n)
        if (json_get(step, "pass") || json_get(step, "refuse"))
            return true;
    return false;
}

/* The operator dies after its 1st, 2nd, … write: nobody can tell afterwards. */
static void check_prefixes(const char *dir, const char *name)
{
    struct arena a cleanup(arena_done) = {0};
    struct json *j autojson = read_json(arena_printf(&a, "%s/%s.json", dir, name));
    struct buf want cleanup(buf_done) = BUF_INIT;

    if (!j || counts_passes(json_root(j)) || play(json_root(j), NULL, -1, &want, NULL) < 0)
        return;
    for (long k = 0; k < 200; k++) {
        struct buf got cleanup(buf_done) = BUF_INIT;

        if (!play(json_root(j), NULL, k, &got, NULL))
            return;
        if (strcmp(buf_str(&got), buf_str(&want)) != 0) {
            FAIL("%s: differs when the operator dies after %ld writes\n--- want\n%s--- got\n%s",
                 name, k, buf_str(&want), buf_str(&got));
            return;
        }
    }
}

TEST(every_prefix)
{
    struct arena a cleanup(arena_done) = {0};

    CHECK(each_scenario(fixture_path(&a, "scenarios"), check_prefixes) > 0);
    each_scenario(more_scenarios(&a), check_prefixes);
}

/* What these show is refused, added or kept by a real API server, or is another planner's. */
static bool needs_server(const char *name)
{
    static const char *const names[] = {"gate-k8s-token",         "gate-network-policy-job",
                                        "gate-rocksdb-delete",    "rc-bad-upgrade-type",
                                        "rc-head-service-custom", "rc-pod-details"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

static void check_facts(const char *dir, const char *name)
{
    struct arena a cleanup(arena_done) = {0};
    struct json *j autojson = read_json(arena_printf(&a, "%s/%s.json", dir, name));
    struct json *f autojson = read_json(arena_printf(&a, "%s/../expected/%s.json", dir, name));
    struct buf out cleanup(buf_done) = BUF_INIT;
    struct slice rest, line;
    bool bad = false;

    if (needs_server(name) || !j || !f ||
        play(json_root(j), json_get(json_root(f), "records"), -1, &out, NULL) < 0)
        return;
    rest = buf_slice(&out);
    while (slice_cut(&rest, '\n', &line))
        bad |= line.n && !slice_starts(line, SLICE("=="));
    if (bad) {
        FAIL("%s:\n%s", name, buf_str(&out));
    }
}

TEST(recorded_facts)
{
    struct arena a cleanup(arena_done) = {0};

    each_scenario(more_scenarios(&a), check_facts);
}

static size_t count_pods(struct sim *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->world.objects.n; i++)
        n += fixture_kind(json_root(s->world.objects.v[i])) == KIND_POD;
    return n;
}

/* A pass makes a part of a large group and asks to go on at once. */
TEST(rc_051_six_hundred_workers)
{
    static const char text[] =
        "{\"apiVersion\":\"ray.io/"
        "v1\",\"kind\":\"RayCluster\",\"metadata\":{\"name\":\"demo\"},\"spec\":{"
        "\"headGroupSpec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"h\"}]}}},"
        "\"workerGroupSpecs\":[{\"groupName\":\"g\",\"replicas\":600,\"template\":{\"spec\":{"
        "\"containers\":[{\"name\":\"w\"}]}}}]}}";
    struct arena a cleanup(arena_done) = {0};
    struct json *cluster autojson = NULL;
    struct sim s;
    int64_t wait = 0;
    bool error;

    sim_init(&s, fixture_options(&a, NULL));
    CHECK(json_parse(slice_of(text), &cluster, NULL) == 0);
    sim_apply(&s, json_root(cluster));
    sim_pass(&s, &raycluster_planner, "ns", "demo", &wait, &error);
    CHECK_INT(count_pods(&s), 257);
    CHECK_INT(wait, 1);
    sim_settle(&s);
    CHECK_INT(count_pods(&s), 601);
    sim_done(&s);
}
