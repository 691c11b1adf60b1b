/*
 * Versions as apimachinery's version.ParseGeneric reads them (spec: raycluster §5.2): optional
 * blanks and 'v', two or more numbers joined by dots, and whatever follows is ignored.
 */
#ifndef MANTA_RAY_VERSION_H
#define MANTA_RAY_VERSION_H

#include "base/slice.h"

#define VERSION_PARTS 8

struct version {
    uint64_t part[VERSION_PARTS]; /* missing ones are 0 */
};

bool version_parse(const char *text, struct version *ret); /* NULL text is none */
/* True when text parses and is major.minor or later. */
bool version_at_least(const char *text, unsigned major, unsigned minor);

#endif
