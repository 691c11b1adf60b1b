/*
 * The flags of a verb as a table, with its --help. Long flags take --name=value or --name value;
 * a bool needs no value. Everything else is an operand, "--" ends the flags.
 *
 *     const char *name = "default"; bool detach = false;
 *     const struct flag flags[] = {
 *         {"name", 'n', FLAG_STRING, &name, "NAME", "which instance"},
 *         {"detach", 'd', FLAG_BOOL, &detach, NULL, "return once it is up"},
 *     };
 *     int n = flags_parse(&(struct flags){"up [FILE…]", "…", flags, ARRAY_SIZE(flags)}, argc,
 * argv); if (n < 0) return flags_exit(n);
 */
#ifndef MANTA_CLI_FLAGS_H
#define MANTA_CLI_FLAGS_H

#include "base/macro.h"

enum flag_kind { FLAG_STRING, FLAG_BOOL };

struct flag {
    const char *name; /* without dashes */
    char letter;      /* 0: none */
    enum flag_kind kind;
    void *value;      /* const char ** or bool * */
    const char *word; /* what the value is called in --help; NULL for bools */
    const char *help; /* NULL: not listed */
};

struct flags {
    const char *usage; /* "up [FILE…]" */
    const char *about; /* a paragraph or more for --help */
    const struct flag *list;
    size_t n;
};

enum { FLAGS_HELP = -1, FLAGS_BAD = -2 };

/*
 * Moves the operands to argv[1…] and gives their number; FLAGS_HELP after printing the help;
 * FLAGS_BAD after saying on standard error what is wrong.
 */
int flags_parse(const struct flags *f, int argc, char **argv);
static inline int flags_exit(int result)
{
    return result == FLAGS_HELP ? 0 : 2;
}

#endif
