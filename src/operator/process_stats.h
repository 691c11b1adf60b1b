/* The process_* metrics of Prometheus' client libraries, read from /proc. */
#ifndef MANTA_OPERATOR_PROCESS_STATS_H
#define MANTA_OPERATOR_PROCESS_STATS_H

#include "base/buf.h"

void process_stats_write(struct buf *out);

#endif
