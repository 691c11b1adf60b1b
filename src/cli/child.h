/*
 * A child process of `manta up`: started from this very binary, its output in a file, started again
 * when it ends by itself (after 50 ms, doubling to 5 s while it keeps ending within 10 s).
 */
#ifndef MANTA_CLI_CHILD_H
#define MANTA_CLI_CHILD_H

#include "base/err.h"
#include "net/loop.h"

struct child;

struct child_opts {
    const char *name; /* for the log */
    const char *log;  /* file, appended to */
    char **argv;      /* after the program's name; ends with NULL; copied */
    const char *env;  /* one more "NAME=VALUE", or NULL */
    bool own_session; /* a terminal's Ctrl-C does not reach it */
    int pass_fd;      /* becomes descriptor 3 of the first start only; -1: none */
    /* It ended without having been asked to; it is about to be started again. May be NULL. */
    void (*on_crash)(void *ctx, const char *name, int code, int signal);
    void (*on_restart)(void *ctx); /* it runs again, under another number. May be NULL. */
    void *ctx;
};

int child_start(uv_loop_t *loop, const struct child_opts *o, struct child **ret, struct err *err);
/* What the next start gets instead; strings copied. */
void child_set_argv(struct child *c, char **argv);
/* SIGTERM, and SIGKILL after kill_ms. on_stopped runs once, from the loop; c is gone after it. A
 * NULL child has stopped already. */
void child_stop(struct child *c, unsigned kill_ms, void (*on_stopped)(void *ctx), void *ctx);
int child_pid(const struct child *c);

#endif
