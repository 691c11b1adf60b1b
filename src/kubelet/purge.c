#include "kubelet/purge.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/reach.h"
#include "base/timefmt.h"
#include "data/json.h"
#include "kubelet/kubelet.h"
#include "kubelet/node.h"
#include "kubelet/ns.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STOP_MS 5000

/* The process that a {"pid", "start"} file names, if it is still that one; else 0. */
static pid_t recorded_process(const char *path)
{
    struct buf b cleanup(buf_done) = BUF_LIMIT(4096);
    struct json *doc autojson = NULL;

    if (file_read(path, &b, NULL) < 0 || json_parse(buf_slice(&b), &doc, NULL) < 0)
        return 0;
    pid_t pid = (pid_t)json_int_at(json_root(doc), "pid", 0);
    uint64_t start = (uint64_t)json_int_at(json_root(doc), "start", 0);
    return pid > 1 && start && proc_start_time(pid) == start ? pid : 0;
}

pid_t purge_shim_pid(const char *dir)
{
    autofree char *record = xasprintf("%s/shim.json", dir);
    return recorded_process(record);
}

static bool stop_by_socket(const char *dir)
{
    autofree char *path = xasprintf("%s/shim.sock", dir);
    int fd autoclose = unix_connect(path, SOCK_SEQPACKET, NULL);
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return fd >= 0 && unix_send(fd, "{\"op\":\"stop\"}", 13, NULL, 0, NULL) == 0 &&
           poll(&p, 1, STOP_MS) == 1;
}

/* Not this process' child: its end shows in /proc only. */
static void kill_and_wait(pid_t pid)
{
    int64_t until = clock_mono_ns() + 2 * SECOND_NS;
    uint64_t start = proc_start_time(pid);

    kill(pid, SIGKILL);
    while (proc_start_time(pid) == start && clock_mono_ns() < until)
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

int pod_purge_dir(const char *dir, struct err *err)
{
    pid_t pid = 0;

    if (!stop_by_socket(dir) && (pid = purge_shim_pid(dir)) > 0)
        kill_and_wait(pid);
    return file_remove_tree(dir, err);
}

static int purge_pods(const char *state_dir, struct err *err)
{
    autofree char *path = xasprintf("%s/pods", state_dir);
    DIR *d = opendir(path);
    struct dirent *e;
    int r = 0;

    while (d && (e = readdir(d))) {
        if (*e->d_name == '.')
            continue;
        autofree char *dir = xasprintf("%s/%s", path, e->d_name);
        int one = pod_purge_dir(dir, err);
        r = one < 0 ? one : r;
    }
    if (d)
        closedir(d);
    return r;
}

int kubelet_purge(const char *state_dir, struct err *err)
{
    autofree char *reach = xasprintf("%s/" REACH_SOCKET, state_dir);
    autofree char *record = xasprintf("%s/node.json", state_dir);
    int r = purge_pods(state_dir, err);
    pid_t node = recorded_process(record);

    if (node_stop(reach, NULL) < 0 && node > 0)
        kill_and_wait(node);
    unlink(reach);
    unlink(record);
    return r;
}
