/* Objects of the network policy and mTLS controllers (spec: raycluster §§11, 12.5). */
#ifndef MANTA_RAY_BUILD_SECURITY_H
#define MANTA_RAY_BUILD_SECURITY_H

#include "ray/build/build.h"

yyjson_mut_val *build_head_policy(struct plan *p, const struct cluster *c);
yyjson_mut_val *build_worker_policy(struct plan *p, const struct cluster *c, yyjson_val *group);

/* Names are these and "-<cluster>" */
#define TLS_SELF_ISSUER "ray-selfsigned-issuer"
#define TLS_CA_ISSUER "ray-ca-issuer"
#define TLS_CA_CERT "ray-ca-certificate"
#define TLS_HEAD_CERT "ray-head-cert"
#define TLS_WORKER_CERT "ray-worker-cert"
const char *tls_ca_secret(struct arena *a, const struct cluster *c);

yyjson_mut_val *build_issuer(struct plan *p, const struct cluster *c, bool self_signed);
yyjson_mut_val *build_ca_certificate(struct plan *p, const struct cluster *c);
/* dns and ips end with NULL. */
yyjson_mut_val *build_leaf_certificate(struct plan *p, const struct cluster *c, bool head,
                                       const char *const *dns, const char *const *ips);

#endif
