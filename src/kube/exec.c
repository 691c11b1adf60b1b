#include "kube/exec.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/timefmt.h"
#include "base/vec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN_NS (60 * SECOND_NS)
#define OUTPUT_MAX ((size_t)1 << 20)

/* ---- reading the kubeconfig's entry ---- */

typedef VEC(char *) strings;

static char **ended(strings *s)
{
    vec_push(s, NULL);
    return s->v;
}

static char **read_args(yyjson_mut_val *exec)
{
    strings out = {0};
    yyjson_mut_val *arg;
    size_t i, n;

    yyjson_mut_arr_foreach(json_mut_get(exec, "args"), i, n, arg) {
        if (yyjson_mut_is_str(arg))
            vec_push(&out, xstrdup(yyjson_mut_get_str(arg)));
    }
    return ended(&out);
}

/* ours: what we add ourselves, the caller's until now. */
static char **read_env(yyjson_mut_val *exec, char *ours)
{
    strings out = {0};
    yyjson_mut_val *pair;
    size_t i, n;

    vec_push(&out, ours);
    yyjson_mut_arr_foreach(json_mut_get(exec, "env"), i, n, pair) {
        vec_push(&out, xasprintf("%s=%s", json_mut_str_at(pair, "name", ""),
                                 json_mut_str_at(pair, "value", "")));
    }
    return ended(&out);
}

int kube_exec_new(yyjson_mut_val *exec, struct kube_exec **ret, struct err *err)
{
    const char *version = json_mut_str_at(exec, "apiVersion", "");
    const char *command = json_mut_str_at(exec, "command", "");

    if (strcmp(version, "client.authentication.k8s.io/v1") != 0 &&
        strcmp(version, "client.authentication.k8s.io/v1beta1") != 0)
        return err_set(err, ERR_BAD_REQUEST, "exec plugin: apiVersion \"%s\" is not known",
                       version);
    if (!*command)
        return err_set(err, ERR_BAD_REQUEST, "exec plugin: no command is given");
    struct kube_exec *e = xnew(struct kube_exec);
    e->refs = 1;
    e->command = xstrdup(command);
    e->api_version = xstrdup(version);
    e->hint = xstrdup(json_mut_str_at(exec, "installHint", NULL));
    e->args = read_args(exec);
    e->env = read_env(
        exec, xasprintf("KUBERNETES_EXEC_INFO={\"apiVersion\":\"%s\",\"kind\":\"ExecCredential\","
                        "\"spec\":{\"interactive\":false}}",
                        version));
    *ret = e;
    return 0;
}

struct kube_exec *kube_exec_ref(struct kube_exec *e)
{
    if (e)
        e->refs++;
    return e;
}

static void free_strings(char **s)
{
    for (size_t i = 0; s && s[i]; i++)
        free(s[i]);
    free(s);
}

void kube_exec_unref(struct kube_exec *e)
{
    if (!e || --e->refs)
        return;
    free_strings(e->args);
    free_strings(e->env);
    free(e->command);
    free(e->api_version);
    free(e->hint);
    free(e->token);
    free(e);
}

/* ---- running it ---- */

extern char **environ;

/* Our environment with the plugin's variables in place of ours of the same name. Borrows its
 * strings. */
static char **environment(const struct kube_exec *e)
{
    strings out = {0};

    for (size_t i = 0; environ[i]; i++) {
        size_t name = strcspn(environ[i], "=") + 1;
        bool replaced = false;
        for (size_t k = 0; e->env[k]; k++)
            replaced |= strncmp(e->env[k], environ[i], name) == 0;
        if (!replaced)
            vec_push(&out, environ[i]);
    }
    for (size_t k = 0; e->env[k]; k++)
        vec_push(&out, e->env[k]);
    return ended(&out);
}

static int spawn_plugin(const struct kube_exec *e, int out, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    strings argv = {0};
    char **env = environment(e);

    vec_push(&argv, e->command);
    for (size_t i = 0; e->args[i]; i++)
        vec_push(&argv, e->args[i]);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    int r = posix_spawnp(ret, e->command, &actions, NULL, ended(&argv), env);
    posix_spawn_file_actions_destroy(&actions);
    vec_done(&argv);
    free(env);
    return r;
}

/* Everything that comes before the end of the output, or false after a minute. */
static bool read_all(int fd, struct buf *out)
{
    int64_t end = clock_mono_ns() + RUN_NS;
    char piece[4096];

    for (;;) {
        int64_t left = end - clock_mono_ns();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (left <= 0 || poll(&p, 1, (int)(left / 1000000) + 1) == 0)
            return false;
        ssize_t n = read(fd, piece, sizeof piece);
        if (n == 0)
            return true;
        if (n > 0)
            buf_add(out, piece, (size_t)n);
        else if (errno != EINTR)
            return false;
    }
}

static int output_of(const struct kube_exec *e, struct buf *out, struct err *err)
{
    int fds[2], status = 0;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_errno(err, errno, "exec plugin");
    int r = spawn_plugin(e, fds[1], &pid);
    close(fds[1]);
    bool whole = r == 0 && read_all(fds[0], out);
    close(fds[0]);
    if (r)
        return err_set(err, ERR_UNAUTHORIZED, "exec plugin %s: %s%s%s", e->command, strerror(r),
                       e->hint ? "; " : "", e->hint ? e->hint : "");
    if (!whole)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!whole)
        return err_set(err, ERR_UNAUTHORIZED, "exec plugin %s did not end within a minute",
                       e->command);
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        return err_set(err, ERR_UNAUTHORIZED, "exec plugin %s failed (status %d)", e->command,
                       WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return 0;
}

static char *text_of(yyjson_val *status, const char *key)
{
    const char *s = json_get_str(status, key, "");

    return *s ? xstrdup(s) : NULL;
}

int kube_exec_run(const struct kube_exec *e, struct exec_credential *ret, struct err *err)
{
    struct buf out cleanup(buf_done) = BUF_LIMIT(OUTPUT_MAX);
    autojson struct json *j = NULL;
    int64_t until;

    if (output_of(e, &out, err) < 0)
        return err->code;
    /* What it printed may hold a secret: the error does not show it. */
    if (json_parse(buf_slice(&out), &j, NULL) < 0 ||
        strcmp(json_get_str(json_root(j), "kind", ""), "ExecCredential") != 0)
        return err_set(err, ERR_UNAUTHORIZED, "exec plugin %s printed no ExecCredential",
                       e->command);
    yyjson_val *status = json_get(json_root(j), "status");
    *ret =
        (struct exec_credential){text_of(status, "token"), text_of(status, "clientCertificateData"),
                                 text_of(status, "clientKeyData"), INT64_MAX};
    if (!ret->token && !(ret->cert_pem && ret->key_pem)) {
        exec_credential_done(ret);
        return err_set(err, ERR_UNAUTHORIZED, "exec plugin %s gave neither token nor certificate",
                       e->command);
    }
    if (time_parse(slice_of(json_get_str(status, "expirationTimestamp", "")), &until))
        ret->expires_ns = until;
    return 0;
}

void kube_exec_take(struct kube_exec *e, const struct exec_credential *c)
{
    free(e->token);
    e->token = xstrdup(c->token);
    e->expires_ns = c->expires_ns;
}

void exec_credential_done(struct exec_credential *c)
{
    free(c->token);
    free(c->cert_pem);
    free(c->key_pem);
    *c = (struct exec_credential){0};
}
