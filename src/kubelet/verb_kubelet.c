/* `manta kubelet`: pods as processes of this machine. */
#include "kubelet/kubelet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: manta kubelet --kubeconfig FILE --state DIR [flags]\n"
    "\n"
    "Runs the pods of one node as processes of this machine, each in namespaces of its own.\n"
    "Pods outlive it: started again on the same directory, it takes them back.\n"
    "\n"
    "  --kubeconfig FILE  the API server (default: KUBECONFIG, then ~/.kube/config)\n"
    "  --state DIR        where pods, logs and sockets live\n"
    "  --node-name NAME   the node's name (default: manta)\n"
    "  --cache DIR        Python environments of images (default: ~/.cache/manta)\n"
    "  --cleanup          on SIGTERM or SIGINT end every pod, too\n"
    "  --no-namespaces    run pods without isolation, as where namespaces are refused\n"
    "  --ready-fd N       write one line to this descriptor once ready\n";

static bool take_value(const char *flag, const char *arg, const char *value, const char **ret)
{
    if (strcmp(flag, arg) != 0 || !value)
        return false;
    *ret = value;
    return true;
}

int verb_kubelet(int argc, char **argv)
{
    struct kubelet_options o = {.ready_fd = -1};
    const char *ready = NULL;

    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            fputs(help, stdout);
            return 0;
        }
        if (strcmp(arg, "--cleanup") == 0) {
            o.cleanup = true;
        } else if (strcmp(arg, "--no-namespaces") == 0) {
            o.no_namespaces = true;
        } else if (take_value("--kubeconfig", arg, value, &o.kubeconfig) ||
                   take_value("--state", arg, value, &o.state_dir) ||
                   take_value("--node-name", arg, value, &o.node_name) ||
                   take_value("--cache", arg, value, &o.cache_dir) ||
                   take_value("--ready-fd", arg, value, &ready)) {
            i++;
        } else {
            fprintf(stderr,
                    "manta kubelet: unknown or incomplete flag \"%s\"\nSee: manta kubelet --help\n",
                    arg);
            return 2;
        }
    }
    if (ready)
        o.ready_fd = (int)strtol(ready, NULL, 10);
    if (!o.state_dir) {
        fprintf(stderr, "manta kubelet: --state DIR is needed\nSee: manta kubelet --help\n");
        return 2;
    }
    return kubelet_run(&o);
}
