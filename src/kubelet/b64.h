/* Base64 (RFC 4648, padded), as Secrets' data has it. */
#ifndef MANTA_KUBELET_B64_H
#define MANTA_KUBELET_B64_H

#include "base/buf.h"

bool b64_decode(struct slice text, struct buf *out); /* false if text is not base64 */

#endif
