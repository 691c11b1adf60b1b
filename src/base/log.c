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

static void key_value(struct buf *out, enum log_level level, const char *msg,
                      const struct log_pair *pairs, size_t n)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    char now[TIME_TEXT];

    buf_printf(out, "%s %s msg=", time_rfc3339_micro(clock_wall_ns(), now), names[level]);
    add_value(out, msg);
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, " %s=", pairs[i].key);
        add_value(out, pairs[i].value);
    }
}

void (*log_format)(struct buf *out, enum log_level level, const char *msg,
                   const struct log_pair *pairs, size_t n) = key_value;

void log_write(enum log_level level, const char *msg, ...)
{
    struct buf b cleanup(buf_done) = BUF_LIMIT(64 * 1024);
    struct log_pair pairs[16];
    size_t n = 0;
    va_list ap;

    if (level < log_threshold)
        return;
    va_start(ap, msg);
    for (const char *key; (key = va_arg(ap, const char *)) && n < ARRAY_SIZE(pairs); n++) {
        const char *value = va_arg(ap, const char *);
        pairs[n] = (struct log_pair){key, value ? value : ""};
    }
    va_end(ap);
    log_format(&b, level, msg, pairs, n);
    if (!b.len)
        return;
    buf_addc(&b, '\n');
    log_sink(level, buf_str(&b), b.len);
}
