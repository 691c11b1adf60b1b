#include "net/stream.h"

#include "base/mem.h"

/* Copies up to this size are kept together; larger ones get an item of their own. */
#define SMALL 16384

static void drop_items(struct stream *s)
{
    for (; s->n; s->n--, s->first++)
        rcbuf_unref(s->items[s->first & (s->cap - 1)]);
    s->first = s->off = 0;
}

void stream_done(struct stream *s)
{
    drop_items(s);
    free(s->items);
    buf_done(&s->copy);
    *s = (struct stream){0};
}

void stream_reset(struct stream *s)
{
    drop_items(s);
    if (s->copy.cap > 4 * SMALL)
        buf_done(&s->copy);
    else
        buf_reset(&s->copy);
    s->copy_off = s->unsent = 0;
}

static void grow(struct stream *s)
{
    size_t cap = s->cap ? s->cap * 2 : 4;
    struct rcbuf **items = xmalloc(cap * sizeof *items);

    for (size_t i = 0; i < s->n; i++)
        items[i] = s->items[(s->first + i) & (s->cap - 1)];
    free(s->items);
    s->items = items;
    s->cap = cap;
    s->first = 0;
}

void stream_add(struct stream *s, struct rcbuf *b)
{
    if (!b || !b->len)
        return;
    if (s->n == s->cap)
        grow(s);
    s->items[(s->first + s->n++) & (s->cap - 1)] = rcbuf_ref(b);
    s->unsent += b->len;
}

void stream_add_copy(struct stream *s, struct slice bytes)
{
    if (!bytes.n)
        return;
    if (s->n || bytes.n > SMALL || s->copy.len + bytes.n > 4 * SMALL) {
        struct rcbuf *b = rcbuf_new(bytes);
        stream_add(s, b);
        rcbuf_unref(b);
        return;
    }
    buf_add_slice(&s->copy, bytes);
    s->unsent += bytes.n;
}

static size_t pull_copy(struct stream *s, char *dst, size_t max)
{
    size_t n = MIN(s->copy.len - s->copy_off, max);

    if (!n)
        return 0;
    memcpy(dst, s->copy.data + s->copy_off, n);
    s->copy_off += n;
    if (s->copy_off == s->copy.len) {
        buf_reset(&s->copy);
        s->copy_off = 0;
    }
    return n;
}

size_t stream_pull(struct stream *s, void *dst, size_t max)
{
    char *out = dst;
    size_t done = pull_copy(s, out, max);

    while (done < max && s->n) {
        struct rcbuf *b = s->items[s->first & (s->cap - 1)];
        size_t n = MIN(b->len - s->off, max - done);
        memcpy(out + done, b->data + s->off, n);
        done += n;
        s->off += n;
        if (s->off < b->len)
            break;
        rcbuf_unref(b);
        s->first++;
        s->n--;
        s->off = 0;
    }
    s->unsent -= done;
    return done;
}
