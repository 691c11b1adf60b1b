#include "kube/fake.h"
#include "operator/act.h"
#include "operator/controllers.h"

#include "base/clock.h"
#include "base/mem.h"

#define CLUSTER                                                                                    \
    "{\"apiVersion\":\"ray.io/"                                                                    \
    "v1\",\"kind\":\"RayCluster\",\"metadata\":{\"namespace\":\"ns\",\"name\":\"c\","              \
    "\"uid\":\"owner\",\"resourceVersion\":\"5\",\"generation\":1},\"spec\":{}}"

/* ---- the server: lists, watches that say nothing, and what the test wants of writes ---- */

static const char *mood; /* "cut after": a create happens, its answer does not arrive; … */
static unsigned posts;
static char created[512]; /* the pod that exists, or "" */

static void serve_list(struct http_req *r, const char *line)
{
    bool clusters = strstr(line, "/rayclusters");
    char text[1024];

    snprintf(text, sizeof text, "{\"metadata\":{\"resourceVersion\":\"10\"},\"items\":[%s]}",
             clusters ? CLUSTER : "");
    fake_json(r, 200, text);
}

static void make_pod(void)
{
    snprintf(created, sizeof created,
             "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"p\",\"uid\":\"pod\","
             "\"resourceVersion\":\"20\","
             "\"labels\":{\"ray.io/"
             "node-type\":\"head\"},\"ownerReferences\":[{\"uid\":\"%s\",\"controller\":true}]}}",
             strcmp(mood, "foreign") == 0 ? "somebody" : "owner");
}

static void serve_post(struct http_req *r)
{
    posts++;
    if (strcmp(mood, "forbidden") == 0) {
        fake_json(r, 403, "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"no room\"}");
    } else if (strcmp(mood, "cut before") == 0 && posts <= 3) {
        http_cut(r);
    } else if (*created) {
        fake_json(r, 409,
                  "{\"kind\":\"Status\",\"reason\":\"AlreadyExists\",\"message\":\"it exists\"}");
    } else {
        make_pod();
        if (strcmp(mood, "cut after") == 0 || strcmp(mood, "foreign") == 0)
            http_cut(r);
        else
            fake_json(r, 201, created);
    }
}

static void serve(struct http_req *r, const char *line)
{
    if (strstr(line, "/events"))
        fake_json(r, 201, "{}");
    else if (strstr(line, "watch=true"))
        http_start(r, 200, NULL, 0);
    else if (strncmp(line, "POST", 4) == 0)
        serve_post(r);
    else if (strncmp(line, "PUT", 3) == 0)
        fake_json(r, 200,
                  "{\"apiVersion\":\"ray.io/"
                  "v1\",\"kind\":\"RayCluster\",\"metadata\":{\"namespace\":\"ns\","
                  "\"name\":\"c\",\"uid\":\"owner\",\"resourceVersion\":\"30\"}}");
    else if (strncmp(line, "DELETE", 6) == 0)
        fake_json(r, 404, "{\"kind\":\"Status\",\"reason\":\"NotFound\",\"message\":\"gone\"}");
    else if (strstr(line, "/pods/"))
        fake_json(r, *created && strstr(line, "/pods/p") ? 200 : 404,
                  *created ? created : "{\"kind\":\"Status\",\"reason\":\"NotFound\"}");
    else
        serve_list(r, line);
}

/* ---- planners ---- */

static struct buf story; /* what finish() saw */

static struct action *add(struct plan *p, enum act act, enum ray_kind kind, const char *name)
{
    struct action *a = plan_action(p, act, kind);

    a->ns = "ns";
    a->name = name;
    a->why = "test";
    return a;
}

static void plan_head(struct snapshot *s, struct plan *p)
{
    struct action *a = add(p, ACT_CREATE, KIND_POD, "p");

    a->body = yyjson_mut_obj(p->doc);
    json_put_str(p->doc, json_ensure(p->doc, a->body, "metadata"), "name", "p");
    yyjson_mut_val *owners =
        json_put_arr(p->doc, json_mut_get(a->body, "metadata"), "ownerReferences");
    json_put_str(p->doc, yyjson_mut_arr_add_obj(p->doc, owners), "uid", meta_uid(s->object));
    a->ok = (struct note){false, "CreatedHeadPod", "Create", "made p", false};
    a->failed = (struct note){true, "FailedToCreateHeadPod", "Create", "no p", true};
    a->marker = "FailedCreateHeadPod";
}

static void finish_head(struct snapshot *s, const struct outcome *o, struct plan *p)
{
    yyjson_val *pod = snap_get(s, KIND_POD, "ns", "p");

    buf_printf(&story, "pod %s, failed %s, error %s\n", pod ? meta_uid(pod) : "-",
               o->failed ? o->failed->marker : "-", o->error ? o->error : "-");
    struct action *a = add(p, ACT_UPDATE_STATUS, KIND_RAYCLUSTER, "c");
    a->body = json_thaw(p->doc, s->object);
    p->requeue_ns = 7;
    if (o->failed)
        p->error = o->error;
}

static void plan_more(struct snapshot *s, struct plan *p)
{
    struct action *gone = add(p, ACT_DELETE, KIND_POD, "q"), *put;

    gone->ignore_not_found = true;
    put = add(p, ACT_UPDATE, KIND_RAYCLUSTER, "c");
    put->body = json_thaw(p->doc, s->object);
    put = add(p, ACT_UPDATE_STATUS, KIND_RAYCLUSTER, "c");
    put->body = json_thaw(p->doc, s->object);
    put->chain = true;
    p->done = true;
}

/* Two names of pods that may not be there: "p" is, once it was made; "q" is not. */
static void plan_named(unused struct snapshot *s, struct plan *p)
{
    static const char *const names[] = {"p", "q"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct action *a = add(p, ACT_DELETE, KIND_POD, names[i]);
        a->ignore_not_found = true;
        a->look_first = true;
        a->ok.reason = "DeletedWorkerPod";
    }
    p->done = true;
}

static void plan_secret(struct snapshot *s, unused struct plan *p)
{
    snap_get(s, KIND_SECRET, "ns", "x");
}

static const struct planner head_planner = {KIND_RAYCLUSTER, "raycluster-controller", plan_head,
                                            finish_head};
static const struct planner more_planner = {KIND_RAYCLUSTER, "raycluster-controller", plan_more,
                                            NULL};
static const struct planner named_planner = {KIND_RAYCLUSTER, "raycluster-controller", plan_named,
                                             NULL};
static const struct planner secret_planner = {KIND_RAYCLUSTER, "raycluster-controller", plan_secret,
                                              NULL};

/* ---- the test's operator ---- */

static struct actor a;
static int result;
static int64_t again;
static unsigned filled;

static void on_change(unused void *ctx, unused enum ray_kind kind, unused yyjson_val *was,
                      unused yyjson_val *now, unused bool first)
{
}
static void on_filled(unused void *ctx, unused enum ray_kind kind)
{
    filled++;
}
static void on_end(unused void *ctx, enum pass_result r, int64_t after)
{
    result = (int)r;
    again = after;
}

static void start(const char *how)
{
    static const struct ray_options options;

    fake_start(serve);
    fake.bodies = true;
    mood = how;
    posts = filled = 0;
    created[0] = 0;
    buf_reset(&story);
    struct kube *k = fake_kube(NULL);
    a = (struct actor){.loop = &fake.loop, .kube = k, .options = &options, .now = clock_wall_ns};
    a.observe = observe_new(
        &(struct observe_opts){.kube = k, .on_change = on_change, .on_filled = on_filled});
    a.recorder = recorder_new(k, "host");
    observe_need(a.observe, KIND_RAYCLUSTER);
    observe_need(a.observe, KIND_POD);
    FAKE_UNTIL(filled == 2);
}

static void run(const struct planner *planner)
{
    result = -1;
    act_run(&a, planner, "ns", "c", &(struct act_watcher){.on_end = on_end});
    FAKE_UNTIL(result >= 0);
    FAKE_UNTIL(recorder_queued(a.recorder) == 0);
}

static void stop(void)
{
    a.stopping = true;
    observe_free(a.observe);
    recorder_free(a.recorder);
    fake_stop(a.kube);
    buf_done(&story);
}

static bool requested(const char *text)
{
    return strstr(buf_str(&fake.record), text) != NULL;
}

TEST(answers_enter_the_store)
{
    start("well");
    run(&head_planner);
    CHECK_INT(result, PASS_DONE);
    CHECK_INT(again, 7);
    CHECK_STR(buf_str(&story), "pod pod, failed -, error -\n");
    CHECK(requested("PUT /apis/ray.io/v1/namespaces/ns/rayclusters/c/status"));
    CHECK(requested("\"reason\":\"CreatedHeadPod\""));
    stop();
}

TEST(failures_are_told)
{
    start("forbidden");
    run(&head_planner);
    CHECK_INT(result, PASS_FAILED);
    CHECK_STR(buf_str(&story), "pod -, failed FailedCreateHeadPod, error no room\n");
    CHECK(requested("\"reason\":\"FailedToCreateHeadPod\""));
    CHECK(requested("\"note\":\"no p: no room\""));
    CHECK(requested("/rayclusters/c/status")); /* the status is written nevertheless */
    stop();
}

TEST(lost_answers_make_no_second_object)
{
    start("cut after");
    run(&head_planner);
    CHECK_INT(result, PASS_DONE);
    CHECK_INT(posts, 2);
    CHECK_STR(buf_str(&story), "pod pod, failed -, error -\n");
    CHECK(requested("\"reason\":\"CreatedHeadPod\""));
    CHECK(!requested("Failed"));
    stop();
    start("cut before"); /* nothing had happened */
    run(&head_planner);
    CHECK_INT(posts, 4);
    CHECK_STR(buf_str(&story), "pod pod, failed -, error -\n");
    stop();
    start("foreign"); /* somebody else's object of that name */
    run(&head_planner);
    CHECK_INT(result, PASS_FAILED);
    CHECK_STR(buf_str(&story),
              "pod -, failed FailedCreateHeadPod, error an object of that name exists\n");
    stop();
}

TEST(versions_are_taken_over)
{
    start("well");
    run(&more_planner);
    CHECK_INT(result, PASS_DONE);
    CHECK(requested("DELETE /api/v1/namespaces/ns/pods/q"));
    const char *status = strstr(buf_str(&fake.record), "/rayclusters/c/status");
    CHECK(status && strstr(status, "\"resourceVersion\":\"30\""));
    stop();
}

/* RC-053: a name that stays in the spec makes no write once its pod is gone. */
TEST(rc_053_what_is_not_there_is_not_deleted)
{
    start("well");
    run(&named_planner);
    CHECK_INT(result, PASS_DONE);
    CHECK(requested("GET /api/v1/namespaces/ns/pods/p\n") && requested("/pods/q\n"));
    CHECK(!requested("DELETE"));
    CHECK(!requested("DeletedWorkerPod"));
    make_pod();
    run(&named_planner);
    CHECK(requested("DELETE /api/v1/namespaces/ns/pods/p"));
    CHECK(!requested("DELETE /api/v1/namespaces/ns/pods/q"));
    stop();
}

TEST(kinds_are_watched_on_demand)
{
    start("well");
    run(&secret_planner);
    CHECK_INT(result, PASS_WAITING);
    FAKE_UNTIL(filled == 3);
    run(&secret_planner);
    CHECK_INT(result, PASS_DONE);
    CHECK(requested("GET /api/v1/secrets?limit=500"));
    stop();
}

TEST(abandoned_at_the_end)
{
    start("well");
    result = -1;
    act_run(&a, &head_planner, "ns", "c", &(struct act_watcher){.on_end = on_end});
    stop();
    CHECK_INT(result, PASS_ABANDONED);
}
