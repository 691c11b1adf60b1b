/* manta image: names that pods may use for environments of one's own. */
#include "cli/flags.h"
#include "cli/verb.h"
#include "kubelet/images.h"

#include <stdio.h>
#include <string.h>

static const char about[] =
    "  add NAME PATH   pods with image NAME run in the environment at PATH (a virtual environment: "
    "it has\n"
    "                  bin/python)\n"
    "  list            images that are here: made by a pull, or added\n"
    "  pull NAME       make the environment of rayproject/ray:VERSION[-pyNNN] now\n"
    "  remove NAME     forget a name that was added\n"
    "\n"
    "rayproject/ray:VERSION[-pyNNN] needs nothing: its environment is made when a pod first asks "
    "for it.";

static int add(char **args, struct err *err)
{
    return image_add(NULL, args[0], args[1], err);
}

static int list_all(unused char **args, struct err *err)
{
    struct image_list l cleanup(image_list_done) = {0};
    int code = image_list(NULL, &l, err);

    for (size_t i = 0; code == 0 && i < l.items.n; i++)
        printf("%-40s %-7s %s\n", l.items.v[i].name, l.items.v[i].mapped ? "added" : "pulled",
               l.items.v[i].path);
    return code;
}

static int remove_one(char **args, struct err *err)
{
    return image_remove(NULL, args[0], err);
}

static void say(const char *line)
{
    fprintf(stderr, "%s\n", line);
}

static int pull(char **args, struct err *err)
{
    autofree char *path = NULL;
    int code = image_find(NULL, args[0], &path, err);

    if (code == ERR_NOT_FOUND)
        code = image_pull(NULL, args[0], say, &path, err);
    if (code == 0)
        printf("%s is at %s\n", args[0], path);
    return code;
}

static const struct {
    const char *name;
    int args;
    int (*run)(char **args, struct err *err);
} actions[] = {
    {"add", 2, add}, {"list", 0, list_all}, {"pull", 1, pull}, {"remove", 1, remove_one}};

int verb_image(int argc, char **argv)
{
    const struct flags flags = {"image add|list|pull|remove", about, NULL, 0};
    struct err err = {0};
    int n = flags_parse(&flags, argc, argv);

    if (n < 0)
        return flags_exit(n);
    for (size_t i = 0; n > 0 && i < ARRAY_SIZE(actions); i++) {
        if (strcmp(argv[1], actions[i].name) != 0 || n - 1 != actions[i].args)
            continue;
        int code = actions[i].run(argv + 2, &err);
        if (code < 0)
            fprintf(stderr, "manta image: %s\n", err.msg);
        return code < 0;
    }
    fprintf(stderr, "manta image: needs add NAME PATH, list, pull NAME or remove NAME\nSee: manta "
                    "image --help\n");
    return 2;
}
