#include "base/test.h"
#include "operator/zaplog.h"

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
