/*
 * Which built-in kind has which peculiarities: hooks, selectable fields, scale, subresources with
 * handlers of their own. Rows are found by group and plural; kinds without a row have none.
 */
#ifndef MANTA_APISERVER_KINDS_HOOKS_H
#define MANTA_APISERVER_KINDS_HOOKS_H

#include "apiserver/kinds/rules.h"
#include "apiserver/resources.h"

struct kind_defaults;

struct kind_row {
    const char *group, *plural;
    struct resource_hooks hooks; /* defaults and validate are filled in when they are NULL */
    const char *const *fields;   /* selectable, NULL-terminated */
    const struct scale_paths *scale;
    const struct rule *rules;             /* checked on create and update */
    const struct rule *update_rules;      /* on update only */
    const struct rule *status_rules;      /* on writes of the status */
    const struct rule *ephemeral_rules;   /* on writes of pods/ephemeralcontainers */
    const struct kind_defaults *defaults; /* ends with a NULL path */
    const char *stored_version;           /* whose objects these are; NULL: its own */
};

const struct kind_row *kind_row_find(const char *group, const char *plural);

#endif
