/*
 * YAML as kubectl reads and writes it: libyaml's events, the scalar rules of go-yaml v2 (YAML 1.1:
 * y, yes and on are true; 010 and 0o10 are eight; 1_000 is a number; timestamps stay the text they
 * were), aliases and "<<" merge keys, converted to JSON (keys become strings).
 *
 * Errors are ERR_BAD_REQUEST and name the line, counted from 1: "line 7: key "a" already set in
 * map". Input is bounded: nesting by JSON_MAX_DEPTH, and what aliases expand to by the size of the
 * input
 * ("document contains excessive aliasing"), so that a small file cannot become a large document.
 */
#ifndef MANTA_DATA_YAML_H
#define MANTA_DATA_YAML_H

#include "data/json.h"

#define YAML_STRICT 1u /* a repeated key is an error; without it the last one wins */

/*
 * Parses the first document; an empty one gives null. What follows it is read for syntax only.
 * JSON is YAML, too, but json_parse() is faster: yaml_or_json() takes whichever text is.
 */
int yaml_parse(struct slice text, unsigned flags, struct json **ret, struct err *err);
int yaml_or_json(struct slice text, unsigned flags, struct json **ret, struct err *err);

/* All documents of a stream. Documents without content (only comments, or nothing) are left out. */
struct yaml_docs {
    struct yaml_doc {
        struct json *json;
        unsigned line; /* where it begins */
    } * v;
    size_t n;
};

int yaml_parse_all(struct slice text, unsigned flags, struct yaml_docs *ret, struct err *err);
void yaml_docs_done(struct yaml_docs *docs);

/*
 * Writes v as `kubectl get -o yaml` does: keys sorted, two spaces, sequences not indented below
 * their key, strings quoted only where they would read as something else. Ends in a newline.
 */
void yaml_write(struct buf *b, yyjson_val *v);

#endif
