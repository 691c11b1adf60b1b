/* From a pod's object to files: its directory, sandbox, and the specification of each run. */
#include "base/file.h"
#include "base/reach.h"
#include "data/quantity.h"
#include "kube/meta.h"
#include "kubelet/fallback.h"
#include "kubelet/node.h"
#include "kubelet/pod.h"
#include "kubelet/volumes.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOME_DIR "/home/ray" /* of Ray's images: paths under it occur in people's manifests */
#define DEFAULT_SHM (64 << 20)
#define MIN_OBJECT_STORE (INT64_C(75) << 20) /* what Ray accepts at least */

/* Who is written into /etc/hosts and resolv.conf. */
#define CLUSTER_DOMAIN "cluster.local"

bool pod_dir_alive(const char *dir)
{
    autofree char *path = xasprintf("%s/shim.sock", dir);
    int fd = unix_connect(path, SOCK_SEQPACKET, NULL);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int write_under(const struct pod *p, const char *name, struct slice text, struct err *err)
{
    autofree char *path = xasprintf("%s/%s", p->dir, name);
    return file_write(path, text, 0644, err);
}

static int mkdir_under(const struct pod *p, const char *name, unsigned mode, struct err *err)
{
    autofree char *path = xasprintf("%s/%s", p->dir, name);
    int r = file_mkdirs(path, 0755, err);

    chmod(path, mode);
    return r;
}

static const char *pod_hostname(const struct pod *p)
{
    return json_get_str(pod_spec(p), "hostname", pod_name(p));
}

static void hosts_text(const struct pod *p, struct buf *b)
{
    const char *host = pod_hostname(p), *sub = json_get_str(pod_spec(p), "subdomain", "");

    buf_adds(b, "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost "
                "ip6-localhost ip6-loopback\n");
    if (*sub)
        buf_printf(b, "%s\t%s.%s.%s.svc." CLUSTER_DOMAIN "\t%s\n", p->ip, host, sub, pod_ns(p),
                   host);
    else
        buf_printf(b, "%s\t%s\n", p->ip, host);
    json_each(json_get(pod_spec(p), "hostAliases"), alias, i, n) {
        buf_adds(b, json_get_str(alias, "ip", ""));
        json_each(json_get(alias, "hostnames"), name, k, count)
            buf_printf(b, "\t%s", json_str(name, ""));
        buf_addc(b, '\n');
    }
}

static void resolv_text(const struct pod *p, struct buf *b)
{
    yyjson_val *dns = json_get(pod_spec(p), "dnsConfig");

    buf_printf(b, "search %s.svc." CLUSTER_DOMAIN " svc." CLUSTER_DOMAIN " " CLUSTER_DOMAIN,
               pod_ns(p));
    json_each(json_get(dns, "searches"), s, i, n)
        buf_printf(b, " %s", json_str(s, ""));
    buf_adds(b, "\nnameserver " NODE_GATEWAY "\noptions ndots:5\n");
}

static void volume_context(const struct pod *p, struct volume_context *c)
{
    *c = (struct volume_context){
        .env = {.pod = json_root(p->object),
                .pod_ip = p->ip,
                .host_ip = p->host->host_ip,
                .node_name = p->host->node_name,
                .node_cpu_milli = p->host->cpu_milli,
                .node_memory = p->host->memory,
                .object = p->host->object,
                .ctx = p->host->ctx},
        .dir = p->dir,
        .token = p->host->token,
    };
}

static int write_sandbox(const struct pod *p, const struct volume_context *v, struct err *err)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *obj = yyjson_mut_obj(doc);
    struct buf b cleanup(buf_done) = BUF_INIT;

    json_put_str(doc, obj, "hostname", pod_hostname(p));
    json_put_str(doc, obj, "ip", p->ip);
    json_put_int(doc, obj, "prefix", NODE_POD_PREFIX);
    json_put_str(doc, obj, "gateway", p->host->uplink ? NODE_UPLINK : NODE_GATEWAY);
    yyjson_mut_val *route = yyjson_mut_arr_add_obj(doc, json_put_arr(doc, obj, "routes"));
    json_put_str(doc, route, "dst", NODE_SERVICE_NET);
    json_put_int(doc, route, "prefix", NODE_SERVICE_PREFIX);
    json_put_str(doc, route, "gateway", NODE_GATEWAY);
    volumes_sandbox(v, doc, json_put_arr(doc, obj, "tmpfs"));
    json_mut_write(&b, obj);
    return write_under(p, "sandbox.json", buf_slice(&b), err);
}

static int write_files(const struct pod *p, struct err *err)
{
    struct buf hosts cleanup(buf_done) = BUF_INIT, resolv cleanup(buf_done) = BUF_INIT;
    struct buf object cleanup(buf_done) = BUF_INIT;
    int r = mkdir_under(p, "rootfs", 0755, err);

    hosts_text(p, &hosts);
    resolv_text(p, &resolv);
    json_write(&object, json_root(p->object));
    if (r == 0)
        r = write_under(p, "pod.json", buf_slice(&object), err);
    if (r == 0)
        r = write_under(p, "hosts", buf_slice(&hosts), err);
    return r < 0 ? r : write_under(p, "resolv.conf", buf_slice(&resolv), err);
}

int pod_sandbox(struct pod *p, struct err *err)
{
    struct volume_context v;
    pid_t pid;
    int r = write_files(p, err);

    volume_context(p, &v);
    if (r == 0)
        r = volumes_make(&v, err);
    if (r == 0)
        r = write_sandbox(p, &v, err);
    return r < 0 ? r : node_pod(p->host->reach, p->dir, &pid, err);
}

void pod_refresh(struct pod *p)
{
    struct volume_context v;

    volume_context(p, &v);
    if (p->stage == POD_UP)
        (void)volumes_make(&v, NULL);
}

/* ---- taking a pod back ---- */

static struct json *read_record(const struct pod *p, const char *name, int attempt,
                                const char *what)
{
    autofree char *path = xasprintf("%s/containers/%s/%d.%s.json", p->dir, name, attempt, what);
    struct buf b cleanup(buf_done) = BUF_LIMIT(1 << 20);
    struct json *doc = NULL;

    if (file_read(path, &b, NULL) < 0 || json_parse(buf_slice(&b), &doc, NULL) < 0)
        return NULL;
    return doc;
}

/* The highest attempt with a specification; -1 if there is none. */
static int last_attempt(const struct pod *p, const char *name)
{
    autofree char *path = xasprintf("%s/containers/%s", p->dir, name);
    DIR *d = opendir(path);
    struct dirent *e;
    int last = -1, n;

    while (d && (e = readdir(d)))
        if (strstr(e->d_name, ".spec.json") && sscanf(e->d_name, "%d.", &n) == 1)
            last = MAX(last, n);
    if (d)
        closedir(d);
    return last;
}

static void recover_container(struct ctr *c)
{
    int last = last_attempt(c->pod, c->name);

    if (last < 0)
        return;
    struct json *spec autojson = read_record(c->pod, c->name, last, "spec");
    c->image_path = xstrdup(json_get_str(json_root(spec), "image", NULL));
    for (int a = MAX(last - 1, 0); a <= last; a++) {
        struct json *end autojson = read_record(c->pod, c->name, a, "exit");
        c->streak = (unsigned)a;
        if (!end)
            continue;
        if (c->end.set) {
            c->before = c->end;
            c->end = (struct ctr_end){0};
        }
        ctr_shim_state(c, json_root(end));
    }
    if (c->end.set && c->end.attempt == last)
        return;
    /* It runs, or the word of its end is on the way: the shim will say. */
    struct json *start autojson = read_record(c->pod, c->name, last, "start");
    if (c->end.set) {
        c->before = c->end;
        c->end = (struct ctr_end){0};
    }
    c->attempt = last;
    c->phase = CTR_STARTING;
    snprintf(c->started_at, sizeof c->started_at, "%s",
             json_get_str(json_root(start), "startedAt", ""));
}

static yyjson_val *reported_status(const struct ctr *c)
{
    const char *list = c->init ? "initContainerStatuses" : "containerStatuses";

    json_each(json_get(json_get(json_root(c->pod->object), "status"), list), item, i, n)
        if (strcmp(json_get_str(item, "name", ""), c->name) == 0)
            return item;
    return NULL;
}

/*
 * The directory is gone (the machine was restarted, or everything was taken down) but the API
 * server remembers runs: those that ended keep their end, the others were lost.
 */
static void recover_from_status(struct ctr *c)
{
    yyjson_val *status = reported_status(c), *end = json_at(status, "state.terminated");

    if (!json_get(status, "containerID"))
        return;
    c->attempt = (int)json_int_at(status, "restartCount", 0);
    c->phase = CTR_RUNNING;
    snprintf(c->started_at, sizeof c->started_at, "%s",
             json_str_at(status, "state.running.startedAt", ""));
    if (!end) {
        ctr_lost(c);
        return;
    }
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *state = json_thaw(doc, end);
    json_put_int(doc, state, "attempt", c->attempt);
    json_put_str(doc, state, "state", "exited");
    struct json *frozen autojson = json_freeze(state);
    ctr_shim_state(c, json_root(frozen));
}

void pod_recover(struct pod *p)
{
    autofree char *path = xasprintf("%s/sandbox.json", p->dir);
    struct buf b cleanup(buf_done) = BUF_LIMIT(1 << 20);
    struct json *box autojson = NULL;

    if (file_read(path, &b, NULL) < 0 || json_parse(buf_slice(&b), &box, NULL) < 0) {
        for (size_t i = 0; i < p->ctrs.n; i++)
            recover_from_status(p->ctrs.v[i]);
        return;
    }
    snprintf(p->ip, sizeof p->ip, "%s", json_get_str(json_root(box), "ip", p->ip));
    for (size_t i = 0; i < p->ctrs.n; i++)
        recover_container(p->ctrs.v[i]);
    if (pod_dir_alive(p->dir)) {
        p->stage = POD_UP;
        return;
    }
    for (size_t i = 0; i < p->ctrs.n; i++)
        ctr_lost(p->ctrs.v[i]);
}

/* ---- the specification of a run ---- */

/* Bytes for Ray's object store: 30 % of the container's memory, as Ray takes of a machine. */
static int64_t object_store_bytes(const struct ctr *c)
{
    const char *text = json_str_at(c->spec, "resources.limits.memory",
                                   json_str_at(c->spec, "resources.requests.memory", NULL));
    struct quantity q;
    int64_t memory = c->pod->host->memory / 4;

    if (text && quantity_parse(slice_of(text), &q, NULL) == 0)
        memory = quantity_value(&q);
    return MAX(memory / 10 * 3, MIN_OBJECT_STORE);
}

/*
 * What Ray is told on a machine that is not a cluster's: nothing is reported home, and a busy
 * machine is no reason to give up. A dashboard whose modules miss their 30 s never serves, and its
 * head stays unready for good; a raylet whose agents miss theirs dies.
 */
static const struct {
    const char *name, *value;
} ray_env[] = {
    {"RAY_USAGE_STATS_ENABLED", "0"},
    {"RAY_DASHBOARD_SUBPROCESS_MODULE_WAIT_READY_TIMEOUT", "300"}, /* seconds */
    {"RAY_DASHBOARD_STARTUP_TIMEOUT_S", "300"},
    {"RAY_agent_register_timeout_ms", "300000"},
};

/* What the image's own environment would be, and what Ray needs here. */
static void image_env(const struct ctr *c, struct env *e)
{
    autofree char *path = xasprintf(
        "%s/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", c->image_path);
    autofree char *store = xasprintf("%lld", (long long)object_store_bytes(c));

    env_set(e, "PATH", path);
    env_set(e, "VIRTUAL_ENV", c->image_path);
    autofree char *home = xasprintf("%s/containers/%s/home", c->pod->dir, c->name);
    env_set(e, "HOME", c->pod->host->namespaces ? HOME_DIR : home);
    env_set(e, "LANG", "C.UTF-8");
    env_set(e, "TZ", "Etc/UTC");
    env_set(e, "HOSTNAME", pod_hostname(c->pod));
    for (size_t i = 0; i < ARRAY_SIZE(ray_env); i++)
        env_set(e, ray_env[i].name, ray_env[i].value);
    env_set(e, "RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES", store);
}

static void put_mount(yyjson_mut_doc *doc, yyjson_mut_val *arr, const char *source,
                      const char *target, bool read_only)
{
    yyjson_mut_val *m = yyjson_mut_arr_add_obj(doc, arr);

    if (source)
        json_put_str(doc, m, "source", source);
    json_put_str(doc, m, "target", target);
    if (read_only)
        json_put_bool(doc, m, "readOnly", true);
}

static bool path_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && path[n] == '/';
}

static int put_private(const struct ctr *c, yyjson_mut_doc *doc, yyjson_mut_val *arr,
                       struct err *err)
{
    static const struct {
        const char *dir, *target;
        unsigned mode;
    } places[] = {{"tmp", "/tmp", 01777}, {"vartmp", "/var/tmp", 01777}, {"home", HOME_DIR, 0755}};

    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        autofree char *dir = xasprintf("containers/%s/%s", c->name, places[i].dir);
        autofree char *full = xasprintf("%s/%s", c->pod->dir, dir);
        int r = mkdir_under(c->pod, dir, places[i].mode, err);
        if (r < 0)
            return r;
        put_mount(doc, arr, full, places[i].target, false);
    }
    /* An environment under one of these places would be hidden by it. */
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        if (c->image_path && path_below(c->image_path, places[i].target))
            put_mount(doc, arr, c->image_path, c->image_path, true);
    autofree char *hosts = xasprintf("%s/hosts", c->pod->dir);
    autofree char *resolv = xasprintf("%s/resolv.conf", c->pod->dir);
    put_mount(doc, arr, hosts, "/etc/hosts", false);
    put_mount(doc, arr, resolv, "/etc/resolv.conf", false);
    put_mount(doc, arr, NULL, "/dev/shm", false);
    json_put_int(doc, yyjson_mut_arr_get_last(arr), "size", DEFAULT_SHM);
    return 0;
}

static int put_volumes(const struct ctr *c, const struct env *e, yyjson_mut_doc *doc,
                       yyjson_mut_val *arr, struct err *err)
{
    struct volume_context v;

    volume_context(c->pod, &v);
    json_each(json_get(c->spec, "volumeMounts"), mount, i, n) {
        autofree char *source = NULL;
        bool read_only = false;
        int r = volume_source(&v, mount, e, &source, &read_only, err);
        if (r < 0)
            return r;
        put_mount(doc, arr, source, json_get_str(mount, "mountPath", ""), read_only);
    }
    return 0;
}

/* A string of the specification, changed where there are no namespaces. */
static int put_text(const struct ctr *c, yyjson_mut_doc *doc, yyjson_mut_val *arr, const char *text,
                    struct err *err)
{
    const struct pod_host *h = c->pod->host;
    struct fallback f = {c->pod->ip, h->lookup, h->ctx};
    autofree char *changed = NULL;
    int r = h->namespaces || !h->lookup ? 0 : fallback_text(&f, text, &changed, err);

    if (r == 0)
        yyjson_mut_arr_add_strcpy(doc, arr, changed ? changed : text);
    return r;
}

static int put_expanded(const struct ctr *c, const struct env *e, yyjson_mut_doc *doc,
                        yyjson_mut_val *argv, yyjson_val *words, struct err *err)
{
    json_each(words, word, i, n) {
        autofree char *text = env_expand(e, json_str(word, ""));
        int r = put_text(c, doc, argv, text, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Ray's images run bash when a pod names no command. */
static int put_command(const struct ctr *c, const struct env *e, yyjson_mut_doc *doc,
                       yyjson_mut_val *argv, struct err *err)
{
    yyjson_val *command = json_get(c->spec, "command"), *args = json_get(c->spec, "args");
    int r = put_expanded(c, e, doc, argv, command, err);

    if (r == 0)
        r = put_expanded(c, e, doc, argv, args, err);
    if (json_is_empty(command) && json_is_empty(args))
        yyjson_mut_arr_add_strcpy(doc, argv, "/bin/bash");
    return r;
}

static int put_env(const struct ctr *c, const struct env *e, yyjson_mut_doc *doc,
                   yyjson_mut_val *arr, struct err *err)
{
    for (size_t i = 0; i < e->vars.n; i++) {
        autofree char *line = xasprintf("%s=%s", e->vars.v[i].name, e->vars.v[i].value);
        int r = put_text(c, doc, arr, line, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int build_env(const struct ctr *c, struct env *e, struct err *err)
{
    const struct pod_host *h = c->pod->host;
    struct volume_context v;

    volume_context(c->pod, &v);
    v.env.container = c->spec;
    image_env(c, e);
    if (h->service_env && json_bool_at(pod_spec(c->pod), "enableServiceLinks", true))
        h->service_env(h->ctx, pod_ns(c->pod), e);
    return env_build(&v.env, e, err);
}

int pod_write_spec(struct pod *p, struct ctr *c, struct err *err)
{
    struct env e cleanup(env_done) = {0};
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *obj = yyjson_mut_obj(doc);
    struct buf b cleanup(buf_done) = BUF_INIT;
    autofree char *name = xasprintf("containers/%s/%d.spec.json", c->name, c->attempt);
    autofree char *log = xasprintf("logs/%s/%d.log", c->name, c->attempt);
    autofree char *logs = xasprintf("logs/%s", c->name);
    int r = mkdir_under(p, logs, 0700, err);

    if (r == 0)
        r = build_env(c, &e, err);
    if (r < 0)
        return r;
    r = put_command(c, &e, doc, json_put_arr(doc, obj, "argv"), err);
    if (r == 0)
        r = put_env(c, &e, doc, json_put_arr(doc, obj, "env"), err);
    if (r < 0)
        return r;
    json_put_str(doc, obj, "cwd", json_get_str(c->spec, "workingDir", env_get(&e, "HOME")));
    json_put_str(doc, obj, "log", log);
    json_put_str(doc, obj, "image", c->image_path);
    yyjson_mut_val *mounts = json_put_arr(doc, obj, "mounts");
    r = put_private(c, doc, mounts, err);
    if (r == 0)
        r = put_volumes(c, &e, doc, mounts, err);
    if (r < 0)
        return r;
    json_mut_write(&b, obj);
    autofree char *path = xasprintf("%s/%s", p->dir, name);
    return file_write(path, buf_slice(&b), 0600, err);
}
