/* Nobody waits for somebody else's large cluster or hanging dashboard: told by order, not by
 * clocks. */
#include "kube/fake.h"
#include "kube/queue.h"
#include "operator/controllers.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <unistd.h>

#define LARGE 6    /* clusters: more than keys that may be under way at once */
#define WORKERS 40 /* of each */

/* ---- a server that takes what it is sent ---- */

static unsigned version, posts_of_large, posts_of_small, large_when_small_done;

static void add_cluster(struct buf *b, const char *name, int workers)
{
    buf_printf(
        b,
        "%s{\"apiVersion\":\"ray.io/v1\",\"kind\":\"RayCluster\",\"metadata\":{\"namespace\":"
        "\"ns\",\"name\":\"%s\",\"uid\":\"uid-%s\",\"resourceVersion\":\"5\",\"generation\":1},"
        "\"spec\":{\"headGroupSpec\":{\"rayStartParams\":{},\"template\":{\"spec\":{"
        "\"containers\":[{\"name\":\"h\",\"image\":\"i\"}]}}},\"workerGroupSpecs\":[{"
        "\"groupName\":\"g\",\"replicas\":%d,\"minReplicas\":0,\"maxReplicas\":%d,"
        "\"numOfHosts\":1,"
        "\"rayStartParams\":{},\"template\":{\"spec\":{\"containers\":[{\"name\":\"w\","
        "\"image\":\"i\"}]}}}]}}",
        b->len ? "," : "", name, name, workers, workers);
}

static void serve_list(struct http_req *r, const char *line)
{
    struct buf items cleanup(buf_done) = BUF_INIT;

    for (int i = 0; strstr(line, "/rayclusters") && i < LARGE; i++) {
        char name[16];
        snprintf(name, sizeof name, "large-%d", i);
        add_cluster(&items, name, WORKERS);
    }
    if (items.len)
        add_cluster(&items, "small", 1);
    autofree char *text = xasprintf("{\"metadata\":{\"resourceVersion\":\"10\"},\"items\":[%s]}",
                                    items.len ? buf_str(&items) : "");
    fake_json(r, 200, text);
}

/* The object back, as one that is stored. */
static void serve_write(struct http_req *r)
{
    autojson struct json *sent = NULL;
    automut yyjson_mut_doc *doc = json_mut_new();
    struct err err = {0};
    char text[24];

    CHECK_OK(json_parse(r->body, &sent, &err), &err);
    yyjson_mut_val *object = json_thaw(doc, json_root(sent)),
                   *meta = json_mut_get(object, "metadata");
    snprintf(text, sizeof text, "%u", 100 + ++version);
    json_put_str(doc, meta, "resourceVersion", text);
    if (!*json_mut_str_at(meta, "uid", ""))
        json_put_str(doc, meta, "uid", text);
    const char *cluster = meta_label(json_root(sent), "ray.io/cluster");
    posts_of_large += cluster && !strncmp(cluster, "large", 5);
    posts_of_small += cluster && !strcmp(cluster, "small");
    if (posts_of_small == 3 && !large_when_small_done) /* Service, head, worker */
        large_when_small_done = posts_of_large;
    struct buf body cleanup(buf_done) = BUF_INIT;
    json_mut_write(&body, object);
    fake_json(r, 201, buf_str(&body));
}

static void serve(struct http_req *r, const char *line)
{
    if (strstr(line, "watch=true"))
        http_start(r, 200, NULL, 0);
    else if (strncmp(line, "GET", 3) == 0)
        serve_list(r, line);
    else if (strstr(line, "/events"))
        fake_json(r, 201, "{}");
    else
        serve_write(r);
}

/* ---- a large cluster ---- */

static struct actor a;
static struct controllers *controllers;

static void on_change(unused void *ctx, enum ray_kind kind, yyjson_val *was, yyjson_val *now,
                      bool first_list)
{
    controllers_changed(controllers, kind, was, now, first_list);
}

static void on_filled(unused void *ctx, enum ray_kind kind)
{
    controllers_filled(controllers, kind);
}

static void begin(void)
{
    static struct ray_options options;

    log_threshold = LOG_WARN;
    version = posts_of_large = posts_of_small = large_when_small_done = 0;
    fake_start(serve);
    struct kube *k = fake_kube(&(struct kube_opts){0});
    a = (struct actor){
        .loop = &fake.loop, .kube = k, .options = &options, .concurrency = 1, .now = clock_wall_ns};
    a.observe = observe_new(
        &(struct observe_opts){.kube = k, .on_change = on_change, .on_filled = on_filled});
    a.dash = dash_new(
        &(struct dash_opts){.loop = &fake.loop, .kube = k, .world = observe_world(a.observe)});
    a.recorder = recorder_new(k, "host");
}

static void finish(void)
{
    a.stopping = true;
    controllers_free(controllers);
    controllers = NULL;
    observe_free(a.observe);
    dash_free(a.dash);
    recorder_free(a.recorder);
    fake_stop(a.kube);
}

TEST(many_workers_of_others_delay_no_cluster)
{
    begin();
    controllers = controllers_new(&a);
    controllers_start(controllers);
    FAKE_UNTIL(posts_of_small >= 3);
    /* All take turns, a request each: when the last of seven has made its three objects, the others
     * have made about as many, out of 42. */
    CHECK(large_when_small_done < LARGE * 20);
    FAKE_UNTIL(posts_of_large >= LARGE * (WORKERS + 2));
    finish();
}

/* ---- dashboards that hang ---- */

static char hanging[32];
static struct queue *queue;
static unsigned asked, ended, ended_when_last_ran;

static void plan_by_name(struct snapshot *s, struct plan *p)
{
    p->done = true;
    if (!strncmp(meta_name(s->object), "large", 5)) {
        p->ask = ASK_JOB;
        p->dash = (struct dash_target){.url = hanging};
        p->dash_job = "job";
        asked++;
    } else {
        ended_when_last_ran = ended;
    }
}

static const struct planner asking = {KIND_RAYCLUSTER, "raycluster-controller", plan_by_name, NULL};

static void on_end(void *ctx, unused enum pass_result r, unused int64_t again)
{
    autofree char *key = ctx;

    ended++;
    queue_done(queue, key, QUEUE_FORGET, 0);
}

static void on_wait(unused void *ctx, int places)
{
    queue_lend(queue, places);
}

static void on_run(unused void *ctx, const char *key)
{
    act_run(&a, &asking, "ns", strchr(key, '/') + 1,
            &(struct act_watcher){.on_end = on_end, .on_wait = on_wait, .ctx = xstrdup(key)});
}

static void ignore_change(unused void *ctx, unused enum ray_kind kind, unused yyjson_val *was,
                          unused yyjson_val *now, unused bool first)
{
}

static void count_filled(void *ctx, unused enum ray_kind kind)
{
    ++*(unsigned *)ctx;
}

/* A socket whose connections nobody answers. */
static int open_hanging(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(bind(fd, (struct sockaddr *)&at, n) == 0 && listen(fd, 64) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&at, &n) == 0);
    snprintf(hanging, sizeof hanging, "127.0.0.1:%u", ntohs(at.sin_port));
    return fd;
}

TEST(dashboards_that_hang_delay_nobody)
{
    int fd = open_hanging();
    unsigned filled = 0;

    begin();
    observe_free(a.observe);
    a.observe = observe_new(&(struct observe_opts){
        .kube = a.kube, .on_change = ignore_change, .on_filled = count_filled, .ctx = &filled});
    observe_need(a.observe, KIND_RAYCLUSTER);
    FAKE_UNTIL(filled == 1);
    asked = ended = 0;
    ended_when_last_ran = LARGE;
    queue = queue_new(&fake.loop, &(struct queue_opts){.concurrency = 4, .run = on_run});
    for (int i = 0; i < LARGE; i++) {
        char key[24];
        snprintf(key, sizeof key, "ns/large-%d", i);
        queue_add(queue, key);
    }
    queue_add(queue, "ns/small");
    FAKE_UNTIL(ended_when_last_ran < LARGE);
    CHECK_INT(asked, LARGE);
    CHECK_INT(ended_when_last_ran, 0);
    for (unsigned tries = 0; ended < LARGE + 1 && tries < 4;
         tries++) /* each 2 s: their time is up */
        for (uint64_t end = uv_hrtime() + 3000000000u; ended < LARGE + 1 && uv_hrtime() < end;)
            uv_run(&fake.loop, UV_RUN_ONCE);
    CHECK_INT(ended, LARGE + 1);
    queue_free(queue);
    close(fd);
    finish();
}
