/*
 * Documents at rest, as small as they can be held: a line of codes for the values, strings that
 * other documents have, too, held once for all (words.h). For the many objects of a store that live
 * long and are read seldom; packed_open() makes an ordinary document of one.
 *
 *     struct packed *p = packed_new(v);
 *     autojson struct json *doc = packed_open(p);     // lives on its own
 *     packed_free(p);
 */
#ifndef MANTA_KUBE_PACK_H
#define MANTA_KUBE_PACK_H

#include "data/json.h"

struct packed;

struct packed *packed_new(yyjson_mut_val *v); /* for one thread, as all of it */
struct json *packed_open(const struct packed *p);
void packed_free(struct packed *p);

#endif
