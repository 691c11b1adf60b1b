/* Client against server on loopback: both protocols, plain and TLS. */
#include "net/net_fixture.h"

/* ---- a server that does what the path says ---- */

#define BIG ((size_t)8 << 20)

static struct {
    struct http_req *watches[2000];
    int nwatches, gone, requests, held;
    struct http_req *later;
    struct buf last_cn;
} srv;

static void watch_gone(struct http_req *r, unused enum http_end_kind how, unused void *ctx)
{
    srv.gone++;
    for (int i = 0; i < srv.nwatches; i++)
        if (srv.watches[i] == r)
            srv.watches[i] = NULL;
}

static struct rcbuf *big; /* BIG bytes, numbered lines */

__attribute__((constructor)) static void make_big(void)
{
    struct buf b = BUF_INIT;

    for (size_t i = 0; i < BIG / 8; i++)
        buf_printf(&b, "%07zu\n", i);
    big = rcbuf_take_buf(&b);
}

__attribute__((destructor)) static void free_big(void)
{
    rcbuf_unref(big);
}

static void serve_peer(struct http_req *r)
{
    const struct tls_peer *p = http_peer_cert(r);
    char text[256];

    snprintf(text, sizeof text, "%s %s %s",
             !p            ? "none"
             : p->verified ? "good"
                           : "bad",
             p ? p->cn : "", p && p->norgs ? p->orgs[0] : "");
    http_reply(r, 200, "text/plain", slice_of(text));
}

static void serve(struct http_req *r, unused void *ctx)
{
    srv.requests++;
    if (slice_is(r->path, "/echo")) {
        http_reply(r, 200, "text/plain", r->body);
    } else if (slice_is(r->path, "/big")) {
        http_respond_rc(r, 200, NULL, 0, big);
    } else if (slice_is(r->path, "/watch")) {
        srv.watches[srv.nwatches++] = r;
        http_on_close(r, watch_gone, NULL);
        http_start(r, 200, NULL, 0);
    } else if (slice_is(r->path, "/later")) {
        srv.later = r;
        srv.held++;
        http_on_close(r, watch_gone, NULL);
    } else if (slice_is(r->path, "/cert")) {
        serve_peer(r);
    } else if (slice_is(r->path, "/headers")) {
        struct http_field f[] = {HTTP_FIELD("X-Query", ""), HTTP_FIELD("x-evil", "a\r\nb: c")};
        f[0].value = r->query;
        http_respond(r, 201, f, 2, http_header(r, "x-thing"));
    } else {
        http_reply(r, 404, "text/plain", SLICE("no\n"));
    }
}

static void start(struct env *e)
{
    memset(&srv, 0, sizeof srv);
    env_init(e, &(struct http_server_opts){.on_request = serve, .body_limit = 2 * BIG});
}

/* ---- a call that remembers ---- */

struct get {
    struct http_call *call;
    struct buf data;
    int status, done, events;
    enum http_outcome outcome;
    char error[200], header[100];
};

static int finished; /* of all calls */

static void get_done(struct http_call *call, const struct http_result *res, void *ctx)
{
    struct get *g = ctx;
    struct slice h = http_call_header(call, "x-query");

    snprintf(g->header, sizeof g->header, "%.*s", SLICE_FMT(h));
    g->done++;
    g->outcome = res->outcome;
    g->status = res->status;
    snprintf(g->error, sizeof g->error, "%s", res->error);
    if (res->body.n)
        buf_add_slice(&g->data, res->body);
    g->call = NULL;
    finished++;
}

static void get_data(unused struct http_call *call, struct slice data, void *ctx)
{
    struct get *g = ctx;

    g->events++;
    buf_add_slice(&g->data, data);
}

static void get(struct http_client *c, struct get *g, const char *method, const char *path,
                struct slice body)
{
    memset(g, 0, sizeof *g);
    g->call = http_client_send(
        c, &(struct http_call_opts){
               .method = method, .path = path, .body = body, .on_done = get_done, .ctx = g});
}

static void watch(struct http_client *c, struct get *g, const char *path)
{
    memset(g, 0, sizeof *g);
    g->call = http_client_send(
        c,
        &(struct http_call_opts){.path = path, .on_data = get_data, .on_done = get_done, .ctx = g});
}

static const struct mode {
    bool tls, http1;
} modes[] = {{false, true}, {true, true}, {true, false}};
#define EACH_MODE for (const struct mode *m = modes; m < modes + ARRAY_SIZE(modes); m++)

TEST(small_requests)
{
    EACH_MODE
    {
        struct env e;
        struct get g;
        start(&e);
        struct http_client *c = env_client(&e, m->tls, m->http1);
        for (int i = 0; i < 5; i++) {
            get(c, &g, "POST", "/echo", SLICE("ping"));
            run_until(&e, &g.done, 1, 5000);
            CHECK_INT(g.outcome, HTTP_CALL_DONE);
            CHECK_INT(g.status, 200);
            CHECK_STR(buf_str(&g.data), "ping");
            buf_done(&g.data);
        }
        CHECK_INT(http_server_conns(e.server), 1); /* kept */
        get(c, &g, "GET", "/none", (struct slice){0});
        run_until(&e, &g.done, 1, 5000);
        CHECK_INT(g.status, 404);
        buf_done(&g.data);
        get(c, &g, "HEAD", "/big", (struct slice){0});
        run_until(&e, &g.done, 1, 5000);
        CHECK_INT(g.status, 200);
        CHECK_INT(g.data.len, 0);
        buf_done(&g.data);
        http_client_free(c);
        env_done(&e);
    }
}

TEST(headers_and_query)
{
    EACH_MODE
    {
        struct env e;
        struct get g = {0};
        struct http_field f[] = {HTTP_FIELD("X-Thing", "v1"),
                                 HTTP_FIELD("Authorization", "Bearer x")};
        start(&e);
        struct http_client *c = env_client(&e, m->tls, m->http1);
        http_client_send(c, &(struct http_call_opts){.path = "/headers?a=b&c",
                                                     .fields = f,
                                                     .nfields = 2,
                                                     .on_done = get_done,
                                                     .ctx = &g});
        run_until(&e, &g.done, 1, 5000);
        CHECK_INT(g.status, 201);
        CHECK_STR(buf_str(&g.data), "v1");
        CHECK_STR(g.header, "a=b&c");
        buf_done(&g.data);
        http_client_free(c);
        env_done(&e);
    }
}

TEST(big_bodies_both_ways)
{
    EACH_MODE
    {
        struct env e;
        struct get up, down;
        start(&e);
        struct http_client *c = env_client(&e, m->tls, m->http1);
        get(c, &up, "PUT", "/echo", rcbuf_slice(big));
        get(c, &down, "GET", "/big", (struct slice){0});
        run_until(&e, &up.done, 1, 20000);
        run_until(&e, &down.done, 1, 20000);
        CHECK(slice_eq(buf_slice(&up.data), rcbuf_slice(big)));
        CHECK(slice_eq(buf_slice(&down.data), rcbuf_slice(big)));
        buf_done(&up.data);
        buf_done(&down.data);
        http_client_free(c);
        env_done(&e);
    }
}

TEST(too_large_is_413)
{
    struct buf body cleanup(buf_done) = BUF_INIT;

    buf_reserve(&body, 3 * BIG);
    memset(body.data, 'x', 3 * BIG);
    body.len = 3 * BIG;
    EACH_MODE
    {
        struct env e;
        struct get g;
        start(&e);
        struct http_client *c = env_client(&e, m->tls, m->http1);
        get(c, &g, "POST", "/echo", buf_slice(&body));
        run_until(&e, &g.done, 1, 10000);
        CHECK_INT(g.status, 413);
        CHECK_INT(srv.requests, 0);
        buf_done(&g.data);
        http_client_free(c);
        env_done(&e);
    }
}

TEST(collected_body_has_a_limit)
{
    EACH_MODE
    {
        struct env e;
        struct get g = {0}, after;
        start(&e);
        struct http_client *c = env_client(&e, m->tls, m->http1);
        http_client_send(c,
                         &(struct http_call_opts){
                             .path = "/big", .body_limit = 1000, .on_done = get_done, .ctx = &g});
        run_until(&e, &g.done, 1, 5000);
        CHECK_INT(g.outcome, HTTP_CALL_TOO_LARGE);
        buf_done(&g.data);
        get(c, &after, "POST", "/echo", SLICE("x"));
        run_until(&e, &after.done, 1, 5000);
        CHECK_INT(after.status, 200);
        buf_done(&after.data);
        http_client_free(c);
        env_done(&e);
    }
}

TEST(many_at_once)
{
    EACH_MODE
    {
        enum { N = 300 };
        static struct get g[N];
        struct env e;
        start(&e);
        struct http_client *c = env_client(&e, m->tls, m->http1);
        finished = 0;
        for (int i = 0; i < N; i++)
            get(c, &g[i], "POST", "/echo", SLICE("ping"));
        run_until(&e, &finished, N, 20000);
        for (int i = 0; i < N; i++) {
            CHECK_INT(g[i].status, 200);
            buf_done(&g[i].data);
        }
        CHECK(http_server_conns(e.server) <= (m->http1 ? 64u : 1u));
        http_client_free(c);
        env_done(&e);
    }
}

/* ---- watches ---- */

static void publish(struct env *e, int n, size_t size)
{
    struct buf b = BUF_INIT;

    buf_reserve(&b, size);
    memset(b.data, 'e', size);
    b.len = size;
    b.data[size - 1] = '\n';
    struct rcbuf *rc = rcbuf_take_buf(&b);
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < srv.nwatches; j++)
            if (srv.watches[j])
                http_write(srv.watches[j], rc);
        uv_run(&e->loop, UV_RUN_NOWAIT);
    }
    rcbuf_unref(rc);
}

static void check_all_got(struct env *e, struct get *g, int n, size_t want)
{
    for (int round = 0; round < 2000; round++) {
        int ok = 0;
        for (int i = 0; i < n; i++)
            ok += g[i].data.len == want;
        if (ok == n)
            return;
        uv_run(&e->loop, UV_RUN_NOWAIT);
    }
    FAIL("not all watches got %zu bytes", want);
}

TEST(a_thousand_watches_one_stalled)
{
    EACH_MODE
    {
        enum { N = 1000 };
        static struct get g[N], stalled;
        struct env e;
        struct err err;
        start(&e);
        struct http_client_opts o = {.url = m->tls ? e.tls_url : e.plain_url,
                                     .tls = e.client_tls,
                                     .http1_only = m->http1,
                                     .max_conns = 2000,
                                     .proxy = ""};
        int n = m->http1 ? 300 : 240; /* descriptors; streams a connection */
        struct http_client *c = http_client_new(&e.loop, &o, &err);
        struct http_client *c4[4];
        for (int i = 0; i < n; i++)
            watch(c, &g[i], "/watch");
        if (!m->http1) {
            for (int k = 0; k < 3; k++) {
                c4[k] = http_client_new(&e.loop, &o, &err);
                for (int i = 0; i < 240 && n < N; i++)
                    watch(c4[k], &g[n++], "/watch");
            }
        }
        run_until(&e, &srv.nwatches, n, 20000);
        watch(c, &stalled, "/watch");
        run_until(&e, &srv.nwatches, n + 1, 5000);
        http_call_pause(stalled.call);
        struct http_req *slow = srv.watches[n];
        publish(&e, 10, 3000);
        check_all_got(&e, g, n, 30000);
        CHECK_INT(stalled.data.len, 0);
        for (int j = 0; j < srv.nwatches; j++)
            if (srv.watches[j] != slow)
                srv.watches[j] = NULL;
        publish(&e, 5, 2000000); /* more than any window or socket buffer takes */
        run_ms(&e, 50);
        CHECK(http_unsent(slow) > 1000000);
        http_cut(slow);
        http_call_resume(stalled.call);
        int before = srv.gone;
        run_until(&e, &srv.gone, before + 1, 5000);
        run_until(&e, &stalled.done, 1, 5000);
        CHECK_INT(stalled.outcome, HTTP_CALL_LOST);
        http_client_free(c);
        for (int k = 0; k < 3 && !m->http1; k++)
            http_client_free(c4[k]);
        run_until(&e, &srv.gone, n + 1, 5000);
        for (int i = 0; i < n; i++)
            buf_done(&g[i].data);
        buf_done(&stalled.data);
        env_done(&e);
    }
}

TEST(watch_ends_cleanly)
{
    EACH_MODE
    {
        struct env e;
        struct get g;
        start(&e);
        struct http_client *c = env_client(&e, m->tls, m->http1);
        watch(c, &g, "/watch");
        run_until(&e, &srv.nwatches, 1, 5000);
        http_write_bytes(srv.watches[0], SLICE("one\n"));
        run_until(&e, &g.events, 1, 5000);
        http_write_bytes(srv.watches[0], SLICE("two\n"));
        http_end(srv.watches[0]);
        run_until(&e, &g.done, 1, 5000);
        CHECK_INT(g.outcome, HTTP_CALL_DONE);
        CHECK_STR(buf_str(&g.data), "one\ntwo\n");
        run_until(&e, &srv.gone, 1, 5000);
        buf_done(&g.data);
        http_client_free(c);
        env_done(&e);
    }
}

TEST(cancel_reaches_the_server)
{
    EACH_MODE
    {
        struct env e;
        struct get g[30];
        start(&e);
        struct http_client *c = env_client(&e, m->tls, m->http1);
        for (int i = 0; i < 30; i++)
            watch(c, &g[i], "/watch");
        run_until(&e, &srv.nwatches, 30, 5000);
        for (int i = 0; i < 30; i++) {
            http_call_cancel(g[i].call);
            CHECK_INT(g[i].done, 1);
            CHECK_INT(g[i].outcome, HTTP_CALL_CANCELLED);
        }
        run_until(&e, &srv.gone, 30, 5000);
        http_client_free(c);
        env_done(&e);
    }
}

TEST(thousands_of_cancels_on_one_connection)
{
    struct env e;
    struct get g;
    start(&e);
    struct http_client *c = env_client(&e, true, false);
    for (int i = 0; i < 1500; i++) {
        srv.nwatches = 0;
        watch(c, &g, "/watch");
        run_until(&e, &srv.nwatches, 1, 5000);
        http_call_cancel(g.call);
    }
    run_until(&e, &srv.gone, 1500, 5000);
    CHECK_INT(http_server_conns(e.server), 1);
    http_client_free(c);
    env_done(&e);
}

TEST(late_answers_and_client_gone)
{
    EACH_MODE
    {
        struct env e;
        struct get g;
        start(&e);
        struct http_client *c = env_client(&e, m->tls, m->http1);
        get(c, &g, "GET", "/later", (struct slice){0});
        run_until(&e, &srv.held, 1, 5000);
        run_ms(&e, 20);
        http_reply(srv.later, 200, "text/plain", SLICE("late"));
        http_reply(srv.later, 500, "text/plain", SLICE("twice"));
        run_until(&e, &g.done, 1, 5000);
        CHECK_STR(buf_str(&g.data), "late");
        run_until(&e, &srv.gone, 1, 5000);
        buf_done(&g.data);
        get(c, &g, "GET", "/later", (struct slice){0});
        run_until(&e, &srv.held, 2, 5000);
        http_client_free(c);
        CHECK_INT(g.outcome, HTTP_CALL_CANCELLED);
        run_until(&e, &srv.gone, 2, 5000);
        env_done(&e);
    }
}

TEST(timeout)
{
    EACH_MODE
    {
        struct env e;
        struct get g = {0};
        start(&e);
        struct http_client *c = env_client(&e, m->tls, m->http1);
        http_client_send(c, &(struct http_call_opts){
                                .path = "/later", .timeout = 50, .on_done = get_done, .ctx = &g});
        run_until(&e, &g.done, 1, 5000);
        CHECK_INT(g.outcome, HTTP_CALL_TIMEOUT);
        run_until(&e, &srv.gone, 1, 5000);
        http_client_free(c);
        env_done(&e);
    }
}

TEST(pause_and_resume)
{
    EACH_MODE
    {
        struct env e;
        struct get g, other;
        start(&e);
        struct http_client *c = env_client(&e, m->tls, m->http1);
        watch(c, &g, "/big");
        run_until(&e, &g.events, 1, 5000);
        http_call_pause(g.call);
        size_t before = g.data.len;
        run_ms(&e, 50);
        CHECK_INT(g.data.len, before);
        get(c, &other, "POST", "/echo", SLICE("x")); /* nobody else is held up */
        run_until(&e, &other.done, 1, 5000);
        CHECK_INT(other.status, 200);
        http_call_resume(g.call);
        run_until(&e, &g.done, 1, 10000);
        CHECK_INT(g.outcome, HTTP_CALL_DONE);
        CHECK_INT(g.data.len, BIG);
        buf_done(&g.data);
        buf_done(&other.data);
        http_client_free(c);
        env_done(&e);
    }
}

TEST(drain_ends_watches_and_finishes_work)
{
    EACH_MODE
    {
        struct env e;
        struct get w, l;
        start(&e);
        struct http_client *c = env_client(&e, m->tls, m->http1);
        watch(c, &w, "/watch");
        get(c, &l, "GET", "/later", (struct slice){0});
        run_until(&e, &srv.nwatches, 1, 5000);
        run_until(&e, &srv.held, 1, 5000);
        http_server_drain(e.server, 5000, NULL, NULL);
        run_until(&e, &w.done, 1, 5000);
        CHECK_INT(w.outcome, HTTP_CALL_DONE);
        http_reply(srv.later, 200, "text/plain", SLICE("done"));
        run_until(&e, &l.done, 1, 5000);
        CHECK_INT(l.outcome, HTTP_CALL_DONE);
        struct get n;
        get(c, &n, "GET", "/echo", (struct slice){0}); /* nobody listens any more */
        run_until(&e, &n.done, 1, 5000);
        CHECK_INT(n.outcome, HTTP_CALL_REFUSED);
        CHECK_INT(http_server_conns(e.server), 0);
        buf_done(&l.data);
        http_client_free(c);
        env_done(&e);
    }
}

TEST(goaway_moves_to_a_new_connection)
{
    struct env e;
    struct get w, g;
    start(&e);
    struct http_client *c = env_client(&e, true, false);
    watch(c, &w, "/watch");
    run_until(&e, &srv.nwatches, 1, 5000);
    int fd = dup(http_listener_fd(e.tls));
    struct http_server *old = e.server;
    http_server_drain(old, 5000, NULL, NULL);
    /* the same socket, served anew */
    e.server = http_server_new(&e.loop, &(struct http_server_opts){.on_request = serve});
    struct tls *t;
    struct err err;
    CHECK_OK(tls_server_new(&(struct tls_server_opts){.cert = buf_slice(&certs.cert),
                                                      .key = buf_slice(&certs.key)},
                            &t, &err),
             &err);
    CHECK_OK(http_server_listen_fd(e.server, fd, t, NULL, &err), &err);
    tls_unref(t);
    get(c, &g, "POST", "/echo", SLICE("hi"));
    run_until(&e, &g.done, 1, 5000);
    CHECK_INT(g.outcome, HTTP_CALL_DONE);
    CHECK_STR(buf_str(&g.data), "hi");
    run_until(&e, &w.done, 1, 5000);
    http_server_free(old);
    buf_done(&g.data);
    http_client_free(c);
    env_done(&e);
}

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

static int raw_listen(uint16_t *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 10) < 0)
        FAIL("listen: %s", strerror(errno));
    getsockname(fd, (struct sockaddr *)&a, &len);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    *port = ntohs(a.sin_port);
    return fd;
}

static int raw_accept(struct env *e, int lfd)
{
    for (int i = 0; i < 5000; i++) {
        uv_run(&e->loop, UV_RUN_NOWAIT);
        int fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            return fd;
        poll(NULL, 0, 1);
    }
    FAIL("nobody connected");
    return -1;
}

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

TEST(refused_streams_are_sent_again)
{
    enum { N = 90 };
    static struct get g[N];
    struct env e;

    memset(&srv, 0, sizeof srv);
    env_init(&e, &(struct http_server_opts){.on_request = serve, .max_streams = 4});
    struct http_client *c = env_client(&e, true, false);
    finished = 0;
    for (int i = 0; i < N; i++) /* all are sent before the server's limit is known */
        get(c, &g[i], "POST", "/echo", SLICE("once"));
    run_until(&e, &finished, N, 10000);
    for (int i = 0; i < N; i++) {
        CHECK_INT(g[i].outcome, HTTP_CALL_DONE);
        CHECK_STR(buf_str(&g[i].data), "once");
        buf_done(&g[i].data);
    }
    CHECK_INT(srv.requests, N); /* and each was processed once */
    http_client_free(c);
    env_done(&e);
}

TEST(max_in_flight_queues_in_order)
{
    EACH_MODE
    {
        struct env e;
        struct get g[6];
        struct err err;
        start(&e);
        struct http_client_opts o = {.url = m->tls ? e.tls_url : e.plain_url,
                                     .tls = e.client_tls,
                                     .http1_only = m->http1,
                                     .max_in_flight = 2,
                                     .proxy = ""};
        struct http_client *c = http_client_new(&e.loop, &o, &err);
        for (int i = 0; i < 6; i++)
            get(c, &g[i], "GET", i < 2 ? "/later" : "/echo", (struct slice){0});
        run_until(&e, &srv.held, 2, 5000);
        run_ms(&e, 20);
        CHECK_INT(srv.requests, 2);
        http_reply(srv.later, 200, "text/plain", SLICE(""));
        for (int i = 2; i < 6; i++)
            run_until(&e, &g[i].done, 1, 5000);
        CHECK_INT(g[0].done + g[1].done, 1);
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
