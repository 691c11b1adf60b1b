#include "net/ssl.h"

#include "apiserver/server.h"

#define HEADER "{\"alg\":\"ES256\",\"typ\":\"JWT\"}"
#define SIGNATURE 64 /* r and s, 32 bytes each */

struct token_signer {
    EVP_PKEY *key;
};

int token_signer_new(const char *key_pem, struct token_signer **ret, struct err *err)
{
    BIO *bio = BIO_new_mem_buf(key_pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

    BIO_free(bio);
    if (!key || EVP_PKEY_base_id(key) != EVP_PKEY_EC) {
        EVP_PKEY_free(key);
        return err_set(err, ERR_INTERNAL, "the key of service account tokens is no EC key");
    }
    *ret = xnew(struct token_signer);
    (*ret)->key = key;
    return 0;
}

void token_signer_free(struct token_signer *s)
{
    if (!s)
        return;
    EVP_PKEY_free(s->key);
    free(s);
}

/* ---- base64url without padding ---- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(struct buf *out, const void *data, size_t n)
{
    const unsigned char *p = data;
    unsigned bits = 0, have = 0;

    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | p[i];
        for (have += 8; have >= 6; have -= 6)
            buf_addc(out, digits[bits >> (have - 6) & 63]);
    }
    if (have)
        buf_addc(out, digits[bits << (6 - have) & 63]);
}

static bool decode(struct buf *out, struct slice s)
{
    unsigned bits = 0, have = 0;

    for (size_t i = 0; i < s.n; i++) {
        const char *at = s.p[i] ? strchr(digits, s.p[i]) : NULL;

        if (!at)
            return false;
        bits = bits << 6 | (unsigned)(at - digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            buf_addc(out, (char)(bits >> have));
        }
    }
    return true;
}

/* ---- signatures: JWS wants r and s side by side, OpenSSL speaks DER ---- */

static bool sign_raw(EVP_PKEY *key, struct slice text, unsigned char out[SIGNATURE])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char der[128];
    size_t n = sizeof der;
    const unsigned char *p = der;
    ECDSA_SIG *sig = NULL;
    bool ok = EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestSign(ctx, der, &n, (const unsigned char *)text.p, text.n) == 1 &&
              (sig = d2i_ECDSA_SIG(NULL, &p, (long)n)) != NULL &&
              BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, 32) == 32 &&
              BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + 32, 32) == 32;

    ECDSA_SIG_free(sig);
    EVP_MD_CTX_free(ctx);
    return ok;
}

static bool verify_raw(EVP_PKEY *key, struct slice text, const char *raw)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    ECDSA_SIG *sig = ECDSA_SIG_new();
    unsigned char *der = NULL;
    const unsigned char *bytes = (const unsigned char *)raw;

    ECDSA_SIG_set0(sig, BN_bin2bn(bytes, 32, NULL), BN_bin2bn(bytes + 32, 32, NULL));
    int n = i2d_ECDSA_SIG(sig, &der);
    bool ok = n > 0 && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestVerify(ctx, der, (size_t)n, (const unsigned char *)text.p, text.n) == 1;
    OPENSSL_free(der);
    ECDSA_SIG_free(sig);
    EVP_MD_CTX_free(ctx);
    return ok;
}

char *token_sign(const struct token_signer *s, struct slice payload)
{
    struct buf b = BUF_INIT;
    unsigned char signature[SIGNATURE];

    encode(&b, HEADER, sizeof HEADER - 1);
    buf_addc(&b, '.');
    encode(&b, payload.p, payload.n);
    if (!sign_raw(s->key, buf_slice(&b), signature))
        abort();
    buf_addc(&b, '.');
    encode(&b, signature, sizeof signature);
    return buf_take(&b);
}

int token_verify(const struct token_signer *s, struct slice token, struct json **ret_payload,
                 struct err *err)
{
    struct buf header cleanup(buf_done) = BUF_INIT, payload cleanup(buf_done) = BUF_INIT,
                      signature cleanup(buf_done) = BUF_INIT;
    struct slice rest = token, first, second;

    if (!slice_cut(&rest, '.', &first) || !slice_cut(&rest, '.', &second) ||
        !decode(&header, first) || !decode(&payload, second) || !decode(&signature, rest))
        return err_set(err, ERR_UNAUTHORIZED, "no JSON web token");
    struct slice text = {token.p, first.n + 1 + second.n};
    if (!slice_is(buf_slice(&header), HEADER) || signature.len != SIGNATURE ||
        !verify_raw(s->key, text, signature.data))
        return err_set(err, ERR_UNAUTHORIZED, "a token that was not signed here");
    return json_parse(buf_slice(&payload), ret_payload, err);
}
