#include "operator/zaplog.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/timefmt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROTATE_BYTES ((off_t)500 * 1024 * 1024)
#define BACKUPS 10
#define BACKUP_NS (INT64_C(30) * 24 * 3600 * SECOND_NS)

static struct {
    bool console, file_console, sample;
    char *path;
    int fd; /* -1: no file */
    off_t size;
    struct buf for_file; /* the file's form of the line that is being written */
} zap = {.fd = -1};

/* ---- one line ---- */

static const char *const levels[] = {"debug", "info", "warn", "error"};

/* Which logger and which member a controller's lines have. */
static const struct {
    const char *controller, *logger, *member;
} controllers[] = {
    {"raycluster-controller", "controllers.RayCluster", "RayCluster"},
    {"rayjob-controller", "controllers.RayJob", "RayJob"},
    {"rayservice-controller", "controllers.RayService", "RayService"},
    {"raycronjob-controller", "controllers.RayCronJob", "RayCronJob"},
    {"networkpolicy-controller", "controllers.NetworkPolicy", "RayCluster"},
    {"raycluster-mtls-controller", "controllers.RayClusterMTLS", "RayCluster"},
};

static void add_string(struct buf *out, const char *s)
{
    buf_addc(out, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_adds(out, "\\n");
        else if (c == '\t')
            buf_adds(out, "\\t");
        else if (c < ' ')
            buf_printf(out, "\\u%04x", c);
        else
            buf_addc(out, (char)c);
    }
    buf_addc(out, '"');
}

/* Milliseconds, as zap's ISO8601 encoder has them. */
static void add_time(struct buf *out, int64_t ns)
{
    char text[TIME_TEXT];

    time_rfc3339_nano(ns, text);
    buf_printf(out, "%.23sZ", text);
}

static const char *value_of(const struct log_pair *pairs, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(pairs[i].key, key) == 0)
            return pairs[i].value;
    return NULL;
}

static int row_of(const struct log_pair *pairs, size_t n)
{
    const char *controller = value_of(pairs, n, "controller");

    for (size_t i = 0; controller && i < ARRAY_SIZE(controllers); i++)
        if (strcmp(controllers[i].controller, controller) == 0)
            return (int)i;
    return -1;
}

static bool is_object_key(const char *key)
{
    return !strcmp(key, "controller") || !strcmp(key, "namespace") || !strcmp(key, "name");
}

/* The pairs as members, each after sep. */
static void add_pairs(struct buf *out, int row, const struct log_pair *pairs, size_t n,
                      const char *sep)
{
    const char *between = sep;

    if (row >= 0) {
        const char *name = value_of(pairs, n, "name"), *ns = value_of(pairs, n, "namespace");
        buf_adds(out, between);
        add_string(out, controllers[row].member);
        buf_adds(out, ":{\"name\":");
        add_string(out, name ? name : "");
        buf_adds(out, ",\"namespace\":");
        add_string(out, ns ? ns : "");
        buf_addc(out, '}');
        between = ",";
    }
    for (size_t i = 0; i < n; i++) {
        if (row >= 0 && is_object_key(pairs[i].key))
            continue;
        buf_adds(out, between);
        add_string(out, pairs[i].key);
        buf_addc(out, ':');
        if (strcmp(pairs[i].key, "featureGates") == 0)
            buf_adds(out, pairs[i].value);
        else
            add_string(out, pairs[i].value);
        between = ",";
    }
}

static void json_line(struct buf *out, int64_t now_ns, const char *level, const char *logger,
                      const char *msg)
{
    buf_printf(out, "{\"level\":\"%s\",\"ts\":\"", level);
    add_time(out, now_ns);
    buf_printf(out, "\",\"logger\":\"%s\",\"msg\":", logger);
    add_string(out, msg);
}

void zaplog_line(struct buf *out, bool console, int64_t now_ns, enum log_level level,
                 const char *msg, const struct log_pair *pairs, size_t n)
{
    int row = row_of(pairs, n);
    const char *logger = row >= 0 ? controllers[row].logger : "setup";

    if (!console) {
        json_line(out, now_ns, levels[level], logger, msg);
        add_pairs(out, row, pairs, n, ",");
        buf_addc(out, '}');
        return;
    }
    add_time(out, now_ns);
    buf_printf(out, "\t%s\t%s\t%s", levels[level], logger, msg);
    if (n) {
        buf_adds(out, "\t{");
        add_pairs(out, row, pairs, n, "");
        buf_addc(out, '}');
    }
}

/* ---- the file ---- */

static bool is_backup(const char *name, const char *stem, size_t stem_n)
{
    return strncmp(name, stem, stem_n) == 0 && name[stem_n] == '-';
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Backups beyond ten, and those older than 30 days, go. Their names sort by time. */
static void drop_old(const char *dir, const char *stem, size_t stem_n)
{
    DIR *d = opendir(dir);
    char *names[256];
    size_t n = 0;

    for (struct dirent *e; d && n < ARRAY_SIZE(names) && (e = readdir(d));)
        if (is_backup(e->d_name, stem, stem_n))
            names[n++] = xstrdup(e->d_name);
    if (d)
        closedir(d);
    qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++) {
        autofree char *path = xasprintf("%s/%s", dir, names[i]);
        struct stat st;
        bool old =
            stat(path, &st) == 0 && clock_wall_ns() - st.st_mtim.tv_sec * SECOND_NS > BACKUP_NS;
        if (old || n - i > BACKUPS)
            unlink(path);
        free(names[i]);
    }
}

/* "operator.log" becomes "operator-2026-11-24T23-59-59.000.log". */
static void rotate(void)
{
    const char *slash = strrchr(zap.path, '/'), *base = slash ? slash + 1 : zap.path;
    const char *dot = strrchr(base, '.');
    size_t stem_n = dot && dot != base ? (size_t)(dot - base) : strlen(base);
    autofree char *dir = slash ? xstrndup(zap.path, (size_t)(slash - zap.path)) : xstrdup(".");
    struct buf at cleanup(buf_done) = BUF_INIT;

    add_time(&at, clock_wall_ns());
    for (size_t i = 0; i < at.len; i++)
        if (at.data[i] == ':')
            at.data[i] = '-';
    autofree char *to =
        xasprintf("%s/%.*s-%.23s%s", dir, (int)stem_n, base, buf_str(&at), base + stem_n);
    close(zap.fd);
    rename(zap.path, to);
    zap.fd = open(zap.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    zap.size = 0;
    drop_old(dir, base, stem_n);
}

static void to_file(struct slice line)
{
    if (zap.fd >= 0 && zap.size + (off_t)line.n > ROTATE_BYTES)
        rotate();
    if (zap.fd >= 0 && write(zap.fd, line.p, line.n) > 0)
        zap.size += (off_t)line.n;
}

/* ---- sampling ---- */

#define SAMPLES 256
#define SAMPLE_FIRST 100
#define SAMPLE_THEREAFTER 100

/* True when the line is one too many of its sort in this second. Sorts that share a place count
 * together. */
static bool is_too_many(enum log_level level, const char *msg, int64_t now_ns)
{
    static struct {
        int64_t second;
        unsigned n;
    } seen[ARRAY_SIZE(levels)][SAMPLES];
    unsigned hash = 5381;

    for (const char *c = msg; *c; c++)
        hash = hash * 33 + (unsigned char)*c;
    if (seen[level][hash % SAMPLES].second != now_ns / SECOND_NS) {
        seen[level][hash % SAMPLES].second = now_ns / SECOND_NS;
        seen[level][hash % SAMPLES].n = 0;
    }
    unsigned n = ++seen[level][hash % SAMPLES].n;
    return n > SAMPLE_FIRST && (n - SAMPLE_FIRST) % SAMPLE_THEREAFTER;
}

/* ---- in place of base's ---- */

static void format(struct buf *out, enum log_level level, const char *msg,
                   const struct log_pair *pairs, size_t n)
{
    int64_t now = clock_wall_ns();

    if (zap.sample && zap.fd < 0 && is_too_many(level, msg, now))
        return; /* an empty line is none */
    zaplog_line(out, zap.console, now, level, msg, pairs, n);
    if (zap.fd < 0)
        return;
    buf_reset(&zap.for_file);
    zaplog_line(&zap.for_file, zap.file_console, now, level, msg, pairs, n);
    buf_addc(&zap.for_file, '\n');
    to_file(buf_slice(&zap.for_file));
}

int zaplog_start(const struct zaplog_opts *o, struct err *err)
{
    struct stat st;

    zap.console = o->console;
    zap.file_console = o->file_console;
    zap.sample = o->sample;
    log_format = format;
    if (!o->file || !*o->file)
        return 0;
    zap.path = xstrdup(o->file);
    zap.fd = open(zap.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (zap.fd < 0)
        return err_errno(err, errno, "opening the log file %s", zap.path);
    zap.size = fstat(zap.fd, &st) == 0 ? st.st_size : 0;
    return 0;
}

void zaplog_stop(void)
{
    if (zap.fd >= 0)
        close(zap.fd);
    zap.fd = -1;
    free(take(zap.path));
    buf_done(&zap.for_file);
}
