#include "net/tls.h"

#include "net/ssl.h"

#include "base/mem.h"
#include "net/tls_private.h"

#include <arpa/inet.h>

struct tls {
    unsigned refs;
    SSL_CTX *ctx;
    bool verify; /* client side: the server must prove its name */
};

DEFINE_CLEANUP(BIO *, BIO_free_all)
DEFINE_CLEANUP(X509 *, X509_free)
DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)

struct tls *tls_ref(struct tls *t)
{
    if (t)
        __atomic_fetch_add(&t->refs, 1, __ATOMIC_RELAXED);
    return t;
}

void tls_unref(struct tls *t)
{
    if (!t || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    SSL_CTX_free(t->ctx);
    free(t);
}

static int ssl_err(struct err *err, const char *what)
{
    unsigned long e = ERR_peek_last_error();
    const char *reason = e ? ERR_reason_error_string(e) : NULL;

    ERR_clear_error();
    return err_set(err, ERR_INVALID, "%s: %s", what, reason ? reason : "not usable");
}

void tls_reason(SSL *ssl, char *out, size_t n)
{
    unsigned long e = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(e);
    long verify = SSL_get_verify_result(ssl);

    if (ERR_GET_REASON(e) == SSL_R_CERTIFICATE_VERIFY_FAILED && verify != X509_V_OK)
        reason = X509_verify_cert_error_string(verify);
    snprintf(out, n, "%s", reason ? reason : "TLS error");
    ERR_clear_error();
}

/* ---- PEM ---- */

static BIO *pem_bio(struct slice pem)
{
    return BIO_new_mem_buf(pem.n ? pem.p : "", (int)pem.n);
}

/* No pass phrase is ever asked for on a terminal. */
static int no_password(unused char *buf, unused int size, unused int rw, unused void *u)
{
    return 0;
}

/* The leaf, then what stands after it as its chain. */
static int use_chain(SSL_CTX *ctx, struct slice pem, struct err *err)
{
    BIO *bio cleanup(BIO_free_all_p) = pem_bio(pem);
    X509 *leaf cleanup(X509_free_p) = PEM_read_bio_X509(bio, NULL, no_password, NULL);

    if (!leaf || SSL_CTX_use_certificate(ctx, leaf) != 1)
        return ssl_err(err, "certificate");
    for (X509 *next; (next = PEM_read_bio_X509(bio, NULL, no_password, NULL));)
        if (SSL_CTX_add0_chain_cert(ctx, next) != 1) {
            X509_free(next);
            return ssl_err(err, "certificate chain");
        }
    ERR_clear_error();
    return 0;
}

static int use_key(SSL_CTX *ctx, struct slice pem, struct err *err)
{
    BIO *bio cleanup(BIO_free_all_p) = pem_bio(pem);
    EVP_PKEY *key cleanup(EVP_PKEY_free_p) = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);

    if (!key || SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
        return ssl_err(err, "private key");
    return 0;
}

/* Trusts every certificate of a bundle; names: also tells clients that we ask for them. */
static int use_ca(SSL_CTX *ctx, struct slice pem, bool names, struct err *err)
{
    BIO *bio cleanup(BIO_free_all_p) = pem_bio(pem);
    int n = 0;

    for (X509 *ca; (ca = PEM_read_bio_X509(bio, NULL, no_password, NULL)); n++) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca);
        if (names)
            SSL_CTX_add_client_CA(ctx, ca);
        X509_free(ca);
    }
    ERR_clear_error();
    return n ? 0 : err_set(err, ERR_INVALID, "CA bundle: no certificate in it");
}

/* ---- contexts ---- */

static struct tls *tls_new(const SSL_METHOD *method)
{
    struct tls *t = xnew(struct tls);

    t->refs = 1;
    t->ctx = SSL_CTX_new(method);
    SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION);
    SSL_CTX_set_mode(t->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(t->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(t->ctx, 0);
    SSL_CTX_set_read_ahead(t->ctx, 1);
    return t;
}

/* HTTP/2 when the client knows it, whatever the client's order of preference. */
static int select_alpn(unused SSL *ssl, const unsigned char **out, unsigned char *outlen,
                       const unsigned char *in, unsigned inlen, unused void *arg)
{
    static const unsigned char known[] = "\x02h2\x08http/1.1";

    if (SSL_select_next_proto((unsigned char **)out, outlen, known, sizeof known - 1, in, inlen) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    return SSL_TLSEXT_ERR_OK;
}

/* The handshake goes on; authentication judges SSL_get_verify_result() later. */
static int accept_any(unused int ok, unused X509_STORE_CTX *store)
{
    return 1;
}

int tls_server_new(const struct tls_server_opts *o, struct tls **ret, struct err *err)
{
    struct tls *t cleanup(tls_unref_p) = tls_new(TLS_server_method());
    int rc = use_chain(t->ctx, o->cert, err);

    if (rc == 0)
        rc = use_key(t->ctx, o->key, err);
    if (rc == 0 && o->client_ca.n) {
        rc = use_ca(t->ctx, o->client_ca, true, err);
        SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, accept_any);
    }
    if (rc < 0)
        return rc;
    SSL_CTX_set_alpn_select_cb(t->ctx, select_alpn, NULL);
    *ret = take(t);
    return 0;
}

int tls_client_new(const struct tls_client_opts *o, struct tls **ret, struct err *err)
{
    struct tls *t cleanup(tls_unref_p) = tls_new(TLS_client_method());
    int rc = 0;

    t->verify = !o->insecure;
    if (o->cert.n) {
        rc = use_chain(t->ctx, o->cert, err);
        if (rc == 0)
            rc = use_key(t->ctx, o->key, err);
    }
    if (rc == 0 && t->verify && o->ca.n)
        rc = use_ca(t->ctx, o->ca, false, err);
    else if (rc == 0 && t->verify && SSL_CTX_set_default_verify_paths(t->ctx) != 1)
        rc = ssl_err(err, "system CA certificates");
    if (rc < 0)
        return rc;
    SSL_CTX_set_verify(t->ctx, t->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    *ret = take(t);
    return 0;
}

/* ---- sessions ---- */

/* Which name the certificate must hold, and SNI (never for addresses: RFC 6066, 3). */
static void expect_host(struct tls *t, SSL *ssl, const char *host)
{
    unsigned char addr[16];
    bool literal = inet_pton(AF_INET, host, addr) == 1 || inet_pton(AF_INET6, host, addr) == 1;

    if (!literal)
        SSL_set_tlsext_host_name(ssl, host);
    if (!t->verify)
        return;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (literal)
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
    else
        SSL_set1_host(ssl, host);
}

int tls_session_new(struct tls *t, int fd, const char *host, const char *alpn, SSL **ret,
                    struct err *err)
{
    SSL *ssl = SSL_new(t->ctx);

    if (!ssl || SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return ssl_err(err, "TLS");
    }
    if (host) {
        expect_host(t, ssl, host);
        SSL_set_connect_state(ssl);
    } else {
        SSL_set_accept_state(ssl);
    }
    if (alpn)
        SSL_set_alpn_protos(ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    *ret = ssl;
    return 0;
}

/* ---- who the peer is ---- */

static void entry_utf8(X509_NAME *name, int at, struct buf *out)
{
    unsigned char *text = NULL;
    int n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));

    if (n > 0 && !memchr(text, 0, (size_t)n))
        buf_add(out, text, (size_t)n);
    buf_addc(out, '\0');
    OPENSSL_free(text);
}

/* Last common name, all organizations, as Go's pkix.Name reads them; each ends in a NUL. */
static size_t collect_names(X509_NAME *name, struct buf *out)
{
    size_t norgs = 0;
    int cn = -1;

    for (int i = -1; (i = X509_NAME_get_index_by_NID(name, NID_commonName, i)) >= 0;)
        cn = i;
    if (cn >= 0)
        entry_utf8(name, cn, out);
    else
        buf_addc(out, '\0');
    for (int i = -1; (i = X509_NAME_get_index_by_NID(name, NID_organizationName, i)) >= 0; norgs++)
        entry_utf8(name, i, out);
    return norgs;
}

struct tls_peer *tls_peer_new(SSL *ssl)
{
    struct buf names cleanup(buf_done) = BUF_INIT;
    X509 *cert = SSL_get0_peer_certificate(ssl);
    long verify = SSL_get_verify_result(ssl);

    if (!cert)
        return NULL;
    size_t norgs = collect_names(X509_get_subject_name(cert), &names);
    struct tls_peer *p = xcalloc(1, sizeof *p + norgs * sizeof(char *) + names.len);
    const char **orgs = (const char **)(p + 1);
    char *text = (char *)(orgs + norgs);

    memcpy(text, names.data, names.len);
    p->cn = text;
    for (size_t i = 0; i < norgs; i++) {
        text += strlen(text) + 1;
        orgs[i] = text;
    }
    p->orgs = orgs;
    p->norgs = norgs;
    p->verified = verify == X509_V_OK;
    p->verify_error = p->verified ? "" : X509_verify_cert_error_string(verify);
    return p;
}
