/* The kubelet's side of the node process. */
#include "base/file.h"
#include "base/mem.h"
#include "base/reach.h"
#include "data/json.h"
#include "kubelet/node.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int ask(const char *path, const char *request, char *answer, size_t room, struct err *err)
{
    int fd autoclose = unix_connect(path, SOCK_SEQPACKET, err);
    int r = fd < 0 ? fd : unix_send(fd, request, strlen(request), NULL, 0, err);

    if (r == 0)
        r = unix_recv(fd, answer, room - 1, NULL, 0, NULL, err);
    if (r < 0)
        return r;
    answer[r] = '\0';
    if (strncmp(answer, "error ", 6) == 0)
        return err_set(err, ERR_IO, "%s", answer + 6);
    return r ? 0 : err_set(err, ERR_IO, "the node process gave no answer");
}

int node_info(const char *path, struct node_info *ret, struct err *err)
{
    char answer[2048];
    struct json *doc autojson = NULL;
    int r = ask(path, "info", answer, sizeof answer, err);

    if (r < 0 || (r = json_parse(slice_of(answer), &doc, err)) < 0)
        return r;
    yyjson_val *obj = json_root(doc);
    ret->pid = (pid_t)json_int_at(obj, "pid", 0);
    ret->namespaces = json_bool_at(obj, "namespaces", false);
    snprintf(ret->why, sizeof ret->why, "%s", json_get_str(obj, "why", ""));
    snprintf(ret->internet, sizeof ret->internet, "%s", json_get_str(obj, "internet", ""));
    return 0;
}

int node_pod(const char *path, const char *dir, pid_t *ret_pid, struct err *err)
{
    char answer[2048];
    autofree char *request = xasprintf("pod %s", dir);
    int r = ask(path, request, answer, sizeof answer, err);

    if (r == 0)
        *ret_pid = (pid_t)strtol(answer + 3, NULL, 10);
    return r;
}

int node_stop(const char *path, struct err *err)
{
    char answer[64];
    return ask(path, "stop", answer, sizeof answer, err);
}

static void __attribute__((noreturn))
exec_node(const char *self, const char *state_dir, bool no_namespaces, pid_t join, int ready)
{
    char join_arg[32], ready_arg[32];
    const char *argv[10] = {"manta", "shim", "--state", state_dir, "--ready-fd", ready_arg};
    int n = 6, null = open("/dev/null", O_RDWR);
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    snprintf(ready_arg, sizeof ready_arg, "%d", ready);
    snprintf(join_arg, sizeof join_arg, "%d", join);
    fcntl(ready, F_SETFD, 0);
    dup2(null, 0);
    dup2(null, 1);
    if (no_namespaces)
        argv[n++] = "--no-namespaces";
    if (join) {
        argv[n++] = "--join";
        argv[n++] = join_arg;
    }
    execv(self, (char **)argv);
    _exit(127);
}

int node_spawn(const char *self, const char *state_dir, bool no_namespaces, pid_t join,
               struct err *err)
{
    int pipes[2];
    char text[1024];
    size_t n = 0;

    if (pipe2(pipes, O_CLOEXEC) < 0)
        return err_errno(err, errno, "pipe");
    /* Forked twice, so that it is nobody's child and leaves no zombie in the kubelet. */
    pid_t pid = fork();
    if (pid == 0) {
        if (fork() == 0)
            exec_node(self, state_dir, no_namespaces, join, pipes[1]);
        _exit(0);
    }
    close(pipes[1]);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    /* Up to the newline: children of the node process may hold the pipe for longer. */
    while (n < sizeof text - 1 && read(pipes[0], text + n, 1) == 1 && text[n] != '\n')
        n++;
    close(pipes[0]);
    text[n] = '\0';
    return strcmp(text, "ready") == 0 ? 0
                                      : err_set(err, ERR_IO, "starting the node process: %s",
                                                n ? text : "it ended at once");
}
