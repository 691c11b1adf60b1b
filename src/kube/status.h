/* Answers of kind Status (meta/v1) as errors. */
#ifndef MANTA_KUBE_STATUS_H
#define MANTA_KUBE_STATUS_H

#include "data/json.h"

/* The code and message of an answer with this HTTP status. status may be NULL or no Status; then
 * the message is the beginning of body. Gives the code. */
int status_error(yyjson_val *status, int http, struct slice body, struct err *err);

#endif
