/*
 * Which processes an instance has, on file, so that whoever comes after a killed parent can end
 * them. A process is known by its number and its start time: numbers are used again.
 */
#ifndef MANTA_CLI_ORPHANS_H
#define MANTA_CLI_ORPHANS_H

#include "base/err.h"

struct orphan {
    const char *name;
    int pid;
};

/* Replaces DIR/children.json; n 0 removes it. */
void orphans_write(const char *dir, const struct orphan *list, size_t n);
/*
 * SIGTERM to those that still run, SIGKILL after wait_ms; returns when they are gone. The one named
 * `abruptly` (may be NULL) gets SIGKILL at once: it shall not tidy up what its successor takes
 * over.
 */
int orphans_end(const char *dir, int wait_ms, const char *abruptly, struct err *err);

#endif
