#include "cli/cluster.h"
#include "cli/flags.h"
#include "cli/gate.h"
#include "cli/instance.h"
#include "cli/orphans.h"

#include "base/mem.h"
#include "base/test.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

static char dir[] = "/tmp/manta-cli-XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[128];
    static bool made;

    if (!made && !mkdtemp(dir))
        abort();
    made = true;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

TEST(flags_take_values_in_every_form)
{
    const char *name = "x", *ns = NULL;
    bool detach = false;
    const struct flag list[] = {{"name", 0, FLAG_STRING, &name, "NAME", "n"},
                                {"namespace", 'n', FLAG_STRING, &ns, "NS", "n"},
                                {"detach", 'd', FLAG_BOOL, &detach, NULL, "d"}};
    const struct flags f = {"up", "about", list, ARRAY_SIZE(list)};
    char *argv[] = {"up", "a", "--name=b", "-n", "c", "-d", "-", "--", "--d", NULL};

    CHECK_INT(flags_parse(&f, 9, argv), 3);
    CHECK_STR(argv[1], "a");
    CHECK_STR(argv[2], "-");
    CHECK_STR(argv[3], "--d");
    CHECK_STR(name, "b");
    CHECK_STR(ns, "c");
    CHECK(detach);
}

struct door {
    struct gate *gate;
    int empty, down;
};

static bool on_empty(void *ctx)
{
    struct door *d = ctx;

    d->empty++;
    gate_free(d->gate);
    return true;
}

static void on_down(void *ctx)
{
    struct door *d = ctx;

    d->down++;
    gate_free(d->gate);
}

/* A user in a process of its own: 0 when all went as it should. */
static pid_t user(const char *path, const char *word, bool dies)
{
    pid_t pid = fork();
    struct err err;

    if (pid)
        return pid;
    int fd = gate_connect(path, &err);
    if (fd < 0 || gate_wait_ready(fd, &err) < 0)
        _exit(1);
    if (dies)
        raise(SIGKILL);
    _exit(gate_say(fd, word, &err) < 0);
}

static int play(const char *word, bool dies, struct door *d)
{
    const char *path = in_dir("up.sock");
    struct gate_events events = {.on_down = on_down, .on_empty = on_empty, .ctx = d};
    uv_loop_t loop;
    struct err err;
    int status;

    uv_loop_init(&loop);
    CHECK_OK(gate_listen(&loop, path, &events, &d->gate, &err), &err);
    gate_ready(d->gate);
    pid_t pid = user(path, word, dies);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    waitpid(pid, &status, 0);
    CHECK(access(path, F_OK) < 0);
    return status;
}

TEST(gate_tells_when_the_last_user_left)
{
    struct door d = {0};

    CHECK_INT(play("leave", false, &d), 0);
    CHECK_INT(d.empty, 1);
}

TEST(gate_sees_a_user_that_was_killed)
{
    struct door d = {0};

    CHECK(WIFSIGNALED(play("leave", true, &d)));
    CHECK_INT(d.empty, 1);
}

TEST(gate_takes_the_word_down)
{
    struct door d = {0};

    CHECK_INT(play("down", false, &d), 0);
    CHECK_INT(d.down, 1);
    CHECK_INT(d.empty, 0);
}

TEST(nobody_behind_the_gate_is_not_found)
{
    struct err err;

    CHECK_INT(gate_connect(in_dir("nobody.sock"), &err), ERR_NOT_FOUND);
}

TEST(orphans_are_ended_and_strangers_spared)
{
    const char *path = in_dir("");
    struct err err;
    pid_t ours = fork();

    if (ours == 0)
        for (;;)
            pause();
    orphans_write(path, &(struct orphan){"child", ours}, 1);
    CHECK_OK(orphans_end(path, 5000, NULL, &err), &err);
    CHECK_INT(waitpid(ours, NULL, 0), ours);
    /* A process whose number is on file with another start time is a stranger. */
    pid_t other = fork();
    if (other == 0)
        for (;;)
            pause();
    autofree char *text = xasprintf("[{\"name\":\"x\",\"pid\":%d,\"start\":1}]", other);
    autofree char *file = xasprintf("%s/children.json", path);
    CHECK_OK(file_write(file, slice_of(text), 0600, &err), &err);
    CHECK_OK(orphans_end(path, 100, NULL, &err), &err);
    CHECK_INT(waitpid(other, NULL, WNOHANG), 0);
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
}

static int read_text(const char *text, struct manifests *m, struct err *err)
{
    const char *path = in_dir("m.yaml");
    char *files[] = {(char *)(uintptr_t)path};

    CHECK_OK(file_write(path, slice_of(text), 0600, err), err);
    return manifests_read(files, 1, m, err);
}

TEST(manifests_hold_many_objects_and_lists)
{
    struct manifests m;
    struct err err;

    CHECK_OK(read_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n# nothing\n---\n"
                       "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n"
                       "  metadata: {name: b}\n",
                       &m, &err),
             &err);
    CHECK_INT(m.n, 2);
    CHECK_STR(json_str_at(m.v[1].object, "metadata.name", ""), "b");
    manifests_done(&m);
}

TEST(bad_manifests_name_file_and_line)
{
    struct manifests m;
    struct err err;

    CHECK(read_text("kind: ConfigMap\n", &m, &err) < 0);
    CHECK(strstr(err.msg, "m.yaml:1: apiVersion and kind"));
    CHECK(read_text("a: [\n", &m, &err) < 0);
    CHECK(strstr(err.msg, "m.yaml: ") && strstr(err.msg, "line "));
    CHECK(read_text("# empty\n", &m, &err) < 0);
    CHECK(strstr(err.msg, "no object"));
}

TEST(instance_names_are_labels)
{
    struct instance i;
    struct err err;

    CHECK_INT(instance_open(&i, "../x", false, &err), ERR_BAD_REQUEST);
    instance_done(&i);
    CHECK_OK(instance_open(&i, "a-1", false, &err), &err);
    CHECK_STR(i.context, "manta-a-1");
    instance_done(&i);
}
