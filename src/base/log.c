#include "base/log.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/timefmt.h"

#include <stdarg.h>
#include <unistd.h>

enum log_level log_threshold = LOG_INFO;

static void to_stderr(unused enum log_level level, const char *line, size_t n)
{
    (void)!write(STDERR_FILENO, line, n);
}

void (*log_sink)(enum log_level level, const char *line, size_t n) = to_stderr;

static bool is_plain(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s <= ' ' || *s == '"' || *s == '=' || *s == '\\')
            return false;
    return true;
}

static void add_value(struct buf *b, const char *s)
{
    if (*s && is_plain(s)) {
        buf_adds(b, s);
        return;
    }
    buf_addc(b, '"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            buf_printf(b, "\\%c", *s);
        else if (*s == '\n')
            buf_adds(b, "\\n");
        else if ((unsigned char)*s < ' ')
            buf_printf(b, "\\x%02x", *s);
        else
            buf_addc(b, *s);
    }
    buf_addc(b, '"');
}

void log_write(enum log_level level, const char *msg, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    struct buf b cleanup(buf_done) = BUF_LIMIT(64 * 1024);
    char now[TIME_TEXT];
    va_list ap;

    if (level < log_threshold)
        return;
    buf_printf(&b, "%s %s msg=", time_rfc3339_micro(clock_wall_ns(), now), names[level]);
    add_value(&b, msg);
    va_start(ap, msg);
    for (const char *key; (key = va_arg(ap, const char *));) {
        const char *value = va_arg(ap, const char *);
        buf_printf(&b, " %s=", key);
        add_value(&b, value ? value : "");
    }
    va_end(ap);
    buf_addc(&b, '\n');
    log_sink(level, buf_str(&b), b.len);
}
