#include "base/test.h"

#include "net/client.h"
#include "net/server.h"

#include <time.h>

TEST(rcbuf_take)
{
    struct buf b = BUF_INIT;
    buf_adds(&b, "abc");
    struct rcbuf *r = rcbuf_take_buf(&b);
    CHECK_INT(r->len, 3);
    CHECK_INT(b.len, 0);
    rcbuf_unref(rcbuf_ref(r));
    CHECK(slice_is(rcbuf_slice(r), "abc"));
    rcbuf_unref(r);
}

TEST(list_has)
{
    CHECK(http_list_has(SLICE("keep-alive, Upgrade"), "upgrade"));
    CHECK(!http_list_has(SLICE("keep-alive, Upgraded"), "upgrade"));
    CHECK(!http_list_has(SLICE(""), "upgrade"));
}

TEST(field_valid)
{
    CHECK(http_field_valid(SLICE("x-a"), SLICE("b\tc")));
    CHECK(!http_field_valid(SLICE("x a"), SLICE("b")));
    CHECK(!http_field_valid(SLICE("x"), SLICE("b\r\nc: d")));
    CHECK(!http_field_valid(SLICE(""), SLICE("b")));
}

static void issue(struct buf *ca, struct buf *ca_key, struct buf *cert, struct buf *key)
{
    static const char *const dns[] = {"kubernetes.default.svc", NULL};
    static const char *const ips[] = {"10.0.0.1", "::1", NULL};
    struct err err = {0};

    CHECK_OK(tls_ca_new("ca", 100, ca, ca_key, &err), &err);
    CHECK_OK(tls_issue(&(struct tls_issue_opts){.ca_cert = buf_slice(ca),
                                                .ca_key = buf_slice(ca_key),
                                                .cn = "x",
                                                .dns = dns,
                                                .ips = ips,
                                                .days = 10,
                                                .server = true,
                                                .client = true},
                       cert, key, &err),
             &err);
}

TEST(certificates)
{
    struct buf ca cleanup(buf_done) = BUF_INIT, ca_key cleanup(buf_done) = BUF_INIT;
    struct buf cert cleanup(buf_done) = BUF_INIT, key cleanup(buf_done) = BUF_INIT;
    struct err err = {0};
    int64_t expiry;

    issue(&ca, &ca_key, &cert, &key);
    CHECK_OK(tls_cert_expiry(buf_slice(&cert), &expiry, &err), &err);
    int64_t days = (expiry - time(NULL)) / 86400;
    CHECK(days == 9 || days == 10);
    CHECK(tls_cert_expiry(SLICE("no PEM"), &expiry, &err) < 0);
}

TEST(tls_refuses_nonsense)
{
    struct buf ca cleanup(buf_done) = BUF_INIT, ca_key cleanup(buf_done) = BUF_INIT;
    struct buf cert cleanup(buf_done) = BUF_INIT, key cleanup(buf_done) = BUF_INIT;
    struct err err = {0};
    struct tls *t = NULL;

    issue(&ca, &ca_key, &cert, &key);
    struct slice c = buf_slice(&cert), k = buf_slice(&key), other = buf_slice(&ca_key),
                 bad = SLICE("x");
    const struct tls_server_opts servers[] = {
        {.cert = bad, .key = k},
        {.cert = c, .key = bad},
        {.cert = c, .key = other},
        {.cert = c, .key = k, .client_ca = bad},
        {.key = k},
    };
    for (size_t i = 0; i < ARRAY_SIZE(servers); i++)
        CHECK(tls_server_new(&servers[i], &t, &err) < 0);
    CHECK(tls_client_new(&(struct tls_client_opts){.ca = bad}, &t, &err) < 0);
    CHECK(tls_client_new(&(struct tls_client_opts){.ca = buf_slice(&ca), .cert = c, .key = other},
                         &t, &err) < 0);
    CHECK(t == NULL);
    const char *const bad_ip[] = {"10.0.0.300", NULL};
    CHECK(tls_issue(&(struct tls_issue_opts){.ca_cert = buf_slice(&ca),
                                             .ca_key = buf_slice(&ca_key),
                                             .cn = "x",
                                             .ips = bad_ip,
                                             .days = 1},
                    &cert, &key, &err) < 0);
}
