#include "kube/bucket.h"
#include "kube/exec.h"
#include "kube/fake.h"

#include "base/file.h"
#include "base/mem.h"

#include <unistd.h>

static int done_code;
static unsigned done_count;
static char done_msg[1024], done_name[256];

static void done(unused void *ctx, int code, struct json *answer, struct err *err)
{
    done_count++;
    done_code = code;
    snprintf(done_msg, sizeof done_msg, "%s", code < 0 ? err->msg : "");
    snprintf(done_name, sizeof done_name, "%s", meta_name(json_root(answer)));
}

static void reset(void)
{
    done_count = 0;
    done_code = 1;
    done_msg[0] = done_name[0] = 0;
}

static unsigned busy_answers;
static struct http_req *held;

static void serve(struct http_req *r, const char *line)
{
    static const struct http_field patience[] = {{{"content-type", 12}, {"application/json", 16}},
                                                 {{"retry-after", 11}, {"0", 1}}};

    if (strstr(line, "/busy") && busy_answers) {
        busy_answers--;
        http_respond(r, 429, patience, 2,
                     SLICE("{\"kind\":\"Status\",\"reason\":\"TooManyRequests\"}"));
    } else if (strstr(line, "/absent")) {
        fake_json(r, 404,
                  "{\"kind\":\"Status\",\"reason\":\"NotFound\",\"message\":\"pods \\\"absent\\\" "
                  "not found\"}");
    } else if (strstr(line, "/conflict")) {
        fake_json(r, 409, "{\"kind\":\"Status\",\"reason\":\"Conflict\",\"message\":\"changed\"}");
    } else if (strstr(line, "/cut")) {
        http_cut(r);
    } else if (strstr(line, "/plain")) {
        http_reply(r, 500, "text/plain", SLICE("out of order\n"));
    } else if (strstr(line, "/hold")) {
        held = r;
    } else {
        fake_json(r, 200, "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\"}}");
    }
}

static struct kube_call get(const char *name)
{
    return (struct kube_call){
        .verb = KUBE_GET, .gvr = &gvr_pods, .ns = "ns", .name = name, .on_done = done};
}

TEST(answers)
{
    static const struct {
        enum kube_verb verb;
        const char *name;
        int code;
        const char *msg;
    } cases[] = {
        {KUBE_GET, "a", 0, ""},
        {KUBE_GET, "absent", ERR_NOT_FOUND, "pods \"absent\" not found"},
        {KUBE_UPDATE, "conflict", ERR_CONFLICT, "changed"},
        {KUBE_GET, "plain", ERR_INTERNAL, "HTTP 500: out of order"},
        {KUBE_UPDATE, "cut", ERR_LOST, NULL},
        {KUBE_GET, "cut", ERR_IO, NULL},
    };

    fake_start(serve);
    struct kube *k = fake_kube(NULL);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct kube_call c = get(cases[i].name);
        c.verb = cases[i].verb;
        reset();
        kube_call(k, &c);
        CHECK_INT(done_count, 0);
        FAKE_UNTIL(done_count);
        CHECK_INT(done_code, cases[i].code);
        if (cases[i].msg)
            CHECK_STR(done_msg, cases[i].msg);
    }
    fake_stop(k);
}

TEST(lost_writes_are_not_repeated)
{
    fake_start(serve);
    struct kube *k = fake_kube(NULL);
    struct kube_call c = get("cut");

    c.verb = KUBE_CREATE;
    c.body = SLICE("{}");
    reset();
    kube_call(k, &c);
    FAKE_UNTIL(done_count);
    CHECK_INT(done_code, ERR_LOST);
    CHECK_INT(fake.requests, 1);
    fake_stop(k);
}

TEST(patience)
{
    fake_start(serve);
    struct kube *k = fake_kube(NULL);
    struct kube_call c = get("busy");

    busy_answers = 3;
    reset();
    kube_call(k, &c);
    FAKE_UNTIL(done_count);
    CHECK_INT(done_code, 0);
    CHECK_INT(fake.requests, 4);
    busy_answers = 1000;
    reset();
    kube_call(k, &c);
    FAKE_UNTIL(done_count);
    CHECK_INT(done_code, ERR_TOO_MANY_REQUESTS);
    CHECK_INT(fake.requests, 4 + 11);
    fake_stop(k);
}

TEST(cancel_and_close)
{
    fake_start(serve);
    struct kube *k = fake_kube(NULL);
    struct kube_call c = get("hold");

    reset();
    held = NULL;
    struct kube_request *r = kube_call(k, &c);
    FAKE_UNTIL(held);
    kube_call_cancel(r);
    CHECK_INT(done_count, 0);
    FAKE_UNTIL(done_count);
    CHECK_INT(done_code, ERR_CANCELLED);
    reset();
    kube_call(k, &c);
    kube_call_cancel(kube_call(k, &c));
    FAKE_UNTIL(done_count == 1);
    kube_call(k, &c);
    kube_free(k);
    CHECK_INT(done_count, 3);
    fake_stop(NULL);
}

TEST(refused)
{
    fake_start(serve);
    struct kube *k;
    struct kube_call c = get("a");

    fake.config.server = "http://127.0.0.1:1";
    k = fake_kube(NULL);
    c.verb = KUBE_CREATE;
    reset();
    kube_call(k, &c);
    FAKE_UNTIL(done_count);
    CHECK_INT(done_code, ERR_IO); /* never sent: may be repeated */
    fake_stop(k);
}

TEST(at_most_so_many_in_flight)
{
    fake_start(serve);
    struct kube *k = fake_kube(&(struct kube_opts){.max_in_flight = 2});
    struct kube_call hold = get("hold"), quick = get("a");

    reset();
    kube_call(k, &hold);
    kube_call(k, &hold);
    kube_call(k, &quick);
    FAKE_UNTIL(fake.requests == 2);
    for (int i = 0; i < 20; i++)
        uv_run(&fake.loop, UV_RUN_NOWAIT);
    CHECK_INT(fake.requests, 2);
    fake_json(held, 200, "{}");
    FAKE_UNTIL(done_count == 2);
    CHECK_INT(fake.requests, 3);
    fake_stop(k);
}

TEST(bucket)
{
    struct bucket_limit b;

    bucket_init(&b, 10, 3, 0);
    for (int i = 0; i < 3; i++)
        CHECK_INT(bucket_take(&b, 0), 0);
    int64_t wait = bucket_take(&b, 0);
    CHECK(wait > 99000000 && wait < 101000000);
    CHECK_INT(bucket_take(&b, 110000000), 0);
    CHECK(bucket_take(&b, 110000000) > 0);
    for (int i = 0; i < 3; i++)
        CHECK_INT(bucket_take(&b, INT64_C(60000000000)), 0);
    CHECK(bucket_take(&b, INT64_C(60000000000)) > 0);
    bucket_init(&b, 0, 0, 0);
    for (int i = 0; i < 1000; i++)
        CHECK_INT(bucket_take(&b, 0), 0);
}

/* ---- an exec plugin that takes its time ---- */

static unsigned ticks, refusals;
static char seen_token[64];

static void on_tick(unused uv_timer_t *t)
{
    ticks++;
}

static void serve_token(struct http_req *r, unused const char *line)
{
    struct slice auth = http_header(r, "authorization");

    snprintf(seen_token, sizeof seen_token, "%.*s", SLICE_FMT(auth));
    if (refusals) {
        refusals--;
        fake_json(r, 401, "{\"kind\":\"Status\",\"reason\":\"Unauthorized\"}");
    } else {
        fake_json(r, 200, "{\"metadata\":{\"name\":\"a\"}}");
    }
}

/* A script of this text, as the plugin of fake's config. */
static void use_plugin(char *path, const char *script)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    autojson struct json *j = NULL;
    struct err err;

    close(mkstemp(path));
    CHECK_OK(file_write(path, slice_of(script), 0600, &err), &err);
    autofree char *text = xasprintf("{\"apiVersion\":\"client.authentication.k8s.io/v1\","
                                    "\"command\":\"/bin/sh\",\"args\":[\"%s\"]}",
                                    path);
    CHECK_OK(json_parse(slice_of(text), &j, &err), &err);
    CHECK_OK(kube_exec_new(json_thaw(doc, json_root(j)), &fake.config.exec, &err), &err);
}

TEST(an_exec_plugin_holds_up_nobody)
{
    char path[] = "/tmp/manta-plugin-XXXXXX";
    uv_timer_t tick;

    fake_start(serve_token);
    use_plugin(path,
               "sleep 1\necho '{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"t1\"}}'\n");
    struct kube *k = fake_kube(NULL);
    uv_timer_init(&fake.loop, &tick);
    uv_timer_start(&tick, on_tick, 10, 10);
    struct kube_call c = get("a");
    reset();
    ticks = 0;
    kube_call(k, &c);
    kube_call(k, &c);
    FAKE_UNTIL(done_count == 2);
    CHECK_INT(done_code, 0);
    CHECK_STR(seen_token, "Bearer t1");
    CHECK(ticks > 5); /* the loop turned while the plugin slept */

    /* Refused: it is asked again before the next request. */
    refusals = 1;
    kube_call(k, &c);
    FAKE_UNTIL(done_count == 3);
    CHECK_INT(done_code, ERR_UNAUTHORIZED);
    kube_call(k, &c);
    FAKE_UNTIL(done_count == 4);
    CHECK_INT(done_code, 0);

    /* Failing: who waits hears of it. */
    CHECK_OK(file_write(path, SLICE("exit 3\n"), 0600, &(struct err){0}), &(struct err){0});
    kube_config_refused((struct kube_config *)(uintptr_t)kube_config_of(k));
    kube_call(k, &c);
    FAKE_UNTIL(done_count == 5);
    CHECK_INT(done_code, ERR_UNAUTHORIZED);
    CHECK(strstr(done_msg, "failed (status 3)"));

    /* The client goes while the plugin runs. */
    CHECK_OK(file_write(path, SLICE("sleep 1\n"), 0600, &(struct err){0}), &(struct err){0});
    kube_call(k, &c);
    for (uint64_t end = uv_hrtime() + 1500000000u; uv_hrtime() < end;)
        uv_run(&fake.loop, UV_RUN_NOWAIT);
    uv_close((uv_handle_t *)&tick, NULL);
    kube_exec_unref(fake.config.exec);
    fake_stop(k);
    unlink(path);
}

TEST(do_it_at_once)
{
    fake_start(serve);
    struct kube *k = fake_kube(NULL);
    autojson struct json *answer = NULL;
    struct err err;
    struct kube_call c = {.verb = KUBE_GET, .path = "/version"};

    CHECK_OK(kube_do(k, &c, &answer, &err), &err);
    CHECK_STR(meta_name(json_root(answer)), "a");
    CHECK_STR(buf_str(&fake.record), "GET /version\n");
    fake_stop(k);
}
