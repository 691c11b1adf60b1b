#include "kubelet/fallback.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define SUFFIX ".svc.cluster.local"
#define METRICS_PORT 8080

void fallback_ip(unsigned n, char out[16])
{
    snprintf(out, 16, "127.77.%u.%u", n >> 8 & 255, n & 255);
}

static unsigned number_of(const char *ip)
{
    struct in_addr a = {0};

    inet_pton(AF_INET, ip, &a);
    return ntohl(a.s_addr) & 0xffff;
}

unsigned fallback_port(const char *ip, unsigned port)
{
    unsigned n = number_of(ip) % 5000; /* below the range that the kernel gives out */

    return port == FALLBACK_AGENT_PORT ? 20000 + n : port == METRICS_PORT ? 25000 + n : port;
}

void fallback_temp_dir(const char *ip, char out[40])
{
    snprintf(out, 40, "/tmp/manta-ray-%u", number_of(ip));
}

static bool name_char(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '.';
}

/* The name that ends with the suffix at `end`: gives where it begins, at or after from. */
static const char *name_start(const char *from, const char *end)
{
    while (end > from && name_char(end[-1]))
        end--;
    return end;
}

static int put_address(const struct fallback *f, struct slice name, struct buf *out,
                       struct err *err)
{
    uint32_t ips[DNS_IPS_MAX];
    size_t n = 0;
    char text[INET_ADDRSTRLEN];
    autofree char *host = xstrndup(name.p, name.n);

    if (f->lookup(f->ctx, host, ips, &n) != DNS_KNOWN || !n)
        return err_set(err, ERR_UNAVAILABLE, "%s has no address yet", host);
    buf_adds(out, inet_ntop(AF_INET, ips, text, sizeof text));
    return 0;
}

static int replace_names(const struct fallback *f, const char *text, struct buf *out,
                         struct err *err)
{
    const char *at;

    while ((at = strstr(text, SUFFIX))) {
        const char *start = name_start(text, at);
        struct slice name = {start, (size_t)(at - start) + sizeof SUFFIX - 1};
        buf_add(out, text, (size_t)(start - text));
        int r = put_address(f, name, out, err);
        if (r < 0)
            return r;
        text = at + sizeof SUFFIX - 1;
    }
    buf_adds(out, text);
    return 0;
}

/* What stands in place of the piece at `at`; *ret_used bytes are taken. False: copy one byte. */
static bool replace_flag(const struct fallback *f, const char *at, struct buf *out,
                         size_t *ret_used)
{
    static const struct {
        const char *flag;
        unsigned port;
    } flags[] = {{"--dashboard-agent-listen-port=", FALLBACK_AGENT_PORT},
                 {"--metrics-export-port=", METRICS_PORT}};
    static const char start[] = "ray start ";
    char dir[40];

    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        size_t n = strlen(flags[i].flag);
        if (strncmp(at, flags[i].flag, n) != 0)
            continue;
        buf_printf(out, "%s%u", flags[i].flag, fallback_port(f->ip, flags[i].port));
        *ret_used = n + strspn(at + n, "0123456789");
        return true;
    }
    if (strncmp(at, start, sizeof start - 1) != 0)
        return false;
    fallback_temp_dir(f->ip, dir);
    buf_printf(out, "%s--node-ip-address=%s --temp-dir=%s ", start, f->ip, dir);
    *ret_used = sizeof start - 1;
    return true;
}

int fallback_text(const struct fallback *f, const char *text, char **ret, struct err *err)
{
    struct buf named cleanup(buf_done) = BUF_INIT, out = BUF_INIT;
    int r = replace_names(f, text, &named, err);

    if (r < 0)
        return r;
    for (const char *at = buf_str(&named); *at;) {
        size_t used = 1;
        if (!replace_flag(f, at, &out, &used))
            buf_addc(&out, *at);
        at += used;
    }
    char *s = buf_take(&out);
    *ret = s ? s : xstrdup("");
    return 0;
}
