#include "apiserver/forward.h"
#include "apiserver/server.h"

#include <stdio.h>

#define UNSENT_HIGH (512u << 10) /* then the other side is held back */
#define UNSENT_LOW (128u << 10)
#define ERROR_TEXT_MAX 4096

struct relay {
    struct request *req;   /* until the answer begins */
    struct http_req *http; /* from then on; NULL once our client is gone */
    struct http_client *client;
    struct http_call *call;
    int (*connect)(const char *target, struct err *err);
    char *target, *what;
    int status;
    bool errors_as_status, paused;
    struct buf error;
};

static void relay_free(struct relay *r)
{
    http_client_free(r->client);
    free(r->target);
    free(r->what);
    buf_done(&r->error);
    free(r);
}

static int on_connect(const char *host, uint16_t port, void *ctx, struct err *err)
{
    struct relay *r = ctx;

    (void)host;
    (void)port;
    return r->connect(r->target, err);
}

/* Our client went away: the call goes, too, and on_done frees the rest. */
static void on_client_gone(struct http_req *http, enum http_end_kind how, void *ctx)
{
    struct relay *r = ctx;

    (void)how;
    http->user = NULL;
    r->http = NULL;
    if (r->call)
        http_call_cancel(r->call);
    else
        relay_free(r);
}

static void on_drain(struct http_req *http, void *ctx)
{
    struct relay *r = ctx;

    (void)http;
    if (r->paused && r->call) {
        r->paused = false;
        http_call_resume(r->call);
    }
}

static bool is_hop(struct slice name)
{
    static const char *const hop[] = {
        "connection",       "keep-alive", "transfer-encoding", "upgrade", "te",
        "proxy-connection", "trailer",    "content-length",    "date"};

    for (size_t i = 0; i < ARRAY_SIZE(hop); i++)
        if (slice_ieq(name, slice_of(hop[i])))
            return true;
    return false;
}

/* The headers of the answer that matter to a browser or a client of Ray's dashboard. */
static size_t copy_fields(struct http_call *call, struct http_field out[8])
{
    static const char *const kept[] = {
        "content-type", "location",      "cache-control", "content-encoding",
        "etag",         "last-modified", "set-cookie",    "content-disposition"};
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        struct slice v = http_call_header(call, kept[i]);

        if (v.p && !is_hop(slice_of(kept[i])))
            out[n++] = (struct http_field){slice_of(kept[i]), v};
    }
    return n;
}

/* The connection is ours from here on, req has done its part. */
static void take_connection(struct relay *r)
{
    r->http = r->req->http;
    if (r->http) {
        r->http->user = r;
        http_on_close(r->http, on_client_gone, r);
        http_on_drain(r->http, UNSENT_LOW, on_drain, r);
    }
    r->req->http = NULL;
    request_free(r->req);
    r->req = NULL;
}

static void on_headers(struct http_call *call, int status, void *ctx)
{
    struct relay *r = ctx;
    struct http_field fields[8];

    r->status = status;
    if (r->errors_as_status && status >= 400)
        return;
    size_t n = copy_fields(call, fields);
    take_connection(r);
    if (r->http)
        http_start(r->http, status, fields, n);
    else
        http_call_cancel(call);
}

static void on_data(struct http_call *call, struct slice data, void *ctx)
{
    struct relay *r = ctx;

    if (r->req) {
        buf_add(&r->error, data.p, MIN(data.n, ERROR_TEXT_MAX - MIN(r->error.len, ERROR_TEXT_MAX)));
        return;
    }
    if (!r->http)
        return;
    http_write_bytes(r->http, data);
    if (http_unsent(r->http) > UNSENT_HIGH) {
        r->paused = true;
        http_call_pause(call);
    }
}

static void answer_error(struct relay *r, const struct http_result *res)
{
    struct arena *a = &r->req->arena;
    int code = r->status == 404 ? ERR_NOT_FOUND : r->status == 400 ? ERR_BAD_REQUEST : ERR_INTERNAL;

    if (res->outcome == HTTP_CALL_DONE)
        request_status(r->req, status_new(a, code, "%s", buf_str(&r->error)));
    else
        request_status(
            r->req, status_new(a, ERR_UNAVAILABLE, "%s does not answer: %s", r->what, res->error));
}

static void on_done(struct http_call *call, const struct http_result *res, void *ctx)
{
    struct relay *r = ctx;

    (void)call;
    r->call = NULL;
    if (r->req) {
        answer_error(r, res);
        relay_free(r);
    } else if (!r->http) {
        relay_free(r);
    } else if (res->outcome == HTTP_CALL_DONE) {
        http_end(r->http); /* on_client_gone frees when the last byte is out */
    } else {
        http_cut(r->http);
    }
}

void forward(struct request *req, const struct forward *f)
{
    struct relay *r = xnew(struct relay);
    struct err err = {0};

    *r = (struct relay){.req = req,
                        .connect = f->connect,
                        .target = xstrdup(f->target),
                        .what = xstrdup(f->what),
                        .errors_as_status = f->errors_as_status};
    struct http_client_opts o = {.url = "http://manta",
                                 .proxy = "",
                                 .connect_fd = on_connect,
                                 .ctx = r,
                                 .http1_only = true,
                                 .max_conns = 1};
    r->client = http_client_new(req->api->loop, &o, &err);
    if (!r->client) {
        request_status(req, status_from_err(&req->arena, &err));
        relay_free(r);
        return;
    }
    r->call = http_client_send(r->client, &(struct http_call_opts){.method = f->method,
                                                                   .path = f->path,
                                                                   .fields = f->fields,
                                                                   .nfields = f->n_fields,
                                                                   .body = f->body,
                                                                   .on_headers = on_headers,
                                                                   .on_data = on_data,
                                                                   .on_done = on_done,
                                                                   .ctx = r});
}
