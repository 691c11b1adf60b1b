/* The query of pods/log, up to the first newline, then a container's log file. */
#include "kubelet/logs.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = {(const char *)data, size}, query, line;
    struct log_filter f = {0};
    struct buf out cleanup(buf_done) = BUF_INIT;
    struct err err;

    if (!slice_cut(&rest, '\n', &query) || log_options_parse(query, 1, &f.o, &err) < 0)
        return 0;
    while (slice_cut(&rest, '\n', &line))
        log_filter_feed(&f, line, &out);
    assert(f.o.limit_bytes < 0 || (int64_t)out.len <= f.o.limit_bytes);
    return 0;
}
