/*
 * Strings that many documents have, each held once and counted: names of members, values seen a
 * second time. For one thread.
 */
#ifndef MANTA_KUBE_WORDS_H
#define MANTA_KUBE_WORDS_H

#include "base/slice.h"

/* The number of the word s, from 1, with a reference to it; 0 when s is no word: seen for the first
 * time lately (and not `always`), or there are too many. */
uint32_t words_take(struct slice s, bool always);
struct slice words_text(uint32_t id); /* valid while there is a reference */
void words_drop(uint32_t id);

size_t words_count(void); /* for tests */

#endif
