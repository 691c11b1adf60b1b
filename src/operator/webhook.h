/*
 * Upstream's validating webhooks, with ENABLE_WEBHOOKS=true (spec: platform §2.4): HTTPS on :9443,
 * certificate and key of a folder that is watched, so that new ones count without a restart.
 *
 *     /validate-ray-io-v1-raycluster, …-rayjob, …-rayservice: AdmissionReview v1 in and out
 */
#ifndef MANTA_OPERATOR_WEBHOOK_H
#define MANTA_OPERATOR_WEBHOOK_H

#include "base/err.h"
#include "net/loop.h"

struct webhook;
struct buf;
struct slice;

struct webhook_opts {
    const char *dir; /* holds tls.crt and tls.key */
    const char *host;
    uint16_t port; /* 0: any free one */
};

/* $TMPDIR/k8s-webhook-server/serving-certs, by the value of TMPDIR (NULL: /tmp). The caller's. */
char *webhook_dir(const char *tmpdir);
int webhook_start(uv_loop_t *loop, const struct webhook_opts *o, struct webhook **ret,
                  struct err *err);
uint16_t webhook_port(const struct webhook *w);
void webhook_stop(struct webhook *w); /* the loop must run once more */

/* The review that answers one; false: path is none of ours. For tests. */
bool webhook_review(struct slice path, struct slice content_type, struct slice body,
                    struct buf *out);

#endif
