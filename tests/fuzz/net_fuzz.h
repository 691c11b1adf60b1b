/* For the targets of src/net: bytes from the fuzzer over a real socket into a real server. */
#ifndef MANTA_NET_FUZZ_H
#define MANTA_NET_FUZZ_H

#include "net/server.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uv_loop_t loop;
static struct http_server *server;
static struct sockaddr_un address;
static socklen_t address_len;
static int open_requests;

static void count_down(unused struct http_req *r, unused enum http_end_kind how, unused void *ctx)
{
    open_requests--;
}

static void echo(struct ws *ws, enum ws_kind kind, struct slice data, unused void *ctx)
{
    ws_send(ws, kind, data);
}

static void serve(struct http_req *r, unused void *ctx)
{
    static const struct ws_handler h = {.on_message = echo, .max_message = 4096};

    if (http_wants_websocket(r)) {
        http_accept_websocket(r, NULL, &h);
        return;
    }
    open_requests++;
    http_on_close(r, count_down, NULL);
    for (size_t i = 0; i < http_header_count(r); i++)
        if (!http_header(r, "host").p && i > 1000)
            abort();
    if (r->path.n % 3 == 0) {
        http_start(r, 200, NULL, 0);
        http_write_bytes(r, r->body);
        http_write_bytes(r, r->query);
        http_end(r);
    } else if (r->path.n % 7 == 0) {
        http_cut(r);
    } else {
        http_reply(r, 200, "text/plain", r->body);
    }
}

static inline void fuzz_start(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    address.sun_family = AF_UNIX; /* the kernel chooses an abstract name */
    address_len = sizeof address;
    if (bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) < 0 || listen(fd, 16) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &address_len) < 0)
        abort();
    uv_loop_init(&loop);
    server = http_server_new(
        &loop,
        &(struct http_server_opts){.on_request = serve, .body_limit = 2000, .header_limit = 2000});
    if (http_server_listen_fd(server, fd, NULL, NULL, NULL) < 0)
        abort();
}

/* One connection: prefix, data, end of writing; read until the server closes. */
static inline void fuzz_exchange(const void *prefix, size_t nprefix, const uint8_t *data,
                                 size_t size)
{
    char sink[65536];

    if (!server)
        fuzz_start();
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, address_len) < 0)
        abort();
    if (send(fd, prefix, nprefix, MSG_NOSIGNAL) < 0 || send(fd, data, size, MSG_NOSIGNAL) < 0)
        uv_run(&loop, UV_RUN_NOWAIT);
    for (int i = 0; i < 4; i++) /* before the end of input is seen */
        uv_run(&loop, UV_RUN_NOWAIT);
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < 50; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        if (recv(fd, sink, sizeof sink, 0) == 0)
            break;
    }
    close(fd);
    for (int i = 0; i < 50 && http_server_conns(server); i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    uv_run(&loop, UV_RUN_NOWAIT);
    if (http_server_conns(server) || open_requests)
        abort(); /* something was left behind */
}

#endif
