/*
 * Exec plugins of kubeconfigs (client.authentication.k8s.io, v1 and v1beta1): a program that prints
 * an ExecCredential with a token, or a certificate and key, and perhaps until when it holds.
 *
 * Runs in the foreground of its caller, at most a minute: once at the start and again when the
 * credential runs out.
 */
#ifndef MANTA_KUBE_EXEC_H
#define MANTA_KUBE_EXEC_H

#include "data/json.h"

struct kube_exec {
    unsigned refs;
    char *command, *api_version, *hint; /* hint: installHint, for the error; may be NULL */
    char **args;                        /* NULL-terminated, without the command */
    char **env;                         /* "NAME=value", NULL-terminated, beside our own */
    int64_t expires_ns;                 /* wall clock; 0: not run yet; INT64_MAX: it does not say */
};

struct exec_credential {
    char *token, *cert_pem, *key_pem; /* NULL: not given */
};

/* From the member "exec" of a user. */
int kube_exec_new(yyjson_mut_val *exec, struct kube_exec **ret, struct err *err);
struct kube_exec *kube_exec_ref(struct kube_exec *e);
void kube_exec_unref(struct kube_exec *e);

int kube_exec_run(struct kube_exec *e, struct exec_credential *ret, struct err *err);
bool kube_exec_due(const struct kube_exec *e, int64_t now_ns); /* not run yet, or run out */
void exec_credential_done(struct exec_credential *c);

#endif
