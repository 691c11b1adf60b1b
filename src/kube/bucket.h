/*
 * The token bucket that limits requests, as client-go's flowcontrol has it: starts full with burst
 * tokens, gains qps a second, a request takes one.
 */
#ifndef MANTA_KUBE_BUCKET_H
#define MANTA_KUBE_BUCKET_H

#include "base/macro.h"

struct bucket_limit {
    double qps; /* 0: no limit */
    double burst, tokens;
    int64_t at_ns; /* when tokens was true */
};

void bucket_init(struct bucket_limit *b, double qps, int burst, int64_t now_ns);
/* Takes a token and gives 0, or gives the nanoseconds until there will be one. */
int64_t bucket_take(struct bucket_limit *b, int64_t now_ns);

#endif
