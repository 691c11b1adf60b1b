/* manta crds: the CustomResourceDefinitions of Ray, for kubectl create -f -. */
#include "cli/flags.h"
#include "cli/verb.h"
#include "data/crd.h"
#include "data/yaml.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char about[] =
    "Prints the CustomResourceDefinitions of ray.io: all of them, or those named. A name is a "
    "kind\n"
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
        fprintf(stderr,
                "manta: no definition named \"%s\"; there are RayCluster, RayJob, RayService, "
                "RayCronJob\n",
                name);
        return 1;
    }
    buf_addc(items, items->len ? ',' : '[');
    crd_write(kind, items);
    return 0;
}

/* One document each, as kubectl takes them. */
static void print_yaml(yyjson_val *items)
{
    struct buf text cleanup(buf_done) = BUF_INIT;

    json_each(items, item, i, n) {
        if (i)
            buf_adds(&text, "---\n");
        yaml_write(&text, item);
    }
    fwrite(text.data, 1, text.len, stdout);
}

static int print(struct buf *items, bool yaml, bool single)
{
    autojson struct json *parsed = NULL;
    struct err err;

    if (!yaml && single) {
        printf("%.*s\n", (int)items->len - 2, items->data + 1);
    } else if (!yaml) {
        printf("{\"apiVersion\":\"v1\",\"items\":%s,\"kind\":\"List\"}\n", buf_str(items));
    } else if (json_parse(buf_slice(items), &parsed, &err) == 0) {
        print_yaml(json_root(parsed));
    } else {
        fprintf(stderr, "manta: %s\n", err.msg);
        return 1;
    }
    return 0;
}

int verb_crds(int argc, char **argv)
{
    const char *output = "yaml";
    const struct flag list[] = {
        {"output", 'o', FLAG_STRING, &output, "FORMAT", "yaml (default) or json"},
    };
    const struct flags flags = {"crds [NAME…] [-o yaml|json]", about, list, ARRAY_SIZE(list)};
    struct buf items cleanup(buf_done) = BUF_INIT;
    int n = flags_parse(&flags, argc, argv), failed = 0;

    if (n < 0)
        return flags_exit(n);
    bool yaml = strcmp(output, "yaml") == 0;
    if (!yaml && strcmp(output, "json") != 0) {
        fprintf(stderr, "manta: -o %s: the formats are yaml and json\n", output);
        return 2;
    }
    for (int i = 1; i <= n; i++)
        failed |= add(argv[i], &items);
    for (size_t i = 0; n == 0 && crd_kind(i); i++)
        failed |= add(crd_kind(i), &items);
    buf_addc(&items, ']');
    return failed ? 1 : print(&items, yaml, n == 1);
}
