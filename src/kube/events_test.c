#include "kube/events.h"
#include "kube/fake.h"

static bool refuse_all, cut_one;

static void serve(struct http_req *r, const char *line)
{
    if (cut_one) {
        cut_one = false;
        http_cut(r);
    } else if (refuse_all)
        fake_json(r, 422,
                  "{\"kind\":\"Status\",\"reason\":\"Invalid\",\"message\":\"note too long\"}");
    else
        fake_json(r, strstr(line, "POST") ? 201 : 200, "{\"kind\":\"Event\"}");
}

static struct json *cluster(const char *rv)
{
    struct json *j = NULL;
    struct err err;
    char text[300];

    snprintf(text, sizeof text,
             "{\"apiVersion\":\"ray.io/v1\",\"kind\":\"RayCluster\",\"metadata\":{\"name\":\"c\","
             "\"namespace\":\"ns\",\"uid\":\"u\",\"resourceVersion\":\"%s\"}}",
             rv);
    CHECK_OK(json_parse(slice_of(text), &j, &err), &err);
    return j;
}

static void emit(struct recorder *r, struct json *about, const char *reason, const char *note)
{
    recorder_emit(r, &(struct event){.controller = "raycluster-controller",
                                     .reason = reason,
                                     .action = "Create",
                                     .note = note,
                                     .regarding = json_root(about)});
}

/* Two lines of the record: the request and its body. */
static unsigned lines(void)
{
    unsigned n = 0;

    for (const char *c = buf_str(&fake.record); *c; c++)
        n += *c == '\n';
    return n;
}

static void start(struct kube **k, struct recorder **r)
{
    fake_start(serve);
    fake.bodies = true;
    refuse_all = false;
    *k = fake_kube(NULL);
    *r = recorder_new(*k, "host");
}

static void stop(struct kube *k, struct recorder *r)
{
    recorder_free(r);
    fake_stop(k);
}

TEST(fields)
{
    struct kube *k;
    struct recorder *r;
    autojson struct json *c = cluster("7"), *body = NULL;
    struct err err;

    start(&k, &r);
    emit(r, c, "CreatedHeadPod", "Created head Pod ns/c-head");
    FAKE_UNTIL(lines() == 2 && recorder_queued(r) == 0);
    char *text = strstr(buf_str(&fake.record), "  {");
    CHECK(strstr(buf_str(&fake.record), "POST /apis/events.k8s.io/v1/namespaces/ns/events\n"));
    CHECK_OK(json_parse(slice_trim(slice_of(text)), &body, &err), &err);
    yyjson_val *v = json_root(body);
    CHECK_STR(json_get_str(v, "reportingController", ""), "raycluster-controller");
    CHECK_STR(json_get_str(v, "reportingInstance", ""), "raycluster-controller-host");
    CHECK_STR(json_get_str(v, "type", ""), "Normal");
    CHECK_STR(json_get_str(v, "action", ""), "Create");
    CHECK_STR(json_get_str(v, "note", ""), "Created head Pod ns/c-head");
    CHECK_STR(json_str_at(v, "regarding.resourceVersion", ""), "7");
    CHECK_STR(json_str_at(v, "regarding.apiVersion", ""), "ray.io/v1");
    CHECK(strncmp(json_str_at(v, "metadata.name", ""), "c.", 2) == 0);
    CHECK_INT(strlen(json_get_str(v, "eventTime", "")), strlen("2006-01-02T15:04:05.000000Z"));
    stop(k, r);
}

TEST(series)
{
    struct kube *k;
    struct recorder *r;
    autojson struct json *c = cluster("7"), *later = cluster("8");

    start(&k, &r);
    emit(r, c, "CreatedWorkerPod", "one");
    emit(r, c, "CreatedWorkerPod", "two");
    emit(r, c, "CreatedWorkerPod", "three"); /* only counted */
    FAKE_UNTIL(recorder_queued(r) == 0);
    CHECK_INT(lines(), 4);
    CHECK(strstr(buf_str(&fake.record), "PATCH /apis/events.k8s.io/v1/namespaces/ns/events/c."));
    CHECK(strstr(buf_str(&fake.record), "  {\"series\":{\"count\":2,\"lastObservedTime\":\""));
    emit(r, later, "CreatedWorkerPod", "four"); /* another version: another Event */
    emit(r, c, "CreatedHeadPod", "five");
    FAKE_UNTIL(recorder_queued(r) == 0);
    CHECK_INT(lines(), 8);
    stop(k, r);
}

TEST(a_lost_answer_holds_up_nobody)
{
    struct kube *k;
    struct recorder *r;
    autojson struct json *c = cluster("7");

    start(&k, &r);
    cut_one = true;
    emit(r, c, "A", "lost");
    emit(r, c, "B", "x");
    emit(r, c, "C", "x");
    FAKE_UNTIL(recorder_queued(r) == 1);
    CHECK_INT(fake.requests, 3);
    stop(k, r);
}

TEST(refused_events_are_dropped)
{
    struct kube *k;
    struct recorder *r;
    autojson struct json *c = cluster("7");

    start(&k, &r);
    refuse_all = true;
    emit(r, c, "A", "x");
    emit(r, c, "A", "y");
    FAKE_UNTIL(recorder_queued(r) == 0);
    CHECK_INT(fake.requests, 1);
    refuse_all = false;
    emit(r, c, "A", "z");
    FAKE_UNTIL(recorder_queued(r) == 0);
    CHECK_INT(fake.requests, 2);
    stop(k, r);
}

static bool drained;
static void on_drained(unused void *ctx)
{
    drained = true;
}

TEST(bounded_and_drained)
{
    struct kube *k;
    struct recorder *r;
    autojson struct json *c = cluster("7");
    char reason[16];

    start(&k, &r);
    for (int i = 0; i < 1500; i++) {
        snprintf(reason, sizeof reason, "R%d", i);
        emit(r, c, reason, "x");
    }
    CHECK_INT(recorder_queued(r), 1000);
    drained = false;
    recorder_drain(r, on_drained, NULL);
    FAKE_UNTIL(drained);
    CHECK(fake.requests <= 1000);
    stop(k, r);
}
