#include "operator/health.h"
#include "operator/metrics.h"
#include "base/mem.h"
#include "net/server.h"

#include <string.h>

#define TEXT "text/plain; charset=utf-8"

struct health {
    struct http_server *probes, *metrics;
};

/* /healthz and /readyz, each also with its check's name behind. */
static const char *const checks[] = {"healthz", "readyz"};

static const char *check_of(struct slice path)
{
    for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
        struct slice rest = {path.p + 1, path.n ? path.n - 1 : 0}, part;
        if (!slice_cut(&rest, '/', &part) || !slice_is(part, checks[i]))
            continue;
        if (!rest.p || !rest.n || slice_is(rest, checks[i]))
            return checks[i];
    }
    return NULL;
}

/* What the query says: verbose, and which checks to leave out. */
static bool is_excluded(const char *check, struct slice query, struct buf *unknown, bool *verbose)
{
    bool excluded = false;
    struct slice item;

    while (slice_cut(&query, '&', &item)) {
        struct slice key = {item.p, 0}, value = item;
        slice_cut(&value, '=', &key);
        if (slice_is(key, "verbose"))
            *verbose = true;
        else if (slice_is(key, "exclude") && slice_is(value, check))
            excluded = true;
        else if (slice_is(key, "exclude") && value.n)
            buf_printf(unknown, "%s\"%.*s\"", unknown->len ? "," : "", SLICE_FMT(value));
    }
    return excluded;
}

static void on_probe(struct http_req *r, unused void *ctx)
{
    struct buf text cleanup(buf_done) = BUF_INIT, unknown cleanup(buf_done) = BUF_INIT;
    const char *check = check_of(r->path);
    bool verbose = false, excluded;

    if (!check) {
        http_reply(r, 404, TEXT, SLICE("404 page not found\n"));
        return;
    }
    excluded = is_excluded(check, r->query, &unknown, &verbose);
    if (!verbose) {
        http_reply(r, 200, TEXT, SLICE("ok"));
        return;
    }
    buf_printf(&text, "[+]%s %s\n", check, excluded ? "excluded: ok" : "ok");
    if (unknown.len)
        buf_printf(&text, "warn: some health checks cannot be excluded: no matches for %s\n",
                   buf_str(&unknown));
    buf_printf(&text, "%s check passed\n", check);
    http_reply(r, 200, TEXT, buf_slice(&text));
}

static void on_metrics(struct http_req *r, unused void *ctx)
{
    struct buf text cleanup(buf_done) = BUF_LIMIT((size_t)64 << 20);

    if (!slice_is(r->path, "/metrics")) {
        http_reply(r, 404, TEXT, SLICE("404 page not found\n"));
        return;
    }
    metrics_write(&text);
    http_reply(r, 200, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
               buf_slice(&text));
}

/* "host:port" or ":port"; "0" and "" are no address. */
static int serve(uv_loop_t *loop, const char *addr,
                 void (*on_request)(struct http_req *r, void *ctx), struct http_server **ret,
                 struct err *err)
{
    const char *colon = strrchr(addr, ':');
    int64_t port;

    if (!*addr || !strcmp(addr, "0"))
        return 0;
    if (!colon || !slice_int64(slice_of(colon + 1), &port) || port < 0 || port > 65535)
        return err_set(err, ERR_BAD_REQUEST, "%s: must be HOST:PORT or :PORT", addr);
    autofree char *host = xstrndup(addr, (size_t)(colon - addr));
    *ret = http_server_new(loop, &(struct http_server_opts){.on_request = on_request});
    return http_server_listen(*ret, host, (uint16_t)port, NULL, NULL, err);
}

int health_start(uv_loop_t *loop, const struct operator_options *o, struct health **ret,
                 struct err *err)
{
    struct health *h = xnew(struct health);

    *ret = h;
    if (serve(loop, o->probe_addr, on_probe, &h->probes, err) < 0)
        return err_wrap(err, "--health-probe-bind-address");
    if (serve(loop, o->metrics_addr, on_metrics, &h->metrics, err) < 0)
        return err_wrap(err, "--metrics-addr");
    return 0;
}

void health_stop(struct health *h)
{
    if (!h)
        return;
    if (h->probes)
        http_server_free(h->probes);
    if (h->metrics)
        http_server_free(h->metrics);
    free(h);
}
