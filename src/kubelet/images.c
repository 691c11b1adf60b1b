/* Names of images, the mappings of `manta image`, and what is in the cache. */
#include "kubelet/images.h"
#include "base/file.h"
#include "base/mem.h"
#include "data/json.h"
#include "kubelet/images_int.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void image_list_done(struct image_list *l)
{
    for (size_t i = 0; i < l->items.n; i++) {
        free(l->items.v[i].name);
        free(l->items.v[i].path);
    }
    vec_done(&l->items);
}

char *image_cache_dir(void)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

    if (xdg && *xdg == '/')
        return xasprintf("%s/manta", xdg);
    return xasprintf("%s/.cache/manta", home && *home ? home : "/tmp");
}

static char *cache_path(const char *dir, const char *name)
{
    autofree char *own = dir ? NULL : image_cache_dir();
    return xasprintf("%s/%s", dir ? dir : own, name);
}

int image_lock(const char *path, struct err *err)
{
    int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_errno(err, errno, "%s", path);
    while (flock(fd, LOCK_EX) < 0)
        if (errno != EINTR) {
            int r = err_errno(err, errno, "locking %s", path);
            close(fd);
            return r;
        }
    return fd;
}

/* ---- mappings ---- */

static int read_map(const char *dir, struct json **ret, struct err *err)
{
    autofree char *path = cache_path(dir, "images.json");
    struct buf b cleanup(buf_done) = BUF_LIMIT(1 << 20);
    int r = file_read(path, &b, err);

    if (r == ERR_NOT_FOUND)
        return json_parse(SLICE("{}"), ret, err);
    return r < 0 || (r = json_parse(buf_slice(&b), ret, err)) == 0
               ? r
               : err_wrap(err, "%s (remove it to begin anew)", path);
}

/* Reads, lets change() edit, writes; under a lock. */
static int edit_map(const char *dir, const char *name, const char *path, struct err *err)
{
    autofree char *cache = cache_path(dir, "");
    autofree char *file = cache_path(dir, "images.json");
    autofree char *lock_path = cache_path(dir, "images.lock");
    yyjson_mut_doc *doc automut = json_mut_new();
    struct json *old autojson = NULL;
    struct buf b cleanup(buf_done) = BUF_INIT;
    int r = file_mkdirs(cache, 0700, err);
    int lock autoclose = r < 0 ? -1 : image_lock(lock_path, err);

    if (lock < 0)
        return r < 0 ? r : lock;
    if ((r = read_map(dir, &old, err)) < 0)
        return r;
    yyjson_mut_val *map = json_thaw(doc, json_root(old));
    if (path)
        json_put_str(doc, map, name, path);
    else if (!json_remove(map, name))
        return err_set(err, ERR_NOT_FOUND,
                       "no image \"%s\" was added (`manta image list` shows them)", name);
    json_mut_write(&b, map);
    return file_write(file, buf_slice(&b), 0600, err);
}

int image_add(const char *dir, const char *name, const char *path, struct err *err)
{
    char real[PATH_MAX];
    struct stat st;

    if (!*name || strpbrk(name, " \t\n"))
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" is not an image name", name);
    if (!realpath(path, real))
        return err_errno(err, errno, "%s", path);
    autofree char *bin = xasprintf("%s/bin", real);
    if (stat(bin, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_set(
            err, ERR_BAD_REQUEST,
            "%s has no bin/: give the directory of a Python environment (`python3 -m venv "
            "DIR`) or another prefix with programs in bin/",
            real);
    return edit_map(dir, name, real, err);
}

int image_remove(const char *dir, const char *name, struct err *err)
{
    return edit_map(dir, name, NULL, err);
}

/* ---- names ---- */

static bool digits(struct slice *rest, char *out, size_t room)
{
    size_t n = 0;

    while (n < rest->n && rest->p[n] >= '0' && rest->p[n] <= '9')
        n++;
    if (!n || n >= room)
        return false;
    memcpy(out, rest->p, n);
    out[n] = '\0';
    rest->p += n, rest->n -= n;
    return true;
}

/* "2.52.0" at the beginning of *rest. */
static bool take_version(struct slice *rest, char out[32])
{
    size_t len = 0;

    for (int part = 0; part < 3; part++) {
        if (part) {
            if (!rest->n || *rest->p != '.')
                return false;
            rest->p++, rest->n--;
            out[len++] = '.';
        }
        if (!digits(rest, out + len, 9))
            return false;
        len += strlen(out + len);
    }
    return !rest->n || *rest->p == '-';
}

/* "-py311" anywhere among the suffixes; the others (-cpu, -gpu, -cu121, -aarch64) make no
 * difference. */
static bool take_suffixes(struct slice rest, char python[8])
{
    struct slice part;

    python[0] = '\0';
    while (rest.n) {
        rest.p++, rest.n--;
        struct slice more = rest;
        if (!slice_cut(&more, '-', &part) || !part.n)
            return false;
        rest.p += part.n, rest.n -= part.n;
        if (slice_starts(part, SLICE("py")) && (part.n == 4 || part.n == 5) && part.p[2] == '3')
            snprintf(python, 8, "3.%.*s", (int)part.n - 3, part.p + 3);
    }
    return true;
}

bool image_parse(const char *name, struct image_want *ret)
{
    static const char *const prefixes[] = {
        "rayproject/ray:", "rayproject/ray-ml:", "docker.io/rayproject/ray:",
        "docker.io/rayproject/ray-ml:"};
    struct slice rest = slice_of(name);
    size_t i = 0;

    while (i < ARRAY_SIZE(prefixes) && !slice_starts(rest, slice_of(prefixes[i])))
        i++;
    if (i == ARRAY_SIZE(prefixes))
        return false;
    rest.p += strlen(prefixes[i]), rest.n -= strlen(prefixes[i]);
    return take_version(&rest, ret->ray) && take_suffixes(rest, ret->python);
}

/* ---- the cache ---- */

char *image_env_dir(const char *dir, const struct image_want *w)
{
    autofree char *name = xasprintf("envs/ray-%s%s%s", w->ray, *w->python ? "-py" : "", w->python);
    return cache_path(dir, name);
}

bool image_env_ready(const char *path)
{
    autofree char *mark = xasprintf("%s/" IMAGE_MARK, path);
    return access(mark, F_OK) == 0;
}

int image_find(const char *dir, const char *name, char **ret_path, struct err *err)
{
    struct json *map autojson = NULL;
    struct image_want want;
    int r = read_map(dir, &map, err);

    if (r < 0)
        return r;
    const char *mapped = json_get_str(json_root(map), name, NULL);
    if (mapped) {
        *ret_path = xstrdup(mapped);
        return 0;
    }
    if (image_parse(name, &want)) {
        autofree char *path = image_env_dir(dir, &want);
        if (image_env_ready(path)) {
            *ret_path = take(path);
            return 0;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "image \"%s\" is not on this machine", name);
}

int image_list(const char *dir, struct image_list *ret, struct err *err)
{
    autofree char *pattern = cache_path(dir, "envs/ray-*/" IMAGE_MARK);
    struct json *map autojson = NULL;
    glob_t g = {0};
    int r = read_map(dir, &map, err);

    if (r < 0)
        return r;
    json_each_member(json_root(map), key, val)
        vec_push(&ret->items,
                 (struct image){xstrdup(yyjson_get_str(key)), xstrdup(json_str(val, "")), true});
    if (glob(pattern, 0, NULL, &g) == 0)
        for (size_t i = 0; i < g.gl_pathc; i++) {
            struct buf b cleanup(buf_done) = BUF_LIMIT(4096);
            if (file_read(g.gl_pathv[i], &b, NULL) < 0)
                continue;
            char *path = xstrndup(g.gl_pathv[i], strlen(g.gl_pathv[i]) - sizeof IMAGE_MARK);
            vec_push(&ret->items, (struct image){buf_take(&b), path, false});
        }
    globfree(&g);
    return 0;
}

int image_ray_version(const char *path, char ret[32], struct err *err)
{
    autofree char *pattern = xasprintf("%s/lib/python3*/site-packages/ray-*.dist-info", path);
    glob_t g = {0};

    ret[0] = '\0';
    if (access(path, R_OK | X_OK) < 0)
        return err_errno(err, errno, "%s", path);
    if (glob(pattern, 0, NULL, &g) == 0) {
        const char *at = strstr(strrchr(g.gl_pathv[0], '/'), "/ray-") + 5;
        snprintf(ret, 32, "%.*s", (int)strcspn(at, "-"), at);
        char *end = strstr(ret, ".dist");
        if (end)
            *end = '\0';
    }
    globfree(&g);
    return 0;
}
