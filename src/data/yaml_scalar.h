/* What a plain scalar means: go-yaml v2's reading of YAML 1.1. Used by the reader and the writer.
 */
#ifndef MANTA_DATA_YAML_SCALAR_H
#define MANTA_DATA_YAML_SCALAR_H

#include "base/slice.h"

enum scalar_kind { SCALAR_STRING, SCALAR_NULL, SCALAR_BOOL, SCALAR_INT, SCALAR_UINT, SCALAR_FLOAT };

struct scalar {
    enum scalar_kind kind;
    union {
        bool b;
        int64_t i;
        uint64_t u; /* only what is greater than INT64_MAX */
        double f;
    };
};

struct scalar scalar_resolve(struct slice s);
bool scalar_is_timestamp(struct slice s); /* read as a string, but must be quoted when written */
bool scalar_is_base60(struct slice s);    /* 1:30: likewise, for the sake of other parsers */

#endif
