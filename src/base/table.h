/*
 * Enum ⇄ string in one table, spelled as the API spells the words.
 *
 *     static const char *const phases[] = {[POD_PENDING] = "Pending", [POD_RUNNING] = "Running"};
 *     table_find(phases, ARRAY_SIZE(phases), "Running") == POD_RUNNING
 */
#ifndef MANTA_BASE_TABLE_H
#define MANTA_BASE_TABLE_H

#include "base/slice.h"

/* The index of word, or -1. Holes (NULL) match nothing. */
int table_find(const char *const *names, size_t n, const char *word);

#endif
