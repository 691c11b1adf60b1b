/* manta down: takes an instance down; with --purge its objects, too. */
#include "cli/flags.h"
#include "cli/gate.h"
#include "cli/host.h"
#include "cli/verb.h"

#include <stdio.h>
#include <unistd.h>

static const char about[] = "Ends the pods and processes of an instance and takes its context out "
                            "of your kubeconfig. Its objects\n"
                            "stay for the next `manta up`, unless --purge removes them.";

static int take_down(const struct instance *i, bool purge, bool *ret_was_up, struct err *err)
{
    int gate autoclose = gate_connect(i->sock, err);
    int code = 0;

    *ret_was_up = gate >= 0;
    if (gate >= 0)
        code = gate_say(gate, "down", err);
    /* Also what a killed host may have left. */
    return code < 0 || access(i->dir, F_OK) ? code : host_clean_up(i, purge, err);
}

int verb_down(int argc, char **argv)
{
    const char *name = "default";
    bool purge = false, was_up = false;
    const struct flag list[] = {
        {"name", 0, FLAG_STRING, &name, "NAME", "which instance (default \"default\")"},
        {"purge", 0, FLAG_BOOL, &purge, NULL, "remove its objects, logs and certificates"},
    };
    const struct flags flags = {"down", about, list, ARRAY_SIZE(list)};
    struct instance i;
    struct err err = {0};
    int n = flags_parse(&flags, argc, argv);

    if (n < 0)
        return flags_exit(n);
    int code = instance_open(&i, name, false, &err);
    if (code == 0)
        code = take_down(&i, purge, &was_up, &err);
    if (code < 0)
        fprintf(stderr, "manta down: %s\n", err.msg);
    else
        printf("%s %s\n", name, purge ? "is removed" : was_up ? "is down" : "was not up");
    instance_done(&i);
    return code < 0;
}
