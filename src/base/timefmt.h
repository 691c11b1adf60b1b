/*
 * Points in time as numbers and as RFC 3339 text. Pure: reads no clock (that is base/clock.h).
 */
#ifndef MANTA_BASE_TIMEFMT_H
#define MANTA_BASE_TIMEFMT_H

#include "base/slice.h"

#define SECOND_NS INT64_C(1000000000)

/* Room for "2006-01-02T15:04:05.000000000Z" and a NUL. */
#define TIME_TEXT 40

/* ns are nanoseconds since 1970 in UTC. Each writes into out (TIME_TEXT bytes) and returns it. */
char *time_rfc3339(int64_t ns, char *out);           /* seconds, as metav1.Time */
char *time_rfc3339_micro(int64_t ns, char *out);     /* six digits, as metav1.MicroTime */
char *time_rfc3339_nano(int64_t ns, char *out);      /* nine digits, as in container logs */
bool time_parse(struct slice text, int64_t *ret_ns); /* RFC 3339 with any zone and fraction */

#endif
