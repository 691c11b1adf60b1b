/*
 * What a Go program with typed structs makes of a document: the bytes of its json.Marshal after
 * json.Unmarshal. Both are observable: upstream's writes are whole typed objects, and its hashes
 * are taken over these bytes.
 *
 * Fields come in declaration order and are left out by omission rule; a struct by value is always
 * written; unknown fields are dropped; maps are sorted bytewise; null is the zero value; <, >, &,
 * U+2028 and U+2029 are escaped; quantities keep their spelling where Go's cache keeps it; times
 * become UTC.
 *
 * Source: encoding/json's documentation, and upstream's recorded hashes.
 */
#ifndef MANTA_DATA_TYPED_H
#define MANTA_DATA_TYPED_H

#include "data/json.h"
#include "data/types.h"

enum typed_flags {
    TYPED_LENIENT =
        1 << 0, /* a value of the wrong kind counts as absent; otherwise it is an error */
    TYPED_NO_ESCAPE = 1 << 1, /* leave <, >, & as they are */
};

/* Appends the bytes to out. ERR_BAD_REQUEST names the path of a value of the wrong kind; then out
 * holds a part. in may be NULL: the zero value. */
int typed_json(const struct type *t, yyjson_val *in, struct buf *out, unsigned flags,
               struct err *err);
/* The same from a tree that is being built. */
int typed_json_mut(const struct type *t, yyjson_mut_val *in, struct buf *out, unsigned flags,
                   struct err *err);
/* The same as a new tree in doc. */
int typed_copy(const struct type *t, yyjson_mut_doc *doc, yyjson_val *in, unsigned flags,
               yyjson_mut_val **ret, struct err *err);

/* Puts in the defaults that the API server of Kubernetes gives to a built-in kind, as far as they
 * are constants in the table (nothing that depends on another field). */
void typed_default(const struct type *t, yyjson_mut_doc *doc, yyjson_mut_val *v);

/*
 * Reports what strict decoding of v into t would not take, in document order, in Kubernetes'
 * words: `unknown field "spec.foo"`, `duplicate field "spec.foo"`, and for a value of the wrong
 * kind `json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool`.
 */
enum typed_problem {
    TYPED_UNKNOWN,
    TYPED_DUPLICATE,
    TYPED_WRONG_KIND,
};
typedef void typed_check_fn(void *arg, enum typed_problem problem, const char *message);
void typed_check(const struct type *t, yyjson_val *v, typed_check_fn *fn, void *arg);

#endif
