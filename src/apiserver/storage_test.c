#include "apiserver/storage_impl.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/test.h"

#include <signal.h>
#include <sys/wait.h>

static struct resource maps = {.group = "",
                               .version = "v1",
                               .plural = "configmaps",
                               .kind = "ConfigMap",
                               .namespaced = true,
                               .stored = &maps};
static const char *const pod_fields[] = {"spec.nodeName", NULL};
static struct resource pods = {.group = "",
                               .version = "v1",
                               .plural = "pods",
                               .kind = "Pod",
                               .namespaced = true,
                               .fields = pod_fields,
                               .stored = &pods};
static struct resource crds = {
    .group = "x", .version = "v1", .plural = "crds", .kind = "Crd", .cold = true, .stored = &crds};

static const struct resource *resolve(unused void *arg, unused const char *group,
                                      const char *plural)
{
    return strcmp(plural, "pods") == 0 ? &pods : strcmp(plural, "crds") == 0 ? &crds : &maps;
}

struct fixture {
    uv_loop_t loop;
    char dir[64];
    struct storage *s;
    unsigned history;
};

static void reopen(struct fixture *f)
{
    struct err err = {0};
    struct storage_options o = {
        .dir = f->dir, .loop = &f->loop, .resolve = resolve, .history_events = f->history};

    if (f->s) {
        storage_close(f->s);
        uv_run(&f->loop, UV_RUN_DEFAULT);
        f->s = NULL;
    }
    CHECK_OK(storage_open(&o, &f->s, &err), &err);
}

static void setup(struct fixture *f)
{
    *f = (struct fixture){.dir = "/tmp/manta-storage-XXXXXX", .history = f->history};
    CHECK(mkdtemp(f->dir) != NULL);
    uv_loop_init(&f->loop);
    reopen(f);
}

static void finish(struct fixture *f)
{
    storage_close(f->s);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    CHECK_INT(uv_loop_close(&f->loop), 0);
    file_remove_tree(f->dir, NULL);
}

static struct object *make(struct storage *s, const struct resource *res, const char *ns,
                           const char *name, const char *value)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *root = yyjson_mut_obj(doc), *meta = json_put_obj(doc, root, "metadata");

    json_put_str(doc, meta, "name", name);
    if (*ns)
        json_put_str(doc, meta, "namespace", ns);
    json_put_str(doc, meta, "uid", "00000000-0000-4000-8000-000000000001");
    json_put_str(doc, json_put_obj(doc, meta, "labels"), "app", value);
    json_put_str(doc, json_put_obj(doc, root, "spec"), "nodeName", value);
    return object_new(s, res, storage_next_rv(s), doc, root);
}

static void note_error(void *arg, int error)
{
    *(int *)arg = error;
}

static uint64_t put(struct fixture *f, const struct resource *res, enum event_type type,
                    const char *ns, const char *name, const char *value, int *result)
{
    struct object *o autoobject = make(f->s, res, ns, name, value);

    storage_write(f->s, &(struct write){.type = type,
                                        .object = o,
                                        .manager = "test",
                                        .time = clock_wall_ns(),
                                        .done = result ? note_error : NULL,
                                        .arg = result});
    return o->rv;
}

static void settle(struct fixture *f)
{
    uv_run(&f->loop, UV_RUN_DEFAULT);
}

static bool add_key(void *arg, const struct object *o)
{
    buf_printf(arg, "%s ", o->key);
    return true;
}

static void check_list(struct fixture *f, const struct storage_scan *scan, const char *want)
{
    struct buf got cleanup(buf_done) = BUF_INIT;
    struct err err;

    CHECK_OK(storage_each(f->s, scan, add_key, &got, &err), &err);
    CHECK_STR(buf_str(&got), want);
}

TEST(storage_visible_after_commit)
{
    struct fixture f = {0};
    int result = 1;
    bool pending;

    setup(&f);
    uint64_t rv = put(&f, &maps, EVENT_ADDED, "a", "x", "1", &result);
    CHECK(storage_get(f.s, &maps, "a", "x") == NULL);
    struct object *o = storage_newest(f.s, &maps, "a", "x", &pending);
    CHECK(o && pending);
    object_unref(o);
    CHECK_INT(result, 1);
    settle(&f);
    CHECK_INT(result, 0);
    o = storage_get(f.s, &maps, "a", "x");
    CHECK(o && o->rv == rv && storage_rv(f.s) == rv);
    CHECK_STR(object_label(o, "app"), "1");
    CHECK_STR(o->name, "x");
    object_unref(o);
    finish(&f);
}

TEST(storage_order_and_pages)
{
    struct fixture f = {0};

    setup(&f);
    const char *const keys[][2] = {{"a", "y"}, {"a-b", "x"}, {"a", "x"}, {"b", "z"}, {"a", "z"}};
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        put(&f, &maps, EVENT_ADDED, keys[i][0], keys[i][1], "1", NULL);
    settle(&f);
    check_list(&f, &(struct storage_scan){.res = &maps}, "a-b/x a/x a/y a/z b/z ");
    check_list(&f, &(struct storage_scan){.res = &maps, .ns = "a"}, "a/x a/y a/z ");
    check_list(&f, &(struct storage_scan){.res = &maps, .ns = "a", .after = "a/x"}, "a/y a/z ");
    check_list(&f, &(struct storage_scan){.res = &maps, .ns = "c"}, "");
    check_list(&f, &(struct storage_scan){.res = &maps, .after = "a/y"}, "a/z b/z ");
    check_list(&f, &(struct storage_scan){.res = &pods}, "");
    finish(&f);
}

TEST(storage_many_keys)
{
    struct fixture f = {0};
    char name[16];

    setup(&f);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "n%04d", i * 7919 % 3000);
        put(&f, &pods, EVENT_ADDED, "a", name, "1", NULL);
    }
    settle(&f);
    CHECK_INT(storage_count(f.s, &pods), 3000);
    for (int i = 0; i < 3000; i += 2) {
        snprintf(name, sizeof name, "n%04d", i);
        put(&f, &pods, EVENT_DELETED, "a", name, "1", NULL);
    }
    settle(&f);
    CHECK_INT(storage_count(f.s, &pods), 1500);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "n%04d", i);
        struct object *o autoobject = storage_get(f.s, &pods, "a", name);
        CHECK((o != NULL) == (i % 2 == 1));
    }
    finish(&f);
}

TEST(storage_reopen_and_old_versions)
{
    struct fixture f = {0};

    setup(&f);
    put(&f, &maps, EVENT_ADDED, "a", "x", "1", NULL);
    uint64_t old = put(&f, &maps, EVENT_ADDED, "a", "y", "1", NULL);
    settle(&f);
    put(&f, &maps, EVENT_DELETED, "a", "x", "1", NULL);
    put(&f, &maps, EVENT_MODIFIED, "a", "y", "2", NULL);
    uint64_t last = put(&f, &maps, EVENT_ADDED, "a", "w", "1", NULL);
    settle(&f);
    for (int round = 0; round < 2; round++) {
        check_list(&f, &(struct storage_scan){.res = &maps}, "a/w a/y ");
        check_list(&f, &(struct storage_scan){.res = &maps, .at = old}, "a/x a/y ");
        check_list(&f, &(struct storage_scan){.res = &maps, .at = old, .after = "a/x"}, "a/y ");
        check_list(&f, &(struct storage_scan){.res = &maps, .at = old - 1}, "a/x ");
        CHECK_INT(storage_rv(f.s), last);
        CHECK(storage_next_rv(f.s) > last);
        reopen(&f);
    }
    finish(&f);
}

static bool count_event(void *arg, const struct event *e)
{
    struct rcbuf *b = object_bytes(e->object);

    CHECK(b != NULL);
    rcbuf_unref(b);
    ++*(int *)arg;
    return true;
}

TEST(storage_history_expires)
{
    struct fixture f = {.history = 100};
    struct err err = {0};
    int n = 0;

    setup(&f);
    uint64_t first = put(&f, &maps, EVENT_ADDED, "a", "x", "1", NULL);
    settle(&f);
    for (int i = 0; i < 1000; i++) {
        put(&f, &maps, EVENT_MODIFIED, "a", "x", "2", NULL);
        if (i % 100 == 99)
            settle(&f);
    }
    settle(&f);
    CHECK_INT(storage_history(f.s, &maps, first, count_event, &n, &err), ERR_EXPIRED);
    CHECK_STR(err.msg, "too old resource version: 3 (903)");
    CHECK_INT(storage_history(f.s, &maps, storage_floor(f.s), count_event, &n, &err), 0);
    CHECK_INT(n, 100);
    reopen(&f);
    n = 0;
    CHECK_INT(storage_history(f.s, &maps, storage_rv(f.s) - 10, count_event, &n, &err), 0);
    CHECK_INT(n, 10);
    check_list(&f, &(struct storage_scan){.res = &maps}, "a/x ");
    finish(&f);
}

TEST(storage_cold_objects_sleep)
{
    struct fixture f = {0};

    setup(&f);
    put(&f, &crds, EVENT_ADDED, "", "x", "1", NULL);
    settle(&f);
    for (int round = 0; round < 2; round++) {
        struct object *o autoobject = storage_get(f.s, &crds, "", "x");
        struct json *j autojson = object_parse(o);

        CHECK(o->text == NULL);
        CHECK_STR(json_str_at(json_root(j), "metadata.labels.app", NULL), "1");
        reopen(&f);
    }
    finish(&f);
}

TEST(storage_failed_batch_rolls_back)
{
    struct fixture f = {0};
    int first = 1, second = 1, third = 1;
    bool pending;
    sqlite3 *other;
    char path[96];

    setup(&f);
    put(&f, &maps, EVENT_ADDED, "a", "x", "1", &first);
    settle(&f);
    snprintf(path, sizeof path, "%s/state.db", f.dir);
    CHECK_INT(sqlite3_open(path, &other), SQLITE_OK);
    CHECK_INT(
        sqlite3_exec(other, "INSERT INTO log VALUES(4,0,'','','','','','',0,'')", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(other);
    void (*sink)(enum log_level, const char *, size_t) = log_sink;
    log_threshold = LOG_ERROR + 1;
    put(&f, &maps, EVENT_MODIFIED, "a", "x", "2", &second);
    put(&f, &maps, EVENT_ADDED, "a", "y", "2", &third);
    settle(&f);
    log_threshold = LOG_INFO;
    log_sink = sink;
    CHECK(second < 0 && third < 0);
    struct object *o autoobject = storage_newest(f.s, &maps, "a", "x", &pending);
    CHECK(!pending && o->rv == 3);
    check_list(&f, &(struct storage_scan){.res = &maps}, "a/x ");
    CHECK_INT(storage_rv(f.s), 3);
    storage_close(f.s);
    uv_run(&f.loop, UV_RUN_DEFAULT);
    uv_loop_close(&f.loop);
    file_remove_tree(f.dir, NULL);
}

TEST(storage_fields)
{
    struct fixture f = {0};

    setup(&f);
    put(&f, &pods, EVENT_ADDED, "a", "x", "node-1", NULL);
    settle(&f);
    struct object *o autoobject = storage_get(f.s, &pods, "a", "x");
    CHECK_STR(object_field(o, "spec.nodeName"), "node-1");
    CHECK_STR(object_field(o, "metadata.name"), "x");
    CHECK(object_field(o, "spec.other") == NULL);
    finish(&f);
}

/* ---- kill -9 under writes ---- */

struct child {
    struct fixture f;
    int fd;
    unsigned n;
};

static void keep_writing(struct child *c);

static void acknowledge(void *arg, int error)
{
    struct child *c = arg;
    uint64_t rv = storage_rv(c->f.s);

    if (error < 0 || write(c->fd, &rv, sizeof rv) != sizeof rv)
        _exit(1);
    keep_writing(c);
}

static void keep_writing(struct child *c)
{
    char name[16];

    snprintf(name, sizeof name, "n%u", c->n++);
    struct object *o autoobject = make(c->f.s, &maps, "a", name, "1");
    storage_write(c->f.s,
                  &(struct write){.type = EVENT_ADDED, .object = o, .done = acknowledge, .arg = c});
}

static void child_main(const char *dir, int fd, unsigned start)
{
    struct child c = {.fd = fd, .n = start};

    snprintf(c.f.dir, sizeof c.f.dir, "%s", dir);
    uv_loop_init(&c.f.loop);
    reopen(&c.f);
    for (int i = 0; i < 8; i++)
        keep_writing(&c);
    uv_run(&c.f.loop, UV_RUN_DEFAULT);
    _exit(1);
}

/* Lets a child write for a moment and kills it; gives the last acknowledged version. */
static uint64_t run_and_kill(const char *dir, unsigned start, size_t *acknowledged)
{
    int fds[2];
    uint64_t rv, last = 0;

    CHECK_INT(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0)
        child_main(dir, fds[1], start);
    close(fds[1]);
    size_t stop = 1 + rand_below(60);
    for (size_t n = 0; read(fds[0], &rv, sizeof rv) == sizeof rv;) {
        CHECK(rv > last);
        last = rv;
        ++*acknowledged;
        if (++n == stop)
            kill(pid, SIGKILL);
    }
    waitpid(pid, NULL, 0);
    close(fds[0]);
    return last;
}

TEST(storage_survives_kill)
{
    struct fixture f = {0};
    size_t acknowledged = 0;
    uint64_t highest = 0;

    setup(&f);
    storage_close(f.s);
    f.s = NULL;
    uv_run(&f.loop, UV_RUN_DEFAULT);
    for (unsigned round = 0; round < 20; round++) {
        uint64_t last = run_and_kill(f.dir, round * 100000, &acknowledged);

        CHECK(last > highest);
        highest = last;
        reopen(&f);
        CHECK(storage_rv(f.s) >= highest);
        CHECK(storage_count(f.s, &maps) >= acknowledged);
        storage_close(f.s);
        f.s = NULL;
        uv_run(&f.loop, UV_RUN_DEFAULT);
    }
    reopen(&f);
    finish(&f);
}
