/* Making an environment for an image of Ray: Python, uv (or venv and pip), Ray and its pins. */
#include "base/file.h"
#include "base/mem.h"
#include "kubelet/images_int.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct pull {
    const char *image;
    struct image_want want;
    char *cache, *env, *python, *uv;
    void (*progress)(const char *line);
};

/*
 * What the newest packages break in older versions of Ray: below `before`, `pin` is needed.
 * protobuf 7 ends Serve's deployments in DEPLOY_FAILED; click 8.3 breaks the command line.
 */
static const struct {
    int before[2];
    const char *pin;
} pins[] = {
    {{2, 60}, "protobuf<7"},
    {{2, 50}, "click<8.3"},
};

/* Tried in this order when the image names no Python; Ray's wheels exist for these. */
static const char *const pythons[] = {"3.12", "3.11", "3.10", "3.13", "3.9"};

static void say(const struct pull *p, const char *fmt, ...) printf_like(2, 3);
static void say(const struct pull *p, const char *fmt, ...)
{
    char line[512];
    va_list ap;

    if (!p->progress)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    p->progress(line);
}

/* ---- running programs ---- */

static void read_output(int fd, struct buf *out)
{
    char chunk[4096];

    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        if (out->len > (1 << 16)) /* the end of it is what explains a failure */
            buf_consume(out, out->len / 2);
        buf_add(out, chunk, (size_t)n);
    }
}

/* Runs argv to its end with its output in *out. 0 if it exited with 0. */
static int run(const char *const argv[], struct buf *out, struct err *err)
{
    posix_spawn_file_actions_t files;
    int pipes[2], status = -1;
    pid_t pid;

    if (pipe2(pipes, O_CLOEXEC) < 0)
        return err_errno(err, errno, "pipe");
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, pipes[1], 1);
    posix_spawn_file_actions_adddup2(&files, pipes[1], 2);
    int e = posix_spawnp(&pid, argv[0], &files, NULL, (char **)argv, environ);
    posix_spawn_file_actions_destroy(&files);
    close(pipes[1]);
    if (e == 0) {
        read_output(pipes[0], out);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    close(pipes[0]);
    if (e)
        return err_errno(err, e, "%s", argv[0]);
    return status == 0 ? 0 : err_set(err, ERR_IO, "%s failed", argv[0]);
}

/* The last line that says something, for error messages. */
static const char *last_line(struct buf *out)
{
    while (out->len && strchr(" \n\r", out->data[out->len - 1]))
        out->data[--out->len] = '\0';
    const char *nl = out->len ? strrchr(out->data, '\n') : NULL;
    return nl ? nl + 1 : buf_str(out);
}

/* ---- Python ---- */

/* Whether `name` is a Python of version `want` ("": any that Ray takes); gives its executable. */
static char *try_python(const char *name, const char *want)
{
    struct buf out cleanup(buf_done) = BUF_LIMIT(1 << 20);
    const char *const argv[] = {
        name, "-c",
        "import sys, venv, os\n"
        "print('%d.%d' % sys.version_info[:2], os.path.realpath(sys.executable))",
        NULL};
    char version[16], path[1024];

    if (run(argv, &out, NULL) < 0 || sscanf(buf_str(&out), "%15s %1023s", version, path) != 2)
        return NULL;
    if (*want)
        return strcmp(want, version) == 0 ? xstrdup(path) : NULL;
    for (size_t i = 0; i < ARRAY_SIZE(pythons); i++)
        if (strcmp(pythons[i], version) == 0)
            return xstrdup(path);
    return NULL;
}

static char *try_version(const char *version)
{
    static const char *const places[] = {"", "/usr/bin/", "/usr/local/bin/"};

    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        autofree char *name = xasprintf("%spython%s", places[i], version);
        char *found = try_python(name, version);
        if (found)
            return found;
    }
    return NULL;
}

static int find_python(struct pull *p, struct err *err)
{
    const char *want = p->want.python;

    p->python = try_python("python3", want);
    if (!p->python)
        p->python = try_python("/usr/bin/python3", want);
    if (!p->python && *want)
        p->python = try_version(want);
    for (size_t i = 0; !p->python && !*want && i < ARRAY_SIZE(pythons); i++)
        p->python = try_version(pythons[i]);
    if (p->python)
        return 0;
    return err_set(
        err, ERR_NOT_FOUND,
        "image \"%s\" needs Python %s, which is not on this machine: install it (with its venv "
        "module), or use an image name with another -pyNNN or none, or map the name: manta "
        "image add %s PATH",
        p->image, *want ? want : "3.9 to 3.13", p->image);
}

/* ---- uv ---- */

/* uv from PATH or the cache, else fetched as a package. Without it pip does the same, slower. */
static void find_uv(struct pull *p)
{
    struct buf out cleanup(buf_done) = BUF_LIMIT(1 << 20);
    autofree char *home = xasprintf("%s/uv", p->cache);
    autofree char *uv = xasprintf("%s/bin/uv", home);
    autofree char *lock_path = xasprintf("%s/uv.lock", p->cache);
    const char *const version[] = {"uv", "--version", NULL};

    if (run(version, &out, NULL) == 0) {
        p->uv = xstrdup("uv");
        return;
    }
    int lock autoclose = image_lock(lock_path, NULL);
    if (lock >= 0 && access(uv, X_OK) < 0) {
        autofree char *pip = xasprintf("%s/bin/python", home);
        const char *const venv[] = {p->python, "-m", "venv", home, NULL};
        const char *const install[] = {pip, "-m", "pip", "install", "-q", "uv", NULL};
        say(p, "fetching uv");
        if (run(venv, &out, NULL) < 0 || run(install, &out, NULL) < 0)
            return;
    }
    p->uv = take(uv);
}

/* ---- Ray ---- */

static bool version_before(const char *version, const int limit[2])
{
    int major = 0, minor = 0;

    sscanf(version, "%d.%d", &major, &minor);
    return major < limit[0] || (major == limit[0] && minor < limit[1]);
}

static int install_with_uv(struct pull *p, const char *ray, const char *const *needed,
                           struct buf *out, struct err *err)
{
    autofree char *python = xasprintf("%s/bin/python", p->env);
    const char *const venv[] = {p->uv,    "venv",     "-q",      "--no-python-downloads",
                                "--seed", "--python", p->python, p->env,
                                NULL};
    const char *argv[24] = {p->uv,      "pip",  "install", "-q", "--compile-bytecode",
                            "--python", python, ray};
    size_t n = 8;

    while (*needed)
        argv[n++] = *needed++;
    int r = run(venv, out, err);
    return r < 0 ? r : run(argv, out, err);
}

static int install_with_pip(struct pull *p, const char *ray, const char *const *needed,
                            struct buf *out, struct err *err)
{
    autofree char *python = xasprintf("%s/bin/python", p->env);
    const char *const venv[] = {p->python, "-m", "venv", p->env, NULL};
    const char *argv[24] = {python, "-m", "pip", "install", "-q", "--no-input", ray};
    size_t n = 7;

    while (*needed)
        argv[n++] = *needed++;
    int r = run(venv, out, err);
    return r < 0 ? r : run(argv, out, err);
}

static int install(struct pull *p, struct err *err)
{
    struct buf out cleanup(buf_done) = BUF_LIMIT(1 << 20);
    autofree char *ray = xasprintf("ray[default,serve]==%s", p->want.ray);
    const char *needed[ARRAY_SIZE(pins) + 1] = {0};
    size_t n = 0;
    int r = ERR_IO;

    for (size_t i = 0; i < ARRAY_SIZE(pins); i++)
        if (version_before(p->want.ray, pins[i].before))
            needed[n++] = pins[i].pin;
    find_uv(p);
    say(p, "installing %s with Python %s", ray, p->python);
    if (p->uv)
        r = install_with_uv(p, ray, needed, &out, NULL);
    if (r < 0) {
        (void)file_remove_tree(p->env, NULL);
        buf_reset(&out);
        r = install_with_pip(p, ray, needed, &out, NULL);
    }
    if (r == 0)
        return 0;
    (void)file_remove_tree(p->env, NULL);
    return err_set(
        err, ERR_IO,
        "Ray %s cannot be installed for Python %s: %s. Is this machine connected to its package "
        "index (pip's settings count)? Otherwise map the name to an environment that has "
        "Ray: manta image add %s PATH",
        p->want.ray, p->python, last_line(&out), p->image);
}

static int make_env(struct pull *p, struct err *err)
{
    autofree char *mark = xasprintf("%s/" IMAGE_MARK, p->env);
    int r = find_python(p, err);

    if (r == 0)
        r = file_remove_tree(p->env, err); /* a half made one */
    if (r == 0)
        r = install(p, err);
    return r < 0 ? r : file_write(mark, slice_of(p->image), 0644, err);
}

static int pull_locked(struct pull *p, struct err *err)
{
    autofree char *lock_path = xasprintf("%s.lock", p->env);
    autofree char *envs = xasprintf("%s/envs", p->cache);
    int r = file_mkdirs(envs, 0755, err);
    int lock autoclose = r < 0 ? -1 : image_lock(lock_path, err);

    if (r < 0 || lock < 0)
        return r < 0 ? r : lock;
    return image_env_ready(p->env) ? 0 : make_env(p, err);
}

int image_pull(const char *dir, const char *name, void (*progress)(const char *line),
               char **ret_path, struct err *err)
{
    struct pull p = {.image = name, .progress = progress};

    if (image_find(dir, name, ret_path, NULL) == 0)
        return 0;
    if (!image_parse(name, &p.want))
        return err_set(
            err, ERR_NOT_FOUND,
            "\"%s\" is not rayproject/ray:VERSION, and there is no container runtime here: map the "
            "name to a directory with bin/ (a Python environment, or /usr): manta image "
            "add %s PATH",
            name, name);
    p.cache = dir ? xstrdup(dir) : image_cache_dir();
    p.env = image_env_dir(dir, &p.want);
    int r = pull_locked(&p, err);
    if (r == 0)
        *ret_path = take(p.env);
    free(p.cache);
    free(p.env);
    free(p.python);
    free(p.uv);
    return r;
}
