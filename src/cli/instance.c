#include "cli/instance.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/names.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static char *state_root(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

    if (state && state[0] == '/')
        return xasprintf("%s/manta", state);
    return xasprintf("%s/.local/state/manta", home && *home ? home : "/tmp");
}

int instance_open(struct instance *i, const char *name, bool create, struct err *err)
{
    autofree char *root = state_root();
    const char *why = name_dns1123_label(slice_of(name));

    *i = (struct instance){0};
    if (why)
        return err_set(err, ERR_BAD_REQUEST, "--name %s: %s", name, why);
    i->name = xstrdup(name);
    i->context = xasprintf("manta-%s", name);
    i->dir = xasprintf("%s/%s", root, name);
    i->sock = xasprintf("%s/up.sock", i->dir);
    i->lock = xasprintf("%s/.%s.start", root, name);
    i->host_lock = xasprintf("%s/.%s.host", root, name);
    i->kubeconfig = xasprintf("%s/kubeconfig", i->dir);
    i->ephemeral = xasprintf("%s/ephemeral", i->dir);
    i->logs = xasprintf("%s/logs", i->dir);
    i->apiserver = xasprintf("%s/apiserver", i->dir);
    i->kubelet = xasprintf("%s/kubelet", i->dir);
    return create ? instance_make(i, err) : 0;
}

int instance_make(const struct instance *i, struct err *err)
{
    return file_mkdirs(i->logs, 0700, err);
}

void instance_done(struct instance *i)
{
    char **owned[] = {&i->name, &i->dir,       &i->context,    &i->sock,
                      &i->lock, &i->host_lock, &i->kubeconfig, &i->ephemeral,
                      &i->logs, &i->apiserver, &i->kubelet};

    for (size_t k = 0; k < ARRAY_SIZE(owned); k++)
        free(*owned[k]);
    *i = (struct instance){0};
}

int instance_lock(const char *path, struct err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_errno(err, errno, "%s", path);
    while (flock(fd, LOCK_EX) < 0) {
        if (errno == EINTR)
            continue;
        int e = errno;
        close(fd);
        return err_errno(err, e, "locking %s", path);
    }
    return fd;
}

int instance_not_running(const struct instance *i, struct err *err)
{
    return err_set(
        err, ERR_NOT_FOUND, "no instance named \"%s\" is up. Start it with: manta up%s%s", i->name,
        strcmp(i->name, "default") ? " --name " : "", strcmp(i->name, "default") ? i->name : "");
}
