/* What crd.c and crd_schema.c share: writing sorted JSON members. */
#ifndef MANTA_DATA_CRD_SCHEMA_H
#define MANTA_DATA_CRD_SCHEMA_H

#include "data/types.h"

struct schema_writer {
    struct buf *out;
    unsigned view;  /* IN_API or IN_CRD */
    unsigned depth; /* of fields; 1 at the root's */
};

void schema_key(struct schema_writer *w,
                const char *key); /* with the comma before it, if one is due */
void schema_string(struct schema_writer *w, const char *s);
void schema_member(struct schema_writer *w, const char *key, const char *value);
/* openAPIV3Schema of a kind, everything inlined. */
void schema_write_inline(const struct type *t, struct buf *out);

#endif
