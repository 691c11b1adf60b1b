/* What typed.c and typed_check.c share: which JSON a Go type takes, and how Go names what it
 * refused. */
#ifndef MANTA_DATA_TYPED_VALUE_H
#define MANTA_DATA_TYPED_VALUE_H

#include "data/json.h"
#include "data/types.h"

#define TYPE_MAX_FIELDS 64 /* of a struct; schemas/gen.py checks it */

/* Where a value stands; frames live on the stack of the walk. */
struct typed_at {
    const struct typed_at *up;
    const struct type *in; /* the struct that has the field; NULL at the root */
    struct slice name;     /* of the member; empty for a list's item */
    size_t index;          /* of a list's item */
};

/* Whether Go's decoder takes v, which is neither absent nor null, for f. */
bool typed_accepts(const struct field *f, yyjson_val *v);

/* "spec.containers[0].name" */
void typed_path(const struct typed_at *at, struct buf *out);
/* "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool" */
void typed_mismatch(const struct field *f, yyjson_val *v, const struct typed_at *at,
                    struct buf *out);

#endif
