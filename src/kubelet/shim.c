/* The shim's process: set-up in its new namespaces, then one poll loop. */
#include "kubelet/shim.h"
#include "base/file.h"
#include "base/reach.h"
#include "kubelet/ns.h"
#include "kubelet/rtnl.h"
#include "kubelet/shim_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The MAC address comes from the IP address, so that what others remember of it stays true when the
 * pod's sandbox is made anew, or another pod gets the address. */
static int set_mac(int fd, const char *ip, struct err *err)
{
    unsigned char mac[6] = {0x02, 0};

    return inet_pton(AF_INET, ip, mac + 2) == 1
               ? rtnl_set_mac(fd, "eth0", mac, err)
               : err_set(err, ERR_BAD_REQUEST, "\"%s\" is not an IPv4 address", ip);
}

static int setup_network(yyjson_val *box, struct err *err)
{
    const char *gateway = json_get_str(box, "gateway", NULL);
    int fd autoclose = rtnl_open(err);
    int r = fd < 0 ? fd : rtnl_link_up(fd, "lo", err);

    if (r == 0)
        r = set_mac(fd, json_get_str(box, "ip", ""), err);
    if (r == 0)
        r = rtnl_addr_add(fd, "eth0", json_get_str(box, "ip", ""),
                          (unsigned)json_int_at(box, "prefix", 16), err);
    if (r == 0)
        r = rtnl_link_up(fd, "eth0", err);
    /* Ray finds its own address by way of the default route, even if that leads nowhere. */
    if (r == 0 && gateway)
        r = rtnl_route_add(fd, &(struct rtnl_route){.gateway = gateway}, err);
    json_each(json_get(box, "routes"), item, i, n)
        if (r == 0)
            r = rtnl_route_add(fd,
                               &(struct rtnl_route){
                                   .dst = json_get_str(item, "dst", ""),
                                   .prefix = (unsigned)json_int_at(item, "prefix", 32),
                                   .gateway = json_get_str(item, "gateway", NULL),
                               },
                               err);
    return r;
}

static int setup_mounts(yyjson_val *box, struct err *err)
{
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return err_errno(err, errno, "mounting the pod's /proc");
    json_each(json_get(box, "tmpfs"), item, i, n) {
        const char *path = json_get_str(item, "path", "");
        int64_t size = json_int_at(item, "size", 0);
        char options[64] = "mode=1777";
        if (size > 0)
            snprintf(options, sizeof options, "mode=1777,size=%lld", (long long)size);
        if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
            return err_errno(err, errno, "mounting memory at %s", path);
    }
    return 0;
}

static int setup_sandbox(const struct shim_options *o, struct err *err)
{
    struct buf b cleanup(buf_done) = BUF_LIMIT(1 << 20);
    struct json *doc autojson = NULL;
    int r = 0;

    if (chdir(o->dir) < 0)
        return err_errno(err, errno, "%s", o->dir);
    if ((r = file_read("sandbox.json", &b, err)) < 0 ||
        (r = json_parse(buf_slice(&b), &doc, err)) < 0 || !o->namespaces)
        return r;
    yyjson_val *box = json_root(doc);
    const char *hostname = json_get_str(box, "hostname", "pod");
    if (sethostname(hostname, strlen(hostname)) < 0)
        return err_errno(err, errno, "setting the host name");
    r = setup_network(box, err);
    return r < 0 ? r : setup_mounts(box, err);
}

/* Waits for the veth; the text that comes is this process' pid on the machine. */
static int wait_for_node(const struct shim_options *o, struct err *err)
{
    char pid[32] = "";
    char text[128];

    if (read(o->go, pid, sizeof pid - 1) <= 0)
        return err_set(err, ERR_IO, "the node process went away");
    int n = snprintf(text, sizeof text, "{\"pid\":%s,\"start\":%llu}", pid,
                     (unsigned long long)proc_start_time((pid_t)strtol(pid, NULL, 10)));
    autofree char *path = xasprintf("%s/shim.json", o->dir);
    return file_write(path, (struct slice){text, (size_t)n}, 0600, err);
}

static void keep_descriptors(const struct shim_options *o)
{
    int null = open("/dev/null", O_RDWR);

    for (int i = 0; i < 3; i++)
        dup2(null, i);
    if (o->node_net >= 0)
        dup3(o->node_net, NS_FD_NET, O_CLOEXEC);
    if (o->node_mnt >= 0)
        dup3(o->node_mnt, NS_FD_MNT, O_CLOEXEC);
    dup3(o->ready, NS_FD_MNT + 1, O_CLOEXEC);
    close_range(3, NS_FD_NET - 1, 0);
    close_range(NS_FD_MNT + 2, ~0u, 0);
}

static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_SETMASK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void reap(struct shim *s)
{
    struct signalfd_siginfo info;
    pid_t pid;
    int status;

    while (read(s->signal_fd, &info, sizeof info) > 0)
        ;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        shim_reaped(s, pid, status);
        shim_exec_done(s, pid, status);
    }
}

static void poll_add(struct pollfd *p, size_t *n, int fd)
{
    p[(*n)++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

/* One round: what may be ready is gathered anew, since any event can change the lists. */
static void poll_once(struct shim *s)
{
    size_t room = 2 + 3 * s->containers.n + s->conns.n, n = 0, n_conns = s->conns.n;
    autofree struct pollfd *p = xcalloc(room, sizeof *p);

    poll_add(p, &n, s->signal_fd);
    poll_add(p, &n, s->listen_fd);
    for (size_t i = 0; i < s->containers.n; i++) {
        struct container_run *run = &s->containers.v[i]->run;
        poll_add(p, &n, run->out[0]);
        poll_add(p, &n, run->out[1]);
        poll_add(p, &n, run->report);
    }
    for (size_t i = 0; i < n_conns; i++)
        poll_add(p, &n, s->conns.v[i]->fd);
    if (poll(p, n, -1) < 0)
        return;
    size_t at = 2;
    for (size_t i = 0; i < s->containers.n; i++, at += 3) {
        struct shim_container *c = s->containers.v[i];
        for (int k = 0; k < 2; k++)
            if (p[at + (size_t)k].revents && c->run.out[k] >= 0)
                shim_read_stream(c, k);
        if (p[at + 2].revents && c->run.report >= 0)
            shim_read_report(s, c);
    }
    if (p[0].revents)
        reap(s);
    for (size_t i = 0; i < s->containers.n; i++)
        shim_settle(s, s->containers.v[i]);
    /* Backwards: serving a connection may remove it, and a start may add containers. */
    for (size_t i = n_conns; i-- > 0;)
        if (p[at + i].revents && s->conns.v[i]->fd == p[at + i].fd)
            shim_serve(s, s->conns.v[i]);
    if (p[1].revents)
        shim_accept(s);
}

static void say_ready(const char *text)
{
    (void)!write(NS_FD_MNT + 1, text, strlen(text));
    close(NS_FD_MNT + 1);
}

void shim_main(const struct shim_options *o)
{
    struct shim s = {.o = o, .listen_fd = -1};
    struct err err;
    int r;

    setsid();
    prctl(PR_SET_NAME, "manta-shim");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    r = wait_for_node(o, &err);
    keep_descriptors(o);
    if (r == 0)
        r = setup_sandbox(o, &err);
    if (r == 0)
        r = s.listen_fd = unix_listen("shim.sock", SOCK_SEQPACKET | SOCK_NONBLOCK, &err);
    if (r < 0) {
        say_ready(err.msg);
        _exit(1);
    }
    s.signal_fd = open_signals();
    say_ready("ok");
    while (!s.stopping || shim_alive(&s))
        poll_once(&s);
    shim_answer_stop(&s);
    _exit(0);
}
