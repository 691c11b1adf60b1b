/*
 * Images being pulled: one pull a name however many pods ask, off the loop's thread, with the
 * back-off of a kubelet (10 s doubling to 5 min) after a failure.
 */
#ifndef MANTA_KUBELET_PULL_H
#define MANTA_KUBELET_PULL_H

#include "kubelet/images.h"
#include "net/loop.h"

struct pulls;

enum pull_state {
    PULL_NONE, /* not here; pull_start() begins */
    PULL_RUNNING,
    PULL_READY,   /* path says where */
    PULL_BACKOFF, /* failed, and it is too early to try again: message, retry_ns */
};

struct pull_info {
    enum pull_state state;
    const char *path, *message; /* valid until the loop runs on */
    char ray_version[32];       /* of what is there; "" if it has no Ray */
    int64_t took_ns;            /* of the last pull that succeeded */
    unsigned failures;          /* since the start */
    int64_t retry_ns;           /* monotonic time of the next try */
};

struct pulls *pulls_new(uv_loop_t *loop, const char *cache_dir, void (*changed)(void *ctx),
                        void *ctx);
void pulls_free(struct pulls *p); /* running pulls go on in their processes, unheard */

void pull_look(struct pulls *p, const char *image, struct pull_info *ret);
void pull_start(struct pulls *p, const char *image); /* unless it runs already */

#endif
