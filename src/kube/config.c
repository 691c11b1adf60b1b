#include "kube/config.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "kube/exec.h"

#include <sys/stat.h>

struct kube_config *kube_config_copy(const struct kube_config *c)
{
    struct kube_config *n = xnew(struct kube_config);

    n->server = xstrdup(c->server);
    n->ns = xstrdup(c->ns);
    n->context = xstrdup(c->context);
    n->tls_server_name = xstrdup(c->tls_server_name);
    n->proxy_url = xstrdup(c->proxy_url);
    n->ca_pem = xstrdup(c->ca_pem);
    n->cert_pem = xstrdup(c->cert_pem);
    n->key_pem = xstrdup(c->key_pem);
    n->token = xstrdup(c->token);
    n->token_file = xstrdup(c->token_file);
    n->username = xstrdup(c->username);
    n->password = xstrdup(c->password);
    n->insecure = c->insecure;
    n->exec = kube_exec_ref(c->exec);
    return n;
}

void kube_config_free(struct kube_config *c)
{
    if (!c)
        return;
    if (c->key_pem)
        explicit_bzero(c->key_pem, strlen(c->key_pem));
    if (c->token)
        explicit_bzero(c->token, strlen(c->token));
    char *all[] = {c->server,    c->ns,         c->context,  c->tls_server_name,
                   c->proxy_url, c->ca_pem,     c->cert_pem, c->key_pem,
                   c->token,     c->token_file, c->username, c->password};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        free(all[i]);
    kube_exec_unref(c->exec);
    free(c);
}

#define EARLY_NS (10 * SECOND_NS) /* renewed this long before it runs out */

enum kube_renewal kube_config_renewal(const struct kube_config *c)
{
    int64_t now = clock_wall_ns(), until = c->exec ? c->exec->expires_ns : INT64_MAX;

    if (until == INT64_MAX || now < until - EARLY_NS)
        return KUBE_RENEW_NOT;
    return now < until ? KUBE_RENEW_SOON : KUBE_RENEW_FIRST;
}

static int refresh_exec(struct kube_config *c, struct err *err)
{
    struct exec_credential got = {0};

    if (kube_config_renewal(c) != KUBE_RENEW_FIRST)
        return 0;
    if (kube_exec_run(c->exec, &got, err) < 0)
        return err->code;
    kube_exec_take(c->exec, &got);
    exec_credential_done(&got);
    return 0;
}

void kube_config_refused(struct kube_config *c)
{
    if (c->exec)
        c->exec->expires_ns = 0;
}

/* A token that somebody renews on disk: looked at once a second, read when it changed. */
static int refresh_token(struct kube_config *c, struct err *err)
{
    int64_t now = clock_mono_ns();
    struct buf text cleanup(buf_done) = BUF_LIMIT(1 << 20);
    struct stat st;

    if (!c->token_file || (c->token && now - c->token_checked_ns < SECOND_NS))
        return 0;
    c->token_checked_ns = now;
    int64_t changed =
        stat(c->token_file, &st) == 0 ? st.st_mtim.tv_sec * SECOND_NS + st.st_mtim.tv_nsec : 0;
    if (c->token && changed == c->token_changed_ns)
        return 0;
    if (file_read(c->token_file, &text, err) < 0)
        return c->token ? 0 : err_wrap(err, "the token of the API server");
    c->token_changed_ns = changed;
    struct slice token = slice_trim(buf_slice(&text));
    if (!token.n)
        return c->token ? 0 : err_set(err, ERR_UNAUTHORIZED, "%s is empty", c->token_file);
    free(c->token);
    c->token = xstrndup(token.p, token.n);
    return 0;
}

int kube_config_authorization(struct kube_config *c, struct buf *out, struct err *err)
{
    struct buf pair cleanup(buf_done) = BUF_INIT;

    if (refresh_token(c, err) < 0 || refresh_exec(c, err) < 0)
        return err->code;
    const char *token = c->exec && c->exec->token ? c->exec->token : c->token;
    if (token) {
        buf_printf(out, "Bearer %s", token);
    } else if (c->username) {
        buf_printf(&pair, "%s:%s", c->username, c->password ? c->password : "");
        buf_adds(out, "Basic ");
        base64_encode(out, buf_slice(&pair));
    }
    return 0;
}
