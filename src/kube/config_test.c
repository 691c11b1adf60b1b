#include "base/test.h"
#include "kube/config.h"

#include <sys/stat.h>

static char dir[] = "/tmp/kube-config-XXXXXX";

static char *path(const char *name)
{
    static char text[4][256];
    static int at;

    if (!mkdtemp(dir) && access(dir, F_OK) != 0)
        FAIL("mkdtemp");
    char *out = text[at++ % 4];
    snprintf(out, sizeof text[0], "%s/%s", dir, name);
    return out;
}

static void put(const char *name, const char *text)
{
    struct err err;
    CHECK_OK(file_write(path(name), slice_of(text), 0600, &err), &err);
}

static const char first[] =
    "apiVersion: v1\nkind: Config\ncurrent-context: a\n"
    "clusters:\n- name: c\n  cluster:\n    server: https://one:6443/\n"
    "    certificate-authority: ca.pem\n    tls-server-name: other\n"
    "contexts:\n- name: a\n  context: {cluster: c, user: u, namespace: team}\n"
    "users:\n- name: u\n  user:\n    token: secret\n";
static const char second[] =
    "current-context: b\nextensions: [{name: x, extension: {keep: me}}]\n"
    "clusters:\n- name: c\n  cluster: {server: 'https://two'}\n"
    "- name: d\n  cluster: {server: 'https://three', insecure-skip-tls-verify: true}\n"
    "contexts:\n- name: b\n  context: {cluster: d, user: u2}\n"
    "users:\n- name: u2\n  user: {client-certificate-data: Zm9v, client-key-data: YmFy,"
    " tokenFile: token}\n";

TEST(merge)
{
    struct err err;
    struct kube_config *c = NULL;
    char list[600];

    put("one", first);
    put("two", second);
    put("ca.pem", "the ca");
    put("token", "from file\n");
    snprintf(list, sizeof list, "%s:%s:%s", path("missing"), path("one"), path("two"));
    setenv("KUBECONFIG", list, 1);
    CHECK_OK(kube_config_load(&(struct kube_config_opts){0}, &c, &err), &err);
    CHECK_STR(c->server, "https://one:6443");
    CHECK_STR(c->context, "a");
    CHECK_STR(c->ns, "team");
    CHECK_STR(c->ca_pem, "the ca"); /* relative to the file that names it */
    CHECK_STR(c->tls_server_name, "other");
    struct buf auth cleanup(buf_done) = BUF_INIT;
    CHECK_OK(kube_config_authorization(c, &auth, &err), &err);
    CHECK_STR(buf_str(&auth), "Bearer secret");
    kube_config_free(c);
    c = NULL;
    CHECK_OK(kube_config_load(&(struct kube_config_opts){.context = "b"}, &c, &err), &err);
    CHECK_STR(c->server, "https://three");
    CHECK_STR(c->ns, "default");
    CHECK(c->insecure);
    CHECK_STR(c->cert_pem, "foo");
    CHECK_STR(c->key_pem, "bar");
    buf_reset(&auth);
    CHECK_OK(kube_config_authorization(c, &auth, &err), &err);
    CHECK_STR(buf_str(&auth), "Bearer from file");
    kube_config_free(c);
    unsetenv("KUBECONFIG");
}

static const char plugin[] =
    "#!/bin/sh\necho run >> \"$COUNT\"\n[ -z \"$FAIL\" ] || exit 3\n"
    "echo "
    "'{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"t-'$1-$WHO'\",'\"$UNTIL\"'\"x\":1}}'\n";

static size_t runs(void)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    struct err err;

    return file_read(path("count"), &b, &err) < 0 ? 0 : b.len / 4;
}

TEST(exec_plugin)
{
    struct err err = {0};
    struct kube_config *c = NULL;
    struct buf auth cleanup(buf_done) = BUF_INIT;

    put("plugin", plugin);
    chmod(path("plugin"), 0700);
    put("with-exec", "current-context: a\nclusters: [{name: c, cluster: {server: 'https://h'}}]\n"
                     "contexts: [{name: a, context: {cluster: c, user: u}}]\nusers:\n- name: u\n  "
                     "user:\n    exec:\n"
                     "      apiVersion: client.authentication.k8s.io/v1\n      command: ./plugin\n "
                     "     args: [one]\n"
                     "      env: [{name: WHO, value: me}]\n");
    setenv("COUNT", path("count"), 1);
    setenv("UNTIL", "\"expirationTimestamp\":\"2001-01-01T00:00:00Z\",", 1);
    CHECK_OK(kube_config_load(&(struct kube_config_opts){.path = path("with-exec")}, &c, &err),
             &err);
    CHECK_INT(runs(), 1);
    setenv("UNTIL", "", 1);
    CHECK_OK(kube_config_authorization(c, &auth, &err), &err); /* it had run out */
    CHECK_STR(buf_str(&auth), "Bearer t-one-me");
    CHECK_INT(runs(), 2);
    CHECK_OK(kube_config_authorization(c, &auth, &err), &err);
    CHECK_INT(runs(), 2);
    kube_config_refused(c);
    setenv("FAIL", "1", 1);
    CHECK(kube_config_authorization(c, &auth, &err) < 0);
    CHECK(strstr(err.msg, "failed (status 3)"));
    unsetenv("FAIL");
    kube_config_free(c);
}

TEST(errors_say_what)
{
    static const struct {
        const char *yaml, *context, *message;
    } cases[] = {
        {"a: [", NULL, NULL},
        {"- a", NULL, "this is no kubeconfig: an object is expected"},
        {"{}", NULL, "no current-context is set: name a context"},
        {"{}", "x", "no context is named \"x\""},
        {"contexts: [{name: x, context: {cluster: c}}]", "x",
         "context \"x\" names a cluster \"c\" that is not there"},
        {"contexts: [{name: x, context: {cluster: c}}]\nclusters: [{name: c, cluster: {}}]", "x",
         "the cluster of context \"x\" has no server"},
        {"contexts: [{name: x, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: h,"
         " certificate-authority-data: '!'}}]",
         "x", "certificate-authority-data is no base64"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct kube_config *c = NULL;
        struct err err = {0};
        CHECK(kube_config_parse(slice_of(cases[i].yaml), "/", cases[i].context, &c, &err) < 0);
        if (cases[i].message)
            CHECK_STR(err.msg, cases[i].message);
    }
}

TEST(edit)
{
    struct err err;
    struct kube_config *c = NULL;
    struct buf text cleanup(buf_done) = BUF_INIT;
    struct kube_context mine = {
        .name = "manta-x", .server = "https://127.0.0.1:1", .ca_pem = "CA", .token = "t"};
    struct stat st;

    put("edit", second);
    CHECK_OK(kube_config_add(path("edit"), &mine, true, &err), &err);
    mine.server = "https://127.0.0.1:2";
    CHECK_OK(kube_config_add(path("edit"), &mine, true, &err), &err);
    CHECK_OK(kube_config_load(&(struct kube_config_opts){.path = path("edit")}, &c, &err), &err);
    CHECK_STR(c->context, "manta-x");
    CHECK_STR(c->server, "https://127.0.0.1:2");
    CHECK_STR(c->ca_pem, "CA");
    kube_config_free(c);
    CHECK(stat(path("edit"), &st) == 0 && (st.st_mode & 0777) == 0600);
    CHECK(access(path("edit.lock"), F_OK) != 0);
    CHECK_OK(kube_config_remove(path("edit"), "manta-x", &err), &err);
    CHECK_OK(file_read(path("edit"), &text, &err), &err);
    CHECK(strstr(buf_str(&text), "keep: me"));
    CHECK(strstr(buf_str(&text), "https://three"));
    CHECK(!strstr(buf_str(&text), "manta-x"));
    CHECK_OK(kube_config_remove(path("absent"), "manta-x", &err), &err);
    file_remove_tree(dir, &err);
}
