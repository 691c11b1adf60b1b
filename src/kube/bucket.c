#include "kube/bucket.h"

void bucket_init(struct bucket_limit *b, double qps, int burst, int64_t now_ns)
{
    *b = (struct bucket_limit){.qps = qps, .burst = burst < 1 ? 1 : burst, .at_ns = now_ns};
    b->tokens = b->burst;
}

int64_t bucket_take(struct bucket_limit *b, int64_t now_ns)
{
    if (b->qps <= 0)
        return 0;
    b->tokens += (double)(now_ns - b->at_ns) * b->qps / 1e9;
    b->at_ns = now_ns;
    if (b->tokens > b->burst)
        b->tokens = b->burst;
    if (b->tokens >= 1) {
        b->tokens -= 1;
        return 0;
    }
    return (int64_t)((1 - b->tokens) * 1e9 / b->qps) + 1;
}
