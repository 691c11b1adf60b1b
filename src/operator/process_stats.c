#include "operator/process_stats.h"
#include "base/file.h"
#include "data/gofmt.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

static void put(struct buf *out, const char *name, const char *type, const char *help, double value)
{
    char text[GO_FLOAT_TEXT];

    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %s\n", name, help, name, type, name,
               go_float(value, text));
}

/* The number after `key` in a file of "key value" lines, or the n-th word of a one-line file. */
static double number_after(const char *path, const char *key)
{
    struct buf text cleanup(buf_done) = BUF_LIMIT(1 << 16);
    const char *at;

    if (file_read(path, &text, NULL) < 0 || !(at = strstr(buf_str(&text), key)))
        return 0;
    return strtod(at + strlen(key), NULL);
}

static double word(const char *path, int n)
{
    struct buf text cleanup(buf_done) = BUF_LIMIT(1 << 16);
    const char *name_end;
    struct slice rest, part = {0};

    if (file_read(path, &text, NULL) < 0)
        return 0;
    name_end = strrchr(buf_str(&text), ')'); /* of /proc/self/stat: the name may hold blanks */
    rest = slice_of(name_end ? name_end + 2 : buf_str(&text));
    for (int i = 0; i < n; i++)
        if (!slice_cut(&rest, ' ', &part))
            return 0;
    return strtod(part.p, NULL);
}

static double open_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    double n = -1; /* opendir's own */

    if (!d)
        return 0;
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static double column(struct slice names, struct slice values, const char *which)
{
    struct slice name, value;

    while (slice_cut(&names, ' ', &name) && slice_cut(&values, ' ', &value))
        if (slice_is(name, which))
            return strtod(value.p, NULL);
    return 0;
}

/* /proc/self/net/netstat has a line of names and one of numbers for each protocol. */
static double octets(const char *which)
{
    struct buf text cleanup(buf_done) = BUF_LIMIT(1 << 16);
    struct slice rest, names, values;

    if (file_read("/proc/self/net/netstat", &text, NULL) < 0)
        return 0;
    rest = buf_slice(&text);
    while (slice_cut(&rest, '\n', &names) && slice_cut(&rest, '\n', &values))
        if (slice_starts(names, SLICE("IpExt:")))
            return column(names, values, which);
    return 0;
}

static double no_limit(rlim_t limit)
{
    return limit == RLIM_INFINITY ? 18446744073709551615.0 : (double)limit;
}

void process_stats_write(struct buf *out)
{
    double page = (double)sysconf(_SC_PAGESIZE), tick = (double)sysconf(_SC_CLK_TCK);
    struct rusage use;
    struct rlimit files, space;

    getrusage(RUSAGE_SELF, &use);
    getrlimit(RLIMIT_NOFILE, &files);
    getrlimit(RLIMIT_AS, &space);
    put(out, "process_cpu_seconds_total", "counter",
        "Total user and system CPU time spent in seconds.",
        (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
            (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6);
    put(out, "process_max_fds", "gauge", "Maximum number of open file descriptors.",
        (double)files.rlim_cur);
    put(out, "process_network_receive_bytes_total", "counter",
        "Number of bytes received by the process over the network.", octets("InOctets"));
    put(out, "process_network_transmit_bytes_total", "counter",
        "Number of bytes sent by the process over the network.", octets("OutOctets"));
    put(out, "process_open_fds", "gauge", "Number of open file descriptors.", open_files());
    put(out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
        word("/proc/self/stat", 22) * page);
    put(out, "process_start_time_seconds", "gauge",
        "Start time of the process since unix epoch in seconds.",
        number_after("/proc/stat", "btime ") + word("/proc/self/stat", 20) / tick);
    put(out, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.",
        word("/proc/self/stat", 21));
    put(out, "process_virtual_memory_max_bytes", "gauge",
        "Maximum amount of virtual memory available in bytes.", no_limit(space.rlim_cur));
}
