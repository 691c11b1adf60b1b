/*
 * Cuts JSON out of a stream of bytes without parsing it: the items of a LIST one by one (the list
 * itself is never held), or the lines of a WATCH.
 *
 *     struct split s cleanup(split_done) = {.list = true, .on_item = got, .ctx = me};
 *     split_feed(&s, bytes, &err);  …  rest of the list: buf_slice(&s.rest) = {"kind":…,"items":[]}
 */
#ifndef MANTA_KUBE_SPLIT_H
#define MANTA_KUBE_SPLIT_H

#include "base/buf.h"
#include "base/err.h"

#define SPLIT_ITEM_MAX ((size_t)64 << 20) /* bytes of one item or line */

struct split {
    /* Set by the caller, the rest zero. */
    bool list; /* items of the member "items" of the outermost object; else lines */
    int (*on_item)(void *ctx, struct slice item, struct err *err); /* negative ends split_feed() */
    void *ctx;
    /* A list's bytes without its items. */
    struct buf rest;
    struct err failed; /* for the caller's use: why it stopped feeding */

    struct buf part; /* of the item or line that has not ended */
    unsigned depth;  /* of brackets that are open */
    bool in_string, escaped;
    bool in_items;    /* inside the array of items */
    bool items_next;  /* the last member name at depth 1 was "items" */
    uint8_t name_len; /* how much of "items" the name being read has matched; 255: none */
};

int split_feed(struct split *s, struct slice bytes, struct err *err);
void split_done(struct split *s);

#endif
