/*
 * Immutable bytes shared by count: one encoded watch event lies in the queues of all watchers.
 * The count is atomic, so a buffer may be made on a worker thread and dropped on the loop's.
 *
 *     struct rcbuf *b = rcbuf_new(SLICE("hello"));
 *     http_write(r, b);                    takes a reference of its own
 *     rcbuf_unref(b);
 */
#ifndef MANTA_NET_RCBUF_H
#define MANTA_NET_RCBUF_H

#include "base/buf.h"

struct rcbuf {
    unsigned refs;
    const char *data;
    size_t len;
};

struct rcbuf *rcbuf_new(struct slice s);     /* copies s; one reference, the caller's */
struct rcbuf *rcbuf_take_buf(struct buf *b); /* takes b's memory without a copy; b is empty after */
struct rcbuf *rcbuf_ref(struct rcbuf *b);    /* gives b; NULL gives NULL */
void rcbuf_unref(struct rcbuf *b);           /* NULL is fine */

static inline struct slice rcbuf_slice(const struct rcbuf *b)
{
    return b ? (struct slice){b->data, b->len} : (struct slice){0};
}

DEFINE_CLEANUP(struct rcbuf *, rcbuf_unref)

#endif
