/* The node process: namespaces, bridge, sockets on request, parent of shims. */
#include "kubelet/node.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/reach.h"
#include "base/vec.h"
#include "kubelet/ns.h"
#include "kubelet/rtnl.h"
#include "data/json.h"
#include "kubelet/shim.h"
#include "kubelet/uplink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct shim_child {
    pid_t pid;
    char veth[16];
};

struct node {
    const struct node_options *o;
    bool namespaces, stop;
    char why[512];
    struct uplink uplink;
    int listen_fd, signal_fd, rtnl;
    int net_ns, mnt_ns; /* descriptors for shims to keep */
    VEC(int) conns;
    VEC(struct shim_child) shims;
};

static void reply(int conn, int fd, const char *fmt, ...) printf_like(3, 4);
static void reply(int conn, int fd, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    (void)unix_send(conn, text, MIN((size_t)n, sizeof text - 1), &fd, fd >= 0 ? 1 : 0, NULL);
}

static int bound_socket(int type, const char *args, struct err *err)
{
    char ip[64];
    unsigned port;
    struct sockaddr_in sa = {.sin_family = AF_INET};

    if (sscanf(args, "%63s %u", ip, &port) != 2 || port > 65535 ||
        inet_pton(AF_INET, ip, &sa.sin_addr) != 1)
        return err_set(err, ERR_BAD_REQUEST, "expected ADDR PORT, not \"%s\"", args);
    sa.sin_port = htons((uint16_t)port);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0 &&
        (type == SOCK_DGRAM || listen(fd, 128) == 0))
        return fd;
    int r = err_errno(err, errno, "binding %s:%u", ip, port);
    if (fd >= 0)
        close(fd);
    return r;
}

static void reply_socket(int conn, int fd, const struct err *err)
{
    if (fd < 0) {
        reply(conn, -1, "error %s", err->msg);
        return;
    }
    reply(conn, fd, "ok");
    close(fd);
}

static void op_tcp(unused struct node *n, int conn, unused const char *args)
{
    struct err err;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        err_errno(&err, errno, "socket");
    reply_socket(conn, fd, &err);
}

static void op_listen(unused struct node *n, int conn, const char *args)
{
    struct err err;
    int fd = bound_socket(SOCK_STREAM, args, &err);
    reply_socket(conn, fd, &err);
}

static void op_udp(unused struct node *n, int conn, const char *args)
{
    struct err err;
    int fd = bound_socket(SOCK_DGRAM, args, &err);
    reply_socket(conn, fd, &err);
}

struct pipes {
    int go[2], ready[2];
};

static int open_pipes(struct pipes *p, struct err *err)
{
    if (pipe2(p->go, O_CLOEXEC) < 0)
        return err_errno(err, errno, "pipe");
    if (pipe2(p->ready, O_CLOEXEC) == 0)
        return 0;
    int r = err_errno(err, errno, "pipe");
    close(p->go[0]);
    close(p->go[1]);
    return r;
}

/* Lets the new shim go on, and waits until it serves. */
static int finish_shim(struct node *n, struct shim_child *c, struct pipes *p, struct err *err)
{
    char text[1100];
    int r = 0;

    if (n->namespaces)
        r = rtnl_veth_add(n->rtnl, c->veth, NODE_BRIDGE, "eth0", c->pid, err);
    if (r < 0) {
        kill(c->pid, SIGKILL);
        return r;
    }
    int len = snprintf(text, sizeof text, "%d", c->pid);
    (void)!write(p->go[1], text, (size_t)len);
    ssize_t got = read(p->ready[0], text, sizeof text - 1);
    text[MAX(got, 0)] = '\0';
    return strcmp(text, "ok") == 0
               ? 0
               : err_set(err, ERR_IO, "%s", got > 0 ? text : "the pod's shim ended at once");
}

static int start_shim(struct node *n, const char *dir, pid_t *ret, struct err *err)
{
    int flags =
        n->namespaces ? CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC : 0;
    struct shim_child c = {0};
    struct pipes p;
    int r = open_pipes(&p, err);

    if (r < 0)
        return r;
    c.pid = ns_fork(flags);
    if (c.pid == 0) {
        close(p.go[1]);
        shim_main(&(struct shim_options){.dir = dir,
                                         .namespaces = n->namespaces,
                                         .node_net = n->net_ns,
                                         .node_mnt = n->mnt_ns,
                                         .go = p.go[0],
                                         .ready = p.ready[1]});
    }
    close(p.go[0]);
    close(p.ready[1]);
    r = c.pid < 0 ? err_errno(err, errno, "making a pod's namespaces") : 0;
    if (r == 0) {
        /* By the shim, not by the pod: the link of a pod's dead shim is deleted when that is
         * reaped. */
        snprintf(c.veth, sizeof c.veth, "v%d", c.pid);
        vec_push(&n->shims, c);
        r = finish_shim(n, &c, &p, err);
        *ret = c.pid;
    }
    close(p.go[1]);
    close(p.ready[0]);
    return r;
}

static void op_pod(struct node *n, int conn, const char *args)
{
    struct err err;
    pid_t pid = 0;

    if (start_shim(n, args, &pid, &err) < 0)
        reply(conn, -1, "error %s", err.msg);
    else
        reply(conn, -1, "ok %d", pid);
}

static void op_info(struct node *n, int conn, unused const char *args)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *obj = yyjson_mut_obj(doc);
    struct buf b cleanup(buf_done) = BUF_INIT;

    json_put_int(doc, obj, "pid", getpid());
    json_put_bool(doc, obj, "namespaces", n->namespaces);
    json_put_str(doc, obj, "why", n->why);
    json_put_str(doc, obj, "internet", n->namespaces ? uplink_problem(&n->uplink) : "");
    json_mut_write(&b, obj);
    (void)unix_send(conn, b.data, b.len, NULL, 0, NULL);
}

static void op_stop(struct node *n, int conn, unused const char *args)
{
    n->stop = true;
    reply(conn, -1, "ok");
}

static const struct {
    const char *name;
    void (*run)(struct node *n, int conn, const char *args);
} ops[] = {
    {"tcp", op_tcp}, {"listen", op_listen}, {"udp", op_udp},
    {"pod", op_pod}, {"info", op_info},     {"stop", op_stop},
};

/* False when the connection has ended. */
static bool serve(struct node *n, int conn)
{
    char packet[4096];
    int len = unix_recv(conn, packet, sizeof packet - 1, NULL, 0, NULL, NULL);

    if (len <= 0)
        return len < 0 && errno == EAGAIN;
    packet[len] = '\0';
    char *args = strchr(packet, ' ');
    if (args)
        *args++ = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
        if (strcmp(ops[i].name, packet) == 0) {
            ops[i].run(n, conn, args ? args : "");
            return true;
        }
    reply(conn, -1, "error unknown request");
    return true;
}

static void reap(struct node *n)
{
    struct signalfd_siginfo info;
    pid_t pid;

    while (read(n->signal_fd, &info, sizeof info) > 0)
        n->stop |= info.ssi_signo == SIGTERM;
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
        for (size_t i = 0; i < n->shims.n; i++) {
            if (n->shims.v[i].pid != pid)
                continue;
            /* The kernel takes a namespace apart some time later: its veth goes at once. */
            if (n->namespaces)
                (void)rtnl_link_del(n->rtnl, n->shims.v[i].veth, NULL);
            vec_remove(&n->shims, i);
            break;
        }
}

static void poll_once(struct node *n)
{
    size_t n_conns = n->conns.n;
    autofree struct pollfd *p = xcalloc(n_conns + 2, sizeof *p);

    p[0] = (struct pollfd){.fd = n->listen_fd, .events = POLLIN};
    p[1] = (struct pollfd){.fd = n->signal_fd, .events = POLLIN};
    for (size_t i = 0; i < n_conns; i++)
        p[i + 2] = (struct pollfd){.fd = n->conns.v[i], .events = POLLIN};
    if (poll(p, n_conns + 2, -1) < 0)
        return;
    if (p[1].revents)
        reap(n);
    for (size_t i = n_conns; i-- > 0;)
        if (p[i + 2].revents && !serve(n, n->conns.v[i])) {
            close(n->conns.v[i]);
            vec_remove(&n->conns, i);
        }
    int fd = p[0].revents ? accept4(n->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) : -1;
    if (fd >= 0)
        vec_push(&n->conns, fd);
}

/* Whether namespaces work is tried in a child, so that a refusal leaves nothing half done. */
static bool namespaces_work(char *why, size_t room)
{
    int pipes[2];

    if (pipe2(pipes, O_CLOEXEC) < 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        struct err err;
        if (ns_enter_node(&err) < 0)
            (void)!write(pipes[1], err.msg, strlen(err.msg));
        _exit(0);
    }
    close(pipes[1]);
    ssize_t n = pid < 0 ? -1 : read(pipes[0], why, room - 1);
    close(pipes[0]);
    why[MAX(n, 0)] = '\0';
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return n == 0;
}

static int setup_bridge(struct node *n, struct err *err)
{
    int r = rtnl_link_up(n->rtnl, "lo", err);

    if (r == 0)
        r = rtnl_bridge_add(n->rtnl, NODE_BRIDGE, err);
    if (r == 0)
        r = rtnl_addr_add(n->rtnl, NODE_BRIDGE, NODE_GATEWAY, NODE_POD_PREFIX, err);
    if (r == 0)
        r = rtnl_link_up(n->rtnl, NODE_BRIDGE, err);
    /* Any service address can be listened on: the kubelet proxies them. */
    return r < 0 ? r
                 : rtnl_route_add(n->rtnl,
                                  &(struct rtnl_route){.dst = NODE_SERVICE_NET,
                                                       .prefix = NODE_SERVICE_PREFIX,
                                                       .dev = "lo",
                                                       .local = true},
                                  err);
}

static int enter(struct node *n, struct err *err)
{
    int r = 0;

    n->net_ns = n->mnt_ns = n->rtnl = -1;
    n->namespaces = n->o->join || (!n->o->no_namespaces && namespaces_work(n->why, sizeof n->why));
    if (n->o->no_namespaces)
        snprintf(n->why, sizeof n->why, "it was asked for");
    if (!n->namespaces)
        return 0;
    uplink_fork(&n->uplink);
    r = n->o->join ? ns_join_node(n->o->join, err) : ns_enter_node(err);
    if (r < 0 || (r = n->rtnl = rtnl_open(err)) < 0)
        return r;
    n->net_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    n->mnt_ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    r = n->o->join ? 0 : setup_bridge(n, err);
    if (r == 0)
        uplink_start(&n->uplink, n->rtnl);
    return r;
}

static int write_identity(const char *state_dir, struct err *err)
{
    autofree char *path = xasprintf("%s/node.json", state_dir);
    autofree char *text = xasprintf("{\"pid\":%d,\"start\":%llu}", getpid(),
                                    (unsigned long long)proc_start_time(getpid()));
    return file_write(path, slice_of(text), 0600, err);
}

static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_SETMASK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int node_run(const struct node_options *o)
{
    autofree char *socket_path = xasprintf("%s/" REACH_SOCKET, o->state_dir);
    struct node n = {.o = o};
    struct err err;

    prctl(PR_SET_NAME, "manta-node");
    if (o->ready_fd >= 0)
        fcntl(o->ready_fd, F_SETFD, FD_CLOEXEC);
    n.signal_fd = open_signals();
    int r = enter(&n, &err);
    if (r == 0)
        r = write_identity(o->state_dir, &err);
    if (r == 0)
        r = n.listen_fd = unix_listen(socket_path, SOCK_SEQPACKET | SOCK_NONBLOCK, &err);
    const char *said = r < 0 ? err.msg : "ready";
    if (o->ready_fd >= 0) {
        dprintf(o->ready_fd, "%s\n", said);
        close(o->ready_fd);
    }
    if (r < 0)
        return 1;
    while (!n.stop)
        poll_once(&n);
    unlink(socket_path);
    uplink_stop(&n.uplink);
    /* Shims that are just ending shall not be left as zombies to a lazy init. */
    struct pollfd p = {.fd = n.signal_fd, .events = POLLIN};
    while (n.shims.n && poll(&p, 1, 500) == 1)
        reap(&n);
    vec_done(&n.conns);
    vec_done(&n.shims);
    return 0;
}
