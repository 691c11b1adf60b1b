#include "base/arena.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

#define BLOCK_SIZE 4096

struct arena_block {
    struct arena_block *next;
    _Alignas(max_align_t) char data[];
};

void arena_done(struct arena *a)
{
    for (struct arena_block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    *a = (struct arena){0};
}

static void *new_block(struct arena *a, size_t n)
{
    size_t size = MAX(n, (size_t)BLOCK_SIZE);
    struct arena_block *b = xcalloc(1, sizeof *b + size);

    b->next = a->blocks;
    a->blocks = b;
    if (size > n) {
        a->at = b->data + n;
        a->end = b->data + size;
    }
    return b->data;
}

void *arena_alloc(struct arena *a, size_t n)
{
    const size_t align = _Alignof(max_align_t);

    n = (n + align - 1) / align * align;
    if (n > (size_t)(a->end - a->at))
        return new_block(a, n);
    void *p = a->at;
    a->at += n;
    return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    char *p = arena_alloc(a, n + 1);

    if (n)
        memcpy(p, s, n);
    return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return s ? arena_strndup(a, s, strlen(s)) : NULL;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    char text[256]; /* most are shorter: printed once */
    va_list ap, again;

    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0)
        *text = '\0';
    char *p = arena_alloc(a, (size_t)(n < 0 ? 0 : n) + 1);
    if (n >= (int)sizeof text)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    else
        memcpy(p, text, n < 0 ? 1 : (size_t)n + 1);
    va_end(again);
    return p;
}
