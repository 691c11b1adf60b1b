/*
 * The queue under every response and tunnel: what was written and not yet taken by the socket.
 * Small bytes are copied into one buffer, big or shared ones are held by reference. `unsent` is
 * changed in stream_add…() and stream_pull() only, so it is exact.
 */
#ifndef MANTA_NET_STREAM_H
#define MANTA_NET_STREAM_H

#include "net/rcbuf.h"

struct stream {
    size_t unsent; /* read-only outside */

    struct rcbuf **items; /* a ring of cap, a power of two */
    size_t first, n, cap;
    size_t off;      /* taken of the first item */
    struct buf copy; /* goes out before the items; used until the first item is added */
    size_t copy_off;
};

void stream_done(struct stream *s);
void stream_reset(struct stream *s); /* empty; keeps a little memory for the next use */
void stream_add(struct stream *s, struct rcbuf *b); /* takes a reference of its own */
void stream_add_copy(struct stream *s, struct slice bytes);
/* Moves at most max bytes to dst and tells how many. */
size_t stream_pull(struct stream *s, void *dst, size_t max);

#endif
