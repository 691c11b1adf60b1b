#include "base/file.h"
#include "base/mem.h"
#include "base/test.h"
#include "operator/zaplog.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW INT64_C(1767323045678900000) /* 2026-01-02T03:04:05.6789Z */

TEST(json_lines)
{
    static const struct log_pair pairs[] = {{"controller", "rayjob-controller"},
                                            {"namespace", "ns"},
                                            {"name", "j"},
                                            {"error", "a \"b\"\n"}};
    struct buf b cleanup(buf_done) = BUF_INIT;

    zaplog_line(&b, false, NOW, LOG_INFO, "Reconciler error", pairs, 4);
    CHECK_STR(
        buf_str(&b),
        "{\"level\":\"info\",\"ts\":\"2026-01-02T03:04:05.678Z\",\"logger\":\"controllers.RayJob\","
        "\"msg\":\"Reconciler error\",\"RayJob\":{\"name\":\"j\",\"namespace\":\"ns\"},"
        "\"error\":\"a \\\"b\\\"\\n\"}");
    buf_reset(&b);
    zaplog_line(&b, false, NOW, LOG_ERROR, "x", NULL, 0);
    CHECK_STR(buf_str(&b), "{\"level\":\"error\",\"ts\":\"2026-01-02T03:04:05.678Z\",\"logger\":"
                           "\"setup\",\"msg\":\"x\"}");
}

TEST(console_lines)
{
    static const struct log_pair pairs[] = {{"a", "1"}, {"b", "2"}};
    struct buf b cleanup(buf_done) = BUF_INIT;

    zaplog_line(&b, true, NOW, LOG_WARN, "msg", pairs, 2);
    CHECK_STR(buf_str(&b), "2026-01-02T03:04:05.678Z\twarn\tsetup\tmsg\t{\"a\":\"1\",\"b\":\"2\"}");
}

TEST(file_beside_standard_error)
{
    char path[] = "/tmp/zaplog-XXXXXX";
    struct buf text cleanup(buf_done) = BUF_INIT;
    struct err err;
    void (*was)(struct buf *, enum log_level, const char *, const struct log_pair *, size_t) =
        log_format;

    close(mkstemp(path));
    CHECK_OK(zaplog_start(&(struct zaplog_opts){.console = true, .file = path}, &err), &err);
    log_info("hello", "k", "v", NULL);
    zaplog_stop();
    log_format = was;
    CHECK_OK(file_read(path, &text, &err), &err);
    CHECK(strstr(buf_str(&text), "\"msg\":\"hello\",\"k\":\"v\"}\n"));
    CHECK(zaplog_start(&(struct zaplog_opts){.file = "/nonexistent/x"}, &err) < 0);
    log_format = was;
    zaplog_stop();
    unlink(path);
}

/* PL-042: at 500 MB the file becomes a backup, and a new one is begun; eleven backups are too many.
 */
TEST(pl_042_rotation)
{
    char dir[] = "/tmp/zaplog-XXXXXX";
    struct err err;
    void (*was)(struct buf *, enum log_level, const char *, const struct log_pair *, size_t) =
        log_format;
    struct stat st;
    size_t backups = 0;

    CHECK(mkdtemp(dir));
    autofree char *path = xasprintf("%s/operator.log", dir);
    for (int i = 0; i < 11; i++) {
        autofree char *old = xasprintf("%s/operator-2026-01-02T03-04-%02d.000.log", dir, i);
        CHECK_OK(file_write(old, SLICE("old"), 0600, &err), &err);
    }
    CHECK_OK(file_write(path, SLICE("x"), 0600, &err), &err);
    CHECK(truncate(path, 500 * 1024 * 1024) == 0); /* a hole: it takes no room */
    CHECK_OK(zaplog_start(&(struct zaplog_opts){.console = true, .file = path}, &err), &err);
    log_info("the first line of the next file", NULL);
    zaplog_stop();
    log_format = was;
    CHECK(stat(path, &st) == 0 && st.st_size < 1000);
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));) {
        backups += strncmp(e->d_name, "operator-", 9) == 0;
        CHECK(!strstr(e->d_name, "03-04-00.000")); /* the oldest ones are gone */
    }
    closedir(d);
    CHECK_INT(backups, 10);
    CHECK_OK(file_remove_tree(dir, &err), &err);
}

TEST(alike_lines_are_sampled)
{
    struct buf line cleanup(buf_done) = BUF_INIT;
    void (*was)(struct buf *, enum log_level, const char *, const struct log_pair *, size_t) =
        log_format;
    unsigned written = 0;

    CHECK_INT(zaplog_start(&(struct zaplog_opts){.sample = true}, NULL), 0);
    for (int i = 0; i < 350; i++) {
        buf_reset(&line);
        log_format(&line, LOG_INFO, "again and again", NULL, 0);
        written += line.len > 0;
    }
    log_format = was;
    zaplog_stop();
    /* 100, and then each hundredth; a second may end in between. */
    CHECK(written >= 102 && written <= 300);
}

TEST(pl_014_gates_are_a_map)
{
    static const struct log_pair pairs[] = {{"featureGates", "{\"A\":true}"}};
    struct buf b cleanup(buf_done) = BUF_INIT;

    zaplog_line(&b, false, NOW, LOG_INFO, "m", pairs, 1);
    CHECK(strstr(buf_str(&b), "\"msg\":\"m\",\"featureGates\":{\"A\":true}}"));
}
