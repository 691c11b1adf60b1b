#include "kubelet/container.h"
#include "base/mem.h"
#include "kubelet/ns.h"
#include "kubelet/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* What container runtimes leave to root by default; everything else is dropped for good. */
static const int kept_capabilities[] = {
    CAP_CHOWN,   CAP_DAC_OVERRIDE, CAP_FSETID,      CAP_FOWNER,           CAP_MKNOD,
    CAP_NET_RAW, CAP_SETGID,       CAP_SETUID,      CAP_SETFCAP,          CAP_SETPCAP,
    CAP_KILL,    CAP_SYS_CHROOT,   CAP_AUDIT_WRITE, CAP_NET_BIND_SERVICE,
};

static const int forwarded_signals[] = {SIGTERM, SIGINT,  SIGQUIT, SIGHUP,
                                        SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH};

static bool capability_kept(int cap)
{
    for (size_t i = 0; i < ARRAY_SIZE(kept_capabilities); i++)
        if (kept_capabilities[i] == cap)
            return true;
    return false;
}

static void drop_capabilities(void)
{
    for (int cap = 0; cap <= 63; cap++)
        if (!capability_kept(cap) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno == EINVAL)
            return; /* past the last capability of this kernel */
}

static char **string_array(yyjson_val *arr)
{
    char **v = xcalloc(yyjson_arr_size(arr) + 1, sizeof *v);
    size_t n_out = 0;

    json_each(arr, item, i, n)
        if (yyjson_is_str(item))
            v[n_out++] = (char *)yyjson_get_str(item);
    return v;
}

static void raise_limits(void)
{
    struct rlimit lim;

    if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
        lim.rlim_cur = lim.rlim_max;
        setrlimit(RLIMIT_NOFILE, &lim);
    }
    lim = (struct rlimit){0, lim.rlim_max};
    if (getrlimit(RLIMIT_CORE, &lim) == 0) {
        lim.rlim_cur = 0;
        setrlimit(RLIMIT_CORE, &lim);
    }
}

static void reset_signals(void)
{
    sigset_t none;

    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Says on fd why the command cannot run, in the words of a container runtime, and ends. */
static void __attribute__((noreturn)) exec_failed(int fd, const char *what, const char *argv0)
{
    char text[512];
    int e = errno;

    if (strcmp(what, "exec"))
        snprintf(text, sizeof text, "%s: %s\n", what, strerror(e));
    else if (e == ENOENT && !strchr(argv0, '/'))
        snprintf(text, sizeof text, "exec: \"%s\": executable file not found in $PATH\n", argv0);
    else
        snprintf(text, sizeof text, "exec: \"%s\": %s\n", argv0, strerror(e));
    (void)!write(fd, text, strlen(text));
    _exit(e == ENOENT ? 127 : 126);
}

/* Becomes the command; error_fd is closed by a successful exec. */
static void __attribute__((noreturn))
become(yyjson_val *spec, yyjson_val *command, const int fds[3], int error_fd)
{
    char **argv = string_array(command);
    const char *cwd = json_get_str(spec, "cwd", "/");

    setsid();
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0)
            exec_failed(error_fd, "dup2", "");
    if (chdir(*cwd ? cwd : "/") < 0)
        exec_failed(error_fd, cwd, "");
    error_fd = fcntl(error_fd, F_DUPFD_CLOEXEC, 3);
    close_range(3, (unsigned)error_fd - 1, 0);
    close_range((unsigned)error_fd + 1, ~0u, 0);
    if (isatty(0)) /* of kubectl exec -t */
        ioctl(0, TIOCSCTTY, 0);
    raise_limits();
    reset_signals();
    umask(022);
    drop_capabilities();
    environ = string_array(json_get(spec, "env"));
    if (!argv[0]) {
        errno = EINVAL;
        exec_failed(error_fd, "exec", "no command specified");
    }
    execvp(argv[0], argv);
    exec_failed(error_fd, "exec", argv[0]);
}

static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGCHLD);
    for (size_t i = 0; i < ARRAY_SIZE(forwarded_signals); i++)
        sigaddset(set, forwarded_signals[i]);
    sigprocmask(SIG_BLOCK, set, NULL);
}

/* Reaps and forwards until the payload has ended; gives its wait status. */
static int init_loop(pid_t payload, const sigset_t *set)
{
    for (;;) {
        int status, sig = sigwaitinfo(set, NULL);
        if (sig < 0)
            continue;
        if (sig != SIGCHLD) {
            kill(payload, sig);
            continue;
        }
        for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
            if (pid == payload)
                return status;
    }
}

static void report_start(int report, int errors)
{
    char text[512] = "E";
    ssize_t n = read(errors, text + 1, sizeof text - 1);

    if (n <= 0) {
        (void)!send(report, "R", 1, MSG_NOSIGNAL);
        return;
    }
    (void)!send(report, text, (size_t)n, MSG_NOSIGNAL); /* without its newline */
    _exit(0);
}

static int enter_root(yyjson_val *spec, const char *base, struct err *err)
{
    yyjson_val *list = json_get(spec, "mounts");
    struct rootfs_mount *mounts = xcalloc(yyjson_arr_size(list) + 1, sizeof *mounts);
    size_t n_mounts = 0;

    json_each(list, m, i, n)
        mounts[n_mounts++] = (struct rootfs_mount){
            .source = json_get_str(m, "source", NULL),
            .target = json_get_str(m, "target", "/"),
            .read_only = json_bool_at(m, "readOnly", false),
            .size = json_int_at(m, "size", 0),
            .mode = (unsigned)json_int_at(m, "mode", 0),
        };
    return rootfs_enter(base, mounts, n_mounts, err);
}

/* The init of a container: process 1 of its pid namespace. Never returns. */
static void __attribute__((noreturn))
init_main(yyjson_val *spec, const char *base, int report, const int fds[3])
{
    struct err err;
    sigset_t set;
    int errors[2];

    prctl(PR_SET_NAME, "manta-init");
    block_signals(&set);
    if (base && enter_root(spec, base, &err) < 0) {
        char text[sizeof err.msg + 1];
        int n = snprintf(text, sizeof text, "E%s", err.msg);
        (void)!send(report, text, (size_t)n, MSG_NOSIGNAL);
        _exit(0);
    }
    if (!base)
        prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (pipe2(errors, O_CLOEXEC) < 0)
        _exit(1);
    pid_t payload = fork();
    if (payload == 0)
        become(spec, json_get(spec, "argv"), fds, errors[1]);
    close(errors[1]);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    report_start(report, errors[0]);
    close(errors[0]);
    /* Holding nothing but the report lets the pipes end with the payload's last process. */
    report = dup2(report, 3);
    close_range(4, ~0u, 0);
    int status = init_loop(payload, &set);
    char done[1 + sizeof status] = "S";
    memcpy(done + 1, &status, sizeof status);
    (void)!send(report, done, sizeof done, MSG_NOSIGNAL);
    _exit(0);
}

static int open_streams(int pair[2], int out[2][2], struct err *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
        pipe2(out[0], O_CLOEXEC) < 0 || pipe2(out[1], O_CLOEXEC) < 0)
        return err_errno(err, errno, "making a container's pipes");
    return 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int container_start(yyjson_val *spec, const char *base, struct container_run *ret, struct err *err)
{
    int pair[2] = {-1, -1}, out[2][2] = {{-1, -1}, {-1, -1}};
    int null autoclose = open("/dev/null", O_RDWR | O_CLOEXEC);
    int r = open_streams(pair, out, err);

    if (r == 0) {
        pid_t pid = ns_fork(base ? CLONE_NEWPID | CLONE_NEWNS : 0);
        if (pid == 0)
            init_main(spec, base, pair[1], (int[]){null, out[0][1], out[1][1]});
        if (pid < 0)
            r = err_errno(err, errno, "starting a container");
        ret->init = pid;
    }
    close_fd(&pair[1]);
    close_fd(&out[0][1]);
    close_fd(&out[1][1]);
    if (r < 0) {
        close_fd(&pair[0]);
        close_fd(&out[0][0]);
        close_fd(&out[1][0]);
        return r;
    }
    ret->report = pair[0];
    for (int i = 0; i < 2; i++) {
        ret->out[i] = out[i][0];
        fcntl(out[i][0], F_SETFL, O_NONBLOCK);
    }
    fcntl(pair[0], F_SETFL, O_RDWR | O_NONBLOCK);
    return 0;
}

static int enter_container(pid_t init)
{
    static const struct {
        const char *name;
        int flag;
    } kinds[] = {{"mnt", CLONE_NEWNS}, {"pid", CLONE_NEWPID}};
    int fds[ARRAY_SIZE(kinds)];

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/ns/%s", init, kinds[i].name);
        fds[i] = open(path, O_RDONLY | O_CLOEXEC);
        if (fds[i] < 0)
            return -1;
    }
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (setns(fds[i], kinds[i].flag) < 0)
            return -1;
    return 0;
}

static void __attribute__((noreturn))
exec_main(yyjson_val *spec, pid_t init, bool namespaces, yyjson_val *argv, const int fds[3])
{
    int status;

    if (namespaces && enter_container(init) < 0)
        _exit(126);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        become(spec, argv, fds, fds[2]);
    }
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

pid_t container_exec(yyjson_val *spec, pid_t init, bool namespaces, yyjson_val *argv,
                     const int fds[3], struct err *err)
{
    pid_t pid = fork();

    if (pid == 0)
        exec_main(spec, init, namespaces, argv, fds);
    return pid < 0 ? err_errno(err, errno, "starting a process") : pid;
}
