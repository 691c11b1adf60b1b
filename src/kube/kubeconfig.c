/* Reading kubeconfig files and the service account of a pod. */
#include "kube/config.h"

#include "base/base64.h"
#include "base/file.h"
#include "base/mem.h"
#include "data/yaml.h"
#include "kube/exec.h"

#include <unistd.h>

#define FILE_MAX ((size_t)16 << 20)
#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"

/* ---- merging: named entries of the first file that has them ---- */

static bool has_name(yyjson_mut_val *list, const char *name)
{
    size_t i, n;
    yyjson_mut_val *item;

    yyjson_mut_arr_foreach(list, i, n, item) {
        if (strcmp(json_mut_str_at(item, "name", ""), name) == 0)
            return true;
    }
    return false;
}

/* Relative file names count from the folder of the file that they stand in. */
static void anchor(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key, const char *dir)
{
    const char *path = json_mut_str_at(obj, key, NULL);

    if (!path || !*path || *path == '/')
        return;
    autofree char *whole = xasprintf("%s/%s", dir, path);
    json_put_str(doc, obj, key, whole);
}

/* The plugin's command, the same way; a bare name stays one of PATH. */
static void anchor_exec(yyjson_mut_doc *doc, yyjson_mut_val *exec, const char *dir)
{
    if (strchr(json_mut_str_at(exec, "command", ""), '/'))
        anchor(doc, exec, "command", dir);
}

static void anchor_entry(yyjson_mut_doc *doc, yyjson_mut_val *entry, const char *dir)
{
    anchor(doc, json_mut_get(entry, "cluster"), "certificate-authority", dir);
    anchor(doc, json_mut_get(entry, "user"), "client-certificate", dir);
    anchor(doc, json_mut_get(entry, "user"), "client-key", dir);
    anchor(doc, json_mut_get(entry, "user"), "tokenFile", dir);
    anchor_exec(doc, json_mut_at(entry, "user.exec"), dir);
}

static void merge_list(yyjson_mut_doc *doc, yyjson_mut_val *into, yyjson_val *from, const char *key,
                       const char *dir)
{
    yyjson_mut_val *list = json_mut_get(into, key);

    if (!list)
        list = json_put_arr(doc, into, key);
    json_each(json_get(from, key), item, i, n) {
        const char *name = json_get_str(item, "name", NULL);
        if (!name || has_name(list, name))
            continue;
        yyjson_mut_val *copy = json_thaw(doc, item);
        anchor_entry(doc, copy, dir);
        yyjson_mut_arr_append(list, copy);
    }
}

static int merge_text(yyjson_mut_doc *doc, yyjson_mut_val *into, struct slice text, const char *dir,
                      struct err *err)
{
    static const char *const lists[] = {"clusters", "contexts", "users"};
    autojson struct json *j = NULL;

    if (yaml_or_json(text, 0, &j, err) < 0)
        return err->code;
    yyjson_val *root = json_root(j);
    if (root && !yyjson_is_null(root) && !yyjson_is_obj(root))
        return err_set(err, ERR_BAD_REQUEST, "this is no kubeconfig: an object is expected");
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        merge_list(doc, into, root, lists[i], dir);
    const char *current = json_get_str(root, "current-context", "");
    if (*current && !*json_mut_str_at(into, "current-context", ""))
        json_put_str(doc, into, "current-context", current);
    return 0;
}

static int merge_file(yyjson_mut_doc *doc, yyjson_mut_val *into, const char *path, struct err *err)
{
    struct buf text cleanup(buf_done) = BUF_LIMIT(FILE_MAX);
    const char *slash = strrchr(path, '/');
    autofree char *dir = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");

    if (file_read(path, &text, err) < 0)
        return err->code;
    if (merge_text(doc, into, buf_slice(&text), dir, err) < 0)
        return err_wrap(err, "%s", path);
    return 0;
}

/* ---- one context out of the whole ---- */

static yyjson_mut_val *entry(yyjson_mut_val *root, const char *list, const char *name,
                             const char *member)
{
    size_t i, n;
    yyjson_mut_val *item;

    yyjson_mut_arr_foreach(json_mut_get(root, list), i, n, item) {
        if (strcmp(json_mut_str_at(item, "name", ""), name) == 0)
            return json_mut_get(item, member);
    }
    return NULL;
}

static char *text_of(yyjson_mut_val *obj, const char *key)
{
    const char *s = json_mut_str_at(obj, key, "");

    return *s ? xstrdup(s) : NULL;
}

/* key-data (base64) beats key (a file). */
static int pem(yyjson_mut_val *obj, const char *key, char **ret, struct err *err)
{
    struct buf b cleanup(buf_done) = BUF_LIMIT(FILE_MAX);
    autofree char *data_key = xasprintf("%s-data", key);
    const char *data = json_mut_str_at(obj, data_key, ""), *path = json_mut_str_at(obj, key, "");

    if (*data && !base64_decode(&b, slice_of(data)))
        return err_set(err, ERR_BAD_REQUEST, "%s is no base64", data_key);
    if (!*data && *path && file_read(path, &b, err) < 0)
        return err_wrap(err, "%s", key);
    *ret = b.len ? buf_take(&b) : NULL;
    return 0;
}

static int read_cluster(struct kube_config *c, yyjson_mut_val *cluster, struct err *err)
{
    c->server = text_of(cluster, "server");
    if (!c->server)
        return err_set(err, ERR_BAD_REQUEST, "the cluster of context \"%s\" has no server",
                       c->context);
    for (size_t n = strlen(c->server); n && c->server[n - 1] == '/';)
        c->server[--n] = 0;
    c->tls_server_name = text_of(cluster, "tls-server-name");
    c->proxy_url = text_of(cluster, "proxy-url");
    c->insecure = yyjson_mut_get_bool(json_mut_get(cluster, "insecure-skip-tls-verify"));
    return pem(cluster, "certificate-authority", &c->ca_pem, err);
}

static int read_exec(struct kube_config *c, yyjson_mut_val *exec, struct err *err)
{
    return exec && !c->token && !c->cert_pem ? kube_exec_new(exec, &c->exec, err) : 0;
}

static int read_user(struct kube_config *c, yyjson_mut_val *user, struct err *err)
{
    c->token = text_of(user, "token");
    c->token_file = text_of(user, "tokenFile");
    c->username = text_of(user, "username");
    c->password = text_of(user, "password");
    if (pem(user, "client-certificate", &c->cert_pem, err) < 0 ||
        pem(user, "client-key", &c->key_pem, err) < 0)
        return err->code;
    if (!c->cert_pem != !c->key_pem)
        return err_set(err, ERR_BAD_REQUEST, "client-certificate and client-key go together");
    return read_exec(c, json_mut_get(user, "exec"), err);
}

static int read_context(yyjson_mut_val *root, const char *name, struct kube_config *c,
                        struct err *err)
{
    if (!name)
        name = json_mut_str_at(root, "current-context", "");
    if (!*name)
        return err_set(err, ERR_NOT_FOUND, "no current-context is set: name a context");
    yyjson_mut_val *context = entry(root, "contexts", name, "context");
    if (!context)
        return err_set(err, ERR_NOT_FOUND, "no context is named \"%s\"", name);
    c->context = xstrdup(name);
    c->ns = text_of(context, "namespace");
    if (!c->ns)
        c->ns = xstrdup("default");
    const char *cluster = json_mut_str_at(context, "cluster", "");
    const char *user = json_mut_str_at(context, "user", "");
    yyjson_mut_val *cluster_entry = entry(root, "clusters", cluster, "cluster");
    if (!cluster_entry)
        return err_set(err, ERR_NOT_FOUND,
                       "context \"%s\" names a cluster \"%s\" that is not there", name, cluster);
    yyjson_mut_val *user_entry = entry(root, "users", user, "user");
    if (*user && !user_entry)
        return err_set(err, ERR_NOT_FOUND, "context \"%s\" names a user \"%s\" that is not there",
                       name, user);
    return read_cluster(c, cluster_entry, err) < 0 || read_user(c, user_entry, err) < 0 ? err->code
                                                                                        : 0;
}

static int resolve(yyjson_mut_val *root, const char *context, struct kube_config **ret,
                   struct err *err)
{
    struct kube_config *c cleanup(kube_config_free_p) = xnew(struct kube_config);

    if (read_context(root, context, c, err) < 0)
        return err->code;
    *ret = take(c);
    return 0;
}

int kube_config_parse(struct slice yaml, const char *dir, const char *context,
                      struct kube_config **ret, struct err *err)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    struct err own;

    err = err ? err : &own;
    if (merge_text(doc, root, yaml, dir, err) < 0)
        return err->code;
    return resolve(root, context, ret, err);
}

/* ---- where to look ---- */

/* Run once at the start: a certificate has to be known before the first connection. */
static int run_exec(struct kube_config *c, struct err *err)
{
    struct exec_credential got = {0};

    if (!c->exec)
        return 0;
    if (kube_exec_run(c->exec, &got, err) < 0)
        return err->code;
    kube_exec_take(c->exec, &got);
    c->token = take(got.token);
    c->cert_pem = take(got.cert_pem);
    c->key_pem = take(got.key_pem);
    return 0;
}

/* All files of a list like PATH. Those that do not exist are skipped; *found says whether any did.
 */
static int load_files(const char *list, const char *context, bool *found, struct kube_config **ret,
                      struct err *err)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    struct slice rest = slice_of(list), part;

    *found = false;
    while (slice_cut(&rest, ':', &part)) {
        autofree char *path = xstrndup(part.p, part.n);
        if (!part.n || access(path, F_OK) != 0)
            continue;
        *found = true;
        if (merge_file(doc, root, path, err) < 0)
            return err->code;
    }
    if (!*found)
        return err_set(err, ERR_NOT_FOUND, "no kubeconfig at %s", list);
    struct kube_config *c cleanup(kube_config_free_p) = NULL;
    if (resolve(root, context, &c, err) < 0 || run_exec(c, err) < 0)
        return err_wrap(err, "%s", list);
    *ret = take(c);
    return 0;
}

static int in_cluster(struct kube_config **ret, struct err *err)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    struct kube_config *c cleanup(kube_config_free_p) = xnew(struct kube_config);
    struct buf ca cleanup(buf_done) = BUF_LIMIT(FILE_MAX), ns cleanup(buf_done) = BUF_LIMIT(1024);

    if (!host || !*host || !port || !*port || access(ACCOUNT "token", F_OK) != 0)
        return err_set(err, ERR_NOT_FOUND, "not inside a cluster");
    c->server = xasprintf(strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host, port);
    c->token_file = xstrdup(ACCOUNT "token");
    if (file_read(ACCOUNT "ca.crt", &ca, err) == 0)
        c->ca_pem = buf_take(&ca);
    struct slice name = {0};
    if (file_read(ACCOUNT "namespace", &ns, err) == 0)
        name = slice_trim(buf_slice(&ns));
    c->ns = name.n ? xstrndup(name.p, name.n) : xstrdup("default");
    *ret = take(c);
    return 0;
}

static int load_home(const char *context, bool *found, struct kube_config **ret, struct err *err)
{
    const char *home = getenv("HOME");
    autofree char *path = xasprintf("%s/.kube/config", home ? home : "");

    return load_files(path, context, found, ret, err);
}

int kube_config_load(const struct kube_config_opts *opts, struct kube_config **ret, struct err *err)
{
    const char *list = opts->path && *opts->path ? opts->path : getenv("KUBECONFIG");
    struct err own;
    bool found;

    err = err ? err : &own;
    if (list && *list)
        return load_files(list, opts->context, &found, ret, err);
    if (!opts->cli && in_cluster(ret, err) == 0)
        return 0;
    int r = load_home(opts->context, &found, ret, err);
    if (r == 0 || found)
        return r;
    if (opts->cli && in_cluster(ret, err) == 0)
        return 0;
    return err_set(
        err, ERR_NOT_FOUND,
        "no API server is known: set KUBECONFIG, or make ~/.kube/config (`manta up` does)");
}
