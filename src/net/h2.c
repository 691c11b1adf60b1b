#include "net/h2.h"

void h2_pull(nghttp2_session *h2, struct conn *c, struct buf *out, size_t max)
{
    const uint8_t *p;

    while (out->len < max) {
        ssize_t n = nghttp2_session_mem_send(h2, &p);
        if (conn_dead(c) || n == 0)
            return;
        if (n < 0) {
            conn_kill(c, nghttp2_strerror((int)n));
            return;
        }
        buf_add(out, p, (size_t)n);
    }
}
