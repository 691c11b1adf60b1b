#include <openssl/evp.h> /* before macro.h, whose "unused" its headers spell as an attribute */

#include "data/hash.h"

static void digest(const EVP_MD *md, struct slice data, unsigned char *ret)
{
    if (EVP_Digest(data.n ? data.p : "", data.n, ret, NULL, md, NULL) != 1)
        abort(); /* no such digest, or no memory */
}

void hash_sha1(struct slice data, unsigned char ret[SHA1_SIZE])
{
    digest(EVP_sha1(), data, ret);
}

void hash_sha256(struct slice data, unsigned char ret[SHA256_SIZE])
{
    digest(EVP_sha256(), data, ret);
}

char *hash_base32hex(const unsigned char *p, size_t n, char *out)
{
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUV";
    unsigned bits = 0, have = 0;
    char *to = out;

    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | p[i];
        for (have += 8; have >= 5; have -= 5)
            *to++ = letters[bits >> (have - 5) & 31];
    }
    if (have)
        *to++ = letters[bits << (5 - have) & 31];
    *to = '\0';
    return out;
}

char *hash_hex(const unsigned char *p, size_t n, char *out)
{
    static const char letters[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = letters[p[i] >> 4];
        out[2 * i + 1] = letters[p[i] & 15];
    }
    out[2 * n] = '\0';
    return out;
}

char *hash_spec(struct slice json, char out[SPEC_HASH_TEXT])
{
    unsigned char sha1[SHA1_SIZE];

    hash_sha1(json, sha1);
    return hash_base32hex(sha1, sizeof(sha1), out);
}
