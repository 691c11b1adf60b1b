#include "cli/flags.h"

#include <stdio.h>
#include <string.h>

static int help(const struct flags *f)
{
    printf("Usage: manta %s\n\n%s\n", f->usage, f->about);
    if (f->n)
        puts("\nFlags:");
    for (size_t i = 0; i < f->n; i++) {
        const struct flag *g = &f->list[i];
        char left[64], letter[8] = "    ";
        if (!g->help)
            continue;
        if (g->letter)
            snprintf(letter, sizeof letter, "-%c, ", g->letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, g->name, g->word ? " " : "",
                 g->word ? g->word : "");
        printf("  %-28s %s\n", left, g->help);
    }
    return FLAGS_HELP;
}

static const struct flag *find(const struct flags *f, const char *arg, size_t n, bool is_long)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct flag *g = &f->list[i];
        if (is_long ? strlen(g->name) == n && !strncmp(g->name, arg, n) : g->letter == arg[0])
            return g;
    }
    return NULL;
}

static int bad(const struct flags *f, const char *what, const char *arg)
{
    int word = (int)strcspn(f->usage, " ");

    fprintf(stderr, "manta %.*s: %s %s\nSee: manta %.*s --help\n", word, f->usage, what, arg, word,
            f->usage);
    return FLAGS_BAD;
}

/* Takes argv[*i], and the argument after it when that is its value. */
static int take_flag(const struct flags *f, int argc, char **argv, int *i)
{
    char *arg = argv[*i], *name = arg + 1 + (arg[1] == '-');
    bool is_long = arg[1] == '-';
    size_t n = is_long ? strcspn(name, "=") : 1;
    const char *value = is_long ? (name[n] ? name + n + 1 : NULL) : name[1] ? name + 1 : NULL;
    const struct flag *g = find(f, name, n, is_long);

    if (!g)
        return bad(f, "unknown flag", arg);
    if (g->kind == FLAG_BOOL) {
        if (value && strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            return bad(f, "needs true or false:", arg);
        *(bool *)g->value = !value || !strcmp(value, "true");
        return 0;
    }
    if (!value && *i + 1 < argc)
        value = argv[++*i];
    if (!value)
        return bad(f, "needs a value:", arg);
    *(const char **)g->value = value;
    return 0;
}

int flags_parse(const struct flags *f, int argc, char **argv)
{
    bool only_operands = false;
    int n = 0;

    for (int i = 1; i < argc; i++) {
        char *arg = argv[i];
        if (only_operands || arg[0] != '-' || !arg[1]) {
            argv[++n] = arg;
        } else if (!strcmp(arg, "--")) {
            only_operands = true;
        } else if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
            return help(f);
        } else {
            int code = take_flag(f, argc, argv, &i);
            if (code < 0)
                return code;
        }
    }
    argv[n + 1] = NULL;
    return n;
}
