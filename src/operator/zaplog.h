/*
 * The log as upstream's operator writes it (zap; spec: platform §2.5): JSON objects or
 * tab-separated lines on standard error, and perhaps the same into a file that is rotated at 500
 * MB, ten of which are kept for 30 days.
 *
 * Lines about one object carry the pairs "controller", "namespace" and "name" (as the rest of the
 * operator logs them); here they become the logger's name and one member:
 * {"RayCluster":{"name":…,"namespace":…}}. The value of "featureGates" is JSON already.
 */
#ifndef MANTA_OPERATOR_ZAPLOG_H
#define MANTA_OPERATOR_ZAPLOG_H

#include "base/err.h"
#include "base/log.h"

struct zaplog_opts {
    bool console;      /* of standard error; else JSON */
    const char *file;  /* NULL or "": none */
    bool file_console; /* of the file */
    bool sample; /* of alike lines of a second the first hundred, then each hundredth; never with a
                    file, as upstream */
};

/* Takes log_format and log_sink over. Fails when the file cannot be opened. */
int zaplog_start(const struct zaplog_opts *o, struct err *err);
void zaplog_stop(void);

/* One line without its newline, for tests. */
struct buf;
void zaplog_line(struct buf *out, bool console, int64_t now_ns, enum log_level level,
                 const char *msg, const struct log_pair *pairs, size_t n);

#endif
