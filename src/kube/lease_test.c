#include "kube/fake.h"
#include "kube/lease.h"

#include "base/mem.h"
#include "base/timefmt.h"

/* One Lease with optimistic locking. */
static struct {
    char *json; /* NULL: does not exist */
    unsigned rv;
    bool down; /* answers 500 */
    unsigned writes, events;
} server;

static void reply(struct http_req *r, int status)
{
    fake_json(r, status, server.json);
}

static void store_body(struct http_req *r)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    autojson struct json *j = NULL;
    struct err err;
    char rv[16];

    CHECK_OK(json_parse(r->body, &j, &err), &err);
    yyjson_mut_val *v = json_thaw(doc, json_root(j));
    snprintf(rv, sizeof rv, "%u", ++server.rv);
    json_put_str(doc, json_mut_get(v, "metadata"), "resourceVersion", rv);
    autojson struct json *out = json_freeze(v);
    free(server.json);
    server.json = json_text(json_root(out));
    server.writes++;
}

static bool current(struct http_req *r)
{
    autojson struct json *have = NULL, *sent = NULL;

    json_parse(slice_of(server.json), &have, NULL);
    json_parse(r->body, &sent, NULL);
    return strcmp(meta_rv_text(json_root(have)), meta_rv_text(json_root(sent))) == 0;
}

static void serve(struct http_req *r, const char *line)
{
    if (strstr(line, "/events")) {
        server.events++;
        fake_json(r, 201, "{}");
    } else if (server.down) {
        fake_json(r, 500, "{\"kind\":\"Status\",\"reason\":\"InternalError\"}");
    } else if (strncmp(line, "GET", 3) == 0) {
        if (server.json)
            reply(r, 200);
        else
            fake_json(r, 404, "{\"kind\":\"Status\",\"reason\":\"NotFound\"}");
    } else if (server.json && (*line == 'P' && line[1] == 'O')) {
        fake_json(r, 409, "{\"kind\":\"Status\",\"reason\":\"AlreadyExists\"}");
    } else if (server.json && !current(r)) {
        fake_json(r, 409, "{\"kind\":\"Status\",\"reason\":\"Conflict\"}");
    } else {
        store_body(r);
        reply(r, 200);
    }
}

static int started[2], lost[2];
static void on_started(void *ctx)
{
    started[(intptr_t)ctx]++;
}
static void on_lost(void *ctx)
{
    lost[(intptr_t)ctx]++;
}

static struct lease *candidate(int i, bool release)
{
    static const char *const names[] = {"one", "two"};
    struct lease *l = NULL;
    struct err err = {0};

    CHECK_OK(lease_new(&fake.loop, &fake.config,
                       &(struct lease_opts){.ns = "ns",
                                            .name = "leader",
                                            .identity = names[i],
                                            .on_started = on_started,
                                            .on_lost = on_lost,
                                            .ctx = (void *)(intptr_t)i,
                                            .release_on_stop = release,
                                            .duration_ns = SECOND_NS,
                                            .deadline_ns = SECOND_NS * 6 / 10,
                                            .retry_ns = SECOND_NS / 10},
                       &l, &err),
             &err);
    return l;
}

static const char *holder(void)
{
    static char text[64];
    autojson struct json *j = NULL;

    json_parse(slice_of(server.json), &j, NULL);
    snprintf(text, sizeof text, "%s", json_str_at(json_root(j), "spec.holderIdentity", ""));
    return text;
}

static void begin(void)
{
    fake_start(serve);
    memset(&server, 0, sizeof server);
    memset(started, 0, sizeof started);
    memset(lost, 0, sizeof lost);
}

static void finish(void)
{
    fake_stop(NULL);
    free(server.json);
}

TEST(one_leads_until_it_dies)
{
    begin();
    struct lease *a = candidate(0, false);
    FAKE_UNTIL(started[0]);
    fake.bodies = true;
    lease_announce(a);
    FAKE_UNTIL(server.events);
    CHECK(strstr(buf_str(&fake.record), "POST /api/v1/namespaces/ns/events\n"));
    CHECK(strstr(buf_str(&fake.record), "\"message\":\"one became leader\""));
    struct lease *b = candidate(1, false);
    FAKE_UNTIL(server.writes >= 4);
    CHECK_STR(holder(), "one");
    CHECK(lease_held(a) && !lease_held(b));
    lease_free(a); /* as if killed: nothing is given back */
    int64_t begun = (int64_t)uv_hrtime();
    FAKE_UNTIL(started[1]);
    CHECK((int64_t)uv_hrtime() - begun > SECOND_NS * 8 / 10);
    CHECK_STR(holder(), "two");
    CHECK(strstr(server.json, "\"leaseTransitions\":1"));
    lease_free(b);
    finish();
}

static bool stopped;
static void on_stopped(unused void *ctx)
{
    stopped = true;
}

TEST(given_back_when_asked)
{
    begin();
    struct lease *a = candidate(0, true);
    FAKE_UNTIL(started[0]);
    stopped = false;
    lease_stop(a, on_stopped, NULL);
    FAKE_UNTIL(stopped);
    CHECK_STR(holder(), "");
    lease_free(a);
    finish();
}

TEST(lost_when_not_renewed)
{
    begin();
    struct lease *a = candidate(0, false);
    FAKE_UNTIL(started[0]);
    server.down = true;
    FAKE_UNTIL(lost[0]);
    CHECK(!lease_held(a));
    lease_free(a);
    finish();
}

TEST(lost_when_somebody_else_took_it)
{
    begin();
    struct lease *a = candidate(0, false);
    FAKE_UNTIL(started[0]);
    free(server.json);
    server.json =
        xstrdup("{\"metadata\":{\"name\":\"leader\",\"resourceVersion\":\"999\"},\"spec\":{"
                "\"holderIdentity\":\"other\",\"leaseDurationSeconds\":1}}");
    FAKE_UNTIL(lost[0]);
    CHECK_STR(holder(), "other");
    lease_free(a);
    finish();
}

TEST(same_identity_goes_on)
{
    begin();
    struct lease *a = candidate(0, false);
    FAKE_UNTIL(started[0]);
    lease_free(a);
    int64_t begun = (int64_t)uv_hrtime();
    a = candidate(0, false); /* a new worker of the same supervisor */
    FAKE_UNTIL(started[0] == 2);
    CHECK((int64_t)uv_hrtime() - begun < SECOND_NS / 2);
    CHECK(strstr(server.json, "\"leaseTransitions\":0"));
    lease_free(a);
    finish();
}
