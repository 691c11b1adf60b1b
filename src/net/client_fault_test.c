/* The client when things go wrong: refusals, liars, proxies, silence; and callbacks that free. */
#include "net/client_fixture.h"

/* ---- what cannot work ---- */

TEST(refused_and_untrusted)
{
    struct env e;
    struct err err;
    struct get g;
    start(&e);
    http_listener_close(e.plain);
    run_ms(&e, 1);
    struct http_client *c = env_client(&e, false, true);
    get(c, &g, "POST", "/echo", SLICE("x"));
    run_until(&e, &g.done, 1, 5000);
    CHECK_INT(g.outcome, HTTP_CALL_REFUSED);
    CHECK(strstr(g.error, "refused") != NULL);
    http_client_free(c);

    struct tls *t;
    CHECK_OK(tls_client_new(&(struct tls_client_opts){.ca = buf_slice(&certs.other_ca)}, &t, &err),
             &err);
    c = http_client_new(&e.loop,
                        &(struct http_client_opts){.url = e.tls_url, .tls = t, .proxy = ""}, &err);
    get(c, &g, "GET", "/echo", (struct slice){0});
    run_until(&e, &g.done, 1, 5000);
    CHECK_INT(g.outcome, HTTP_CALL_REFUSED);
    CHECK(strstr(g.error, "self-signed") || strstr(g.error, "self signed") ||
          strstr(g.error, "issuer"));
    http_client_free(c);
    tls_unref(t);

    c = http_client_new(
        &e.loop,
        &(struct http_client_opts){
            .url = e.tls_url, .tls = e.client_tls, .server_name = "elsewhere.example", .proxy = ""},
        &err);
    get(c, &g, "GET", "/echo", (struct slice){0});
    run_until(&e, &g.done, 1, 5000);
    CHECK_INT(g.outcome, HTTP_CALL_REFUSED);
    CHECK(strstr(g.error, "ostname") != NULL);
    http_client_free(c);

    env_done(&e);
}

/* ---- ways around DNS and connect ---- */

static bool resolve_pod(const char *host, uint16_t port, struct sockaddr_storage *ret,
                        unused void *ctx)
{
    struct sockaddr_in *a = (struct sockaddr_in *)ret;

    if (strcmp(host, "pod.test") != 0)
        return false;
    a->sin_family = AF_INET;
    a->sin_port = htons(port);
    a->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return true;
}

static int connect_pod(unused const char *host, unused uint16_t port, void *ctx, struct err *err)
{
    uint16_t *to = ctx;

    return *to ? raw_connect(*to) : err_set(err, ERR_IO, "no such namespace");
}

TEST(resolve_and_connect_hooks)
{
    struct env e;
    struct get g;
    struct err err;
    char url[64];
    start(&e);
    snprintf(url, sizeof url, "http://pod.test:%u/", e.plain_port);
    struct http_client_opts o = {.url = url, .resolve = resolve_pod, .proxy = ""};
    struct http_client *c = http_client_new(&e.loop, &o, &err);
    get(c, &g, "POST", "echo?x y", SLICE("by name"));
    run_until(&e, &g.done, 1, 5000);
    CHECK_STR(buf_str(&g.data), "by name");
    buf_done(&g.data);
    http_client_free(c);

    uint16_t to[] = {e.plain_port, 0};
    for (int i = 0; i < 2; i++) {
        o = (struct http_client_opts){
            .url = "http://10.255.0.1:1234", .connect_fd = connect_pod, .ctx = &to[i]};
        c = http_client_new(&e.loop, &o, &err);
        get(c, &g, "POST", "/echo", SLICE("by fd"));
        run_until(&e, &g.done, 1, 5000);
        CHECK_STR(i ? g.error : buf_str(&g.data), i ? "no such namespace" : "by fd");
        buf_done(&g.data);
        http_client_free(c);
    }
    env_done(&e);
}

TEST(client_certificates)
{
    static const struct {
        struct buf *cert, *key;
        const char *want;
    } cases[] = {
        {NULL, NULL, "none  "},
        {&certs.client_cert, &certs.client_key, "good alice system:masters"},
        {&certs.other_cert, &certs.other_key, "bad alice system:masters"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct env e;
        struct get g;
        struct err err;
        start(&e);
        struct tls_client_opts o = {.ca = buf_slice(&certs.ca)};
        if (cases[i].cert) {
            o.cert = buf_slice(cases[i].cert);
            o.key = buf_slice(cases[i].key);
        }
        struct tls *t;
        CHECK_OK(tls_client_new(&o, &t, &err), &err);
        struct http_client *c = http_client_new(
            &e.loop, &(struct http_client_opts){.url = e.tls_url, .tls = t, .proxy = ""}, &err);
        get(c, &g, "GET", "/cert", (struct slice){0});
        run_until(&e, &g.done, 1, 5000);
        CHECK_STR(buf_str(&g.data), cases[i].want);
        buf_done(&g.data);
        http_client_free(c);
        tls_unref(t);
        env_done(&e);
    }
}

/* ---- servers that misbehave, played by hand ---- */

TEST(http1_answers_of_all_kinds)
{
    static const struct {
        const char *answer;
        enum http_outcome outcome;
        int status;
        const char *body;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", HTTP_CALL_DONE, 200, "hi"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
         HTTP_CALL_DONE, 200, "hi"},
        {"HTTP/1.0 200 OK\r\n\r\nuntil the end", HTTP_CALL_DONE, 200, "until the end"},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
         HTTP_CALL_DONE, 201, ""},
        {"HTTP/1.1 204 No Content\r\n\r\n", HTTP_CALL_DONE, 204, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nshort", HTTP_CALL_LOST, 200, "short"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", HTTP_CALL_LOST, 200,
         "hi"},
        {"garbage\r\n\r\n", HTTP_CALL_LOST, 0, ""},
        {"HTTP/1.1 101 Switching Protocols\r\n\r\n", HTTP_CALL_LOST, 0, ""},
        {"", HTTP_CALL_LOST, 0, ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct env e;
        struct get g;
        struct err err;
        struct buf in cleanup(buf_done) = BUF_INIT;
        char url[64];
        uint16_t port;
        start(&e);
        int lfd = raw_listen(&port);
        snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
        struct http_client *c =
            http_client_new(&e.loop, &(struct http_client_opts){.url = url, .proxy = ""}, &err);
        get(c, &g, "POST", "/x", SLICE("body"));
        int fd = raw_accept(&e, lfd);
        raw_recv(&e, fd, &in, "body", 2000);
        raw_send(&e, fd, slice_of(cases[i].answer));
        run_ms(&e, 5);
        close(fd);
        run_until(&e, &g.done, 1, 5000);
        CHECK_INT(g.outcome, cases[i].outcome);
        CHECK_INT(g.status, cases[i].status);
        CHECK_STR(buf_str(&g.data), cases[i].body);
        buf_done(&g.data);
        close(lfd);
        http_client_free(c);
        env_done(&e);
    }
}

/* A kept connection that the server closes: GET is repeated, POST is told LOST or sent once. */
TEST(stale_connection)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    struct env e;
    struct get g;
    struct err err;
    struct buf in cleanup(buf_done) = BUF_INIT;
    char url[64];
    uint16_t port;
    start(&e);
    int lfd = raw_listen(&port);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
    struct http_client *c =
        http_client_new(&e.loop, &(struct http_client_opts){.url = url, .proxy = ""}, &err);
    for (int post = 0; post < 2; post++) {
        get(c, &g, "GET", "/1", (struct slice){0});
        int fd = raw_accept(&e, lfd);
        raw_recv(&e, fd, &in, "\r\n\r\n", 2000);
        raw_send(&e, fd, slice_of(ok));
        run_until(&e, &g.done, 1, 5000);
        buf_done(&g.data);
        buf_reset(&in);
        get(c, &g, post ? "POST" : "GET", "/2", (struct slice){0});
        raw_recv(&e, fd, &in, "/2", 2000);
        close(fd);
        if (post) {
            run_until(&e, &g.done, 1, 5000);
            CHECK_INT(g.outcome, HTTP_CALL_LOST);
            continue;
        }
        fd = raw_accept(&e, lfd);
        raw_send(&e, fd, slice_of(ok));
        run_until(&e, &g.done, 1, 5000);
        CHECK_INT(g.outcome, HTTP_CALL_DONE);
        buf_done(&g.data);
        close(fd);
        run_ms(&e, 20);
        buf_reset(&in);
    }
    close(lfd);
    http_client_free(c);
    env_done(&e);
}

TEST(connect_through_a_proxy)
{
    struct env e;
    struct get g;
    struct err err;
    struct buf in cleanup(buf_done) = BUF_INIT;
    char proxy[64];
    uint16_t port;
    start(&e);
    int lfd = raw_listen(&port);
    snprintf(proxy, sizeof proxy, "http://us%%40er:pw@127.0.0.1:%u", port);
    struct http_client_opts o = {.url = e.tls_url, .tls = e.client_tls, .proxy = proxy};
    struct http_client *c = http_client_new(&e.loop, &o, &err);
    get(c, &g, "POST", "/echo", SLICE("through"));
    int fd = raw_accept(&e, lfd);
    raw_recv(&e, fd, &in, "\r\n\r\n", 2000);
    char want[200];
    snprintf(want, sizeof want,
             "CONNECT 127.0.0.1:%u HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
             "Proxy-Authorization: Basic dXNAZXI6cHc=\r\n\r\n",
             e.tls_port, e.tls_port);
    CHECK_STR(buf_str(&in), want);
    raw_send(&e, fd, SLICE("HTTP/1.1 200 fine\r\n\r\n"));
    int up = raw_connect(e.tls_port);
    for (int i = 0; i < 5000 && !g.done; i++) { /* be the proxy */
        char tmp[16384];
        ssize_t n = recv(fd, tmp, sizeof tmp, 0);
        if (n > 0)
            raw_send(&e, up, (struct slice){tmp, (size_t)n});
        n = recv(up, tmp, sizeof tmp, 0);
        if (n > 0)
            raw_send(&e, fd, (struct slice){tmp, (size_t)n});
        uv_run(&e.loop, UV_RUN_NOWAIT);
    }
    CHECK_INT(g.status, 200);
    CHECK_STR(buf_str(&g.data), "through");
    buf_done(&g.data);
    http_client_free(c);
    close(up);
    close(fd);

    c = http_client_new(&e.loop, &o, &err);
    get(c, &g, "GET", "/echo", (struct slice){0});
    fd = raw_accept(&e, lfd);
    raw_send(&e, fd, SLICE("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"));
    run_until(&e, &g.done, 1, 5000);
    CHECK_INT(g.outcome, HTTP_CALL_REFUSED);
    CHECK_STR(g.error, "proxy refused: HTTP/1.1 407 Proxy Authentication Required");
    close(fd);
    close(lfd);
    http_client_free(c);
    env_done(&e);
}

/* A relay that falls silent: only PING can tell. */
TEST(dead_server_is_found_by_ping)
{
    struct env e;
    struct get g;
    struct err err;
    char url[64];
    uint16_t port;
    start(&e);
    int lfd = raw_listen(&port);
    snprintf(url, sizeof url, "https://127.0.0.1:%u", port);
    struct http_client *c = http_client_new(&e.loop,
                                            &(struct http_client_opts){.url = url,
                                                                       .tls = e.client_tls,
                                                                       .proxy = "",
                                                                       .ping_interval = 200,
                                                                       .ping_timeout = 200},
                                            &err);
    watch(c, &g, "/watch");
    int fd = raw_accept(&e, lfd), up = raw_connect(e.tls_port);
    uint64_t alive_until = uv_hrtime() + 900000000ull, end = uv_hrtime() + 10000000000ull;
    while (!g.done && uv_hrtime() < end) {
        char tmp[16384];
        ssize_t n = recv(fd, tmp, sizeof tmp, 0);
        bool alive = uv_hrtime() < alive_until;
        if (n > 0 && alive)
            raw_send(&e, up, (struct slice){tmp, (size_t)n});
        n = recv(up, tmp, sizeof tmp, 0);
        if (n > 0 && alive)
            raw_send(&e, fd, (struct slice){tmp, (size_t)n});
        if (!alive && srv.nwatches == 1 && !g.done)
            poll(NULL, 0, 2);
        uv_run(&e.loop, UV_RUN_NOWAIT);
    }
    CHECK(uv_hrtime() > alive_until); /* PINGs that were answered kept it */
    CHECK_INT(g.outcome, HTTP_CALL_LOST);
    CHECK_STR(g.error, "no answer to PING");
    close(fd);
    close(up);
    close(lfd);
    http_client_free(c);
    env_done(&e);
}

/* ---- callbacks that pull the rug away ---- */

static struct http_client *victim;

static void free_in_data(unused struct http_call *call, unused struct slice data, unused void *ctx)
{
    http_client_free(take(victim));
}

static void free_in_done(unused struct http_call *call, unused const struct http_result *res,
                         void *ctx)
{
    ++*(int *)ctx;
    http_client_free(take(victim));
}

static void cancel_in_headers(struct http_call *call, unused int status, unused void *ctx)
{
    http_call_cancel(call);
}

TEST(free_and_cancel_inside_callbacks)
{
    EACH_MODE
    {
        for (int kind = 0; kind < 3; kind++) {
            struct env e;
            int done = 0;
            start(&e);
            victim = env_client(&e, m->tls, m->http1);
            struct http_call_opts o = {.path = "/big",
                                       .on_data = kind == 0 ? free_in_data : NULL,
                                       .on_headers = kind == 2 ? cancel_in_headers : NULL,
                                       .on_done = free_in_done,
                                       .ctx = &done};
            http_client_send(victim, &o);
            http_client_send(victim, &o);
            run_until(&e, &done, 2, 10000);
            CHECK_INT(done, 2);
            http_client_free(take(victim));
            env_done(&e);
        }
    }
}

static void free_server(struct http_req *r, void *ctx)
{
    struct env *e = ctx;

    http_reply(r, 200, "text/plain", SLICE("x"));
    http_server_free(take(e->server));
}

TEST(server_freed_inside_a_handler)
{
    EACH_MODE
    {
        struct env e;
        struct get g;
        memset(&srv, 0, sizeof srv);
        env_init(&e, &(struct http_server_opts){.on_request = free_server, .ctx = &e});
        struct http_client *c = env_client(&e, m->tls, m->http1);
        get(c, &g, "POST", "/x", SLICE("x"));
        run_until(&e, &g.done, 1, 5000);
        CHECK_INT(g.outcome, HTTP_CALL_LOST);
        buf_done(&g.data);
        http_client_free(c);
        env_done(&e);
    }
}

TEST(plain_requests_through_a_proxy)
{
    struct env e;
    struct get g;
    struct err err;
    struct buf in cleanup(buf_done) = BUF_INIT;
    char proxy[64];
    uint16_t port;

    start(&e);
    int lfd = raw_listen(&port);
    snprintf(proxy, sizeof proxy, "127.0.0.1:%u", port);
    setenv("HTTP_PROXY", proxy, 1);
    struct http_client *c = http_client_new(
        &e.loop, &(struct http_client_opts){.url = "http://ray.example:8265/p"}, &err);
    unsetenv("HTTP_PROXY");
    get(c, &g, "GET", "/x?y", (struct slice){0});
    int fd = raw_accept(&e, lfd);
    raw_recv(&e, fd, &in, "\r\n\r\n", 2000);
    CHECK_STR(buf_str(&in),
              "GET http://ray.example:8265/p/x?y HTTP/1.1\r\nHost: ray.example:8265\r\n"
              "User-Agent: manta\r\n\r\n");
    raw_send(&e, fd, SLICE("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"));
    run_until(&e, &g.done, 1, 5000);
    CHECK_STR(buf_str(&g.data), "hi");
    buf_done(&g.data);
    close(fd);
    close(lfd);
    http_client_free(c);
    env_done(&e);
}
