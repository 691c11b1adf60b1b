/* For the client's tests: a server that does what the path says, calls that remember their end. */
#ifndef MANTA_NET_CLIENT_FIXTURE_H
#define MANTA_NET_CLIENT_FIXTURE_H

#include "net/net_fixture.h"

/* ---- a server that does what the path says ---- */

#define BIG ((size_t)8 << 20)

static struct {
    struct http_req *watches[2000];
    int nwatches, gone, requests, held;
    struct http_req *later;
    struct buf last_cn;
} srv;

static inline void watch_gone(struct http_req *r, unused enum http_end_kind how, unused void *ctx)
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

static inline void serve_peer(struct http_req *r)
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

static inline void serve(struct http_req *r, unused void *ctx)
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

static inline void start(struct env *e)
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

static inline void get_done(struct http_call *call, const struct http_result *res, void *ctx)
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

static inline void get_data(unused struct http_call *call, struct slice data, void *ctx)
{
    struct get *g = ctx;

    g->events++;
    buf_add_slice(&g->data, data);
}

static inline void get(struct http_client *c, struct get *g, const char *method, const char *path,
                       struct slice body)
{
    memset(g, 0, sizeof *g);
    g->call = http_client_send(
        c, &(struct http_call_opts){
               .method = method, .path = path, .body = body, .on_done = get_done, .ctx = g});
}

static inline void watch(struct http_client *c, struct get *g, const char *path)
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

/* ---- servers played by hand ---- */

static inline int raw_listen(uint16_t *port)
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

static inline int raw_accept(struct env *e, int lfd)
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

#endif
