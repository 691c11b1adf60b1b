/*
 * TLS settings made once and shared by count, certificates, and who the other side is.
 * Keys are EC P-256 (an RSA handshake costs twice the time); TLS 1.2 and 1.3; no session tickets.
 * PEM comes and goes as memory; files are the caller's business.
 *
 *     struct tls *t;
 *     if (tls_server_new(&(struct tls_server_opts){.cert = cert, .key = key}, &t, err) < 0) ...
 *     tls_unref(t);
 */
#ifndef MANTA_NET_TLS_H
#define MANTA_NET_TLS_H

#include "base/buf.h"
#include "base/err.h"

struct tls;

struct tls_server_opts {
    struct slice cert, key; /* PEM: chain with the leaf first, and its key */
    struct slice client_ca; /* PEM bundle; empty: clients are not asked for a certificate */
};

/*
 * A client certificate that does not verify does not end the handshake: the request comes with
 * tls_peer.verified false, and authentication answers 401 as a kube-apiserver does.
 */
int tls_server_new(const struct tls_server_opts *o, struct tls **ret, struct err *err);

struct tls_client_opts {
    struct slice ca;        /* PEM bundle; empty: the system's store */
    struct slice cert, key; /* PEM; empty: no client certificate */
    bool insecure;          /* the server's certificate is not checked */
};
int tls_client_new(const struct tls_client_opts *o, struct tls **ret, struct err *err);

struct tls *tls_ref(struct tls *t);
void tls_unref(struct tls *t);
DEFINE_CLEANUP(struct tls *, tls_unref)

/* Who presented a client certificate. Strings are NUL-terminated and live as long as the request.
 */
struct tls_peer {
    bool verified;            /* signed by client_ca, in its time, for client use */
    const char *verify_error; /* why not, "" when verified */
    const char *cn;           /* the subject's common name: Kubernetes' user */
    const char *const *orgs;  /* the subject's organizations: Kubernetes' groups */
    size_t norgs;
};

/*
 * A self-signed CA. ret_cert and ret_key are appended to. No certificate that it signs may have the
 * same subject: it would look self-signed.
 */
int tls_ca_new(const char *cn, int days, struct buf *ret_cert, struct buf *ret_key,
               struct err *err);

struct tls_issue_opts {
    struct slice ca_cert, ca_key; /* PEM of the issuer */
    const char *cn;
    const char *const *orgs; /* NULL-terminated, or NULL */
    const char *const *dns;  /* NULL-terminated SANs, or NULL */
    const char *const *ips;  /* NULL-terminated literal addresses, or NULL */
    int days;                /* of validity, counted from five minutes ago */
    bool server, client;     /* extended key usage */
};
/* A new P-256 key and a certificate for it. ret_cert and ret_key are appended to. */
int tls_issue(const struct tls_issue_opts *o, struct buf *ret_cert, struct buf *ret_key,
              struct err *err);

/* End of validity of a PEM certificate, in seconds since 1970. */
int tls_cert_expiry(struct slice cert, int64_t *ret, struct err *err);

#endif
