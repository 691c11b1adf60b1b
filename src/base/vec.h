/*
 * A typed growing array.
 *
 *     VEC(int) v = {0};
 *     vec_push(&v, 7);
 *     for (size_t i = 0; i < v.n; i++) use(v.v[i]);
 *     vec_done(&v);                        frees the array, not what its items point to
 */
#ifndef MANTA_BASE_VEC_H
#define MANTA_BASE_VEC_H

#include "base/mem.h"
#include <string.h>

#define VEC(T)                                                                                     \
    struct {                                                                                       \
        T *v;                                                                                      \
        size_t n, cap;                                                                             \
    }

#define vec_grow(vec)                                                                              \
    do {                                                                                           \
        if ((vec)->n == (vec)->cap) {                                                              \
            (vec)->cap = (vec)->cap ? (vec)->cap * 2 : 8;                                          \
            (vec)->v = xrealloc((vec)->v, (vec)->cap, sizeof *(vec)->v);                           \
        }                                                                                          \
    } while (0)

#define vec_push(vec, ...)                                                                         \
    do {                                                                                           \
        vec_grow(vec);                                                                             \
        (vec)->v[(vec)->n++] = (__VA_ARGS__);                                                      \
    } while (0)

/* Adds one zeroed item and gives its address, valid until the next push. */
#define vec_add(vec)                                                                               \
    ({                                                                                             \
        vec_grow(vec);                                                                             \
        memset(&(vec)->v[(vec)->n], 0, sizeof *(vec)->v);                                          \
        &(vec)->v[(vec)->n++];                                                                     \
    })

/* Removes item i, keeping the order of the others. */
#define vec_remove(vec, i)                                                                         \
    do {                                                                                           \
        size_t vec_i_ = (i);                                                                       \
        memmove(&(vec)->v[vec_i_], &(vec)->v[vec_i_ + 1],                                          \
                ((vec)->n - vec_i_ - 1) * sizeof *(vec)->v);                                       \
        (vec)->n--;                                                                                \
    } while (0)

#define vec_done(vec)                                                                              \
    do {                                                                                           \
        free((vec)->v);                                                                            \
        (vec)->v = NULL;                                                                           \
        (vec)->n = (vec)->cap = 0;                                                                 \
    } while (0)

#endif
