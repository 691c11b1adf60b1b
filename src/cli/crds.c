/* manta crds: the CustomResourceDefinitions of Ray, for kubectl create -f -. */
#include "cli/flags.h"
#include "cli/verb.h"
#include "data/crd.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char about[] =
    "Prints the CustomResourceDefinitions of ray.io: all of them, or those named, as JSON. A name is a kind\n"
    "(RayJob), a plural (rayjobs) or a definition's name (rayjobs.ray.io).\n"
    "\n"
    "    manta crds | kubectl create -f -";

/* "rayjobs" and "rayjobs.ray.io" as well as "RayJob". */
static bool is_named(const char *kind, const char *name)
{
    size_t n = strlen(kind);

    if (strncasecmp(kind, name, n) != 0)
        return false;
    name += n;
    name += *name == 's';
    return !*name || strcmp(name, ".ray.io") == 0;
}

static const char *find_kind(const char *name)
{
    const char *kind;

    for (size_t i = 0; (kind = crd_kind(i)); i++)
        if (is_named(kind, name))
            return kind;
    return NULL;
}

static int add(const char *name, struct buf *items)
{
    const char *kind = find_kind(name);

    if (!kind) {
        fprintf(stderr, "manta: no definition named \"%s\"; there are RayCluster, RayJob, RayService, RayCronJob\n",
                name);
        return 1;
    }
    if (items->len)
        buf_addc(items, ',');
    crd_write(kind, items);
    return 0;
}

int verb_crds(int argc, char **argv)
{
    const struct flags flags = {"crds [NAME…]", about, NULL, 0};
    struct buf items cleanup(buf_done) = BUF_INIT;
    int n = flags_parse(&flags, argc, argv), failed = 0;

    if (n < 0)
        return flags_exit(n);
    for (int i = 1; i <= n; i++)
        failed |= add(argv[i], &items);
    for (size_t i = 0; n == 0 && crd_kind(i); i++)
        add(crd_kind(i), &items);
    if (failed)
        return 1;
    if (n == 1)
        printf("%s\n", buf_str(&items));
    else
        printf("{\"apiVersion\":\"v1\",\"items\":[%s],\"kind\":\"List\"}\n", buf_str(&items));
    return 0;
}
