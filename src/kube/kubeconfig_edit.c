/* Putting one context into a kubeconfig file and taking it out again. */
#include "kube/config.h"

#include "base/base64.h"
#include "base/file.h"
#include "base/mem.h"
#include "data/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TRIES 100 /* 50 ms apart */

static const char *const lists[] = {"clusters", "contexts", "users"};

/* kubectl's way: a file beside it that nobody else has. */
static int lock(const char *path, char **ret, struct err *err)
{
    autofree char *name = xasprintf("%s.lock", path);

    for (int i = 0; i < LOCK_TRIES; i++) {
        int fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
        if (fd >= 0) {
            close(fd);
            *ret = take(name);
            return 0;
        }
        if (errno != EEXIST)
            return err_errno(err, errno, "locking %s", path);
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    return err_set(err, ERR_CONFLICT, "somebody holds %s; if nobody is editing %s, remove it", name,
                   path);
}

static void unlock(char **name)
{
    if (*name)
        unlink(*name);
    free(*name);
}

static void put_base64(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key, const char *text)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    if (!text)
        return;
    base64_encode(&b, slice_of(text));
    json_put_str(doc, obj, key, buf_str(&b));
}

static void remove_entry(yyjson_mut_val *root, const char *list, const char *name)
{
    yyjson_mut_val *arr = json_mut_get(root, list);

    for (size_t i = 0; i < yyjson_mut_arr_size(arr); i++)
        if (strcmp(json_mut_str_at(yyjson_mut_arr_get(arr, i), "name", ""), name) == 0)
            yyjson_mut_arr_remove(arr, i--);
}

/* A new entry of the list; gives its member. */
static yyjson_mut_val *add_entry(yyjson_mut_doc *doc, yyjson_mut_val *root, const char *list,
                                 const char *name, const char *member)
{
    yyjson_mut_val *arr = json_mut_get(root, list);

    remove_entry(root, list, name);
    if (!yyjson_mut_is_arr(arr))
        arr = json_put_arr(doc, root, list);
    yyjson_mut_val *item = yyjson_mut_arr_add_obj(doc, arr);
    json_put_str(doc, item, "name", name);
    return json_put_obj(doc, item, member);
}

static void put_context(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct kube_context *c,
                        bool set_current)
{
    yyjson_mut_val *cluster = add_entry(doc, root, "clusters", c->name, "cluster");
    json_put_str(doc, cluster, "server", c->server);
    put_base64(doc, cluster, "certificate-authority-data", c->ca_pem);
    yyjson_mut_val *context = add_entry(doc, root, "contexts", c->name, "context");
    json_put_str(doc, context, "cluster", c->name);
    json_put_str(doc, context, "user", c->name);
    if (c->ns)
        json_put_str(doc, context, "namespace", c->ns);
    yyjson_mut_val *user = add_entry(doc, root, "users", c->name, "user");
    if (c->token)
        json_put_str(doc, user, "token", c->token);
    put_base64(doc, user, "client-certificate-data", c->cert_pem);
    put_base64(doc, user, "client-key-data", c->key_pem);
    if (set_current)
        json_put_str(doc, root, "current-context", c->name);
}

/* The file as it is, or an empty one. */
static int read_root(const char *path, yyjson_mut_doc *doc, yyjson_mut_val **ret, struct err *err)
{
    struct buf text cleanup(buf_done) = BUF_LIMIT(16 << 20);
    autojson struct json *j = NULL;
    int r = file_read(path, &text, err);

    if (r < 0 && r != ERR_NOT_FOUND)
        return r;
    if (r == 0 && yaml_or_json(buf_slice(&text), 0, &j, err) < 0)
        return err_wrap(err, "%s", path);
    *ret = yyjson_is_obj(json_root(j)) ? json_thaw(doc, json_root(j)) : yyjson_mut_obj(doc);
    if (!json_mut_get(*ret, "apiVersion"))
        json_put_str(doc, *ret, "apiVersion", "v1");
    if (!json_mut_get(*ret, "kind"))
        json_put_str(doc, *ret, "kind", "Config");
    return 0;
}

static int write_root(const char *path, yyjson_mut_val *root, struct err *err)
{
    autojson struct json *j = json_freeze(root);
    struct buf out cleanup(buf_done) = BUF_INIT;

    yaml_write(&out, json_root(j));
    return file_write(path, buf_slice(&out), 0600, err);
}

static int make_folder(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    autofree char *dir = slash && slash != path ? xstrndup(path, (size_t)(slash - path)) : NULL;

    return dir ? file_mkdirs(dir, 0700, err) : 0;
}

int kube_config_add(const char *path, const struct kube_context *c, bool set_current,
                    struct err *err)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    char *held cleanup(unlock) = NULL;
    yyjson_mut_val *root;
    struct err own;

    err = err ? err : &own;
    if (make_folder(path, err) < 0 || lock(path, &held, err) < 0 ||
        read_root(path, doc, &root, err) < 0)
        return err->code;
    put_context(doc, root, c, set_current);
    return write_root(path, root, err);
}

int kube_config_remove(const char *path, const char *name, struct err *err)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    char *held cleanup(unlock) = NULL;
    yyjson_mut_val *root;
    struct err own;

    err = err ? err : &own;
    if (access(path, F_OK) != 0)
        return 0;
    if (lock(path, &held, err) < 0 || read_root(path, doc, &root, err) < 0)
        return err->code;
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        remove_entry(root, lists[i], name);
    if (strcmp(json_mut_str_at(root, "current-context", ""), name) == 0)
        json_put_str(doc, root, "current-context", "");
    return write_root(path, root, err);
}

int kube_config_write(const char *path, const struct kube_context *c, struct err *err)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *root = yyjson_mut_obj(doc);

    json_put_str(doc, root, "apiVersion", "v1");
    json_put_str(doc, root, "kind", "Config");
    put_context(doc, root, c, true);
    return write_root(path, root, err);
}

char *kube_config_default_file(void)
{
    struct slice rest = slice_of(getenv("KUBECONFIG")), part;
    const char *home = getenv("HOME");
    autofree char *last = NULL;

    while (slice_cut(&rest, ':', &part)) {
        if (!part.n)
            continue;
        free(last);
        last = xstrndup(part.p, part.n);
        if (access(last, F_OK) == 0)
            break;
    }
    return last ? take(last) : xasprintf("%s/.kube/config", home ? home : "");
}
