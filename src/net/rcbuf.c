#include "net/rcbuf.h"

#include "base/mem.h"

struct rcbuf *rcbuf_new(struct slice s)
{
    struct rcbuf *b = xmalloc(sizeof *b + s.n);
    char *data = (char *)(b + 1);

    if (s.n)
        memcpy(data, s.p, s.n);
    *b = (struct rcbuf){.refs = 1, .data = data, .len = s.n};
    return b;
}

struct rcbuf *rcbuf_take_buf(struct buf *from)
{
    struct rcbuf *b = xmalloc(sizeof *b);
    size_t n = from->len;

    *b = (struct rcbuf){.refs = 1, .data = buf_take(from), .len = n};
    return b;
}

struct rcbuf *rcbuf_ref(struct rcbuf *b)
{
    if (b)
        __atomic_fetch_add(&b->refs, 1, __ATOMIC_RELAXED);
    return b;
}

void rcbuf_unref(struct rcbuf *b)
{
    if (!b || __atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    if (b->data != (const char *)(b + 1))
        free((char *)b->data);
    free(b);
}
