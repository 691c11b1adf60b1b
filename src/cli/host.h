/*
 * The parent of an instance's three processes: API server, operator and kubelet. It runs as `manta
 * host` (started by `manta up` and `manta run`, in a session of its own), installs the CRDs, puts
 * the context into the user's kubeconfig, starts again what crashes, and takes everything down in
 * order.
 *
 * children.json in the instance's folder names the processes that run, so that a host whose
 * predecessor was killed ends the orphans first; the pods run on, and the new kubelet takes them
 * over.
 */
#ifndef MANTA_CLI_HOST_H
#define MANTA_CLI_HOST_H

#include "cli/instance.h"

int verb_host(int argc, char **argv);

/*
 * Starts a host for the instance unless one runs, waits until everything is up, and gives a
 * connection to its gate (cli/gate.h). ephemeral: it ends when its last user has left, and leaves
 * nothing unless the instance was there before.
 */
int host_join(const struct instance *i, bool ephemeral, struct err *err);

/* Ends processes and pods that a killed host left, and takes its context away; with purge also the
 * whole folder. */
int host_clean_up(const struct instance *i, bool purge, struct err *err);

#endif
