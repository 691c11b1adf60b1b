/* Client against server on loopback: both protocols, plain and TLS. */
#include "net/client_fixture.h"

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
        struct get g = {0}, first;
        start(&e);
        struct http_client *c = env_client(&e, m->tls, m->http1);
        get(c, &first, "GET", "/echo",
            (struct slice){0}); /* a handshake may take longer than 50 ms */
        run_until(&e, &first.done, 1, 20000);
        buf_done(&first.data);
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

TEST(streams_that_never_end_get_more_connections)
{
    enum { N = 11 };
    static struct get g[N], after;
    struct env e;

    memset(&srv, 0, sizeof srv);
    env_init(&e, &(struct http_server_opts){.on_request = serve, .max_streams = 4});
    struct http_client *c = env_client(&e, true, false);
    get(c, &after, "GET", "/echo", (struct slice){0}); /* the server's limit is known */
    run_until(&e, &after.done, 1, 5000);
    for (int i = 0; i < N; i++)
        get(c, &g[i], "GET", "/watch", (struct slice){0});
    run_until(&e, &srv.nwatches, N, 10000);
    CHECK_INT(srv.nwatches, N);
    buf_done(&after.data);
    memset(&after, 0, sizeof after);
    get(c, &after, "GET", "/echo", (struct slice){0});
    run_until(&e, &after.done, 1, 5000);
    CHECK_INT(after.outcome, HTTP_CALL_DONE);
    http_client_free(c);
    for (int i = 0; i < N; i++)
        buf_done(&g[i].data);
    buf_done(&after.data);
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
