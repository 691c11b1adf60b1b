/*
 * SHA-1 and SHA-256 (libcrypto) and their spelling: base32 with the extended hex alphabet 0-9A-V
 * (RFC 4648 §7, upper case, no padding), as Ray objects' spec hashes are written, and hex.
 */
#ifndef MANTA_DATA_HASH_H
#define MANTA_DATA_HASH_H

#include "base/slice.h"

#define SHA1_SIZE 20
#define SHA256_SIZE 32
#define SPEC_HASH_TEXT 33 /* 32 letters and a NUL */

void hash_sha1(struct slice data, unsigned char ret[SHA1_SIZE]);
void hash_sha256(struct slice data, unsigned char ret[SHA256_SIZE]);

/* out has room for (n * 8 + 4) / 5 + 1 bytes; n should be a multiple of 5. Gives out. */
char *hash_base32hex(const unsigned char *p, size_t n, char *out);
char *hash_hex(const unsigned char *p, size_t n, char *out); /* room for 2 * n + 1 */

/* SHA-1 in base32hex: the form of every spec hash. Gives out. */
char *hash_spec(struct slice json, char out[SPEC_HASH_TEXT]);

#endif
