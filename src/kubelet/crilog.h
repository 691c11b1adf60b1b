/*
 * Container logs as the CRI has them, one line each:
 *
 *     2026-11-24T01:02:03.123456789Z stdout F text
 *
 * F ends a line of the container, P is a part of a longer one (16 KiB each at most). A file that
 * has reached CRILOG_FILE_MAX is renamed to PATH.1 (PATH.1 to PATH.2 and so on) and a new one
 * begun; of each log at most CRILOG_FILES are kept: a kubelet's defaults (containerLogMaxSize,
 * containerLogMaxFiles). This is the writing half, used by shims; logs.h reads.
 */
#ifndef MANTA_KUBELET_CRILOG_H
#define MANTA_KUBELET_CRILOG_H

#include "base/buf.h"
#include "base/err.h"

#define CRILOG_LINE_MAX 16384
#define CRILOG_FILE_MAX (10 << 20) /* bytes; the write that passes it is still whole */
#define CRILOG_FILES 5             /* the one that is written among them */

struct crilog {
    int fd; /* appended to; -1: none */
    char *path;
    int64_t size;       /* of the file */
    struct buf rest[2]; /* an unfinished line of stdout, of stderr */
};

/* Begins or continues a log. It needs no undoing if it fails. */
int crilog_open(struct crilog *l, const char *path, struct err *err);
void crilog_done(struct crilog *l); /* also after {.fd = -1} */
/* Bytes from stream 0 (stdout) or 1 (stderr), stamped with now_ns. */
void crilog_feed(struct crilog *l, int stream, const char *p, size_t n, int64_t now_ns);
/* The stream ended: what is left is a part that no newline ended. */
void crilog_flush(struct crilog *l, int stream, int64_t now_ns);

/* File `age` of a log: 0 is the one that is written, CRILOG_FILES - 1 the oldest. The caller's. */
char *crilog_file(const char *path, int age);
void crilog_remove(const char *path); /* all files of a log */

#endif
