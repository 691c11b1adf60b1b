/*
 * An instance of the embedded default: its folder and the files in it.
 *
 *   $XDG_STATE_HOME/manta/NAME/       mode 0700 (~/.local/state when the variable is unset)
 *       up.sock      the gate: who holds a connection uses the instance (cli/gate.h)
 *       kubeconfig   of this instance alone; the context manta-NAME goes into the user's, too
 *       ephemeral    there when nothing shall stay of this instance: manta run made it
 *       apiserver/   kubelet/   logs/
 *
 * Beside it, never removed: .NAME.start, locked while a host is being found or started, and
 * .NAME.host, locked by the host for as long as it lives.
 */
#ifndef MANTA_CLI_INSTANCE_H
#define MANTA_CLI_INSTANCE_H

#include "base/err.h"

struct instance {
    char *name, *dir, *context;
    char *sock, *lock, *host_lock, *kubeconfig, *ephemeral, *logs, *apiserver, *kubelet;
};

/* name must be a DNS label. The folder is made when create is set. */
int instance_open(struct instance *i, const char *name, bool create, struct err *err);
void instance_done(struct instance *i);

int instance_make(const struct instance *i, struct err *err); /* the folders */

/* Waits for a lock file; gives its descriptor, which holds the lock until it is closed. */
int instance_lock(const char *path, struct err *err);

/* "this is what to do" lines for people whose instance is not there. */
int instance_not_running(const struct instance *i, struct err *err);

#endif
