#include "base/test.h"

#include "net/url.h"

TEST(urls)
{
    static const struct {
        const char *in, *out; /* NULL: refused */
    } cases[] = {
        {"http://a", "0 a 80  -"},
        {"HTTPS://A.b:6443/x/y/", "1 a.b 6443 /x/y -"},
        {"https://[::1]:8443", "1 ::1 8443  -"},
        {"http://u:p%40@h:1/", "0 h 1  u:p%40"},
        {"http://h:/", "0 h 80  -"},
        {"ftp://h", NULL},
        {"h:80", NULL},
        {"http://", NULL},
        {"http://:80", NULL},
        {"http://h:0", NULL},
        {"http://h:65536", NULL},
        {"http://h:+1", NULL},
        {"http://h:1:2", NULL},
        {"http://[::1", NULL},
        {"http://[::1]x", NULL},
        {"http://h/a b", NULL},
        {"http://h/a?b", NULL},
        {"http://h\r\nx", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct url u = {0};
        struct err err = {0};
        char got[200];
        int rc = url_parse(slice_of(cases[i].in), &u, &err);
        if (rc == 0)
            snprintf(got, sizeof got, "%d %s %u %s %s", u.https, u.host, u.port, u.prefix,
                     u.userinfo ? u.userinfo : "-");
        if ((rc == 0) != (cases[i].out != NULL) || (rc == 0 && strcmp(got, cases[i].out) != 0))
            FAIL("%s: got %s", cases[i].in, rc == 0 ? got : err.msg);
        url_done(&u);
    }
}

TEST(authority)
{
    static const char *const cases[][2] = {{"https://a:443", "a"},
                                           {"https://a:80", "a:80"},
                                           {"http://[fe80::1]:80", "[fe80::1]"},
                                           {"http://[fe80::1]:81", "[fe80::1]:81"}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct url u = {0};
        CHECK_INT(url_parse(slice_of(cases[i][0]), &u, NULL), 0);
        autofree char *a = url_authority(&u);
        CHECK_STR(a, cases[i][1]);
        url_done(&u);
    }
}

/* Cases after the documentation of Go's httpproxy.Config. */
TEST(no_proxy)
{
    static const struct {
        const char *no_proxy, *url;
        bool proxied;
    } cases[] = {
        {"", "https://example.com", true},
        {NULL, "http://example.com", true},
        {"", "http://localhost:80", false},
        {"", "http://127.3.4.5", false},
        {"", "https://[::1]", false},
        {"*", "https://example.com", false},
        {"example.com", "https://example.com", false},
        {"example.com", "https://EXAMPLE.com", false},
        {"example.com", "https://www.example.com", false},
        {"example.com", "https://badexample.com", true},
        {".example.com", "https://example.com", true},
        {".example.com", "https://a.example.com", false},
        {"*.example.com", "https://a.example.com", false},
        {"*.example.com", "https://example.com", true},
        {" other , example.com ", "https://example.com", false},
        {"example.com:443", "https://example.com", false},
        {"example.com:80", "https://example.com", true},
        {"10.0.0.0/8", "https://10.2.3.4", false},
        {"10.0.0.0/8", "https://11.2.3.4", true},
        {"10.0.0.0/7", "https://11.2.3.4", false},
        {"10.0.0.1", "https://10.0.0.1:6443", false},
        {"10.0.0.1:6443", "https://10.0.0.1:6443", false},
        {"10.0.0.1:6444", "https://10.0.0.1:6443", true},
        {"fd00::/8", "https://[fd00::5]", false},
        {"fd00::5", "https://[fd00::5]", false},
        {"10.0.0.0/8", "https://10.example.com", true},
        {"10.0.0.0/99", "https://10.0.0.1", true},
        {",,", "https://example.com", true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct proxy_env env = {"http://p:1", "http://p:1", cases[i].no_proxy};
        struct url u = {0};
        CHECK_INT(url_parse(slice_of(cases[i].url), &u, NULL), 0);
        if ((proxy_for(&env, &u) != NULL) != cases[i].proxied)
            FAIL("NO_PROXY=%s %s", cases[i].no_proxy ? cases[i].no_proxy : "", cases[i].url);
        url_done(&u);
    }
}
