#include "kubelet/volumes.h"
#include "base/file.h"
#include "data/quantity.h"
#include "kube/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where one source of files goes. */
struct target {
    const struct volume_context *c;
    const char *dir;
    mode_t mode;
};

static char *volume_dir(const struct volume_context *c, yyjson_val *volume)
{
    return xasprintf("%s/volumes/%s", c->dir, json_get_str(volume, "name", ""));
}

static bool path_is_inside(const char *path)
{
    return *path && *path != '/' && strcmp(path, "..") != 0 && strncmp(path, "../", 3) != 0 &&
           !strstr(path, "/../") &&
           (strlen(path) < 3 || strcmp(path + strlen(path) - 3, "/..") != 0);
}

/* In place, the same inode: a file that is bound into containers changes there, too. */
static int put_file(const struct target *t, const char *path, struct slice data, int64_t mode,
                    struct err *err)
{
    autofree char *full = xasprintf("%s/%s", t->dir, path);
    char *slash = strrchr(full, '/');

    if (!path_is_inside(path))
        return err_set(err, ERR_INVALID, "path \"%s\" leaves the volume", path);
    *slash = '\0';
    int r = file_mkdirs(full, 0755, err);
    *slash = '/';
    if (r < 0)
        return r;
    chmod(full, 0600);
    int fd autoclose = open(full, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, data.p, data.n) != (ssize_t)data.n ||
        fchmod(fd, (mode_t)(mode > 0 ? mode : t->mode)) < 0)
        return err_errno(err, errno, "%s", full);
    return 0;
}

static int put_keys(const struct target *t, yyjson_val *object, struct err *err)
{
    static const char *const maps[] = {"data", "binaryData"};
    int r = 0;

    for (size_t k = 0; k < ARRAY_SIZE(maps); k++)
        json_each_member(json_get(object, maps[k]), key, val) {
            struct buf b cleanup(buf_done) = BUF_INIT;
            (void)val;
            if (r == 0 && object_key(object, yyjson_get_str(key), &b))
                r = put_file(t, yyjson_get_str(key), buf_slice(&b), 0, err);
        }
    return r;
}

static int put_items(const struct target *t, yyjson_val *object, yyjson_val *items, bool optional,
                     struct err *err)
{
    json_each(items, item, i, n) {
        struct buf b cleanup(buf_done) = BUF_INIT;
        const char *key = json_get_str(item, "key", "");
        if (!object_key(object, key, &b)) {
            if (optional)
                continue;
            return err_set(err, ERR_NOT_FOUND, "references non-existent config key: %s", key);
        }
        int r = put_file(t, json_get_str(item, "path", key), buf_slice(&b),
                         json_int_at(item, "mode", 0), err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int fill_object(const struct target *t, const char *kind, yyjson_val *source,
                       struct err *err)
{
    const char *name = json_get_str(source, "name", json_get_str(source, "secretName", ""));
    bool optional = json_bool_at(source, "optional", false);
    const struct env_context *e = &t->c->env;
    yyjson_val *object = NULL, *items = json_get(source, "items");
    int r = e->object(e->ctx, kind, meta_namespace(e->pod), name, &object, err);

    if (r == ERR_NOT_FOUND && optional)
        return 0;
    if (r < 0)
        return r;
    return json_is_empty(items) ? put_keys(t, object, err)
                                : put_items(t, object, items, optional, err);
}

static int fill_configmap(const struct target *t, yyjson_val *source, struct err *err)
{
    return fill_object(t, "ConfigMap", source, err);
}

static int fill_secret(const struct target *t, yyjson_val *source, struct err *err)
{
    return fill_object(t, "Secret", source, err);
}

static int fill_downward(const struct target *t, yyjson_val *source, struct err *err)
{
    json_each(json_get(source, "items"), item, i, n) {
        yyjson_val *field = json_get(item, "fieldRef");
        autofree char *value = NULL;
        int r = field ? env_field(&t->c->env, json_get_str(field, "fieldPath", ""), &value, err)
                      : env_resource(&t->c->env, json_get(item, "resourceFieldRef"), &value, err);
        if (r == 0)
            r = put_file(t, json_get_str(item, "path", ""), slice_of(value),
                         json_int_at(item, "mode", 0), err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int fill_token(const struct target *t, yyjson_val *source, struct err *err)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    int r = t->c->token(t->c->env.ctx, t->c->env.pod, json_get_str(source, "audience", ""),
                        json_int_at(source, "expirationSeconds", 3600), &b, err);

    return r < 0 ? r : put_file(t, json_get_str(source, "path", "token"), buf_slice(&b), 0, err);
}

static int fill_projected(const struct target *t, yyjson_val *source, struct err *err);

static const struct source {
    const char *member;
    int (*fill)(const struct target *t, yyjson_val *source, struct err *err);
    bool projected_only;
} sources[] = {
    {"configMap", fill_configmap, false},      {"secret", fill_secret, false},
    {"downwardAPI", fill_downward, false},     {"projected", fill_projected, false},
    {"serviceAccountToken", fill_token, true},
};

static int fill_projected(const struct target *t, yyjson_val *source, struct err *err)
{
    json_each(json_get(source, "sources"), part, i, n)
        for (size_t k = 0; k < ARRAY_SIZE(sources); k++) {
            yyjson_val *v = json_get(part, sources[k].member);
            int r = v ? sources[k].fill(t, v, err) : 0;
            if (r < 0)
                return r;
        }
    return 0;
}

static int check_host_path(yyjson_val *source, struct err *err)
{
    const char *path = json_get_str(source, "path", ""), *type = json_get_str(source, "type", "");
    struct stat st;

    if (strcmp(type, "DirectoryOrCreate") == 0)
        return file_mkdirs(path, 0755, err);
    if (strcmp(type, "FileOrCreate") == 0) {
        int fd autoclose = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
        return fd < 0 ? err_errno(err, errno, "hostPath %s", path) : 0;
    }
    if (!*type && lstat(path, &st) < 0)
        return file_mkdirs(path, 0755, err);
    return stat(path, &st) < 0
               ? err_set(err, ERR_INVALID, "hostPath type check failed: %s is not a %s", path,
                         *type ? type : "file or directory")
               : 0;
}

static int make_volume(const struct volume_context *c, yyjson_val *volume, struct err *err)
{
    autofree char *dir = volume_dir(c, volume);
    yyjson_val *host = json_get(volume, "hostPath");
    int r = host ? check_host_path(host, err) : file_mkdirs(dir, 0755, err);

    if (r < 0 || host)
        return r;
    if (json_get(volume, "emptyDir")) {
        chmod(dir, 0777);
        return 0;
    }
    for (size_t k = 0; k < ARRAY_SIZE(sources); k++) {
        yyjson_val *source = sources[k].projected_only ? NULL : json_get(volume, sources[k].member);
        struct target t = {c, dir, (mode_t)json_int_at(source, "defaultMode", 0644)};
        if (source)
            return sources[k].fill(&t, source, err);
    }
    return err_set(err, ERR_INVALID,
                   "volumes of this type do not exist here: use emptyDir, hostPath, configMap, "
                   "secret, projected or downwardAPI");
}

int volumes_make(const struct volume_context *c, struct err *err)
{
    json_each(json_at(c->env.pod, "spec.volumes"), volume, i, n) {
        int r = make_volume(c, volume, err);
        if (r < 0)
            return err_wrap(err, "volume \"%s\"", json_get_str(volume, "name", ""));
    }
    return 0;
}

static bool in_memory(yyjson_val *volume)
{
    return strcmp(json_str_at(volume, "emptyDir.medium", ""), "Memory") == 0;
}

void volumes_sandbox(const struct volume_context *c, yyjson_mut_doc *doc, yyjson_mut_val *arr)
{
    json_each(json_at(c->env.pod, "spec.volumes"), volume, i, n) {
        const char *limit = json_str_at(volume, "emptyDir.sizeLimit", NULL);
        struct quantity q;
        if (!in_memory(volume))
            continue;
        autofree char *dir = volume_dir(c, volume);
        yyjson_mut_val *obj = yyjson_mut_arr_add_obj(doc, arr);
        json_put_str(doc, obj, "path", dir);
        if (limit && quantity_parse(slice_of(limit), &q, NULL) == 0)
            json_put_int(doc, obj, "size", quantity_value(&q));
    }
}

static yyjson_val *find_volume(yyjson_val *pod, const char *name)
{
    json_each(json_at(pod, "spec.volumes"), volume, i, n)
        if (strcmp(json_get_str(volume, "name", ""), name) == 0)
            return volume;
    return NULL;
}

static bool is_written_once(yyjson_val *volume)
{
    return json_get(volume, "configMap") || json_get(volume, "secret") ||
           json_get(volume, "projected") || json_get(volume, "downwardAPI");
}

int volume_source(const struct volume_context *c, yyjson_val *mount, const struct env *e,
                  char **ret, bool *ret_read_only, struct err *err)
{
    const char *name = json_get_str(mount, "name", "");
    yyjson_val *volume = find_volume(c->env.pod, name);
    const char *expr = json_get_str(mount, "subPathExpr", NULL);
    autofree char *sub = expr ? env_expand(e, expr) : xstrdup(json_get_str(mount, "subPath", ""));
    autofree char *dir = NULL;
    char real[PATH_MAX];

    if (!volume)
        return err_set(err, ERR_INVALID, "volumeMounts names volume \"%s\", which the pod lacks",
                       name);
    const char *host = json_str_at(volume, "hostPath.path", NULL);
    dir = host ? xstrdup(host) : volume_dir(c, volume);
    if (*sub && !path_is_inside(sub))
        return err_set(err, ERR_INVALID, "subPath \"%s\" leaves the volume", sub);
    autofree char *path = *sub ? xasprintf("%s/%s", dir, sub) : xstrdup(dir);
    if (access(path, F_OK) < 0 && !in_memory(volume)) {
        int r = file_mkdirs(path, 0755, err);
        if (r < 0)
            return r;
    }
    *ret_read_only = json_bool_at(mount, "readOnly", false) || is_written_once(volume);
    *ret = xstrdup(!in_memory(volume) && realpath(path, real) ? real : path);
    return 0;
}
