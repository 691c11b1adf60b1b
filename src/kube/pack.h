/*
 * Documents as small as they can be held: one block, member names shared by all documents, each
 * string value once. For the many objects of a store that live long; what comes out is an ordinary
 * struct json.
 */
#ifndef MANTA_KUBE_PACK_H
#define MANTA_KUBE_PACK_H

#include "data/json.h"

struct json *json_pack(yyjson_mut_val *v); /* as json_freeze(); for one thread */

#endif
