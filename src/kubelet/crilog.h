/*
 * Container logs as the CRI has them, one line each:
 *
 *     2026-11-24T01:02:03.123456789Z stdout F text
 *
 * F ends a line of the container, P is a part of a longer one (16 KiB each at most). This is the
 * writing half, used by shims; logs.h reads.
 */
#ifndef MANTA_KUBELET_CRILOG_H
#define MANTA_KUBELET_CRILOG_H

#include "base/buf.h"

#define CRILOG_LINE_MAX 16384

struct crilog {
    int fd; /* appended to; owned; -1: none */
    struct buf rest[2]; /* an unfinished line of stdout, of stderr */
};

void crilog_init(struct crilog *l, int fd);
void crilog_done(struct crilog *l); /* flushes unfinished lines as they are */
/* Bytes from stream 0 (stdout) or 1 (stderr), stamped with now_ns. */
void crilog_feed(struct crilog *l, int stream, const char *p, size_t n, int64_t now_ns);
/* The stream ended: what is left is a part that no newline ended. */
void crilog_flush(struct crilog *l, int stream, int64_t now_ns);

#endif
