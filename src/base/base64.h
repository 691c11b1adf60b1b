/* Base64 with the standard alphabet and padding (RFC 4648 §4), as Secrets and kubeconfigs have it.
 */
#ifndef MANTA_BASE_BASE64_H
#define MANTA_BASE_BASE64_H

#include "base/buf.h"

void base64_encode(struct buf *out, struct slice data);
/* Line breaks in text are skipped. False if it is no base64; out is then half filled. */
bool base64_decode(struct buf *out, struct slice text);

#endif
