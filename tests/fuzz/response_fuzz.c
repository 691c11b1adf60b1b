/* HTTP/1.1 answers of anybody: the call ends exactly once, the client lives on. */
#include "net/client.h"

#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uv_loop_t loop;
static int server_end, done;

static int give_fd(unused const char *host, unused uint16_t port, unused void *ctx, struct err *err)
{
    int fds[2];

    if (server_end >= 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return err_set(err, ERR_IO, "one connection only");
    server_end = fds[0];
    return fds[1];
}

static void on_done(struct http_call *call, unused const struct http_result *res, unused void *ctx)
{
    http_call_header(call, "content-type");
    done++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;
    char sink[4096];

    if (!started)
        started = uv_loop_init(&loop) == 0;
    server_end = -1;
    done = 0;
    struct http_client *c = http_client_new(
        &loop, &(struct http_client_opts){.url = "http://h", .connect_fd = give_fd}, NULL);
    http_client_send(c, &(struct http_call_opts){
                            .method = size % 2 ? "POST" : "GET", .path = "/x", .on_done = on_done});
    for (int i = 0; i < 20 && server_end < 0; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    for (int i = 0; i < 4; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    if (server_end < 0 || recv(server_end, sink, sizeof sink, 0) <= 0)
        abort();
    if (send(server_end, data, size, MSG_NOSIGNAL) >= 0)
        for (int i = 0; i < 4; i++)
            uv_run(&loop, UV_RUN_NOWAIT);
    close(server_end);
    for (int i = 0; i < 20 && !done; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    if (done != 1)
        abort();
    http_client_free(c);
    for (int i = 0; i < 3; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    return 0;
}
