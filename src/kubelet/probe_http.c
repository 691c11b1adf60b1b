/* One HTTP request or one connection to a pod, with a time limit. */
#include "base/mem.h"
#include "base/reach.h"
#include "kubelet/pod.h"
#include "net/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

struct http_check {
    void (*done)(void *ctx, bool ok, const char *output);
    void *ctx;
    struct http_client *client; /* NULL: only a connection is tried */
    uv_poll_t poll;             /* of the connection */
    uv_timer_t timer;           /* its limit; or tells a failure from the loop */
    int fd, handles;
    char *dir, *reach, *url, *word, *host;
    unsigned port;
    bool in_pod;
    char output[1280];
};

/* ---- sockets ---- */

static int pod_loopback(const struct http_check *h, unsigned port, struct err *err)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = shim_socket(h->dir, err);

    if (fd < 0)
        return fd;
    inet_pton(AF_INET, "127.0.0.1", &sa.sin_addr);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0 && errno != EINPROGRESS) {
        int r = err_errno(err, errno, "dial tcp 127.0.0.1:%u: connect", port);
        close(fd);
        return r;
    }
    return fd;
}

static int open_socket(const char *host, uint16_t port, void *ctx, struct err *err)
{
    const struct http_check *h = ctx;
    return h->in_pod ? pod_loopback(h, port, err) : reach_connect(h->reach, host, port, err);
}

/* ---- the end ---- */

static void handle_closed(uv_handle_t *handle)
{
    struct http_check *h = handle->data;

    if (--h->handles)
        return;
    free(h->dir);
    free(h->reach);
    free(h->url);
    free(h->word);
    free(h->host);
    free(h);
}

static void close_all(struct http_check *h)
{
    http_client_free(take(h->client));
    if (h->fd >= 0) {
        uv_close((uv_handle_t *)&h->poll, handle_closed);
        close(h->fd);
    }
    uv_close((uv_handle_t *)&h->timer, handle_closed);
}

void http_check_cancel(struct http_check *h)
{
    if (!h)
        return;
    h->done = NULL;
    close_all(h);
}

static void end(struct http_check *h, bool ok)
{
    void (*done)(void *ctx, bool ok, const char *output) = take(h->done);
    void *ctx = h->ctx;
    char output[sizeof h->output];

    memcpy(output, h->output, sizeof output);
    close_all(h);
    done(ctx, ok, output);
}

/* ---- HTTP ---- */

static bool body_has(struct slice body, const char *word)
{
    return memmem(body.p, body.n, word, strlen(word)) != NULL;
}

static void judge(struct http_check *h, const struct http_result *res, bool *ret_ok)
{
    size_t n = MIN(res->body.n, sizeof h->output - 64);

    *ret_ok = false;
    if (res->outcome == HTTP_CALL_TIMEOUT)
        snprintf(h->output, sizeof h->output,
                 "Get \"%s\": context deadline exceeded (Client.Timeout exceeded while awaiting "
                 "headers)",
                 h->url);
    else if (res->outcome != HTTP_CALL_DONE)
        snprintf(h->output, sizeof h->output, "Get \"%s\": %s", h->url, res->error);
    else if (res->status < 200 || res->status >= (h->word ? 300 : 400))
        snprintf(h->output, sizeof h->output, "HTTP probe failed with statuscode: %d", res->status);
    else if (h->word && !body_has(res->body, h->word))
        snprintf(h->output, sizeof h->output, "%s answered without \"%s\"", h->url, h->word);
    else
        snprintf(h->output, sizeof h->output, "%.*s", (int)n, res->body.p ? res->body.p : ""),
            *ret_ok = true;
}

static void http_done(unused struct http_call *call, const struct http_result *res, void *ctx)
{
    struct http_check *h = ctx;
    bool ok;

    if (!h->done) /* cancelled */
        return;
    judge(h, res, &ok);
    end(h, ok);
}

static void tell_failure(uv_timer_t *t)
{
    end(t->data, false);
}

static int start_http(struct http_check *h, const struct http_check_opts *o, struct err *err)
{
    bool https = strcasecmp(o->scheme, "https") == 0;
    struct http_field fields[16];
    size_t n_fields = 0;
    autofree char *origin = xasprintf("%s://%s:%u", https ? "https" : "http", o->host, o->port);
    struct tls *tls = NULL;
    int r = https ? tls_client_new(&(struct tls_client_opts){.insecure = true}, &tls, err) : 0;

    h->url = xasprintf("%s%s%s", origin, *o->path == '/' ? "" : "/", o->path);
    if (r < 0)
        return r;
    h->client = http_client_new(o->ctr->pod->host->loop,
                                &(struct http_client_opts){.url = origin,
                                                           .tls = tls,
                                                           .user_agent = "kube-probe/1.36",
                                                           .proxy = "",
                                                           .http1_only = true,
                                                           .connect_fd = open_socket,
                                                           .ctx = h},
                                err);
    tls_unref(tls);
    if (!h->client)
        return err->code;
    json_each(o->headers, item, i, n)
        if (n_fields < ARRAY_SIZE(fields))
            fields[n_fields++] = (struct http_field){slice_of(json_get_str(item, "name", "")),
                                                     slice_of(json_get_str(item, "value", ""))};
    http_client_send(h->client, &(struct http_call_opts){.path = h->url + strlen(origin),
                                                         .fields = fields,
                                                         .nfields = n_fields,
                                                         .timeout = o->timeout_ms,
                                                         .body_limit = 1 << 20,
                                                         .on_done = http_done,
                                                         .ctx = h});
    return 0;
}

/* ---- a connection only ---- */

static void connected(uv_poll_t *poll, unused int status, unused int events)
{
    struct http_check *h = poll->data;
    int error = 0;
    socklen_t n = sizeof error;

    getsockopt(h->fd, SOL_SOCKET, SO_ERROR, &error, &n);
    snprintf(h->output, sizeof h->output, "dial tcp %s:%u: connect: %s", h->host, h->port,
             strerror(error));
    end(h, error == 0);
}

static void timed_out(uv_timer_t *t)
{
    struct http_check *h = t->data;
    snprintf(h->output, sizeof h->output, "dial tcp %s:%u: i/o timeout", h->host, h->port);
    end(h, false);
}

static int start_connect(struct http_check *h, const struct http_check_opts *o, struct err *err)
{
    int fd = open_socket(o->host, (uint16_t)o->port, h, err);

    if (fd < 0)
        return fd;
    h->fd = fd;
    h->handles++;
    uv_poll_init(o->ctr->pod->host->loop, &h->poll, fd);
    h->poll.data = h;
    uv_poll_start(&h->poll, UV_WRITABLE, connected);
    uv_timer_start(&h->timer, timed_out, o->timeout_ms, 0);
    return 0;
}

struct http_check *http_check_start(const struct http_check_opts *o)
{
    struct http_check *h = xnew(struct http_check);
    struct err err = {0};

    h->done = o->done;
    h->ctx = o->ctx;
    h->fd = -1;
    h->in_pod = o->in_pod && o->ctr->pod->host->namespaces;
    h->dir = xstrdup(o->ctr->pod->dir);
    h->reach = xstrdup(o->ctr->pod->host->reach);
    h->host = xstrdup(o->host);
    h->port = o->port;
    h->word = xstrdup(o->word);
    h->handles = 1;
    uv_timer_init(o->ctr->pod->host->loop, &h->timer);
    h->timer.data = h;
    if ((o->path ? start_http(h, o, &err) : start_connect(h, o, &err)) < 0) {
        snprintf(h->output, sizeof h->output, "%s", err.msg);
        uv_timer_start(&h->timer, tell_failure, 0, 0);
    }
    return h;
}
