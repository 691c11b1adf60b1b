/* Pods from files: the node process, a shim, containers; no kubelet and no API server. */
#include "base/mem.h"
#include "base/reach.h"
#include "base/test.h"
#include "data/json.h"
#include "kubelet/node.h"
#include "kubelet/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

struct lab {
    char dir[64], reach[128], pod[128];
    pid_t node, shim;
    bool namespaces;
};

static void put_file(const char *dir, const char *name, const char *text)
{
    autofree char *path = xasprintf("%s/%s", dir, name);
    struct err err;
    CHECK_OK(file_write(path, slice_of(text), 0600, &err), &err);
}

static void make_dir(const char *dir, const char *name)
{
    autofree char *path = xasprintf("%s/%s", dir, name);
    struct err err;
    CHECK_OK(file_mkdirs(path, 0700, &err), &err);
}

static bool lab_up(struct lab *l, bool no_namespaces)
{
    struct node_info info;
    struct err err;
    char said[1024] = "";
    int pipes[2];

    snprintf(l->dir, sizeof l->dir, "%s", "/tmp/manta-shim-test.XXXXXX");
    CHECK(mkdtemp(l->dir) && pipe(pipes) == 0);
    snprintf(l->reach, sizeof l->reach, "%s/" REACH_SOCKET, l->dir);
    l->node = fork();
    if (l->node == 0) {
        close(pipes[0]);
        _exit(node_run(&(struct node_options){
            .state_dir = l->dir, .no_namespaces = no_namespaces, .ready_fd = pipes[1]}));
    }
    close(pipes[1]);
    CHECK(read(pipes[0], said, sizeof said - 1) > 0);
    close(pipes[0]);
    CHECK_STR(said, "ready\n");
    CHECK_OK(node_info(l->reach, &info, &err), &err);
    l->namespaces = info.namespaces;
    if (!info.namespaces && !no_namespaces)
        fprintf(stderr, "namespaces do not work here: %s\n", info.why);
    return info.namespaces || no_namespaces;
}

static void lab_pod(struct lab *l, const char *uid, const char *ip)
{
    struct err err = {0};

    snprintf(l->pod, sizeof l->pod, "%s/pods/%s", l->dir, uid);
    make_dir(l->pod, "rootfs");
    make_dir(l->pod, "logs/c");
    make_dir(l->pod, "containers/c/tmp");
    autofree char *box = xasprintf("{\"hostname\":\"pod-%s\",\"ip\":\"%s\",\"prefix\":16,"
                                   "\"gateway\":\"" NODE_GATEWAY "\"}",
                                   uid, ip);
    put_file(l->pod, "sandbox.json", box);
    put_file(l->pod, "hosts", "127.0.0.1 localhost\n");
    CHECK_OK(node_pod(l->reach, l->pod, &l->shim, &err), &err);
}

/* One request and its answer, the caller's text. */
static char *shim_ask(struct lab *l, const char *request, const int *fds, int n_fds)
{
    autofree char *path = xasprintf("%s/shim.sock", l->pod);
    char answer[8192];
    struct err err = {0};
    int fd autoclose = unix_connect(path, SOCK_SEQPACKET, &err);
    int r = fd < 0 ? fd : unix_send(fd, request, strlen(request), fds, n_fds, &err);

    if (r == 0)
        r = unix_recv(fd, answer, sizeof answer - 1, NULL, 0, NULL, &err);
    if (r < 0)
        FAIL("%s: %s", request, err.msg);
    answer[MAX(r, 0)] = '\0';
    return xstrdup(answer);
}

static void write_spec(struct lab *l, int attempt, const char *script, const char *mounts)
{
    autofree char *name = xasprintf("containers/c/%d.spec.json", attempt);
    autofree char *text =
        xasprintf("{\"argv\":[\"sh\",\"-c\",\"%s\"],\"env\":[\"PATH=/usr/bin:/bin\"],\"cwd\":\"/\","
                  "\"log\":\"logs/c/%d.log\",\"mounts\":[{\"source\":\"%s/containers/c/tmp\","
                  "\"target\":\"/tmp\"},{\"source\":\"%s/hosts\",\"target\":\"/etc/hosts\"}%s]}",
                  script, attempt, l->pod, l->pod, mounts);
    put_file(l->pod, name, text);
}

static char *start(struct lab *l, int attempt, const char *script)
{
    char request[96];

    write_spec(l, attempt, script, "");
    snprintf(request, sizeof request, "{\"op\":\"start\",\"container\":\"c\",\"attempt\":%d}",
             attempt);
    return shim_ask(l, request, NULL, 0);
}

static char *read_all(struct lab *l, const char *name)
{
    autofree char *path = xasprintf("%s/%s", l->pod, name);
    struct buf b = BUF_INIT;
    return file_read(path, &b, NULL) < 0 ? NULL : buf_take(&b);
}

/* Waits for the exit record of an attempt by watching the shim. */
static struct json *wait_exit(struct lab *l, int attempt)
{
    autofree char *path = xasprintf("%s/shim.sock", l->pod);
    autofree char *record = xasprintf("containers/c/%d.exit.json", attempt);
    char packet[8192];
    struct json *doc = NULL;
    int fd autoclose = unix_connect(path, SOCK_SEQPACKET, NULL);

    (void)unix_send(fd, "{\"op\":\"watch\"}", 14, NULL, 0, NULL);
    for (;;) {
        autofree char *text = read_all(l, record);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (text) {
            json_parse(slice_of(text), &doc, NULL);
            return doc;
        }
        if (poll(&p, 1, 10000) != 1 ||
            unix_recv(fd, packet, sizeof packet, NULL, 0, NULL, NULL) <= 0) {
            FAIL("no end of attempt %d", attempt);
            return NULL;
        }
    }
}

static void lab_stop_pod(struct lab *l)
{
    autofree char *answer = shim_ask(l, "{\"op\":\"stop\"}", NULL, 0);
    CHECK_STR(answer, "{}");
}

static void lab_down(struct lab *l)
{
    struct err err;
    int status = -1;

    CHECK_OK(node_stop(l->reach, &err), &err);
    CHECK(waitpid(l->node, &status, 0) == l->node && status == 0);
    CHECK_OK(file_remove_tree(l->dir, &err), &err);
}

TEST(container_runs_with_its_own_world)
{
    struct lab l;

    if (!lab_up(&l, false))
        return;
    lab_pod(&l, "aaaa-1", "10.244.0.5");
    autofree char *said = start(&l, 0,
                                "echo $$; hostname; echo x > /tmp/mine; echo bad >&2; "
                                "cat /proc/1/comm; touch /usr/x 2>/dev/null && echo wrote; "
                                "exit 7");
    CHECK_STR(said, "{}");
    struct json *doc autojson = wait_exit(&l, 0);
    CHECK_INT(json_int_at(json_root(doc), "exitCode", -1), 7);
    CHECK_STR(json_get_str(json_root(doc), "reason", ""), "Error");
    autofree char *log = read_all(&l, "logs/c/0.log");
    CHECK(strstr(log, "Z stdout F 2\n") && strstr(log, " stdout F pod-aaaa-1\n") &&
          strstr(log, " stderr F bad\n") && strstr(log, " stdout F manta-init\n"));
    CHECK(!strstr(log, "wrote"));
    autofree char *mine = read_all(&l, "containers/c/tmp/mine");
    CHECK_STR(mine, "x\n");
    lab_stop_pod(&l);
    lab_down(&l);
}

TEST(container_that_cannot_start_says_why)
{
    struct lab l;

    if (!lab_up(&l, false))
        return;
    lab_pod(&l, "aaaa-2", "10.244.0.5");
    put_file(l.pod, "containers/c/0.spec.json",
             "{\"argv\":[\"no-such-program\"],\"env\":[\"PATH=/bin\"],\"log\":\"logs/c/0.log\"}");
    autofree char *said =
        shim_ask(&l, "{\"op\":\"start\",\"container\":\"c\",\"attempt\":0}", 0, 0);
    CHECK(strstr(said, "executable file not found in $PATH"));
    struct json *doc autojson = wait_exit(&l, 0);
    CHECK_INT(json_int_at(json_root(doc), "exitCode", -1), 128);
    CHECK_STR(json_get_str(json_root(doc), "reason", ""), "StartError");
    lab_stop_pod(&l);
    lab_down(&l);
}

TEST(signals_reach_the_payload_and_kill_ends_everything)
{
    struct lab l;

    if (!lab_up(&l, false))
        return;
    lab_pod(&l, "aaaa-3", "10.244.0.5");
    autofree unused char *a =
        start(&l, 0, "trap 'echo term; exit 3' TERM; echo up; while :; do sleep 0.05; done");
    autofree char *b = shim_ask(&l, "{\"op\":\"signal\",\"container\":\"c\",\"signal\":15}", 0, 0);
    CHECK_STR(b, "{}");
    struct json *doc autojson = wait_exit(&l, 0);
    /* The shell may not have set its trap yet: then the signal's default ends it. */
    int64_t code = json_int_at(json_root(doc), "exitCode", -1);
    CHECK(code == 3 || code == 143);
    autofree unused char *c =
        start(&l, 1, "sleep 1000 & sleep 1000 & trap '' TERM; wait; sleep 1000");
    autofree unused char *d = shim_ask(&l, "{\"op\":\"kill\",\"container\":\"c\"}", 0, 0);
    struct json *doc2 autojson = wait_exit(&l, 1);
    CHECK_INT(json_int_at(json_root(doc2), "exitCode", -1), 137);
    lab_stop_pod(&l);
    lab_down(&l);
}

TEST(exec_runs_in_the_container)
{
    struct lab l;
    int pipes[2];
    char text[256] = "";

    if (!lab_up(&l, false))
        return;
    lab_pod(&l, "aaaa-4", "10.244.0.5");
    autofree unused char *a = start(&l, 0, "echo secret > /tmp/word; exec sleep 1000");
    int null autoclose = open("/dev/null", O_RDWR);
    CHECK(pipe(pipes) == 0);
    autofree char *b = shim_ask(&l,
                                "{\"op\":\"exec\",\"container\":\"c\",\"argv\":[\"sh\",\"-c\","
                                "\"while ! cat /tmp/word; do :; done; exit 5\"]}",
                                (int[]){null, pipes[1], null}, 3);
    CHECK_STR(b, "{\"exitCode\":5}");
    CHECK(read(pipes[0], text, sizeof text - 1) > 0);
    CHECK_STR(text, "secret\n");
    close(pipes[0]);
    close(pipes[1]);
    lab_stop_pod(&l);
    lab_down(&l);
}

static bool port_answers(struct lab *l, const char *ip, unsigned port)
{
    struct err err;
    int error = 0;
    socklen_t n = sizeof error;
    int fd autoclose = reach_connect(l->reach, ip, port, &err);
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    return fd >= 0 && poll(&p, 1, 1000) == 1 &&
           getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error == 0;
}

TEST(pods_are_reached_and_reach_out)
{
    struct lab l;
    struct err err = {0};

    if (!lab_up(&l, false))
        return;
    int service autoclose = reach_listen(l.reach, "10.96.0.1", 443, &err);
    CHECK_OK(service, &err);
    lab_pod(&l, "aaaa-5", "10.244.0.9");
    autofree unused char *a =
        start(&l, 0,
              "exec python3 -c 'import socket; s=socket.create_server((chr(48)"
              "+chr(46)+chr(48),8000)); c=socket.create_connection((\\\"10.96.0.1\\\","
              "443)); s.accept()'");
    struct pollfd p = {.fd = service, .events = POLLIN};
    CHECK_INT(poll(&p, 1, 10000), 1);
    CHECK(port_answers(&l, "10.244.0.9", 8000));
    CHECK(!port_answers(&l, "10.244.0.9", 8001));
    lab_stop_pod(&l);
    lab_down(&l);
}

TEST(volumes_appear_where_nothing_was)
{
    struct lab l;
    char mounts[1024];

    if (!lab_up(&l, false))
        return;
    lab_pod(&l, "aaaa-6", "10.244.0.5");
    make_dir(l.pod, "volumes/v");
    put_file(l.pod, "volumes/v/file", "content\n");
    snprintf(mounts, sizeof mounts,
             ",{\"source\":\"%s/volumes/v\",\"target\":\"/home/ray/a/b\",\"readOnly\":true},"
             "{\"source\":\"%s/volumes/v/file\",\"target\":\"/usr/share/manta-test/f\"},"
             "{\"source\":null,\"target\":\"/dev/shm\",\"size\":1048576},"
             "{\"source\":\"%s/volumes/v\",\"target\":\"/var/run/secrets/x\"}",
             l.pod, l.pod, l.pod);
    write_spec(&l, 0,
               "cat /home/ray/a/b/file /usr/share/manta-test/f /var/run/secrets/x/file; "
               "touch /home/ray/a/b/x || echo read-only; ls /usr/bin/env; "
               "touch /var/run/secrets/x/y && echo written; df -k /dev/shm | tail -1",
               mounts);
    autofree char *a = shim_ask(&l, "{\"op\":\"start\",\"container\":\"c\",\"attempt\":0}", 0, 0);
    CHECK_STR(a, "{}");
    unused struct json *doc autojson = wait_exit(&l, 0);
    autofree char *log = read_all(&l, "logs/c/0.log");
    const char *at = log;
    for (int i = 0; i < 3; i++)
        CHECK((at = strstr(at, "stdout F content\n")) && at++);
    CHECK(strstr(log, "stdout F read-only") && strstr(log, "stdout F /usr/bin/env") &&
          strstr(log, "stdout F written") && strstr(log, " 1024 "));
    lab_stop_pod(&l);
    lab_down(&l);
}

TEST(a_killed_shim_leaves_nothing)
{
    struct lab l;

    if (!lab_up(&l, false))
        return;
    lab_pod(&l, "aaaa-7", "10.244.0.5");
    autofree unused char *a = start(&l, 0, "sleep 4242 & sleep 4242");
    kill(l.shim, SIGKILL);
    while (proc_start_time(l.shim))
        usleep(1000); /* the node process reaps it: there is no other sign of its end here */
    lab_pod(&l, "aaaa-7", "10.244.0.5"); /* the same veth name is free again */
    lab_stop_pod(&l);
    lab_down(&l);
}

TEST(without_namespaces_containers_still_run_and_end)
{
    struct lab l;

    CHECK(lab_up(&l, true));
    lab_pod(&l, "aaaa-8", "127.0.0.1");
    autofree unused char *a = start(&l, 0, "(setsid sleep 4243 &) ; echo out; exit 4");
    struct json *doc autojson = wait_exit(&l, 0);
    CHECK_INT(json_int_at(json_root(doc), "exitCode", -1), 4);
    lab_stop_pod(&l);
    lab_down(&l);
}
