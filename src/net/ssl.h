/* OpenSSL, whose headers say __attribute__((unused)), which our macro of that name would break. */
#ifndef MANTA_NET_SSL_H
#define MANTA_NET_SSL_H

#pragma push_macro("unused")
#undef unused
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#pragma pop_macro("unused")

#endif
