/* Finding the host of an instance, or starting one. */
#include "cli/gate.h"
#include "cli/host.h"
#include "cli/orphans.h"

#include "base/file.h"
#include "base/mem.h"
#include "kubelet/kubelet.h"
#include "kube/config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ORPHAN_WAIT_MS 10000

int host_clean_up(const struct instance *i, bool purge, struct err *err)
{
    autofree char *path = kube_config_default_file();
    int code = orphans_end(i->dir, ORPHAN_WAIT_MS, NULL, err);

    if (code == 0)
        code = kubelet_purge(i->kubelet, err);
    if (code == 0)
        code = kube_config_remove(path, i->context, err);
    return code == 0 && purge ? file_remove_tree(i->dir, err) : code;
}

/* In the child: a session of its own, the log as output, the pipe as standard output. */
static void become_host(const struct instance *i, bool ephemeral, int log, int out)
{
    char *argv[] = {"manta", "host", "--name", i->name, ephemeral ? "--ephemeral" : NULL, NULL};
    int null = open("/dev/null", O_RDONLY);

    setsid();
    dup2(null, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    signal(SIGINT, SIG_DFL);
    execv("/proc/self/exe", argv);
    _exit(127);
}

/* Starts the host and waits until it listens (or has ended). */
static int start_host(const struct instance *i, bool ephemeral, struct err *err)
{
    autofree char *path = xasprintf("%s/up.log", i->logs);
    int log autoclose = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int out[2];
    char word;
    pid_t pid;

    if (log < 0)
        return err_errno(err, errno, "%s", path);
    if (pipe2(out, O_CLOEXEC) < 0)
        return err_errno(err, errno, "pipe");
    pid = fork();
    if (pid == 0) {
        if (fork() == 0) /* nobody's child, so that it never becomes a zombie of ours */
            become_host(i, ephemeral, log, out[1]);
        _exit(0);
    }
    close(out[1]);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    ssize_t n = read(out[0], &word, 1);
    close(out[0]);
    return n == 1 ? 0 : err_set(err, ERR_UNAVAILABLE, "the instance did not start; see %s", path);
}

/* A connection to the host that runs, or else to one that is started. */
static int connect_or_start(const struct instance *i, bool ephemeral, struct err *err)
{
    int fd = gate_connect(i->sock, err), code;

    if (fd >= 0)
        return fd;
    code = instance_make(i, err); /* a host that ended may have taken it away */
    if (code == 0)
        code = start_host(i, ephemeral, err);
    return code < 0 ? code : gate_connect(i->sock, err);
}

/* A host that is just dying may still take a connection, only to drop it: then the next one is
 * asked. */
int host_join(const struct instance *i, bool ephemeral, struct err *err)
{
    int lock autoclose = instance_lock(i->lock, err);
    int code = lock;

    for (int attempt = 0; attempt < 3 && lock >= 0; attempt++) {
        int fd = connect_or_start(i, ephemeral, err);
        code = fd < 0 ? fd : gate_wait_ready(fd, err);
        if (code == 0)
            return fd;
        if (fd >= 0)
            close(fd);
        if (code != ERR_IO)
            break;
    }
    return code;
}
