/*
 * Text as Go's standard library makes it, where a command line depends on it (see data/gofmt.h,
 * too).
 */
#ifndef MANTA_RAY_GOTEXT_H
#define MANTA_RAY_GOTEXT_H

#include "base/buf.h"

/* strings.TrimSpace: without leading and trailing Unicode white space. */
struct slice go_trim_space(struct slice s);

/* fmt's %f of a float32 widened to double: six decimals. */
void go_float_f(struct buf *out, float f);

#endif
