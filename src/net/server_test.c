/* The server against clients that are not nice, played by hand; websockets and tunnels. */
#include "net/net_fixture.h"

#include "net/url.h"

static struct http_req *open_req;
static int requests, closed;
static enum http_end_kind closed_how;

static void on_closed(unused struct http_req *r, enum http_end_kind how, unused void *ctx)
{
    closed++;
    closed_how = how;
    open_req = NULL;
}

static void serve(struct http_req *r, unused void *ctx)
{
    requests++;
    if (slice_is(r->path, "/open")) {
        open_req = r;
        http_on_close(r, on_closed, NULL);
        http_start(r, 200, NULL, 0);
    } else if (slice_is(r->path, "/wait")) {
        open_req = r;
        http_on_close(r, on_closed, NULL);
    } else {
        char text[400];
        snprintf(text, sizeof text, "%.*s %.*s ? %.*s @ %.*s: %.*s", SLICE_FMT(r->method),
                 SLICE_FMT(r->path), SLICE_FMT(r->query), SLICE_FMT(r->authority),
                 SLICE_FMT(r->body));
        http_reply(r, 200, "text/plain", slice_of(text));
    }
}

static void start(struct env *e)
{
    requests = closed = 0;
    open_req = NULL;
    env_init(e, &(struct http_server_opts){.on_request = serve,
                                           .body_limit = 1 << 20,
                                           .header_timeout = 400,
                                           .idle_timeout = 600,
                                           .body_timeout = 400});
}

/* ---- one exchange by hand ---- */

static void exchange(struct env *e, struct slice in, struct buf *out, bool byte_by_byte)
{
    int fd = raw_connect(e->plain_port);

    if (byte_by_byte)
        for (size_t i = 0; i < in.n; i++) {
            raw_send(e, fd, (struct slice){in.p + i, 1});
            for (int j = 0; j < 3; j++)
                uv_run(&e->loop, UV_RUN_NOWAIT);
        }
    else
        raw_send(e, fd, in);
    shutdown(fd, SHUT_WR);
    raw_recv(e, fd, out, NULL, 3000);
    close(fd);
}

#define H "Host: h\r\n"

/* Many in a table: what is sent, the status, a text of the answer; all at once and byte by byte. */
static const struct {
    const char *in;
    const char *status, *text;
} requests_table[] = {
    {"GET /a?b=c HTTP/1.1\r\n" H "\r\n", "200", "GET /a ? b=c @ h: "},
    {"POST /p HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nxyz", "200", "@ h: xyz"},
    {"POST /p HTTP/1.1\r\n" H
     "Transfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n1;a=b\r\n!\r\n0\r\n\r\n",
     "200", "@ h: xyz!"},
    {"POST /p HTTP/1.1\r\n" H
     "Transfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\nTrailer: 1\r\n\r\n",
     "200", "@ h: xyz"},
    {"GET http://other:80/x?y HTTP/1.1\r\n" H "\r\n", "200", "GET /x ? y @ other:80: "},
    {"GET http://other HTTP/1.1\r\n" H "\r\n", "200", "GET / ?  @ other: "},
    {"OPTIONS * HTTP/1.1\r\n" H "\r\n", "200", "OPTIONS * "},
    {"GET / HTTP/1.0\r\n\r\n", "200", "GET / ?  @ : "},
    {"GET / HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "200", "GET / "},
    /* what is refused */
    {"garbage\r\n\r\n", "400", ""},
    {"GET / HTTP/1.1\r\n\r\n", "400", ""},
    {"GET / HTTP/1.1\r\n" H H "\r\n", "400", ""},
    {"GET nowhere HTTP/1.1\r\n" H "\r\n", "400", ""},
    {"GET / HTTP/1.1\r\nHost h\r\n\r\n", "400", ""},
    {"GET / HTTP/1.1\r\n" H "a b: c\r\n\r\n", "400", ""},
    {"GET / HTTP/1.1\r\n" H " folded: c\r\n\r\n", "400", ""},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "400", ""},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
     "400", ""},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", "400", ""},
    {"POST / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n", "400", ""},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999999\r\n\r\n", "400", ""},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 0x1\r\n\r\nx", "400", ""},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "400", ""},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n2\r\nxyz\r\n0\r\n\r\n", "400", ""},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501", ""},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n", "501", ""},
    {"GET / HTTP/1.1\n" H "\n", "400", ""},
    {"GET / HTTP/1.1\r\nHost: h\n\r\n", "400", ""},
    {"GET / HTTP/2.0\r\n" H "\r\n", "505", ""},
    {"GET / HTTP/9.9\r\n" H "\r\n", "505", ""},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 9999999\r\n\r\n", "413", ""},
    {"POST / HTTP/1.1\r\n" H "Expect: tea\r\nContent-Length: 1\r\n\r\nx", "417", ""},
};

TEST(requests_and_refusals)
{
    struct env e;

    start(&e);
    for (size_t i = 0; i < ARRAY_SIZE(requests_table); i++)
        for (int slow = 0; slow < 2; slow++) {
            struct buf out cleanup(buf_done) = BUF_INIT;
            exchange(&e, slice_of(requests_table[i].in), &out, slow);
            const char *got = buf_str(&out);
            if (strncmp(got, "HTTP/1.1 ", 9) != 0 ||
                strncmp(got + 9, requests_table[i].status, 3) != 0 ||
                !strstr(got, requests_table[i].text))
                FAIL("%d: %s\n--- got\n%s", slow, requests_table[i].in, got);
        }
    env_done(&e);
}

TEST(expect_100_continue)
{
    struct env e;
    struct buf out cleanup(buf_done) = BUF_INIT;

    start(&e);
    int fd = raw_connect(e.plain_port);
    raw_send(&e, fd,
             SLICE("POST /p HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n"));
    raw_recv(&e, fd, &out, "\r\n\r\n", 2000);
    CHECK_STR(buf_str(&out), "HTTP/1.1 100 Continue\r\n\r\n");
    CHECK_INT(requests, 0);
    raw_send(&e, fd, SLICE("x"));
    raw_recv(&e, fd, &out, "@ h: x", 2000);
    CHECK(strstr(buf_str(&out), "HTTP/1.1 200 OK") != NULL);
    close(fd);
    env_done(&e);
}

TEST(oversize_headers_are_431)
{
    struct env e;
    struct buf in cleanup(buf_done) = BUF_INIT, out cleanup(buf_done) = BUF_INIT;

    start(&e);
    buf_adds(&in, "GET / HTTP/1.1\r\n" H);
    for (int i = 0; i < 2000; i++)
        buf_printf(&in, "x-%d: %060d\r\n", i, i);
    buf_adds(&in, "\r\n");
    exchange(&e, buf_slice(&in), &out, false);
    CHECK(strncmp(buf_str(&out), "HTTP/1.1 431 ", 13) == 0);
    buf_reset(&in);
    buf_reset(&out);
    buf_adds(&in, "GET /");
    for (int i = 0; i < 10000; i++)
        buf_adds(&in, "aaaaaaaaaa");
    buf_adds(&in, " HTTP/1.1\r\n" H "\r\n");
    exchange(&e, buf_slice(&in), &out, false);
    CHECK(strncmp(buf_str(&out), "HTTP/1.1 431 ", 13) == 0);
    CHECK_INT(requests, 0);
    env_done(&e);
}

/* The client writes on and on; it must still be able to read the 413. */
TEST(early_413_lingers)
{
    struct env e;
    struct buf body cleanup(buf_done) = BUF_INIT, out cleanup(buf_done) = BUF_INIT;

    start(&e);
    buf_reserve(&body, 8 << 20);
    memset(body.data, 'x', 8 << 20);
    body.len = 8 << 20;
    int fd = raw_connect(e.plain_port);
    raw_send(&e, fd, SLICE("POST / HTTP/1.1\r\n" H "Content-Length: 8388608\r\n\r\n"));
    raw_send(&e, fd, buf_slice(&body));
    CHECK(raw_recv(&e, fd, &out, NULL, 5000));
    CHECK(strncmp(buf_str(&out), "HTTP/1.1 413 ", 13) == 0);
    close(fd);
    env_done(&e);
}

TEST(pipelined_requests_in_order)
{
    struct env e;
    struct buf in cleanup(buf_done) = BUF_INIT, out cleanup(buf_done) = BUF_INIT;

    start(&e);
    for (int i = 0; i < 50; i++)
        buf_printf(&in, "POST /%d HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nab", i);
    buf_adds(&in, "GET /last HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
    int fd = raw_connect(e.plain_port);
    raw_send(&e, fd, buf_slice(&in));
    CHECK(raw_recv(&e, fd, &out, NULL, 5000));
    CHECK_INT(requests, 51);
    const char *at = buf_str(&out);
    for (int i = 0; i < 50 && at; i++) {
        char want[32];
        snprintf(want, sizeof want, "POST /%d ?", i);
        at = strstr(at, want);
        CHECK(at != NULL);
    }
    CHECK(strstr(buf_str(&out), "Connection: close\r\n") != NULL);
    close(fd);
    env_done(&e);
}

TEST(timeouts)
{
    static const struct {
        const char *sent;
        unsigned after; /* milliseconds at least */
    } cases[] = {
        {"", 400},
        {"GET / HT", 400},
        {"POST / HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nx", 400},
        {"GET / HTTP/1.1\r\n" H "\r\n", 600},
    };
    struct env e;

    start(&e);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct buf out cleanup(buf_done) = BUF_INIT;
        uint64_t t0 = uv_hrtime();
        int fd = raw_connect(e.plain_port);
        raw_send(&e, fd, slice_of(cases[i].sent));
        CHECK(raw_recv(&e, fd, &out, NULL, 5000));
        CHECK((uv_hrtime() - t0) / 1000000 >= cases[i].after - 20);
        close(fd);
    }
    env_done(&e);
}

TEST(client_gone_is_told_once)
{
    static const char *const paths[] = {"/open", "/wait"};
    struct env e;

    start(&e);
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        char in[100];
        closed = requests = 0;
        int fd = raw_connect(e.plain_port);
        snprintf(in, sizeof in, "GET %s HTTP/1.1\r\n" H "\r\n", paths[i]);
        raw_send(&e, fd, slice_of(in));
        run_until(&e, &requests, 1, 2000);
        close(fd);
        run_until(&e, &closed, 1, 2000);
        CHECK_INT(closed_how, HTTP_GONE);
        run_ms(&e, 20);
        CHECK_INT(closed, 1);
    }
    env_done(&e);
}

static int drains;
static void count_drain(unused struct http_req *r, unused void *ctx)
{
    drains++;
}

TEST(unsent_is_exact_and_drains)
{
    struct env e;
    struct buf b = BUF_INIT, out cleanup(buf_done) = BUF_INIT;

    start(&e);
    drains = 0;
    int fd = raw_connect(e.plain_port);
    raw_send(&e, fd, SLICE("GET /open HTTP/1.1\r\n" H "\r\n"));
    run_until(&e, &requests, 1, 2000);
    http_on_drain(open_req, 100000, count_drain, NULL);
    buf_reserve(&b, 1 << 20);
    memset(b.data, 'x', 1 << 20);
    b.len = 1 << 20;
    struct rcbuf *rc = rcbuf_take_buf(&b);
    for (int i = 0; i < 8; i++)
        http_write(open_req, rc);
    CHECK_INT(http_unsent(open_req), 8 << 20);
    rcbuf_unref(rc);
    run_ms(&e, 30);
    CHECK(http_unsent(open_req) > 1 << 20); /* sockets take little */
    CHECK_INT(drains, 0);
    for (int i = 0; i < 3000 && out.len <= 8 << 20; i++)
        raw_recv(&e, fd, &out, "x", 100);
    CHECK(out.len > 8 << 20);
    run_until(&e, &drains, 1, 1000);
    CHECK_INT(drains, 1);
    CHECK_INT(http_unsent(open_req), 0);
    http_end(open_req);
    raw_recv(&e, fd, &out, "\r\n0\r\n\r\n", 2000);
    run_until(&e, &closed, 1, 2000);
    CHECK_INT(closed_how, HTTP_SENT);
    close(fd);
    env_done(&e);
}

TEST(garbage_in_http2)
{
    static const char magic[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    struct env e;
    struct buf in cleanup(buf_done) = BUF_INIT, out cleanup(buf_done) = BUF_INIT;

    start(&e);
    buf_adds(&in, magic);
    for (int i = 0; i < 100; i++)
        buf_add(&in, "\xff\xfe\x01\x02", 4);
    int fd = raw_connect(e.plain_port);
    raw_send(&e, fd, buf_slice(&in));
    CHECK(raw_recv(&e, fd, &out, NULL, 5000));
    CHECK(out.len > 9);
    bool goaway = false;
    for (size_t i = 0; i + 9 <= out.len;) { /* frames of the answer */
        const unsigned char *f = (const unsigned char *)out.data + i;
        goaway |= f[3] == 7;
        i += 9 + ((size_t)f[0] << 16 | (size_t)f[1] << 8 | f[2]);
    }
    CHECK(goaway);
    close(fd);
    fd = raw_connect(e.tls_port); /* and in place of TLS */
    raw_send(&e, fd, SLICE("GET / HTTP/1.1\r\n\r\n"));
    buf_reset(&out);
    CHECK(raw_recv(&e, fd, &out, NULL, 5000));
    close(fd);
    run_ms(&e, 10);
    CHECK_INT(http_server_conns(e.server), 0);
    env_done(&e);
}

TEST(max_conns)
{
    struct env e;
    struct buf out cleanup(buf_done) = BUF_INIT;

    env_init(&e, &(struct http_server_opts){.on_request = serve, .max_conns = 2});
    int a = raw_connect(e.plain_port), b = raw_connect(e.plain_port), c = raw_connect(e.plain_port);
    raw_send(&e, c, SLICE("GET / HTTP/1.1\r\n" H "\r\n"));
    raw_recv(&e, c, &out, "200", 50);
    CHECK_INT(out.len, 0);
    CHECK_INT(http_server_conns(e.server), 2);
    close(a);
    raw_recv(&e, c, &out, "200", 2000);
    CHECK(out.len > 0);
    close(b);
    close(c);
    env_done(&e);
}

static int drained;
static void on_drained(unused void *ctx)
{
    drained++;
}

TEST(drain_cuts_after_grace)
{
    struct env e;

    start(&e);
    drained = 0;
    int fd = raw_connect(e.plain_port);
    raw_send(&e, fd, SLICE("GET /wait HTTP/1.1\r\n" H "\r\n"));
    run_until(&e, &requests, 1, 2000);
    http_server_drain(e.server, 50, on_drained, NULL);
    run_until(&e, &drained, 1, 2000);
    CHECK_INT(closed, 1);
    CHECK_INT(closed_how, HTTP_GONE);
    close(fd);
    env_done(&e);
}

/* ---- websockets and tunnels ---- */

static struct ws *server_ws;
static struct tunnel *tunnel;
static int got, ended, ended_code, opened, ended_status;
static struct buf echo_back;
static bool tunnel_eof;

static void server_message(struct ws *ws, enum ws_kind kind, struct slice data, unused void *ctx)
{
    if (slice_is(data, "close"))
        ws_close(ws, WS_NORMAL, SLICE("as you wish"));
    else if (slice_is(data, "cut"))
        ws_cut(ws);
    else if (slice_is(data, "channel"))
        ws_send_channel(ws, 2, SLICE("err"));
    else
        ws_send(ws, kind, data);
}

static void server_ws_closed(unused struct ws *ws, int code, unused struct slice reason,
                             unused int status, unused void *ctx)
{
    closed++;
    ended_code = code;
    server_ws = NULL;
}

static void tunnel_data(struct tunnel *t, struct slice data, unused void *ctx)
{
    tunnel_write(t, data);
}

static void tunnel_ended(struct tunnel *t, unused void *ctx)
{
    tunnel_eof = true;
    tunnel_write(t, SLICE("bye"));
    tunnel_end(t);
}

static void tunnel_closed(unused struct tunnel *t, unused const char *why, unused void *ctx)
{
    closed++;
    tunnel = NULL;
}

static void serve_upgrades(struct http_req *r, unused void *ctx)
{
    static const char *const known[] = {"v5.channel.k8s.io", "v4.channel.k8s.io", NULL};
    static const struct ws_handler wh = {
        .on_message = server_message, .on_close = server_ws_closed, .max_message = 4 << 20};
    static const struct tunnel_handler th = {
        .on_data = tunnel_data, .on_eof = tunnel_ended, .on_close = tunnel_closed};

    requests++;
    if (slice_is(r->path, "/ws")) {
        server_ws = http_accept_websocket(r, http_pick_protocol(r, known), &wh);
    } else if (slice_is(r->path, "/tunnel")) {
        struct http_field f = HTTP_FIELD("Upgrade", "raw");
        tunnel = http_accept_tunnel(r, &f, 1, &th);
    } else {
        http_reply(r, 403, "text/plain", SLICE("no"));
    }
}

static void start_upgrades(struct env *e)
{
    requests = closed = got = ended = opened = ended_status = 0;
    buf_done(&echo_back);
    tunnel_eof = false;
    env_init(e, &(struct http_server_opts){.on_request = serve_upgrades});
}

static void client_open(unused struct ws *ws, unused void *ctx)
{
    opened++;
}
static void client_message(unused struct ws *ws, unused enum ws_kind kind, struct slice data,
                           unused void *ctx)
{
    got++;
    buf_reset(&echo_back);
    buf_add_slice(&echo_back, data);
}
static void client_closed(unused struct ws *ws, int code, struct slice reason, int status,
                          unused void *ctx)
{
    ended++;
    ended_code = code;
    ended_status = status;
    buf_reset(&echo_back);
    buf_add_slice(&echo_back, reason);
}
static const struct ws_handler client_handler = {.on_open = client_open,
                                                 .on_message = client_message,
                                                 .on_close = client_closed,
                                                 .max_message = 4 << 20};

TEST(websocket_echo_both_ends)
{
    static const char *const offer[] = {"v9.channel.k8s.io", "v5.channel.k8s.io", NULL};

    for (int tls = 0; tls < 2; tls++) {
        struct env e;
        struct buf big cleanup(buf_done) = BUF_INIT;
        start_upgrades(&e);
        struct http_client *c = env_client(&e, tls, false);
        struct ws *ws = http_client_websocket(c, "/ws", NULL, 0, offer, &client_handler);
        run_until(&e, &opened, 1, 5000);
        CHECK(slice_is(ws_protocol(ws), "v5.channel.k8s.io"));
        ws_send(ws, WS_TEXT, SLICE("hello"));
        run_until(&e, &got, 1, 5000);
        CHECK_STR(buf_str(&echo_back), "hello");
        ws_send(ws, WS_TEXT, SLICE("channel"));
        run_until(&e, &got, 2, 5000);
        CHECK(slice_eq(buf_slice(&echo_back), SLICE("\002err")));
        buf_reserve(&big, 3 << 20);
        memset(big.data, 'b', 3 << 20);
        big.len = 3 << 20;
        ws_send(ws, WS_BINARY, buf_slice(&big));
        run_until(&e, &got, 3, 10000);
        CHECK(slice_eq(buf_slice(&echo_back), buf_slice(&big)));
        ws_send(ws, WS_TEXT, SLICE("close"));
        run_until(&e, &ended, 1, 5000);
        CHECK_INT(ended_code, WS_NORMAL);
        CHECK_STR(buf_str(&echo_back), "as you wish");
        run_until(&e, &closed, 1, 5000);
        http_client_free(c);
        env_done(&e);
        buf_done(&echo_back);
    }
}

TEST(websocket_ends_of_other_kinds)
{
    struct env e;
    start_upgrades(&e);
    struct http_client *c = env_client(&e, false, false);

    struct ws *ws = http_client_websocket(c, "/elsewhere", NULL, 0, NULL, &client_handler);
    ws_send(ws, WS_TEXT, SLICE("too early"));
    run_until(&e, &ended, 1, 5000);
    CHECK_INT(ended_status, 403);
    CHECK_INT(opened, 0);

    ws = http_client_websocket(c, "/ws", NULL, 0, NULL, &client_handler);
    run_until(&e, &opened, 1, 5000);
    ws_send(ws, WS_TEXT, SLICE("cut"));
    run_until(&e, &ended, 2, 5000);
    CHECK_INT(ended_code, WS_ABNORMAL);

    ws = http_client_websocket(c, "/ws", NULL, 0, NULL, &client_handler);
    ws_cut(ws);
    run_until(&e, &ended, 3, 5000);

    ws = http_client_websocket(c, "/ws", NULL, 0, NULL, &client_handler);
    run_until(&e, &opened, 2, 5000);
    run_until(&e, &requests, 3, 5000);
    ws_close(ws, WS_GOING_AWAY, SLICE(""));
    run_until(&e, &ended, 4, 5000);
    run_until(&e, &closed, 2, 5000);
    CHECK_INT(ended_code, WS_GOING_AWAY);

    ws = http_client_websocket(c, "/ws", NULL, 0, NULL, &client_handler);
    run_until(&e, &opened, 3, 5000);
    http_server_free(take(e.server));
    run_until(&e, &ended, 5, 5000);
    CHECK_INT(ended_code, WS_ABNORMAL);
    http_client_free(c);
    env_done(&e);
    buf_done(&echo_back);
}

TEST(websocket_by_hand)
{
    static const struct {
        const char *frame;
        size_t n;
        int code; /* that we close with */
    } bad[] = {
        {"\x81\x02hi", 4, 1002},                                   /* not masked */
        {"\x83\x80\0\0\0\0", 6, 1002},                             /* reserved opcode */
        {"\xc1\x80\0\0\0\0", 6, 1002},                             /* reserved bit */
        {"\x81\x82\0\0\0\0\xff\xfe", 8, 1007},                     /* not UTF-8 */
        {"\x82\xff\0\0\0\0\x7f\xff\xff\xff\0\0\0\0abc", 17, 1009}, /* 2 GB */
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct env e;
        struct buf out cleanup(buf_done) = BUF_INIT;
        start_upgrades(&e);
        int fd = raw_connect(e.plain_port);
        raw_send(
            &e, fd,
            SLICE("GET /ws HTTP/1.1\r\n" H "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                  "\x81\x82\0\0\0\0hi"));
        raw_recv(&e, fd, &out, "\x81\x02hi", 2000); /* the frame that came with the handshake */
        CHECK(strstr(buf_str(&out), "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") !=
              NULL);
        buf_reset(&out);
        raw_send(&e, fd, (struct slice){bad[i].frame, bad[i].n});
        raw_recv(&e, fd, &out, NULL, 500);
        if (out.len < 4 || (unsigned char)out.data[0] != 0x88)
            FAIL("case %zu: no close frame", i);
        else
            CHECK_INT((unsigned char)out.data[2] << 8 | (unsigned char)out.data[3], bad[i].code);
        close(fd);
        env_done(&e);
    }
}

TEST(tunnel_half_closed)
{
    struct env e;
    struct buf out cleanup(buf_done) = BUF_INIT;

    start_upgrades(&e);
    int fd = raw_connect(e.plain_port);
    raw_send(
        &e, fd,
        SLICE("POST /tunnel HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: raw\r\n\r\nearly "));
    raw_recv(&e, fd, &out, "early ", 2000);
    raw_send(&e, fd, SLICE("late "));
    raw_recv(&e, fd, &out, "late ", 2000);
    shutdown(fd, SHUT_WR);
    CHECK(raw_recv(&e, fd, &out, NULL, 2000));
    CHECK(tunnel_eof);
    CHECK_STR(strstr(buf_str(&out), "\r\n\r\n"), "\r\n\r\nearly late bye");
    run_until(&e, &closed, 1, 2000);
    CHECK_INT(http_server_conns(e.server), 0);
    close(fd);
    env_done(&e);
}
