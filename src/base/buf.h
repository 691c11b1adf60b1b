/*
 * A growing byte buffer with a maximum. data is always NUL-terminated once anything was added.
 * Growing past max drops the addition and sets over: check it once at the end, not at every step.
 *
 *     struct buf b cleanup(buf_done) = BUF_INIT;
 *     buf_printf(&b, "/api/v1/namespaces/%s/pods", ns);
 */
#ifndef MANTA_BASE_BUF_H
#define MANTA_BASE_BUF_H

#include "base/slice.h"
#include <stdarg.h>

struct buf {
    char *data;
    size_t len, cap;
    size_t max; /* bytes; 0 means BUF_MAX */
    bool over;  /* an addition was dropped because of max */
};

#define BUF_MAX ((size_t)1 << 30)
#define BUF_INIT                                                                                   \
    {                                                                                              \
        0                                                                                          \
    }
#define BUF_LIMIT(n)                                                                               \
    {                                                                                              \
        .max = (n)                                                                                 \
    }

void buf_done(struct buf *b);
void buf_reset(struct buf *b);             /* empty, memory kept */
bool buf_reserve(struct buf *b, size_t n); /* room for n more bytes, or over is set */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_add_int(struct buf *b, int64_t n); /* in decimal */
void buf_add_utf8(struct buf *b,
                  struct slice s); /* each byte that is no UTF-8 as U+FFFD, as Go has it */
void buf_printf(struct buf *b, const char *fmt, ...) printf_like(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap);
void buf_consume(struct buf *b, size_t n); /* drops the first n bytes */
char *buf_take(struct buf *b); /* the bytes as a string, the caller's; b is empty after */
const char *buf_str(const struct buf *b); /* never NULL */

static inline void buf_add_slice(struct buf *b, struct slice s)
{
    buf_add(b, s.p, s.n);
}
static inline struct slice buf_slice(const struct buf *b)
{
    return (struct slice){b->data, b->len};
}

#endif
