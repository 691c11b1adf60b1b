/* manta: one binary, one verb a file; this is the table of verbs. */
#include "cli/verb.h"

#include <stdio.h>
#include <string.h>

static const struct verb verbs[] = {
    {"run", "run a RayJob from start to finish on this machine", verb_run},
    {"up", "start the embedded API server, operator and kubelet; apply files", verb_up},
    {"down", "take it down", verb_down},
    {"status", "what is up, and what runs in it", verb_status},
    {"image", "environments that stand for container images", verb_image},
    {"operator", "the operator: a drop-in for kuberay-operator", verb_operator},
    {"apiserver", "the embedded API server on its own", verb_apiserver},
    {"kubelet", "the process kubelet on its own", verb_kubelet},
    {"crds", "print the CustomResourceDefinitions of Ray", verb_crds},
    {"version", "print the version", verb_version},
    {"host", NULL, verb_host},
    {"shim", NULL, verb_shim},
};

static int usage(FILE *out)
{
    fprintf(out, "manta: Ray clusters and jobs on this machine or on Kubernetes\n\nUsage:\n");
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        if (verbs[i].help)
            fprintf(out, "  manta %-12s %s\n", verbs[i].name, verbs[i].help);
    fprintf(out, "\nmanta VERB --help tells more.\n");
    return out == stdout ? 0 : 2;
}

int verb_version(unused int argc, unused char **argv)
{
    puts("manta " MANTA_VERSION);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 &&
        (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")))
        return usage(stdout);
    for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(verbs); i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    if (argc > 1)
        fprintf(stderr, "manta: unknown command \"%s\"\n\n", argv[1]);
    return usage(stderr);
}
