/*
 * Small macros that every file may use: cleanup attributes, array sizes, ownership hand-over.
 *
 *     autofree char *s = xstrdup("x");     freed when s leaves scope
 *     return take(s);                      handed to the caller instead
 */
#ifndef MANTA_BASE_MACRO_H
#define MANTA_BASE_MACRO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#undef MIN /* <sys/param.h> has them, too */
#undef MAX
#define MIN(a, b) ((a) < (b) ? (a) : (b))
/* Each evaluates an argument twice. */
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#define unused __attribute__((unused)) /* uv.h has a member of that name: see net/loop.h */
#define cleanup(f) __attribute__((cleanup(f)))

/* Moves a pointer out of a variable that a cleanup would otherwise free. */
#define take(p)                                                                                    \
    ({                                                                                             \
        __typeof__(p) *take_pp_ = &(p);                                                            \
        __typeof__(p) take_p_ = *take_pp_;                                                         \
        *take_pp_ = NULL;                                                                          \
        take_p_;                                                                                   \
    })

/* Defines fn##_p for cleanup(): calls fn on the variable's value. fn must accept NULL. */
#define DEFINE_CLEANUP(type, fn)                                                                   \
    static inline void fn##_p(type *p)                                                             \
    {                                                                                              \
        fn(*p);                                                                                    \
    }

static inline void autofree_p(void *p)
{
    free(*(void **)p);
}
#define autofree cleanup(autofree_p)

void autoclose_p(int *fd);
#define autoclose cleanup(autoclose_p)

#endif
