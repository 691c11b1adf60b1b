/* Making certificates: a CA of our own and what it signs. */
#include "net/tls.h"

#include "net/ssl.h"

#include "base/clock.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <time.h>

#define BACKDATE 300 /* seconds: clocks differ */

DEFINE_CLEANUP(BIO *, BIO_free_all)
DEFINE_CLEANUP(X509 *, X509_free)
DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)

static int fail(struct err *err, const char *what)
{
    unsigned long e = ERR_peek_last_error();
    const char *reason = e ? ERR_reason_error_string(e) : NULL;

    ERR_clear_error();
    return err_set(err, ERR_INVALID, "%s: %s", what, reason ? reason : "failed");
}

static void append_bio(BIO *bio, struct buf *out)
{
    char *p;
    long n = BIO_get_mem_data(bio, &p);

    buf_add(out, p, (size_t)n);
}

static void write_pem(X509 *cert, EVP_PKEY *key, struct buf *ret_cert, struct buf *ret_key)
{
    BIO *c cleanup(BIO_free_all_p) = BIO_new(BIO_s_mem());
    BIO *k cleanup(BIO_free_all_p) = BIO_new(BIO_s_mem());

    PEM_write_bio_X509(c, cert);
    PEM_write_bio_PrivateKey(k, key, NULL, NULL, 0, NULL, NULL);
    append_bio(c, ret_cert);
    append_bio(k, ret_key);
}

static void add_entry(X509_NAME *name, const char *field, const char *value)
{
    X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, (const unsigned char *)value, -1, -1, 0);
}

static X509_NAME *subject(const char *cn, const char *const *orgs)
{
    X509_NAME *name = X509_NAME_new();

    for (; orgs && *orgs; orgs++)
        add_entry(name, "O", *orgs);
    add_entry(name, "CN", cn);
    return name;
}

/* Version, a random serial number, validity, subject and key; issuer and signature are to come. */
static X509 *blank_cert(const char *cn, const char *const *orgs, int days, EVP_PKEY *key)
{
    unsigned char serial[16];
    X509 *cert = X509_new();
    X509_NAME *name = subject(cn, orgs);

    rand_bytes(serial, sizeof serial);
    serial[0] = (serial[0] & 0x3f) | 0x40; /* positive, never zero */
    BIGNUM *bn = BN_bin2bn(serial, sizeof serial, NULL);
    BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert));
    BN_free(bn);
    X509_set_version(cert, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(cert), -BACKDATE);
    X509_time_adj_ex(X509_getm_notAfter(cert), days, -BACKDATE, NULL);
    X509_set_subject_name(cert, name);
    X509_NAME_free(name);
    X509_set_pubkey(cert, key);
    return cert;
}

static int add_ext(X509 *cert, X509 *issuer, int nid, const char *value, struct err *err)
{
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    if (!ext)
        return fail(err, value);
    X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
    return 0;
}

struct ext {
    int nid;
    const char *value;
};

static int add_exts(X509 *cert, X509 *issuer, const struct ext *exts, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        int rc = exts[i].value ? add_ext(cert, issuer, exts[i].nid, exts[i].value, err) : 0;
        if (rc < 0)
            return rc;
    }
    return 0;
}

int tls_ca_new(const char *cn, int days, struct buf *ret_cert, struct buf *ret_key, struct err *err)
{
    static const struct ext exts[] = {
        {NID_basic_constraints, "critical,CA:TRUE"},
        {NID_key_usage, "critical,digitalSignature,keyEncipherment,keyCertSign"},
        {NID_subject_key_identifier, "hash"},
    };
    EVP_PKEY *key cleanup(EVP_PKEY_free_p) = EVP_EC_gen("P-256");
    X509 *cert cleanup(X509_free_p) = blank_cert(cn, NULL, days, key);

    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    int rc = add_exts(cert, cert, exts, ARRAY_SIZE(exts), err);
    if (rc < 0)
        return rc;
    if (!X509_sign(cert, key, EVP_sha256()))
        return fail(err, "signing");
    write_pem(cert, key, ret_cert, ret_key);
    return 0;
}

/* ---- leaves ---- */

static int add_general_name(GENERAL_NAMES *names, int type, const char *value, struct err *err)
{
    GENERAL_NAME *name = a2i_GENERAL_NAME(NULL, NULL, NULL, type, value, 0);

    if (!name)
        return fail(err, value);
    sk_GENERAL_NAME_push(names, name);
    return 0;
}

static int add_sans(X509 *cert, const struct tls_issue_opts *o, struct err *err)
{
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    int rc = 0;

    for (size_t i = 0; rc == 0 && o->dns && o->dns[i]; i++)
        rc = add_general_name(names, GEN_DNS, o->dns[i], err);
    for (size_t i = 0; rc == 0 && o->ips && o->ips[i]; i++)
        rc = add_general_name(names, GEN_IPADD, o->ips[i], err);
    if (rc == 0 && sk_GENERAL_NAME_num(names) > 0)
        X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0);
    GENERAL_NAMES_free(names);
    return rc;
}

static X509 *read_cert(struct slice pem)
{
    BIO *bio cleanup(BIO_free_all_p) = BIO_new_mem_buf(pem.n ? pem.p : "", (int)pem.n);

    return PEM_read_bio_X509(bio, NULL, NULL, NULL);
}

static EVP_PKEY *read_key(struct slice pem)
{
    BIO *bio cleanup(BIO_free_all_p) = BIO_new_mem_buf(pem.n ? pem.p : "", (int)pem.n);

    return PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
}

static const char *usage(const struct tls_issue_opts *o)
{
    if (o->server && o->client)
        return "serverAuth,clientAuth";
    return o->server ? "serverAuth" : o->client ? "clientAuth" : NULL;
}

int tls_issue(const struct tls_issue_opts *o, struct buf *ret_cert, struct buf *ret_key,
              struct err *err)
{
    X509 *ca cleanup(X509_free_p) = read_cert(o->ca_cert);
    EVP_PKEY *ca_key cleanup(EVP_PKEY_free_p) = read_key(o->ca_key);

    if (!ca || !ca_key)
        return fail(err, ca ? "the CA's key" : "the CA's certificate");
    EVP_PKEY *key cleanup(EVP_PKEY_free_p) = EVP_EC_gen("P-256");
    X509 *cert cleanup(X509_free_p) = blank_cert(o->cn, o->orgs, o->days, key);
    const struct ext exts[] = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, usage(o)},
        {NID_authority_key_identifier, "keyid"},
    };

    X509_set_issuer_name(cert, X509_get_subject_name(ca));
    int rc = add_exts(cert, ca, exts, ARRAY_SIZE(exts), err);
    if (rc == 0)
        rc = add_sans(cert, o, err);
    if (rc < 0)
        return rc;
    if (!X509_sign(cert, ca_key, EVP_sha256()))
        return fail(err, "signing");
    write_pem(cert, key, ret_cert, ret_key);
    return 0;
}

int tls_cert_expiry(struct slice pem, int64_t *ret, struct err *err)
{
    X509 *cert cleanup(X509_free_p) = read_cert(pem);
    struct tm tm;

    if (!cert || ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
        return fail(err, "certificate");
    *ret = timegm(&tm);
    return 0;
}
