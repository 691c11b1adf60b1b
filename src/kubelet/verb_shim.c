/* `manta shim`: internal, the node process. */
#include "kubelet/kubelet.h"
#include "kubelet/node.h"

#include <stdio.h>
#include <string.h>

int verb_shim(int argc, char **argv)
{
    struct node_options o = {.ready_fd = -1};

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--no-namespaces") == 0)
            o.no_namespaces = true;
        else if (value && strcmp(argv[i], "--state") == 0)
            o.state_dir = value, i++;
        else if (value && strcmp(argv[i], "--join") == 0)
            o.join = (pid_t)strtol(value, NULL, 10), i++;
        else if (value && strcmp(argv[i], "--ready-fd") == 0)
            o.ready_fd = (int)strtol(value, NULL, 10), i++;
        else
            o.state_dir = NULL, i = argc;
    }
    if (!o.state_dir) {
        fprintf(stderr, "manta shim is internal: `manta kubelet` starts it\n");
        return 2;
    }
    return node_run(&o);
}
