/* One HTTP request or one connection to a pod, with a time limit. */
#include "base/mem.h"
#include "base/reach.h"
#include "kubelet/pod.h"
#include "net/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

struct http_check {
    struct http_check_opts o;
    struct http_client *client; /* NULL: only a connection */
    struct http_call *call;
    uv_poll_t poll;  /* of the connection */
    uv_timer_t timer;
    uv_timer_t done_timer; /* tells failures that are known at once, and frees, from the loop */
    int fd, open_handles;
    char *url, *word, *dir, *reach;
    char ip[64];
    bool ok, cancelled;
    char output[1024];
};

static int open_socket(struct http_check *h, unsigned port, struct err *err)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    if (!h->o.in_pod)
        return reach_connect(h->reach, h->ip, port, err);
    int fd = shim_socket(h->dir, err);
    if (fd < 0)
        return fd;
    inet_pton(AF_INET, "127.0.0.1", &sa.sin_addr);
    uv_stream_set_blocking(NULL, 0);
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0 && errno != EINPROGRESS) {
        int r = err_errno(err, errno, "dial tcp 127.0.0.1:%u: connect", port);
        close(fd);
        return r;
    }
    return fd;
}
