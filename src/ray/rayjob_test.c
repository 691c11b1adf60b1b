/*
 * RayJob's planner as stories: a file of steps (what the world does) becomes the text of every
 * plan, compared with a golden file. Plans are carried out on a world in memory.
 */
#include "ray/fixture.h"
#include "ray/plan/rayjob.h"

#include "base/test.h"
#include "base/timefmt.h"

struct story {
    const char *name; /* of the RayJob */
    struct fixture world;
    struct arena arena;
    struct ray_options *options;
    yyjson_val *step;
    int64_t now;
    uint32_t attempt;
    struct buf out;
};

static const char ns[] = "ns1";

static struct dash_answer dash_answer(yyjson_val *v)
{
    const char *word = json_str(v, NULL);

    if (!v)
        return (struct dash_answer){DASH_NONE, NULL, NULL};
    if (!word)
        return (struct dash_answer){DASH_OK, v, NULL};
    if (!strcmp(word, "404"))
        return (struct dash_answer){DASH_NOT_FOUND, NULL, NULL};
    return (struct dash_answer){DASH_FAILED, NULL, word};
}

static struct snapshot snapshot(struct story *t, bool asked)
{
    return (struct snapshot){
        .kind = KIND_RAYJOB,
        .object = fixture_get(&t->world, KIND_RAYJOB, ns, t->name),
        .world = fixture_world(&t->world),
        .job = asked ? dash_answer(json_get(t->step, "job")) : (struct dash_answer){0},
        .now_ns = t->now,
        .options = t->options,
        .attempt = t->attempt++,
    };
}

static void put_status(struct story *t, const struct action *a)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *whole = json_thaw(doc, fixture_get(&t->world, a->kind, a->ns, a->name));

    json_put(doc, whole, "status", json_dup(doc, json_mut_get(a->body, "status")));
    autojson struct json *frozen = json_freeze(whole);
    fixture_put(&t->world, json_root(frozen));
}

static void carry_out(struct story *t, const struct action *a)
{
    if (a->act == ACT_CREATE || a->act == ACT_UPDATE) {
        autojson struct json *frozen = json_freeze(a->body);
        fixture_put(&t->world, json_root(frozen));
    } else if (a->act == ACT_UPDATE_STATUS) {
        put_status(t, a);
    } else if (a->act == ACT_DELETE) {
        fixture_remove(&t->world, a->kind, a->ns, a->name);
    }
}

/* The plan's text; of a status write only the status, or the stories would be all bodies. */
static void print(struct story *t, struct plan *p)
{
    for (size_t i = 0; i < p->actions.n; i++) {
        struct action *a = &p->actions.v[i];
        if (a->act != ACT_UPDATE_STATUS)
            continue;
        yyjson_mut_val *status = json_mut_get(a->body, "status");
        a->body = yyjson_mut_obj(p->doc);
        json_put(p->doc, a->body, "status", json_dup(p->doc, status));
    }
    plan_print(p, &t->out);
}

static void carry_out_all(struct story *t, struct plan *p)
{
    for (size_t i = 0; i < p->actions.n; i++)
        carry_out(t, &p->actions.v[i]);
}

static void finish(struct story *t, struct plan *first)
{
    struct outcome outcome = {.plan = first};
    struct snapshot s = snapshot(t, false);
    struct plan p;

    for (size_t i = 0; i < first->actions.n; i++)
        if (first->actions.v[i].act == ACT_DASH_SUBMIT && json_get(t->step, "submitFails"))
            outcome.failed = &first->actions.v[i];
    outcome.error = outcome.failed ? "refused" : NULL;
    plan_init(&p);
    rayjob_planner.finish(&s, &outcome, &p);
    buf_adds(&t->out, "after that:\n");
    carry_out_all(t, &p);
    print(t, &p);
    plan_done(&p);
}

/* One reconcile; with a question to the dashboard it is planned again with the step's answer. */
static void reconcile(struct story *t, bool asked)
{
    struct snapshot s = snapshot(t, asked);
    struct plan p;

    if (!s.object) {
        buf_adds(&t->out, "the RayJob is gone\n");
        return;
    }
    plan_init(&p);
    rayjob_planner.plan(&s, &p);
    if (p.ask == ASK_JOB && !asked) {
        buf_printf(&t->out, "ask %s about %s\n", p.dash.url, p.dash_job);
        reconcile(t, true);
    } else {
        carry_out_all(t, &p);
        print(t, &p);
        if (!p.done)
            finish(t, &p);
    }
    plan_done(&p);
}

static void world_moves(struct story *t)
{
    json_each(json_get(t->step, "put"), object, i, n)
        fixture_put(&t->world, object);
    json_each(json_get(t->step, "remove"), item, k, m)
        fixture_remove(&t->world, fixture_kind(item), ns, json_str_at(item, "metadata.name", ""));
    yyjson_val *patch = json_get(t->step, "patch"); /* of the RayJob */
    if (patch) {
        automut yyjson_mut_doc *doc = json_mut_new();
        autojson struct json *patched = json_freeze(
            yyjson_merge_patch(doc, fixture_get(&t->world, KIND_RAYJOB, ns, t->name), patch));
        fixture_put(&t->world, json_root(patched));
    }
}

static void tell(const char *file)
{
    struct story t = {.now = 1767323045 * SECOND_NS}; /* 2026-01-02T03:04:05Z */
    const char *in = arena_printf(&t.arena, "rayjob/%s.json", file);
    autojson struct json *j = fixture_json(in);
    char now[TIME_TEXT];

    t.options = fixture_options(&t.arena, json_root(j));
    t.name = json_str_at(json_root(j), "object.metadata.name", "");
    fixture_put(&t.world, json_get(json_root(j), "object"));
    json_each(json_get(json_root(j), "steps"), step, i, n) {
        t.step = step;
        t.now += json_int_at(step, "seconds", 3) * SECOND_NS;
        world_moves(&t);
        buf_printf(&t.out, "-- %s: %s\n", time_rfc3339(t.now, now) + 11,
                   json_get_str(step, "say", ""));
        reconcile(&t, false);
    }
    CHECK_GOLDEN(fixture_path(&t.arena, arena_printf(&t.arena, "rayjob/%s.txt", file)),
                 buf_str(&t.out));
    buf_done(&t.out);
    fixture_done(&t.world);
    arena_done(&t.arena);
}

TEST(k8s_job_mode_runs_to_its_end)
{
    tell("k8s");
}

TEST(http_mode_submits_fails_and_retries)
{
    tell("http");
}

TEST(deleted_while_it_runs)
{
    tell("delete");
}

TEST(suspended_and_resumed)
{
    tell("suspend");
}

TEST(rj_046_head_service)
{
    tell("head-service");
}

TEST(sidecar_has_its_own_cluster)
{
    tell("sidecar");
}

TEST(deletion_rules_take_the_most_destructive_first)
{
    tell("rules");
}

TEST(deadlines_and_lost_dashboards)
{
    tell("deadline");
}

TEST(rj_080_volcano)
{
    static const char *const stories[] = {
        "volcano",          "volcano-keeps-cluster", "volcano-retry", "volcano-bad-tier",
        "volcano-selector", "volcano-sidecar",       "volcano-http"};

    for (size_t i = 0; i < ARRAY_SIZE(stories); i++)
        tell(stories[i]);
}

TEST(rj_081_yunikorn)
{
    tell("yunikorn");
    tell("yunikorn-own-groups");
    tell("yunikorn-selector");
}

TEST(rj_082_kai_and_scheduler_plugins)
{
    tell("kai");
    tell("kai-http");
    tell("scheduler-plugins");
}

TEST(workload_aware_scheduling_leaves_ray_jobs_alone)
{
    tell("was");
}

/* V1 … V31: one line a case. */
TEST(validation)
{
    autojson struct json *cases = fixture_json("rayjob/validate.json");
    struct buf out cleanup(buf_done) = BUF_INIT;
    struct arena a cleanup(arena_done) = {0};

    json_each(json_root(cases), item, i, n) {
        struct plan p;
        struct snapshot s = {.object = json_get(item, "object"),
                             .options = fixture_options(&a, item)};
        struct rayjob j;
        const char *reason = "";
        plan_init(&p);
        rayjob_init(&j, &s, &p);
        const char *why = rayjob_invalid(&j, &reason);
        buf_printf(&out, "%s: %s%s%s\n", json_get_str(item, "say", ""), why ? reason : "ok",
                   why ? ": " : "", why ? why : "");
        plan_done(&p);
    }
    CHECK_GOLDEN(fixture_path(&a, "rayjob/validate.txt"), buf_str(&out));
}
