/* Inputs of several texts: parts are separated by lines of "====". */
#ifndef MANTA_FUZZ_PARTS_H
#define MANTA_FUZZ_PARTS_H

#include "data/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline struct slice fuzz_part(struct slice *rest)
{
    static const char line[] = "\n====\n";
    const char *at = rest->n ? memmem(rest->p, rest->n, line, sizeof(line) - 1) : NULL;
    struct slice part = *rest;

    if (at) {
        part.n = (size_t)(at - rest->p);
        rest->p = at + sizeof(line) - 1;
        rest->n -= part.n + sizeof(line) - 1;
    } else {
        *rest = (struct slice){"", 0};
    }
    return part;
}

/* The next part as JSON; NULL if it is none. */
static inline struct json *fuzz_json(struct slice *rest)
{
    struct json *j = NULL;

    return json_parse(fuzz_part(rest), &j, NULL) == 0 ? j : NULL;
}

#endif
