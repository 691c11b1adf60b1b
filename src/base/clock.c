#include "base/clock.h"
#include "base/names.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <threads.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

int64_t clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_mono_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

static void from_kernel(void *p, size_t n)
{
    char *c = p;

    while (n) {
        ssize_t got = getrandom(c, n > 256 ? 256 : n, 0);
        if (got < 0)
            abort();
        c += got, n -= (size_t)got;
    }
}

static thread_local struct {
    unsigned char bytes[256];
    size_t left;
} kept;

static void forget_kept(void)
{
    kept.left = 0;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, forget_kept); /* a child is not to give what its parent gives */
}

/* A UID is made with every object: the kernel is asked for sixteen at a time. Nothing is given
 * twice. */
void rand_bytes(void *p, size_t n)
{
    static once_flag once = ONCE_FLAG_INIT;

    if (n > sizeof kept.bytes / 4) {
        from_kernel(p, n);
        return;
    }
    call_once(&once, watch_forks);
    if (kept.left < n)
        from_kernel(kept.bytes, kept.left = sizeof kept.bytes);
    kept.left -= n;
    memcpy(p, kept.bytes + kept.left, n);
    memset(kept.bytes + kept.left, 0, n);
}

uint32_t rand_below(uint32_t n)
{
    uint32_t v, limit = UINT32_MAX - UINT32_MAX % n;

    do
        rand_bytes(&v, sizeof v);
    while (v >= limit);
    return v % n;
}

void rand_suffix(char *out, size_t n)
{
    enum { LETTERS = sizeof NAME_ALPHABET - 1 };
    unsigned char pool[32];
    size_t left = 0;

    for (size_t i = 0; i < n;) {
        if (!left)
            rand_bytes(pool, left = sizeof pool);
        unsigned char c = pool[--left];
        if (c < 256 / LETTERS * LETTERS) /* else some letters would come more often */
            out[i++] = NAME_ALPHABET[c % LETTERS];
    }
    out[n] = '\0';
}

void rand_uuid(char out[37])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char b[16];

    rand_bytes(b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    int at = 0;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        out[at++] = hex[b[i] >> 4];
        out[at++] = hex[b[i] & 15];
    }
    out[at] = '\0';
}
