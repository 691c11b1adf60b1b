/* The webhooks' answers, and certificates that change under them. */
#include "operator/webhook.h"
#include "operator/metrics.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/test.h"
#include "data/json.h"
#include "net/client.h"
#include "net/tls.h"

#include <stdlib.h>
#include <unistd.h>

#define CLUSTERS "/validate-ray-io-v1-raycluster"
#define JOBS "/validate-ray-io-v1-rayjob"
#define SERVICES "/validate-ray-io-v1-rayservice"

static struct json *review(const char *path, const char *operation, const char *object)
{
    struct buf in cleanup(buf_done) = BUF_INIT, out cleanup(buf_done) = BUF_INIT;
    struct json *j = NULL;

    buf_printf(&in,
               "{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":"
               "{\"uid\":\"u1\",\"operation\":\"%s\",\"object\":%s}}",
               operation, object);
    CHECK(webhook_review(slice_of(path), SLICE("application/json"), buf_slice(&in), &out));
    CHECK(json_parse(buf_slice(&out), &j, NULL) == 0);
    return j;
}

/* The message of a refusal, "" when it is allowed. */
static char *verdict(const char *path, const char *operation, const char *object)
{
    autojson struct json *j = review(path, operation, object);
    yyjson_val *r = json_get(json_root(j), "response");

    CHECK_STR(json_get_str(r, "uid", ""), "u1");
    if (json_bool_at(r, "allowed", false)) {
        CHECK_INT(json_int_at(r, "status.code", 0), 200);
        return xstrdup("");
    }
    CHECK_INT(json_int_at(r, "status.code", 0), 422);
    CHECK_STR(json_str_at(r, "status.reason", ""), "Invalid");
    CHECK_STR(json_str_at(r, "status.details.group", ""), "ray.io");
    return xstrdup(json_str_at(r, "status.message", "?"));
}

static bool allowed(const char *path, const char *object)
{
    autofree char *why = verdict(path, "CREATE", object);

    return !*why;
}

TEST(pl_044_long_names_are_refused)
{
    static const char long_name[] =
        "{\"metadata\":{\"name\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}}"; /* 48 */
    autofree char *why = verdict(JOBS, "UPDATE", long_name);

    CHECK(strstr(why, "RayJob.ray.io \"aaaa") == why);
    CHECK(strstr(why, "metadata.name: Invalid value: \"aaa"));
    CHECK(!allowed(SERVICES, long_name));
    CHECK(allowed(CLUSTERS, long_name)); /* these may have 53 */
    CHECK(!allowed(CLUSTERS, "{\"metadata\":{\"name\":\"1a\"}}"));
    free(take(why));
    why = verdict(JOBS, "DELETE", long_name);
    CHECK_STR(why, "");
}

TEST(pl_045_group_names_are_unique)
{
    autofree char *why = verdict(
        CLUSTERS, "CREATE",
        "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"workerGroupSpecs\":[{\"groupName\":\"g\"},"
        "{\"groupName\":\"h\"},{\"groupName\":\"g\"},{\"groupName\":\"h\"}]}}");

    CHECK_STR(why, "RayCluster.ray.io \"a\" is invalid: spec.workerGroupSpecs[2]: Invalid value: "
                   "\"g\": worker group names must be unique");
}

TEST(initializing_timeout_is_a_duration_or_seconds)
{
    static const char *const good[] = {"", "5", "1h2.5m", "100ms", ".5s", "+3s"};
    static const char *const bad[] = {"0", "-5", "5x", "0s", "1h2", "s", "+", "0.0h"};
    char object[200];

    for (size_t i = 0; i < ARRAY_SIZE(good) + ARRAY_SIZE(bad); i++) {
        bool is_good = i < ARRAY_SIZE(good);
        snprintf(object, sizeof object,
                 "{\"metadata\":{\"name\":\"a\",\"annotations\":"
                 "{\"ray.io/initializing-timeout\":\"%s\"}}}",
                 is_good ? good[i] : bad[i - ARRAY_SIZE(good)]);
        CHECK_INT(allowed(SERVICES, object), is_good);
    }
}

TEST(what_is_no_review_is_told_so)
{
    static const char *const bodies[] = {"", "{", "{}", "{\"kind\":\"AdmissionReview\"}"};

    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        struct buf out cleanup(buf_done) = BUF_INIT;
        CHECK(webhook_review(SLICE(JOBS), SLICE("application/json"), slice_of(bodies[i]), &out));
        CHECK(strstr(buf_str(&out), "\"allowed\":false") && strstr(out.data, "\"code\":400"));
    }
    struct buf out cleanup(buf_done) = BUF_INIT;
    CHECK(!webhook_review(SLICE("/other"), SLICE("application/json"), SLICE("{}"), &out));
}

/* ---- over the wire ---- */

struct keys {
    struct buf ca_cert, ca_key, cert, key;
};

static void make_keys(struct keys *k, const char *ca)
{
    struct err err;

    *k = (struct keys){0};
    CHECK_OK(tls_ca_new(ca, 1, &k->ca_cert, &k->ca_key, &err), &err);
    CHECK_OK(tls_issue(&(struct tls_issue_opts){.ca_cert = buf_slice(&k->ca_cert),
                                                .ca_key = buf_slice(&k->ca_key),
                                                .cn = "hook",
                                                .ips = (const char *[]){"127.0.0.1", NULL},
                                                .days = 1,
                                                .server = true},
                       &k->cert, &k->key, &err),
             &err);
}

static void free_keys(struct keys *k)
{
    struct buf *all[] = {&k->ca_cert, &k->ca_key, &k->cert, &k->key};

    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        buf_done(all[i]);
}

static void put_keys(const char *dir, const struct keys *k)
{
    autofree char *cert = xasprintf("%s/tls.crt", dir), *key = xasprintf("%s/tls.key", dir);
    struct err err;

    CHECK_OK(file_write(cert, buf_slice(&k->cert), 0600, &err), &err);
    CHECK_OK(file_write(key, buf_slice(&k->key), 0600, &err), &err);
}

struct asked {
    bool done;
    int status;
};

static void on_done(unused struct http_call *c, const struct http_result *r, void *ctx)
{
    struct asked *a = ctx;

    a->done = true;
    a->status = r->status;
}

/* The status of a review sent by a client that trusts this CA only; 0: no connection. */
static int ask(uv_loop_t *loop, uint16_t port, struct slice ca)
{
    autofree char *url = xasprintf("https://127.0.0.1:%u", port);
    struct tls *tls = NULL;
    struct asked a = {0};
    struct err err;

    CHECK_OK(tls_client_new(&(struct tls_client_opts){.ca = ca}, &tls, &err), &err);
    struct http_client *c =
        http_client_new(loop, &(struct http_client_opts){.url = url, .tls = tls}, &err);
    struct http_field type = HTTP_FIELD("content-type", "application/json");
    http_client_send(c, &(struct http_call_opts){.method = "POST",
                                                 .path = JOBS,
                                                 .fields = &type,
                                                 .nfields = 1,
                                                 .body = SLICE("{}"),
                                                 .timeout = 5000,
                                                 .on_done = on_done,
                                                 .ctx = &a});
    while (!a.done)
        uv_run(loop, UV_RUN_ONCE);
    http_client_free(c);
    tls_unref(tls);
    return a.status;
}

TEST(pl_046_certificates_are_read_again)
{
    char tmp[] = "/tmp/manta-webhook-XXXXXX";
    struct keys one, two;
    struct webhook *w = NULL;
    struct err err;
    uv_loop_t loop;
    int status = 0;

    CHECK(mkdtemp(tmp));
    uv_loop_init(&loop);
    make_keys(&one, "one");
    make_keys(&two, "two");
    struct webhook_opts o = {.dir = tmp, .host = "127.0.0.1"};
    CHECK(webhook_start(&loop, &o, &w, &err) < 0); /* there is no certificate yet */
    put_keys(tmp, &one);
    CHECK_OK(webhook_start(&loop, &o, &w, &err), &err);
    CHECK_INT(ask(&loop, webhook_port(w), buf_slice(&one.ca_cert)), 200);
    CHECK_INT(ask(&loop, webhook_port(w), buf_slice(&two.ca_cert)), 0);
    put_keys(tmp, &two);
    for (int i = 0; i < 200 && status != 200; i++) {
        status = ask(&loop, webhook_port(w), buf_slice(&two.ca_cert));
        usleep(10000);
    }
    CHECK_INT(status, 200);
    webhook_stop(w);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    free_keys(&one);
    free_keys(&two);
    autofree char *rm = xasprintf("rm -r %s", tmp);
    CHECK_INT(system(rm), 0);
    metrics_reset();
}
