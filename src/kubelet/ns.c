#include "kubelet/ns.h"
#include "base/buf.h"
#include "base/file.h"
#include "kubelet/rtnl.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

pid_t ns_fork(int flags)
{
    return (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
}

static int write_proc(const char *path, const char *text, struct err *err)
{
    int fd autoclose = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return err_errno(err, errno, "writing %s", path);
    return 0;
}

/* Maps this user to uid 0 of the new namespace; the only mapping that needs no helper. */
static int map_ids(uid_t uid, gid_t gid, struct err *err)
{
    char text[64];
    int r = write_proc("/proc/self/setgroups", "deny", err);

    if (r < 0)
        return r;
    snprintf(text, sizeof text, "0 %u 1", uid);
    if ((r = write_proc("/proc/self/uid_map", text, err)) < 0)
        return r;
    snprintf(text, sizeof text, "0 %u 1", gid);
    return write_proc("/proc/self/gid_map", text, err);
}

/* In a nested pid and mount namespace: can /proc and a tmpfs be mounted? */
static int probe_pod(struct err *err)
{
    pid_t pid = ns_fork(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC);
    int status;

    if (pid < 0)
        return err_errno(err, errno, "making a pod's namespaces");
    if (pid == 0) {
        if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
            _exit(2);
        _exit(mount("tmpfs", "/proc/sys", "tmpfs", 0, "size=4k") < 0 ? 3 : 0);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return err_set(err, ERR_IO, "mounting %s in a pod's namespace is not permitted",
                   WIFEXITED(status) && WEXITSTATUS(status) == 2 ? "/proc" : "a tmpfs");
}

static int probe_network(struct err *err)
{
    int fd autoclose = rtnl_open(err);

    if (fd < 0)
        return fd;
    int r = rtnl_link_up(fd, "lo", err);
    if (r == 0)
        r = rtnl_bridge_add(fd, "probe0", err);
    return r < 0 ? r : rtnl_link_del(fd, "probe0", err);
}

int ns_enter_node(struct err *err)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    int flags = CLONE_NEWNET | CLONE_NEWNS | (uid ? CLONE_NEWUSER : 0);
    int r = 0;

    if (unshare(flags) < 0)
        return err_errno(err, errno, "making a %snetwork and mount namespace", uid ? "user, " : "");
    if (uid && (r = map_ids(uid, gid, err)) < 0)
        return r;
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return err_errno(err, errno, "making the mounts private");
    if ((r = probe_network(err)) < 0)
        return r;
    return probe_pod(err);
}

static int join_one(pid_t pid, const char *what, int flag, struct err *err)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/%s", pid, what);
    int fd autoclose = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, flag) < 0)
        return err_errno(err, errno, "joining the namespace %s", path);
    return 0;
}

int ns_join_node(pid_t shim, struct err *err)
{
    char net[32], mnt[32];
    int r = 0;

    snprintf(net, sizeof net, "fd/%d", NS_FD_NET);
    snprintf(mnt, sizeof mnt, "fd/%d", NS_FD_MNT);
    if (geteuid() != 0)
        r = join_one(shim, "ns/user", CLONE_NEWUSER, err);
    if (r == 0)
        r = join_one(shim, net, CLONE_NEWNET, err);
    return r < 0 ? r : join_one(shim, mnt, CLONE_NEWNS, err);
}

/* A numeric field of /proc/PID/stat, counted as proc(5) does; 0 if there is no such process. */
static uint64_t proc_stat(pid_t pid, int wanted)
{
    char path[64];
    struct buf b cleanup(buf_done) = BUF_LIMIT(4096);

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (file_read(path, &b, NULL) < 0)
        return 0;
    /* The command name may hold anything: fields are counted after its last parenthesis. */
    const char *at = strrchr(buf_str(&b), ')');
    for (int field = 2; at && field < wanted; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

uint64_t proc_start_time(pid_t pid)
{
    return proc_stat(pid, 22);
}

pid_t proc_parent(pid_t pid)
{
    return (pid_t)proc_stat(pid, 4);
}

const char *ns_advice(void)
{
    return "pods need unprivileged user namespaces: on Ubuntu 24.04 allow them for manta "
           "(sysctl kernel.apparmor_restrict_unprivileged_userns=0), on hardened Debian set "
           "kernel.unprivileged_userns_clone=1, in a container allow unshare(2) in its seccomp "
           "profile, or run as root";
}
