/* The machine's clocks and randomness. Planners (src/ray) may not use this header. */
#ifndef MANTA_BASE_CLOCK_H
#define MANTA_BASE_CLOCK_H

#include "base/macro.h"

int64_t clock_wall_ns(void); /* since 1970, UTC */
int64_t clock_mono_ns(void); /* never goes back; for durations */

void rand_bytes(void *p, size_t n); /* from the kernel; aborts if it cannot */
uint32_t rand_below(uint32_t n);    /* 0 … n-1, uniform */
/* Writes n letters of Kubernetes' name alphabet (bcdfghjklmnpqrstvwxz2456789) and a NUL. */
void rand_suffix(char *out, size_t n);
void rand_uuid(char out[37]); /* a version 4 UUID in lower case */

#endif
