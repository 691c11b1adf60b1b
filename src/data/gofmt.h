/*
 * Values as Go's fmt, strconv and encoding/json print them: error messages of the Kubernetes API
 * show values in this manner, and clients compare them.
 */
#ifndef MANTA_DATA_GOFMT_H
#define MANTA_DATA_GOFMT_H

#include "data/json.h"

/* %q: double quotes, escapes for what cannot be printed. */
void go_quote(struct buf *b, struct slice s);

/* The shortest digits that read back as v. FormatFloat 'g' (1e+06), or the form JSON has (1000000).
 */
#define GO_FLOAT_TEXT 40
char *go_float(double v, char out[GO_FLOAT_TEXT]);
char *go_float_json(double v, char out[GO_FLOAT_TEXT]);
/* The double that prints as the float32 v would: the fewest digits that read back as the same
 * float. */
double go_float32(double v);

/* A JSON string as json.Marshal writes it; html: <, > and & are escaped, too. What is not UTF-8
 * becomes U+FFFD. */
void go_json_string(struct buf *b, struct slice s, bool html);

/* json.Marshal: compact, <, > and & escaped; sorted: members in the order of a Go map. */
void go_json(struct buf *b, yyjson_val *v, bool sorted);

/* %v of a value decoded into interface{}: map[a:1 b:[x y]], strings bare, null as <nil>. */
void go_print(struct buf *b, yyjson_val *v);

/* The members of an object in the byte order of their keys, repeated ones in document order; the
 * caller frees the array. */
struct member {
    yyjson_val *key, *val;
};
struct member *members_sorted(yyjson_val *obj, size_t *ret_n);
bool member_same_key(const struct member *a, const struct member *b);

#endif
