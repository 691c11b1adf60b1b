#include "cli/orphans.h"
#include "base/file.h"
#include "base/mem.h"
#include "data/json.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Field 22 of /proc/PID/stat, in clock ticks since boot; 0 when there is no such process. */
static int64_t start_time(int pid)
{
    char path[64];
    struct buf text cleanup(buf_done) = BUF_LIMIT(4096);
    struct slice rest, part;
    int64_t v = 0;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (file_read(path, &text, NULL) < 0)
        return 0;
    const char *after = strrchr(buf_str(&text), ')'); /* the name may hold anything */
    if (!after)
        return 0;
    rest = slice_of(after + 2);
    for (int i = 3; i <= 22; i++)
        if (!slice_cut(&rest, ' ', &part))
            return 0;
    return slice_int64(part, &v) ? v : 0;
}

static char *list_path(const char *dir)
{
    return xasprintf("%s/children.json", dir);
}

void orphans_write(const char *dir, const struct orphan *list, size_t n)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *array = yyjson_mut_arr(doc);
    struct buf text cleanup(buf_done) = BUF_INIT;
    autofree char *path = list_path(dir);

    if (!n) {
        unlink(path);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, array);
        json_put_str(doc, o, "name", list[i].name);
        json_put_int(doc, o, "pid", list[i].pid);
        json_put_int(doc, o, "start", start_time(list[i].pid));
    }
    json_mut_write(&text, array);
    file_write(path, buf_slice(&text), 0600, NULL);
}

static void end_process(int pid, int64_t start, int signal_number, int wait_ms)
{
    int fd autoclose = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};

    if (fd < 0 || start_time(pid) != start)
        return;
    syscall(SYS_pidfd_send_signal, fd, signal_number, NULL, 0);
    if (poll(&p, 1, wait_ms) == 0) {
        syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
        poll(&p, 1, -1);
    }
}

int orphans_end(const char *dir, int wait_ms, const char *abruptly, struct err *err)
{
    struct buf text cleanup(buf_done) = BUF_LIMIT(1 << 16);
    autofree char *path = list_path(dir);
    autojson struct json *j = NULL;
    int code = file_read(path, &text, err);

    if (code == ERR_NOT_FOUND)
        return 0;
    if (code == 0)
        code = json_parse(buf_slice(&text), &j, err);
    if (code < 0)
        return err_wrap(err, "%s", path);
    json_each(json_root(j), o, i, n) {
        bool at_once = abruptly && !strcmp(json_get_str(o, "name", ""), abruptly);
        end_process((int)json_int_at(o, "pid", 0), json_int_at(o, "start", 0),
                    at_once ? SIGKILL : SIGTERM, wait_ms);
    }
    unlink(path);
    return 0;
}
