/* What both sides of HTTP/2 do alike. Private to src/net. */
#ifndef MANTA_NET_H2_H
#define MANTA_NET_H2_H

#include "net/conn.h"

#include <nghttp2/nghttp2.h>

/* Appends about max bytes of frames to out; kills c where the session is broken. */
void h2_pull(nghttp2_session *h2, struct conn *c, struct buf *out, size_t max);

#endif
