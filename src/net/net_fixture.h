/* For the tests of this folder: a loop, a server on loopback (plain and TLS), and waiting. */
#ifndef MANTA_NET_FIXTURE_H
#define MANTA_NET_FIXTURE_H

#include "base/test.h"

#include "net/client.h"
#include "net/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>

static struct certs {
    struct buf ca, ca_key, cert, key, client_cert, client_key, other_ca, other_ca_key, other_cert,
        other_key;
} certs;

static inline void make_certs(void)
{
    static const char *const dns[] = {"localhost", NULL}, *const ips[] = {"127.0.0.1", "::1", NULL};
    static const char *const orgs[] = {"system:masters", "dev", NULL};
    struct err err = {0};

    if (certs.ca.len)
        return;
    CHECK_OK(tls_ca_new("test-ca", 10, &certs.ca, &certs.ca_key, &err), &err);
    CHECK_OK(tls_ca_new("other-ca", 10, &certs.other_ca, &certs.other_ca_key, &err), &err);
    struct tls_issue_opts o = {.ca_cert = buf_slice(&certs.ca),
                               .ca_key = buf_slice(&certs.ca_key),
                               .cn = "server",
                               .dns = dns,
                               .ips = ips,
                               .days = 5,
                               .server = true};
    CHECK_OK(tls_issue(&o, &certs.cert, &certs.key, &err), &err);
    o = (struct tls_issue_opts){.ca_cert = buf_slice(&certs.ca),
                                .ca_key = buf_slice(&certs.ca_key),
                                .cn = "alice",
                                .orgs = orgs,
                                .days = 5,
                                .client = true};
    CHECK_OK(tls_issue(&o, &certs.client_cert, &certs.client_key, &err), &err);
    o.ca_cert = buf_slice(&certs.other_ca);
    o.ca_key = buf_slice(&certs.other_ca_key);
    CHECK_OK(tls_issue(&o, &certs.other_cert, &certs.other_key, &err), &err);
}

__attribute__((destructor)) static void free_certs(void)
{
    struct buf *all = (struct buf *)&certs;

    for (size_t i = 0; i < sizeof certs / sizeof *all; i++)
        buf_done(&all[i]);
}

struct env {
    uv_loop_t loop;
    struct http_server *server;
    struct http_listener *plain, *tls;
    uint16_t plain_port, tls_port;
    char plain_url[64], tls_url[64];
    struct tls *client_tls;
};

static inline void env_listen(struct env *e)
{
    struct err err = {0};
    struct tls *t = NULL;

    make_certs();
    struct tls_server_opts so = {.cert = buf_slice(&certs.cert),
                                 .key = buf_slice(&certs.key),
                                 .client_ca = buf_slice(&certs.ca)};
    CHECK_OK(tls_server_new(&so, &t, &err), &err);
    CHECK_OK(http_server_listen(e->server, "127.0.0.1", 0, NULL, &e->plain, &err), &err);
    CHECK_OK(http_server_listen(e->server, "127.0.0.1", 0, t, &e->tls, &err), &err);
    tls_unref(t);
    e->plain_port = http_listener_port(e->plain);
    e->tls_port = http_listener_port(e->tls);
    snprintf(e->plain_url, sizeof e->plain_url, "http://127.0.0.1:%u", e->plain_port);
    snprintf(e->tls_url, sizeof e->tls_url, "https://127.0.0.1:%u", e->tls_port);
    struct tls_client_opts co = {.ca = buf_slice(&certs.ca)};
    CHECK_OK(tls_client_new(&co, &e->client_tls, &err), &err);
}

static inline void env_init(struct env *e, const struct http_server_opts *o)
{
    memset(e, 0, sizeof *e);
    uv_loop_init(&e->loop);
    e->server = http_server_new(&e->loop, o);
    env_listen(e);
}

static inline struct http_client *env_client(struct env *e, bool tls, bool http1)
{
    struct err err = {0};
    struct http_client_opts o = {.url = tls ? e->tls_url : e->plain_url,
                                 .tls = e->client_tls,
                                 .http1_only = http1,
                                 .proxy = ""};
    struct http_client *c = http_client_new(&e->loop, &o, &err);

    if (!c)
        FAIL("client: %s", err.msg);
    return c;
}

static inline void env_done(struct env *e)
{
    http_server_free(e->server);
    tls_unref(e->client_tls);
    uv_run(&e->loop, UV_RUN_DEFAULT);
    int rc = uv_loop_close(&e->loop);
    if (rc != 0) {
        uv_print_all_handles(&e->loop, stderr);
        FAIL("loop: %s", uv_strerror(rc));
    }
}

/* Waiting ends when what it waits for is there; a busy machine takes its time. */
#define PATIENCE 10

static void fixture_tick(unused uv_timer_t *t)
{
}
static void fixture_closed(uv_handle_t *h)
{
    *(bool *)h->data = true;
}

/*
 * Runs the loop until *n reaches want (NULL: never), at most for ms. The ticks are there because a
 * callback may run just before the loop polls.
 */
static inline bool run_loop(struct env *e, const int *n, int want, unsigned ms)
{
    uv_timer_t timer;
    bool closed = false;
    uint64_t end = uv_hrtime() + (uint64_t)ms * (n ? PATIENCE : 1) * 1000000;

    uv_timer_init(&e->loop, &timer);
    uv_timer_start(&timer, fixture_tick, 1, 1);
    while ((!n || *n < want) && uv_hrtime() < end)
        uv_run(&e->loop, UV_RUN_ONCE);
    timer.data = &closed;
    uv_close((uv_handle_t *)&timer, fixture_closed);
    while (!closed)
        uv_run(&e->loop, UV_RUN_NOWAIT);
    return n && *n >= want;
}

static inline void run_until(struct env *e, const int *n, int want, unsigned ms)
{
    if (!run_loop(e, n, want, ms))
        FAIL("waited %u ms for %d, got %d", ms, want, *n);
}

static inline void run_ms(struct env *e, unsigned ms)
{
    run_loop(e, NULL, 0, ms);
}

/* A plain blocking-free socket for what a well-behaved client would not send. */
static inline int raw_connect(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
        FAIL("connect: %s", strerror(errno));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static inline void raw_send(struct env *e, int fd, struct slice s)
{
    for (int i = 0; s.n && i < 20000; i++) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
        if (n > 0)
            s.p += n, s.n -= (size_t)n;
        else if (errno != EAGAIN)
            return;
        uv_run(&e->loop, UV_RUN_NOWAIT);
    }
}

/* Reads until `until` appears, the peer closes (true) or ms, patiently counted, pass. */
static inline bool raw_recv(struct env *e, int fd, struct buf *out, const char *until, unsigned ms)
{
    char tmp[65536];
    uint64_t end = uv_hrtime() + (uint64_t)ms * PATIENCE * 1000000;
    size_t searched = 0;

    while (uv_hrtime() < end) {
        uv_run(&e->loop, UV_RUN_NOWAIT);
        ssize_t n = recv(fd, tmp, sizeof tmp, 0);
        if (n == 0)
            return true;
        if (n < 0 && errno != EAGAIN)
            return true;
        if (n > 0)
            buf_add(out, tmp, (size_t)n);
        if (until && strstr(buf_str(out) + searched, until))
            return false;
        searched = until && out->len > strlen(until) ? out->len - strlen(until) : 0;
        if (n < 0)
            poll(NULL, 0, 1);
    }
    return false;
}

#endif
