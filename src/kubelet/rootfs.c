#include "kubelet/rootfs.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

/* Where the machine's root stays reachable while the container's is being built. */
#define OLD_ROOT "/.machine"

/* Left out of the copy of /: mounted afresh or private. */
static const char *const own_places[] = {"proc", "tmp", "run", ".machine"};

static bool is_own_place(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(own_places); i++)
        if (strcmp(name, own_places[i]) == 0)
            return true;
    return false;
}

/* Kernels before 5.12 lack the call: the tree then stays writable as far as its modes allow. */
static void make_read_only(const char *path)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    syscall(SYS_mount_setattr, AT_FDCWD, path, AT_RECURSIVE, &attr, sizeof attr);
}

static int touch(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    return fd < 0 ? -1 : close(fd);
}

static int copy_symlink(const char *from, const char *to)
{
    char target[4096];
    ssize_t n = readlink(from, target, sizeof target - 1);

    if (n < 0)
        return -1;
    target[n] = '\0';
    return symlink(target, to) < 0 && errno != EEXIST ? -1 : 0;
}

/* Makes `to` show what `from` is: a link copied, anything else bound with what is mounted below. */
static int mirror_entry(const char *from, const char *to)
{
    struct stat st;

    if (lstat(from, &st) < 0)
        return -1;
    if (S_ISLNK(st.st_mode))
        return copy_symlink(from, to);
    if ((S_ISDIR(st.st_mode) ? mkdir(to, 0755) : touch(to)) < 0 && errno != EEXIST)
        return -1;
    return mount(from, to, NULL, MS_BIND | MS_REC, NULL);
}

/* Every entry of `from` appears in `to`. What cannot be bound (no permission) stays away. */
static int mirror_dir(const char *from, const char *to, bool skip_own)
{
    DIR *d = opendir(from);
    struct dirent *e;

    if (!d)
        return -1;
    while ((e = readdir(d))) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
            (skip_own && is_own_place(e->d_name)))
            continue;
        autofree char *a = xasprintf("%s/%s", strcmp(from, "/") ? from : "", e->d_name);
        autofree char *b = xasprintf("%s/%s", to, e->d_name);
        (void)mirror_entry(a, b);
    }
    closedir(d);
    return 0;
}

/* Replaces dir by a tmpfs with the same entries, in which new names can be made. */
static int mirror_in_place(const char *dir)
{
    int fd autoclose = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    char under[64];
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    snprintf(under, sizeof under, "/proc/self/fd/%d", fd);
    autofree char *mode = xasprintf("mode=%o", st.st_mode & 07777);
    if (mount("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NODEV, mode) < 0)
        return -1;
    return mirror_dir(under, dir, false);
}

static bool refused(int e)
{
    return e == EROFS || e == EACCES || e == EPERM;
}

static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

static int make_name(const char *path, bool dir)
{
    return dir ? mkdir(path, 0755) : touch(path);
}

/* One missing name in an existing directory, which is mirrored if it cannot take it. */
static int add_name(const char *path, bool dir)
{
    autofree char *parent = parent_of(path);

    if (make_name(path, dir) == 0 || errno == EEXIST)
        return 0;
    if (!refused(errno) || mirror_in_place(parent) < 0)
        return -1;
    return make_name(path, dir) < 0 && errno != EEXIST ? -1 : 0;
}

/* A link to nowhere gives way to a real name. */
static int replace_dangling(const char *path)
{
    struct stat st;

    if (lstat(path, &st) < 0 || !S_ISLNK(st.st_mode) || stat(path, &st) == 0)
        return 0;
    if (unlink(path) == 0)
        return 0;
    autofree char *parent = parent_of(path);
    return mirror_in_place(parent) < 0 || unlink(path) < 0 ? -1 : 0;
}

/* Makes path exist as a mount point, with its parents. */
static int ensure_point(const char *path, bool dir)
{
    autofree char *p = xstrdup(path);

    for (char *at = p + 1;; at++) {
        if (*at && *at != '/')
            continue;
        char c = *at;
        struct stat st;
        *at = '\0';
        if (replace_dangling(p) < 0 || (stat(p, &st) < 0 && add_name(p, c ? true : dir) < 0))
            return -1;
        *at = c;
        if (!c)
            return 0;
    }
}

static int mount_tmpfs(const struct rootfs_mount *m)
{
    char options[96];

    if (ensure_point(m->target, true) < 0)
        return -1;
    if (m->size > 0)
        snprintf(options, sizeof options, "mode=%o,size=%lld", m->mode ? m->mode : 01777,
                 (long long)m->size);
    else
        snprintf(options, sizeof options, "mode=%o", m->mode ? m->mode : 01777);
    return mount("tmpfs", m->target, "tmpfs", MS_NOSUID | MS_NODEV, options);
}

static int mount_bind(const struct rootfs_mount *m)
{
    autofree char *from = xasprintf(OLD_ROOT "%s", m->source);
    struct stat st;

    if (stat(from, &st) < 0 || ensure_point(m->target, S_ISDIR(st.st_mode)) < 0 ||
        mount(from, m->target, NULL, MS_BIND | MS_REC, NULL) < 0)
        return -1;
    if (m->read_only)
        make_read_only(m->target);
    return 0;
}

/* base becomes a tmpfs that shows the machine's root, and then this process' root. */
static int build_base(const char *base)
{
    autofree char *old = xasprintf("%s" OLD_ROOT, base);

    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", base, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0 ||
        mirror_dir("/", base, true) < 0)
        return -1;
    make_read_only(base);
    if (mount(NULL, base, NULL, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV, NULL) < 0 ||
        mkdir(old, 0700) < 0 || syscall(SYS_pivot_root, base, old) < 0 || chdir("/") < 0)
        return -1;
    if (mkdir("/proc", 0555) < 0 || mkdir("/tmp", 01777) < 0 || mkdir("/run", 0755) < 0)
        return -1;
    return mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

int rootfs_enter(const char *base, const struct rootfs_mount *mounts, size_t n, struct err *err)
{
    if (build_base(base) < 0)
        return err_errno(err, errno, "building the container's root file system");
    for (size_t i = 0; i < n; i++) {
        const struct rootfs_mount *m = &mounts[i];
        if ((m->source ? mount_bind(m) : mount_tmpfs(m)) < 0)
            return err_errno(err, errno, "mounting %s at %s", m->source ? m->source : "a tmpfs",
                             m->target);
    }
    if (umount2(OLD_ROOT, MNT_DETACH) < 0 || rmdir(OLD_ROOT) < 0)
        return err_errno(err, errno, "leaving the machine's root file system");
    return 0;
}
