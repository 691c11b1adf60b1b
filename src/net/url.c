#include "net/url.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <stdio.h>

/* ---- URLs ---- */

static char *lower_dup(struct slice s)
{
    char *out = xstrndup(s.p, s.n);

    for (char *p = out; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + 32);
    return out;
}

static bool parse_port(struct slice s, uint16_t *ret)
{
    int64_t n;

    if (!s.n || s.p[0] < '0' || s.p[0] > '9' || !slice_int64(s, &n) || n < 1 || n > 65535)
        return false;
    *ret = (uint16_t)n;
    return true;
}

/* "host", "host:port", "[v6]", "[v6]:port"; port is untouched when there is none. */
static bool split_host_port(struct slice s, struct slice *host, struct slice *port)
{
    const char *end;

    *port = (struct slice){NULL, 0};
    if (s.n && s.p[0] == '[') {
        end = memchr(s.p, ']', s.n);
        if (!end)
            return false;
        *host = (struct slice){s.p + 1, (size_t)(end - s.p) - 1};
        s = (struct slice){end + 1, s.n - host->n - 2};
        if (!s.n)
            return true;
        if (s.p[0] != ':')
            return false;
        *port = (struct slice){s.p + 1, s.n - 1};
        return true;
    }
    end = s.n ? memchr(s.p, ':', s.n) : NULL;
    if (!end) {
        *host = s;
        return true;
    }
    *host = (struct slice){s.p, (size_t)(end - s.p)};
    *port = (struct slice){end + 1, s.n - host->n - 1};
    return !memchr(port->p, ':', port->n);
}

static bool clean(struct slice s, const char *forbidden)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= 0x20 || s.p[i] == 0x7f || strchr(forbidden, s.p[i]))
            return false;
    return true;
}

static bool cut_scheme(struct slice *s, bool *https)
{
    static const struct {
        struct slice text;
        bool https;
    } schemes[] = {{{"http://", 7}, false}, {{"https://", 8}, true}};

    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        struct slice t = schemes[i].text;
        if (s->n < t.n || !slice_ieq((struct slice){s->p, t.n}, t))
            continue;
        *s = (struct slice){s->p + t.n, s->n - t.n};
        *https = schemes[i].https;
        return true;
    }
    return false;
}

int url_parse(struct slice text, struct url *ret, struct err *err)
{
    struct slice rest = text, authority, host, port, userinfo = {NULL, 0};
    struct url u = {0};

    if (!cut_scheme(&rest, &u.https))
        return err_set(err, ERR_INVALID, "URL must begin with http:// or https://");
    const char *slash = rest.n ? memchr(rest.p, '/', rest.n) : NULL;
    size_t n = slash ? (size_t)(slash - rest.p) : rest.n;
    authority = (struct slice){rest.p, n};
    rest = (struct slice){rest.p + n, rest.n - n};
    const char *at = authority.n ? memrchr(authority.p, '@', authority.n) : NULL;
    if (at) {
        userinfo = (struct slice){authority.p, (size_t)(at - authority.p)};
        authority = (struct slice){at + 1, authority.n - userinfo.n - 1};
    }
    u.port = u.https ? 443 : 80;
    if (!split_host_port(authority, &host, &port) || !host.n || !clean(host, "/?#@[]\\%\""))
        return err_set(err, ERR_INVALID, "URL has no valid host");
    if (port.p && port.n && !parse_port(port, &u.port))
        return err_set(err, ERR_INVALID, "URL has no valid port");
    if (!clean(rest, "?#") || !clean(userinfo, ""))
        return err_set(err, ERR_INVALID, "URL has a query, a fragment or a space");
    while (rest.n && rest.p[rest.n - 1] == '/')
        rest.n--;
    u.host = lower_dup(host);
    u.prefix = xstrndup(rest.n ? rest.p : "", rest.n);
    u.userinfo = userinfo.p ? xstrndup(userinfo.p, userinfo.n) : NULL;
    *ret = u;
    return 0;
}

void url_done(struct url *u)
{
    free(u->host);
    free(u->prefix);
    free(u->userinfo);
    *u = (struct url){0};
}

char *url_authority(const struct url *u)
{
    bool v6 = strchr(u->host, ':') != NULL;
    char port[8] = "";

    if (u->port != (u->https ? 443 : 80))
        snprintf(port, sizeof port, ":%u", u->port);
    return xasprintf("%s%s%s%s", v6 ? "[" : "", u->host, v6 ? "]" : "", port);
}

/* ---- proxies ---- */

static const char *env_any(const char *upper, const char *lower)
{
    const char *v = getenv(upper);

    return v && *v ? v : getenv(lower);
}

void proxy_env_read(struct proxy_env *ret)
{
    ret->http_proxy = env_any("HTTP_PROXY", "http_proxy");
    ret->https_proxy = env_any("HTTPS_PROXY", "https_proxy");
    ret->no_proxy = env_any("NO_PROXY", "no_proxy");
}

/* An address as 16 bytes, IPv4 mapped. */
static bool parse_ip(struct slice s, uint8_t out[16])
{
    char text[INET6_ADDRSTRLEN];

    if (!s.n || s.n >= sizeof text)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    if (inet_pton(AF_INET6, text, out) == 1)
        return true;
    memset(out, 0, 10);
    out[10] = out[11] = 0xff;
    return inet_pton(AF_INET, text, out + 12) == 1;
}

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    if (memcmp(a, b, bits / 8) != 0)
        return false;
    unsigned rest = bits % 8;
    return !rest || (a[bits / 8] ^ b[bits / 8]) >> (8 - rest) == 0;
}

static bool is_v4(const uint8_t ip[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    return memcmp(ip, mapped, sizeof mapped) == 0;
}

static bool is_loopback(const uint8_t ip[16])
{
    static const uint8_t one[16] = {[15] = 1};

    return is_v4(ip) ? ip[12] == 127 : memcmp(ip, one, sizeof one) == 0;
}

/* Whether entry is "addr/bits" at all; if so, *match tells whether ip lies in it. */
static bool cidr_entry(struct slice entry, const uint8_t *ip, bool *match)
{
    struct slice addr, rest = entry;
    uint8_t net[16];
    int64_t bits;

    if (!memchr(entry.p, '/', entry.n))
        return false;
    slice_cut(&rest, '/', &addr);
    if (!parse_ip(addr, net) || !slice_int64(rest, &bits) || bits < 0)
        return false;
    bool v4 = is_v4(net);
    if (bits > (v4 ? 32 : 128))
        return false;
    *match = ip && is_v4(ip) == v4 && same_prefix(ip, net, (unsigned)bits + (v4 ? 96 : 0));
    return true;
}

/* ".foo" and "*.foo" match names under foo, "foo" also foo itself. */
static bool domain_matches(struct slice entry, const char *host)
{
    size_t n = strlen(host);

    if (entry.n > 1 && entry.p[0] == '*' && entry.p[1] == '.')
        entry = (struct slice){entry.p + 1, entry.n - 1};
    bool dot = entry.p[0] == '.';
    if (!dot && slice_ieq(entry, slice_of(host)))
        return true;
    size_t want = entry.n + (dot ? 0 : 1);
    if (n < want || (!dot && host[n - want] != '.'))
        return false;
    return slice_ieq(entry, (struct slice){host + n - entry.n, entry.n});
}

static bool entry_matches(struct slice entry, const struct url *u, const uint8_t *ip)
{
    struct slice host, port;
    uint8_t other[16];
    uint16_t want = 0;
    bool match;

    if (slice_is(entry, "*"))
        return true;
    if (cidr_entry(entry, ip, &match))
        return match;
    if (parse_ip(entry, other)) /* bare IPv6 has colons, too */
        return ip && memcmp(ip, other, sizeof other) == 0;
    if (!split_host_port(entry, &host, &port) || !host.n)
        return false;
    if (port.n && (!parse_port(port, &want) || want != u->port))
        return false;
    if (parse_ip(host, other))
        return ip && memcmp(ip, other, sizeof other) == 0;
    return domain_matches(host, u->host);
}

const char *proxy_for(const struct proxy_env *env, const struct url *u)
{
    const char *proxy = u->https ? env->https_proxy : env->http_proxy;
    struct slice rest = slice_of(env->no_proxy), entry;
    uint8_t ip[16];
    bool literal = parse_ip(slice_of(u->host), ip);

    if (!proxy || !*proxy || strcmp(u->host, "localhost") == 0 || (literal && is_loopback(ip)))
        return NULL;
    while (slice_cut(&rest, ',', &entry)) {
        entry = slice_trim(entry);
        if (entry.n && entry_matches(entry, u, literal ? ip : NULL))
            return NULL;
    }
    return proxy;
}
