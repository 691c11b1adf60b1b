/*
 * The resources that the server knows without a CustomResourceDefinition: one row each, data only.
 * Groups and resources stand in the order in which discovery lists them. The rows, their verbs,
 * short names and categories are those of kube-apiserver v1.36 with default features.
 *
 * What a kind does beyond the generic verbs is in other tables: hooks and rules (kinds/hooks.h),
 * columns (tables/columns.h), subresources with handlers of their own (kinds/subresources.h).
 */
#ifndef MANTA_APISERVER_KINDS_BUILTIN_H
#define MANTA_APISERVER_KINDS_BUILTIN_H

#include "apiserver/resources.h"

enum builtin_flags {
    BUILTIN_NAMESPACED = 1 << 0,
    BUILTIN_GENERATION =
        1 << 1,               /* metadata.generation starts at 1 and counts changes of the spec */
    BUILTIN_UPSERT = 1 << 2,  /* PUT of an absent name creates it */
    BUILTIN_RETURNS = 1 << 3, /* DELETE answers with the object */
};

struct builtin {
    const char *group, *version; /* group is "" for the core group */
    const char *plural, *kind;   /* the singular is the kind in lower case */
    const char *short_names;     /* separated by blanks; NULL for none; so are the others */
    const char *categories;
    unsigned verbs, flags;
    /*
     * NAME, or NAME=KIND:VERBS, or NAME=GROUP/VERSION/KIND:VERBS. A bare NAME answers with the
     * resource's own kind and has get, patch and update.
     */
    const char *subresources;
};

extern const struct builtin builtins[];
extern const size_t builtins_n;

/* groupPriorityMinimum and versionPriority of API services, which order the groups. */
struct group_priority {
    const char *group;
    int group_priority, version_priority;
};
extern const struct group_priority group_priorities[];
extern const size_t group_priorities_n;

#endif
