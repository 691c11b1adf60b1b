/*
 * Certificates of one state directory: a CA of its own, made on first start; the server's, made
 * anew when the address changed or it is about to end; the bootstrap administrator's.
 */
#include "apiserver/server.h"
#include "base/file.h"

#include <stdio.h>
#include <time.h>

#define CA_DAYS 3650
#define LEAF_DAYS 365
#define RENEW_SECONDS (30 * 24 * 3600)

static char *file_in(const char *dir, const char *name)
{
    return xasprintf("%s/%s", dir, name);
}

/* The file's text, or NULL if it is not there. */
static char *read_text(const char *dir, const char *name)
{
    autofree char *path = file_in(dir, name);
    struct buf b cleanup(buf_done) = BUF_LIMIT(1 << 20);

    if (file_read(path, &b, NULL) < 0)
        return NULL;
    return buf_take(&b);
}

static int write_text(const char *dir, const char *name, const char *text, struct err *err)
{
    autofree char *path = file_in(dir, name);

    return file_write(path, slice_of(text), 0600, err);
}

/* Reads NAME.crt and NAME.key; false if one is missing or ends soon. */
static bool read_pair(const char *dir, const char *name, char **cert, char **key)
{
    char file[64];
    int64_t end = 0;

    snprintf(file, sizeof file, "%s.crt", name);
    *cert = read_text(dir, file);
    snprintf(file, sizeof file, "%s.key", name);
    *key = read_text(dir, file);
    if (*cert && *key && tls_cert_expiry(slice_of(*cert), &end, NULL) == 0 &&
        end > (int64_t)time(NULL) + RENEW_SECONDS)
        return true;
    free(take(*cert));
    free(take(*key));
    return false;
}

static int write_pair(const char *dir, const char *name, const char *cert, const char *key,
                      struct err *err)
{
    char file[64];

    snprintf(file, sizeof file, "%s.crt", name);
    int r = write_text(dir, file, cert, err);
    snprintf(file, sizeof file, "%s.key", name);
    return r < 0 ? r : write_text(dir, file, key, err);
}

static int load_ca(struct pki *pki, const char *dir, bool *ret_new, struct err *err)
{
    struct buf cert cleanup(buf_done) = BUF_INIT, key cleanup(buf_done) = BUF_INIT;

    *ret_new = !read_pair(dir, "ca", &pki->ca_cert, &pki->ca_key);
    if (!*ret_new)
        return 0;
    int r = tls_ca_new("manta-ca", CA_DAYS, &cert, &key, err);
    if (r < 0)
        return r;
    pki->ca_cert = buf_take(&cert);
    pki->ca_key = buf_take(&key);
    return write_pair(dir, "ca", pki->ca_cert, pki->ca_key, err);
}

static int issue(struct pki *pki, const char *dir, const char *name, struct tls_issue_opts *o,
                 char **ret_cert, char **ret_key, struct err *err)
{
    struct buf cert cleanup(buf_done) = BUF_INIT, key cleanup(buf_done) = BUF_INIT;

    o->ca_cert = slice_of(pki->ca_cert);
    o->ca_key = slice_of(pki->ca_key);
    o->days = LEAF_DAYS;
    int r = tls_issue(o, &cert, &key, err);
    if (r < 0)
        return r;
    *ret_cert = buf_take(&cert);
    *ret_key = buf_take(&key);
    return write_pair(dir, name, *ret_cert, *ret_key, err);
}

/* The file "host" notes which address the certificate is for. */
static bool same_host(const char *dir, const char *host)
{
    autofree char *old = read_text(dir, "host");

    return old && strcmp(old, host) == 0;
}

static int load_server(struct pki *pki, const char *dir, const char *host, bool again,
                       struct err *err)
{
    const char *const dns[] = {"localhost",
                               "kubernetes",
                               "kubernetes.default",
                               "kubernetes.default.svc",
                               "kubernetes.default.svc.cluster.local",
                               NULL};
    const char *ips[] = {"127.0.0.1", "::1", "10.96.0.1", NULL, NULL};
    struct tls_issue_opts o = {.cn = "manta-apiserver", .dns = dns, .ips = ips, .server = true};

    if (!again && same_host(dir, host) &&
        read_pair(dir, "apiserver", &pki->server_cert, &pki->server_key))
        return 0;
    if (*host && strcmp(host, "127.0.0.1") != 0 && strcmp(host, "::1") != 0 &&
        strcmp(host, "0.0.0.0") != 0 && strcmp(host, "::") != 0)
        ips[3] = host;
    int r = issue(pki, dir, "apiserver", &o, &pki->server_cert, &pki->server_key, err);
    return r < 0 ? r : write_text(dir, "host", host, err);
}

static int load_admin(struct pki *pki, const char *dir, bool again, struct err *err)
{
    const char *const orgs[] = {"system:masters", NULL};
    struct tls_issue_opts o = {.cn = "kubernetes-admin", .orgs = orgs, .client = true};

    if (!again && read_pair(dir, "admin", &pki->admin_cert, &pki->admin_key))
        return 0;
    return issue(pki, dir, "admin", &o, &pki->admin_cert, &pki->admin_key, err);
}

/* Any P-256 key does; a certificate comes with it for nothing. */
static int load_sa(struct pki *pki, const char *dir, struct err *err)
{
    struct buf cert cleanup(buf_done) = BUF_INIT, key cleanup(buf_done) = BUF_INIT;

    pki->sa_key = read_text(dir, "sa.key");
    if (pki->sa_key)
        return 0;
    int r = tls_ca_new("manta-sa", CA_DAYS, &cert, &key, err);
    if (r < 0)
        return r;
    pki->sa_key = buf_take(&key);
    return write_text(dir, "sa.key", pki->sa_key, err);
}

int pki_load(struct pki *pki, const char *state, const char *host, struct err *err)
{
    autofree char *dir = file_in(state, "pki");
    bool fresh = false;
    int r = file_mkdirs(dir, 0700, err);

    if (r == 0)
        r = load_ca(pki, dir, &fresh, err);
    if (r == 0)
        r = load_server(pki, dir, host, fresh, err);
    if (r == 0)
        r = load_admin(pki, dir, fresh, err);
    if (r == 0)
        r = load_sa(pki, dir, err);
    return r < 0 ? err_wrap(err, "certificates in %s", dir) : 0;
}

void pki_done(struct pki *pki)
{
    char **const all[] = {&pki->ca_cert,    &pki->ca_key,    &pki->server_cert, &pki->server_key,
                          &pki->admin_cert, &pki->admin_key, &pki->sa_key};

    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        free(take(*all[i]));
}

static void add_base64(struct buf *out, const char *key, const char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = strlen(text);

    buf_adds(out, key);
    for (size_t i = 0; i < n; i += 3) {
        unsigned char b[3] = {0};

        memcpy(b, text + i, MIN(n - i, 3));
        buf_addc(out, digits[b[0] >> 2]);
        buf_addc(out, digits[(b[0] & 3) << 4 | b[1] >> 4]);
        buf_addc(out, i + 1 < n ? digits[(b[1] & 15) << 2 | b[2] >> 6] : '=');
        buf_addc(out, i + 2 < n ? digits[b[2] & 63] : '=');
    }
    buf_addc(out, '\n');
}

int kubeconfig_write(const char *path, const char *context, const char *server,
                     const struct pki *pki, struct err *err)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    buf_adds(&b, "apiVersion: v1\nkind: Config\nclusters:\n");
    buf_printf(&b, "- name: %s\n  cluster:\n    server: %s\n", context, server);
    add_base64(&b, "    certificate-authority-data: ", pki->ca_cert);
    buf_printf(&b, "users:\n- name: %s-admin\n  user:\n", context);
    add_base64(&b, "    client-certificate-data: ", pki->admin_cert);
    add_base64(&b, "    client-key-data: ", pki->admin_key);
    buf_printf(&b,
               "contexts:\n- name: %s\n  context:\n    cluster: %s\n    user: %s-admin\n"
               "current-context: %s\n",
               context, context, context, context);
    return file_write(path, buf_slice(&b), 0600, err);
}
