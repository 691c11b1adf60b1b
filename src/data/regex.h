/*
 * Regular expressions in Go's syntax (RE2), since a schema's `pattern` and CEL's matches() are
 * written in it: alternation, groups (also (?:…), (?P<n>…) and flags i, m, s), classes (\d \w \s,
 * [[:alpha:]]), repeats to 1000, ^ $ \A \z \b \B, UTF-8. No \p, no \C, no captures: the only
 * question is whether a match is anywhere in the text. Time is bounded by text × pattern.
 */
#ifndef MANTA_DATA_REGEX_H
#define MANTA_DATA_REGEX_H

#include "base/err.h"
#include "base/slice.h"

struct regex;

/* ERR_INVALID with Go's words: "error parsing regexp: missing closing ): `(a`". */
int regex_compile(struct slice pattern, struct regex **ret, struct err *err);
void regex_free(struct regex *re);
DEFINE_CLEANUP(struct regex *, regex_free)
bool regex_matches(const struct regex *re, struct slice text);
size_t regex_bytes(const struct regex *re); /* of memory */

#endif
