#include "base/buf.h"
#include "base/mem.h"

#include <stdio.h>

void buf_done(struct buf *b)
{
    free(b->data);
    *b = (struct buf){.max = b->max};
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->over = false;
    if (b->data)
        b->data[0] = '\0';
}

bool buf_reserve(struct buf *b, size_t n)
{
    size_t max = b->max ? b->max : BUF_MAX;

    if (n > max || b->len > max - n) {
        b->over = true;
        return false;
    }
    size_t want = b->len + n + 1;
    if (want <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < want)
        cap += cap / 2 + 16;
    b->data = xrealloc(b->data, cap, 1);
    b->cap = cap;
    return true;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    if (!buf_reserve(b, n))
        return;
    if (n)
        memcpy(b->data + b->len, p, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void buf_adds(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_addc(struct buf *b, char c)
{
    if (!buf_reserve(b, 1))
        return;
    b->data[b->len++] = c;
    b->data[b->len] = '\0';
}

void buf_add_int(struct buf *b, int64_t n)
{
    char text[20], *at = text + sizeof text;
    uint64_t rest = n < 0 ? -(uint64_t)n : (uint64_t)n;

    do
        *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (n < 0)
        *--at = '-';
    buf_add(b, at, (size_t)(text + sizeof text - at));
}

void buf_add_utf8(struct buf *b, struct slice s)
{
    uint32_t c;

    while (s.n) {
        size_t n = slice_rune(s, &c);
        if (n)
            buf_add(b, s.p, n);
        else
            buf_adds(b, "\xef\xbf\xbd");
        s.p += n ? n : 1;
        s.n -= n ? n : 1;
    }
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;

    va_copy(again, ap);
    size_t room = buf_reserve(b, 0) ? b->cap - b->len : 0; /* nearly always enough: printed once */
    int n = vsnprintf(room ? b->data + b->len : NULL, room, fmt, ap);
    bool fits = n >= 0 && buf_reserve(b, (size_t)n);
    if (fits && (size_t)n >= room)
        vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
    if (fits)
        b->len += (size_t)n;
    else if (room)
        b->data[b->len] = '\0'; /* what was printed in part goes */
    va_end(again);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void buf_consume(struct buf *b, size_t n)
{
    if (!b->data)
        return;
    if (n > b->len)
        n = b->len;
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
    b->data[b->len] = '\0';
}

char *buf_take(struct buf *b)
{
    char *s = b->data ? b->data : xstrdup("");

    *b = (struct buf){.max = b->max};
    return s;
}

const char *buf_str(const struct buf *b)
{
    return b->data ? b->data : "";
}
