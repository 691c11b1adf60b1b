/* The verbs of the command line: one file a verb, one row of main.c's table a verb. */
#ifndef MANTA_CLI_VERB_H
#define MANTA_CLI_VERB_H

#include "cli/host.h"
#include "kubelet/kubelet.h"
#include "operator/operator.h"

#include "base/macro.h"

#define MANTA_VERSION "0.1.0"

struct verb {
    const char *name;
    const char *help;                  /* one line; NULL: not listed, for manta's own use */
    int (*run)(int argc, char **argv); /* argv[0] is the verb; gives the exit code */
};

int verb_apiserver(int argc, char **argv);
int verb_crds(int argc, char **argv);
int verb_down(int argc, char **argv);
int verb_image(int argc, char **argv);
int verb_run(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_up(int argc, char **argv);
int verb_version(int argc, char **argv);

#endif
