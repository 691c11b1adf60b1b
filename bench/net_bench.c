/*
 * Requests per CPU second of src/net, server and client apart. A child serves on loopback, this
 * process asks; each way is one line of JSON.
 *
 *     net_bench [requests]
 */
#include "base/mem.h"
#include "net/client.h"
#include "net/server.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONNS 64

static const struct way {
    const char *name;
    bool tls, http1;
    int clients, in_flight; /* per client */
} ways[] = {
    {"http1-plain-64x1", false, true, 1, CONNS},
    {"http1-tls-64x1", true, true, 1, CONNS},
    {"http2-tls-64x1", true, false, CONNS, 1},
    {"http2-tls-1x64", true, false, 1, CONNS},
};

struct bench {
    uv_loop_t loop;
    struct http_client *clients[CONNS];
    long left, failed;
    int open;
};

static double cpu_seconds(const struct rusage *u)
{
    return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
           (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

/* ---- the server's process ---- */

static void on_request(struct http_req *r, unused void *ctx)
{
    static const char body[] =
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Success\"}\n";

    http_reply(r, 200, "application/json", (struct slice){body, sizeof body - 1});
}

static void on_signal(uv_signal_t *s, unused int n)
{
    uv_stop(s->loop);
}

static void serve(int out, struct tls *tls)
{
    uv_loop_t *loop = uv_default_loop();
    struct http_server *s =
        http_server_new(loop, &(struct http_server_opts){.on_request = on_request});
    struct http_listener *l;
    struct err err;
    uv_signal_t sig;

    if (http_server_listen(s, "127.0.0.1", 0, tls, &l, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        _exit(1);
    }
    uint16_t port = http_listener_port(l);
    if (write(out, &port, sizeof port) != sizeof port)
        _exit(1);
    uv_signal_init(loop, &sig);
    uv_signal_start(&sig, on_signal, SIGTERM);
    uv_run(loop, UV_RUN_DEFAULT);
    _exit(0);
}

/* ---- the client's side ---- */

static void ask(struct bench *b, struct http_client *c);

struct asked {
    struct bench *b;
    struct http_client *c;
};

static void on_done(unused struct http_call *call, const struct http_result *res, void *ctx)
{
    struct asked *a = ctx;

    if (res->status != 200 && !a->b->failed++)
        fprintf(stderr, "%s: %s\n", http_outcome_name(res->outcome), res->error);
    a->b->open--;
    ask(a->b, a->c);
    if (!a->b->open)
        uv_stop(&a->b->loop);
    free(a);
}

static void ask(struct bench *b, struct http_client *c)
{
    struct asked *a;

    if (b->left <= 0)
        return;
    b->left--;
    b->open++;
    a = xnew(struct asked);
    *a = (struct asked){b, c};
    http_client_send(c, &(struct http_call_opts){.path = "/x", .on_done = on_done, .ctx = a});
}

static void run(const struct way *w, long n, struct tls *server, struct tls *client)
{
    struct bench b = {.left = n};
    struct rusage before, after, child;
    int fds[2];
    uint16_t port = 0;
    char url[64];

    if (pipe(fds) < 0)
        exit(1);
    pid_t pid = fork();
    if (pid == 0)
        serve(fds[1], w->tls ? server : NULL);
    if (read(fds[0], &port, sizeof port) != sizeof port)
        exit(1);
    snprintf(url, sizeof url, "%s://127.0.0.1:%u", w->tls ? "https" : "http", port);
    uv_loop_init(&b.loop);
    struct http_client_opts o = {
        .url = url, .tls = client, .http1_only = w->http1, .proxy = "", .max_conns = CONNS};
    getrusage(RUSAGE_SELF, &before);
    uint64_t t0 = uv_hrtime();
    for (int i = 0; i < w->clients; i++) {
        b.clients[i] = http_client_new(&b.loop, &o, NULL);
        for (int j = 0; j < w->in_flight; j++)
            ask(&b, b.clients[i]);
    }
    uv_run(&b.loop, UV_RUN_DEFAULT);
    double wall = (double)(uv_hrtime() - t0) / 1e9;
    getrusage(RUSAGE_SELF, &after);
    for (int i = 0; i < w->clients; i++)
        http_client_free(b.clients[i]);
    uv_run(&b.loop, UV_RUN_DEFAULT);
    uv_loop_close(&b.loop);
    kill(pid, SIGTERM);
    wait4(pid, NULL, 0, &child);
    close(fds[0]);
    close(fds[1]);
    printf("{\"way\":\"%s\",\"requests\":%ld,\"failed\":%ld,\"wall_s\":%.2f,"
           "\"server_per_cpu_s\":%.0f,\"client_per_cpu_s\":%.0f}\n",
           w->name, n, b.failed, wall, (double)n / cpu_seconds(&child),
           (double)n / (cpu_seconds(&after) - cpu_seconds(&before)));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct buf ca = BUF_INIT, ca_key = BUF_INIT, cert = BUF_INIT, key = BUF_INIT;
    static const char *const ips[] = {"127.0.0.1", NULL};
    int64_t n = 50000;
    struct tls *server, *client;
    struct err err;

    if (argc > 1 && !slice_int64(slice_of(argv[1]), &n))
        return 2;
    if (tls_ca_new("bench-ca", 1, &ca, &ca_key, &err) < 0 ||
        tls_issue(&(struct tls_issue_opts){.ca_cert = buf_slice(&ca),
                                           .ca_key = buf_slice(&ca_key),
                                           .cn = "bench",
                                           .ips = ips,
                                           .days = 1,
                                           .server = true},
                  &cert, &key, &err) < 0 ||
        tls_server_new(&(struct tls_server_opts){.cert = buf_slice(&cert), .key = buf_slice(&key)},
                       &server, &err) < 0 ||
        tls_client_new(&(struct tls_client_opts){.ca = buf_slice(&ca)}, &client, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
        run(&ways[i], n, server, client);
    return 0;
}
