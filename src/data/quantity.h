/*
 * Quantities ("500m", "1.5Gi", "2e3"): exact decimal numbers with the format that they were
 * written in. The value is mantissa * 10^exp with exp >= -9; finer input is rounded away from zero
 * to nano. A mantissa has up to 38 digits: what does not fit is an error, never a wrong number.
 *
 * The spelling is kept where Kubernetes' parser would cache it ("1.500", "01", "1500Mi") and is
 * borrowed from the parsed text: it must outlive the quantity, or call quantity_forget_spelling().
 * Arithmetic drops it, copying keeps it.
 *
 *     struct quantity q;
 *     if (quantity_parse(SLICE("1.5Gi"), &q, err) == 0) quantity_print(&q, out);   // 1536Mi
 *
 * Source: the documentation of apimachinery's resource.Quantity, and recorded outputs of it.
 */
#ifndef MANTA_DATA_QUANTITY_H
#define MANTA_DATA_QUANTITY_H

#include "base/buf.h"
#include "base/err.h"

enum quantity_format {
    QUANTITY_NONE,        /* never set: prints as 0, takes the format of what is added */
    QUANTITY_DECIMAL_SI,  /* n u m "" k M G T P E */
    QUANTITY_BINARY_SI,   /* Ki Mi Gi Ti Pi Ei */
    QUANTITY_DECIMAL_EXP, /* e3 */
};

struct quantity {
    __int128 mantissa;
    int exp;
    enum quantity_format format;
    struct slice spelling; /* n is 0: print canonically */
};

/* ERR_BAD_REQUEST in Kubernetes' words, or when it does not fit. */
int quantity_parse(struct slice text, struct quantity *ret, struct err *err);
struct quantity quantity_int(int64_t n, enum quantity_format format);

void quantity_print(const struct quantity *q, struct buf *out);     /* the spelling if kept */
void quantity_canonical(const struct quantity *q, struct buf *out); /* never the spelling */
static inline void quantity_forget_spelling(struct quantity *q)
{
    q->spelling = (struct slice){NULL, 0};
}

/* Exact; ERR_INVALID and *q untouched when the result has too many digits. The sum keeps q's
 * format unless q is zero, then takes x's. */
int quantity_add(struct quantity *q, const struct quantity *x);
int quantity_sub(struct quantity *q, const struct quantity *x);
int quantity_mul(struct quantity *q, int64_t n);
int quantity_cmp(const struct quantity *a, const struct quantity *b); /* -1, 0, 1 */
static inline bool quantity_is_zero(const struct quantity *q)
{
    return q->mantissa == 0;
}

/* Rounded up (away from zero), as Value() and MilliValue(); clamped to int64. */
int64_t quantity_value(const struct quantity *q);
int64_t quantity_milli(const struct quantity *q);
double quantity_double(const struct quantity *q); /* nearest double of mantissa * 10^exp */

#endif
