/*
 * Allocation that cannot fail: out of memory aborts (durable state lives in transactions, and a
 * supervisor restarts the process). Results are the caller's; free() releases them.
 */
#ifndef MANTA_BASE_MEM_H
#define MANTA_BASE_MEM_H

#include "base/macro.h"

void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size); /* zeroed; aborts on overflow of n * size */
void *xrealloc(void *p, size_t n, size_t size);
char *xstrdup(const char *s);            /* NULL gives NULL */
char *xstrndup(const char *s, size_t n); /* copies n bytes and adds a NUL */
char *xasprintf(const char *fmt, ...) printf_like(1, 2);

/* Allocates one zeroed T. */
#define xnew(T) ((T *)xcalloc(1, sizeof(T)))

#endif
