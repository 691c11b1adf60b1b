/*
 * For tests: an HTTP server that answers what the test says, one line of record a request.
 * include in one .c file of a test only.
 */
#ifndef MANTA_KUBE_FAKE_H
#define MANTA_KUBE_FAKE_H

#include "base/test.h"
#include "kube/client.h"
#include "net/server.h"

struct fake {
    uv_loop_t loop;
    struct http_server *server;
    struct kube_config config;
    char url[64];
    struct buf record;                                    /* "GET /path?query\n" and bodies */
    bool bodies;                                          /* record bodies, too */
    void (*answer)(struct http_req *r, const char *line); /* line: "GET /path?query" */
    unsigned requests;
};

static struct fake fake;

static void fake_request(struct http_req *r, unused void *ctx)
{
    char line[2048];

    snprintf(line, sizeof line, "%.*s %.*s", SLICE_FMT(r->method), SLICE_FMT(r->target));
    fake.requests++;
    buf_printf(&fake.record, "%s\n", line);
    if (fake.bodies && r->body.n)
        buf_printf(&fake.record, "  %.*s\n", SLICE_FMT(r->body));
    fake.answer(r, line);
}

static void fake_start(void (*answer)(struct http_req *r, const char *line))
{
    struct http_listener *l = NULL;
    struct err err = {0};

    memset(&fake, 0, sizeof fake);
    uv_loop_init(&fake.loop);
    fake.answer = answer;
    fake.server =
        http_server_new(&fake.loop, &(struct http_server_opts){.on_request = fake_request});
    CHECK_OK(http_server_listen(fake.server, "127.0.0.1", 0, NULL, &l, &err), &err);
    snprintf(fake.url, sizeof fake.url, "http://127.0.0.1:%u", http_listener_port(l));
    fake.config.server = fake.url;
}

static unused struct kube *fake_kube(const struct kube_opts *opts)
{
    struct kube *k = NULL;
    struct err err = {0};

    CHECK_OK(kube_new(&fake.loop, &fake.config, opts, &k, &err), &err);
    return k;
}

static void fake_stop(struct kube *k)
{
    kube_free(k);
    http_server_free(fake.server);
    uv_run(&fake.loop, UV_RUN_DEFAULT);
    CHECK_INT(uv_loop_close(&fake.loop), 0);
    buf_done(&fake.record);
}

static void fake_json(struct http_req *r, int status, const char *json)
{
    http_reply(r, status, "application/json", slice_of(json));
}

/* Runs the loop until cond, at most five seconds. */
#define FAKE_UNTIL(cond)                                                                           \
    do {                                                                                           \
        for (uint64_t end_ = uv_hrtime() + 5000000000u; !(cond) && uv_hrtime() < end_;)            \
            uv_run(&fake.loop, UV_RUN_NOWAIT);                                                     \
        CHECK(cond);                                                                               \
    } while (0)

#endif
