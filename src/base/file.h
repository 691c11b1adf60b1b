/* Whole files: read with a limit, written so that a crash leaves the old or the new one. */
#ifndef MANTA_BASE_FILE_H
#define MANTA_BASE_FILE_H

#include "base/buf.h"
#include "base/err.h"

int file_read(const char *path, struct buf *ret, struct err *err); /* at most ret->max bytes */
/* Writes a temporary file beside path, fsyncs and renames it. mode as for open(2). */
int file_write(const char *path, struct slice data, unsigned mode, struct err *err);
int file_mkdirs(const char *path, unsigned mode, struct err *err); /* like mkdir -p */
int file_remove_tree(const char *path, struct err *err); /* like rm -rf, never leaves the tree */

#endif
