/* What conn.c and request.c need of struct tls. */
#ifndef MANTA_NET_TLS_PRIVATE_H
#define MANTA_NET_TLS_PRIVATE_H

#include "net/ssl.h"
#include "net/tls.h"

/* alpn: for clients, names of protocols each after its length; host: NULL on the server's side. */
int tls_session_new(struct tls *t, int fd, const char *host, const char *alpn, SSL **ret,
                    struct err *err);
/* "reading: certificate verify failed …" from OpenSSL's queue, which is emptied. */
void tls_reason(SSL *ssl, char *out, size_t n);

/* The peer's certificate as a tls_peer, all of it one allocation; NULL if there is none. */
struct tls_peer *tls_peer_new(SSL *ssl);

#endif
