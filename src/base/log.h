/*
 * Log lines on standard error: one line each, key=value, for programs only (libraries return
 * errors instead). Never pass a secret: no token, key, Authorization header or Secret's data.
 *
 *     log_info("ready", "addr", addr, "context", name, NULL);
 */
#ifndef MANTA_BASE_LOG_H
#define MANTA_BASE_LOG_H

#include "base/macro.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

extern enum log_level log_threshold; /* lines below it are dropped; LOG_INFO at start */

/* msg, then pairs of key and value (const char *), then NULL. A NULL value is printed as "". */
void log_write(enum log_level level, const char *msg, ...) __attribute__((sentinel));

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

/* How a line is made, without its newline; empty: it is left out. The default writes "TIME LEVEL
 * msg=… key=value …". */
struct buf;
struct log_pair {
    const char *key, *value; /* value is never NULL */
};
extern void (*log_format)(struct buf *out, enum log_level level, const char *msg,
                          const struct log_pair *pairs, size_t n);

/* Where finished lines go; the default writes to standard error. line ends in a newline. */
extern void (*log_sink)(enum log_level level, const char *line, size_t n);

#endif
