/*
 * Where the API server is and who we are: kubeconfig files (merged by client-go's rules) or the
 * service account inside a cluster. Also edits of a kubeconfig file that leave the rest untouched.
 *
 *     struct kube_config *c = NULL;
 *     if (kube_config_load(&(struct kube_config_opts){.context = "manta-default"}, &c, &err) < 0)
 * ... kube_config_free(c);
 *
 * Order of search (controller-runtime's, spec: flag, environment, in-cluster, home): opts.path →
 * $KUBECONFIG → service account → $HOME/.kube/config. With opts.cli, kubectl's: path → $KUBECONFIG
 * → home → service account. Merge rules (client-go clientcmd): the first file that sets a named
 * entry or current-context wins; relative file names are relative to the file they stand in; files
 * that do not exist are skipped. Data fields beat the file fields beside them. Tokens from files
 * are read again when they change.
 */
#ifndef MANTA_KUBE_CONFIG_H
#define MANTA_KUBE_CONFIG_H

#include "base/buf.h"
#include "base/err.h"

struct kube_exec; /* an exec plugin (client.authentication.k8s.io/v1), src/kube/exec.h */

struct kube_config {
    char *server;          /* "https://127.0.0.1:6443", no slash at the end */
    char *ns;              /* of the context; "default" if it names none */
    char *context;         /* its name; NULL in a cluster */
    char *tls_server_name; /* checked instead of the host; NULL: the host */
    char *proxy_url; /* of the cluster entry; NULL: HTTPS_PROXY, HTTP_PROXY, NO_PROXY decide */
    char *ca_pem, *cert_pem, *key_pem; /* texts, not paths; ca NULL: the system's */
    char *token;                       /* bearer; NULL: none. Never printed. */
    char *token_file;                  /* read again at most once a second when it changed */
    char *username, *password;         /* basic auth; NULL: none */
    struct kube_exec *exec;            /* NULL: none */
    bool insecure;                     /* do not check the server's certificate */
    int64_t token_checked_ns, token_changed_ns; /* kept by kube_config_authorization() */
};

struct kube_config_opts {
    const char *path;    /* NULL: search as above */
    const char *context; /* NULL: current-context */
    bool cli;            /* kubectl's order of search */
};

int kube_config_load(const struct kube_config_opts *opts, struct kube_config **ret,
                     struct err *err);
int kube_config_parse(struct slice yaml, const char *dir, const char *context,
                      struct kube_config **ret, struct err *err); /* one text; runs no plugin */
struct kube_config *kube_config_copy(const struct kube_config *c);
void kube_config_free(struct kube_config *c);
DEFINE_CLEANUP(struct kube_config *, kube_config_free)

/* Whether an exec plugin has to be asked anew: soon (what it gave holds a while), or before the
 * next request. Whoever must not wait for it asks this first and runs it elsewhere
 * (src/kube/exec.h). */
enum kube_renewal { KUBE_RENEW_NOT, KUBE_RENEW_SOON, KUBE_RENEW_FIRST };
enum kube_renewal kube_config_renewal(const struct kube_config *c);
/* The Authorization header's value into out (empty: none). Reads the token file when it changed,
 * runs the exec plugin, and waits for it, with KUBE_RENEW_FIRST. */
int kube_config_authorization(struct kube_config *c, struct buf *out, struct err *err);
/* The server did not accept it: the exec plugin is asked again before the next request. */
void kube_config_refused(struct kube_config *c);

/* ---- editing a file (for `manta up` and `manta down`) ---- */

struct kube_context {
    const char *name;   /* of context, cluster and user alike: "manta-default" */
    const char *server; /* "https://127.0.0.1:PORT" */
    const char *ca_pem;
    const char *token;              /* or the pair below */
    const char *cert_pem, *key_pem; /* NULL: none */
    const char *ns;                 /* NULL: none written */
};

/* The file kubectl would write: the first of $KUBECONFIG that exists, else its last, else
 * ~/.kube/config. The caller's. */
char *kube_config_default_file(void);
/* Puts (or replaces) context, cluster and user of that name; makes it current if set_current. Takes
 * path + ".lock" as kubectl does, writes mode 0600 by rename, keeps every other byte of meaning
 * (unknown fields too; comments are lost only in entries that change). */
int kube_config_add(const char *path, const struct kube_context *c, bool set_current,
                    struct err *err);
/* Takes the three entries out, and current-context if it names them. Absent is no error. */
int kube_config_remove(const char *path, const char *name, struct err *err);
/* A whole file with that one context, mode 0600 (manta apiserver --write-kubeconfig). */
int kube_config_write(const char *path, const struct kube_context *c, struct err *err);

#endif
