#include "kubelet/uplink.h"
#include "base/err.h"
#include "kubelet/node.h"
#include "kubelet/rtnl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TAP "tap0"

/* Of NODE_UPLINK: slirp4netns makes it from the address. */
static const unsigned char slirp_mac[6] = {0x52, 0x55, 10, 244, 0, 2};

static void no_way(struct uplink *u, const char *why)
{
    snprintf(u->problem, sizeof u->problem, "%.255s", why);
}

static void __attribute__((noreturn)) run_slirp(int go, int ready)
{
    char node[32] = "", user[64], net[64], ready_arg[32];
    int null = open("/dev/null", O_RDWR);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (read(go, node, sizeof node - 1) <= 0)
        _exit(0);
    snprintf(user, sizeof user, "--userns-path=/proc/%s/ns/user", node);
    snprintf(net, sizeof net, "/proc/%s/ns/net", node);
    snprintf(ready_arg, sizeof ready_arg, "--ready-fd=%d", ready);
    fcntl(ready, F_SETFD, 0);
    for (int i = 0; i < 3; i++)
        dup2(null, i);
    const char *argv[] = {"slirp4netns",
                          "--mtu=1500",
                          "--cidr=" NODE_POD_NET "/16",
                          "--disable-host-loopback",
                          "--netns-type=path",
                          ready_arg,
                          user,
                          net,
                          TAP,
                          NULL};
    if (geteuid() == 0) { /* as root there is no user namespace to join */
        argv[6] = net;
        argv[7] = TAP;
        argv[8] = NULL;
    }
    execvp(argv[0], (char **)argv);
    _exit(errno == ENOENT ? 127 : 126);
}

void uplink_fork(struct uplink *u)
{
    int go[2], ready[2];

    if (pipe2(go, O_CLOEXEC) < 0 || pipe2(ready, O_CLOEXEC) < 0)
        return;
    u->pid = fork();
    if (u->pid == 0) {
        close(go[1]);
        run_slirp(go[0], ready[1]);
    }
    close(go[0]);
    close(ready[1]);
    u->go = go[1];
    u->ready = ready[0];
}

static const char *why_ended(int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return "pods cannot reach the internet: install slirp4netns";
    return access("/dev/net/tun", R_OK | W_OK) < 0
               ? "pods cannot reach the internet: slirp4netns needs /dev/net/tun to be readable "
                 "and "
                 "writable (chmod 0666 /dev/net/tun)"
               : "pods cannot reach the internet: slirp4netns does not run here";
}

void uplink_start(struct uplink *u, int rtnl)
{
    struct pollfd p = {.fd = u->ready, .events = POLLIN};
    char text[32];
    struct err err;
    int status = 0;

    if (u->pid <= 0) {
        no_way(u, "pods cannot reach the internet: no process for slirp4netns");
        return;
    }
    int n = snprintf(text, sizeof text, "%d", getpid());
    (void)!write(u->go, text, (size_t)n);
    close(u->go);
    bool up = poll(&p, 1, 1000) == 1 && read(u->ready, text, 1) == 1;
    close(u->ready);
    /* slirp4netns takes every frame as meant for it: one that the bridge floods, since it does not
     * know (any more) where a pod is, would be answered from outside in the pod's name. */
    if (up && rtnl_set_master(rtnl, TAP, NODE_BRIDGE, &err) == 0 &&
        rtnl_port_only(rtnl, TAP, slirp_mac, &err) == 0 && rtnl_link_up(rtnl, TAP, &err) == 0)
        return;
    kill(u->pid, up ? SIGKILL : 0);
    if (waitpid(u->pid, &status, 0) == u->pid)
        no_way(u, up ? err.msg : why_ended(status));
    u->pid = 0;
}

void uplink_stop(struct uplink *u)
{
    if (u->pid > 0)
        kill(u->pid, SIGTERM);
}

const char *uplink_problem(const struct uplink *u)
{
    return u->problem;
}
