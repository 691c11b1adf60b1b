/* The name server's sockets: the pods' one, and one to the machine's resolver. */
#include "base/file.h"
#include "base/mem.h"
#include "kubelet/dns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PACKET_MAX 4096
#define WAITING_MAX 256 /* forwarded questions whose answers are awaited; the oldest give way */

struct waiting {
    struct sockaddr_in from;
    char id[2]; /* of the pod's question */
};

struct dns {
    uv_poll_t pods, upstream;
    struct dns_opts o;
    int up_fd; /* connected to the machine's resolver; -1: none */
    int handles;
    struct waiting waiting[WAITING_MAX];
    uint16_t next;
};

static void forward(struct dns *d, char *packet, size_t n, const struct sockaddr_in *from)
{
    uint16_t slot = d->next++;
    struct waiting *w = &d->waiting[slot % WAITING_MAX];

    w->from = *from;
    memcpy(w->id, packet, 2);
    packet[0] = (char)(slot >> 8);
    packet[1] = (char)slot;
    (void)send(d->up_fd, packet, n, 0);
}

static void pod_asked(uv_poll_t *h, unused int status, unused int events)
{
    struct dns *d = h->data;
    char packet[PACKET_MAX];
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    struct buf out cleanup(buf_done) = BUF_INIT;
    bool foreign;
    ssize_t n = recvfrom(d->o.fd, packet, sizeof packet, 0, (struct sockaddr *)&from, &from_len);

    if (n < 0)
        return;
    struct slice query = {packet, (size_t)n};
    bool answered = dns_answer(query, d->o.lookup, d->o.ctx, &out, &foreign);
    if (foreign && d->up_fd >= 0) {
        forward(d, packet, (size_t)n, &from);
        return;
    }
    if (answered || (foreign && dns_refuse(query, &out)))
        (void)sendto(d->o.fd, out.data, out.len, 0, (struct sockaddr *)&from, from_len);
}

static void resolver_answered(uv_poll_t *h, unused int status, unused int events)
{
    struct dns *d = h->data;
    char packet[PACKET_MAX];
    ssize_t n = recv(d->up_fd, packet, sizeof packet, 0);

    if (n < 12)
        return;
    uint16_t slot = (uint16_t)((unsigned char)packet[0] << 8 | (unsigned char)packet[1]);
    struct waiting *w = &d->waiting[slot % WAITING_MAX];
    if ((uint16_t)(d->next - slot) > WAITING_MAX || !w->from.sin_port)
        return; /* too late, or never asked */
    memcpy(packet, w->id, 2);
    (void)sendto(d->o.fd, packet, (size_t)n, 0, (struct sockaddr *)&w->from, sizeof w->from);
    w->from.sin_port = 0;
}

/* The first IPv4 name server of the machine; -1 if there is none. */
static int open_upstream(void)
{
    struct buf b cleanup(buf_done) = BUF_LIMIT(65536);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(53)};
    char ip[64];

    if (file_read("/etc/resolv.conf", &b, NULL) < 0)
        return -1;
    for (const char *line = buf_str(&b); line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (sscanf(line, "nameserver %63s", ip) != 1 || inet_pton(AF_INET, ip, &sa.sin_addr) != 1)
            continue;
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0)
            return fd;
        if (fd >= 0)
            close(fd);
    }
    return -1;
}

struct dns *dns_new(uv_loop_t *loop, const struct dns_opts *o)
{
    struct dns *d = xnew(struct dns);

    d->o = *o;
    d->up_fd = o->forward ? open_upstream() : -1;
    uv_poll_init(loop, &d->pods, o->fd);
    d->pods.data = d;
    uv_poll_start(&d->pods, UV_READABLE, pod_asked);
    d->handles = 1;
    if (d->up_fd >= 0) {
        uv_poll_init(loop, &d->upstream, d->up_fd);
        d->upstream.data = d;
        uv_poll_start(&d->upstream, UV_READABLE, resolver_answered);
        d->handles++;
    }
    return d;
}

static void closed(uv_handle_t *h)
{
    struct dns *d = h->data;
    if (--d->handles == 0)
        free(d);
}

void dns_free(struct dns *d)
{
    if (!d)
        return;
    int fd = d->o.fd, up_fd = d->up_fd;
    uv_close((uv_handle_t *)&d->pods, closed);
    if (up_fd >= 0)
        uv_close((uv_handle_t *)&d->upstream, closed);
    close(fd);
    if (up_fd >= 0)
        close(up_fd);
}
