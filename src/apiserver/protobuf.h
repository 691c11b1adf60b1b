/*
 * Bodies in Kubernetes' protobuf encoding, read into JSON. Go clients send built-in kinds this way
 * (kubectl create, controller-runtime); answers are always JSON, which they accept as well.
 *
 * A body is "k8s\0" and a runtime.Unknown: apiVersion and kind, and the message itself. What the
 * type of a field is says the type table, which number it has says schemas/protobuf.numbers.
 * Unknown fields are skipped, as protobuf wants it.
 */
#ifndef MANTA_APISERVER_PROTOBUF_H
#define MANTA_APISERVER_PROTOBUF_H

#include "data/json.h"

extern const char
    protobuf_numbers[]; /* "TYPE\tMEMBER=NUMBER …\n"; made from schemas/protobuf.numbers */

/* Gives the object with its apiVersion and kind. ERR_BAD_REQUEST: malformed, or a kind without a
 * type. */
int protobuf_decode(struct slice body, yyjson_mut_doc *doc, yyjson_mut_val **ret, struct err *err);

#endif
