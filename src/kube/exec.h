/*
 * Exec plugins of kubeconfigs (client.authentication.k8s.io, v1 and v1beta1): a program that prints
 * an ExecCredential with a token, or a certificate and key, and perhaps until when it holds.
 *
 * kube_exec_run() blocks for at most a minute: once at the start, later on a thread of the pool
 * (the client sees to that), shortly before the credential runs out. It touches nothing of the
 * struct that changes; kube_exec_take() does, on the loop's thread, for all who share the plugin.
 */
#ifndef MANTA_KUBE_EXEC_H
#define MANTA_KUBE_EXEC_H

#include "data/json.h"

struct kube_exec {
    unsigned refs;
    char *command, *api_version, *hint; /* hint: installHint, for the error; may be NULL */
    char **args;                        /* NULL-terminated, without the command */
    char **env;                         /* "NAME=value", NULL-terminated, beside our own */
    char *token;                        /* the last one; NULL: none. Never printed. */
    int64_t expires_ns;                 /* wall clock; 0: not run yet; INT64_MAX: it does not say */
};

struct exec_credential {
    char *token, *cert_pem, *key_pem; /* NULL: not given */
    int64_t expires_ns;
};

/* From the member "exec" of a user. */
int kube_exec_new(yyjson_mut_val *exec, struct kube_exec **ret, struct err *err);
struct kube_exec *kube_exec_ref(struct kube_exec *e);
void kube_exec_unref(struct kube_exec *e);

int kube_exec_run(const struct kube_exec *e, struct exec_credential *ret, struct err *err);
void kube_exec_take(struct kube_exec *e, const struct exec_credential *c); /* token and its end */
void exec_credential_done(struct exec_credential *c);

#endif
