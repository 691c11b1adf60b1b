/* The Node object of this machine: registration, conditions, the heartbeat's Lease. */
#include "base/clock.h"
#include "base/log.h"
#include "base/reach.h"
#include "kubelet/kubelet_int.h"
#include "kubelet/ns.h"

#include <sched.h>
#include <stdio.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#define HEARTBEAT_MS 10000
#define LEASE_SECONDS 40
#define LEASE_NS "kube-node-lease"
#define VERSION "v1.36.0+manta"

int64_t machine_memory(void)
{
    struct sysinfo i;
    return sysinfo(&i) < 0 ? INT64_C(1) << 30 : (int64_t)i.totalram * i.mem_unit;
}

int64_t machine_cpu_milli(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) < 0 ? 1000 : 1000 * (int64_t)CPU_COUNT(&set);
}

/* ---- status ---- */

static void put_resources(yyjson_mut_doc *doc, yyjson_mut_val *status, const char *member)
{
    yyjson_mut_val *r = json_put_obj(doc, status, member);
    autofree char *cpu = xasprintf("%lld", (long long)machine_cpu_milli() / 1000);
    autofree char *memory = xasprintf("%lldKi", (long long)machine_memory() >> 10);

    json_put_str(doc, r, "cpu", cpu);
    json_put_str(doc, r, "memory", memory);
    json_put_str(doc, r, "pods", "110");
}

struct condition {
    const char *type, *status, *reason, *message;
};

static const char *since(struct kubelet *k, const struct condition *c, char now[TIME_TEXT])
{
    json_each(json_at(json_root(k->node), "status.conditions"), old, i, n)
        if (strcmp(json_get_str(old, "type", ""), c->type) == 0 &&
            strcmp(json_get_str(old, "status", ""), c->status) == 0)
            return json_get_str(old, "lastTransitionTime", now);
    return now;
}

static void put_conditions(struct kubelet *k, yyjson_mut_doc *doc, yyjson_mut_val *status)
{
    bool ns = k->info.namespaces, net = !*k->info.internet;
    autofree char *why =
        xasprintf("pods share this machine's network, files and processes: one RayCluster at a "
                  "time, no volumes at their mount paths, no `ray stop`: %s; %s",
                  k->info.why, ns_advice());
    const struct condition all[] = {
        {"MemoryPressure", "False", "KubeletHasSufficientMemory",
         "kubelet has sufficient memory available"},
        {"DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"},
        {"PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"},
        {"Ready", "True", "KubeletReady", "kubelet is posting ready status"},
        {"PodsIsolated", ns ? "True" : "False", ns ? "Namespaces" : "NoNamespaces",
         ns ? "every pod has a network, mounts and processes of its own" : why},
        {"PodsReachInternet", net ? "True" : "False", net ? "Uplink" : "NoUplink",
         net ? "pods reach what this machine reaches" : k->info.internet},
        {"LimitsEnforced", "False", "NotImplemented",
         "limits of CPU and memory count when pods are placed and are told to Ray; nothing stops a "
         "process that takes more"},
    };
    yyjson_mut_val *arr = json_put_arr(doc, status, "conditions");
    char now[TIME_TEXT];

    time_rfc3339(clock_wall_ns(), now);
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        yyjson_mut_val *c = yyjson_mut_arr_add_obj(doc, arr);
        json_put_str(doc, c, "type", all[i].type);
        json_put_str(doc, c, "status", all[i].status);
        json_put_str(doc, c, "lastHeartbeatTime", now);
        json_put_str(doc, c, "lastTransitionTime", since(k, &all[i], now));
        json_put_str(doc, c, "reason", all[i].reason);
        json_put_str(doc, c, "message", all[i].message);
    }
}

static void put_address(yyjson_mut_doc *doc, yyjson_mut_val *arr, const char *type,
                        const char *address)
{
    yyjson_mut_val *a = yyjson_mut_arr_add_obj(doc, arr);
    json_put_str(doc, a, "type", type);
    json_put_str(doc, a, "address", address);
}

static const char *arch(const struct utsname *u)
{
    return strcmp(u->machine, "x86_64") == 0    ? "amd64"
           : strcmp(u->machine, "aarch64") == 0 ? "arm64"
                                                : u->machine;
}

static void put_info(struct kubelet *k, yyjson_mut_doc *doc, yyjson_mut_val *status)
{
    yyjson_mut_val *i = json_put_obj(doc, status, "nodeInfo");
    struct utsname u = {0};

    (void)k;
    uname(&u);
    static const char *const same[] = {"machineID", "systemUUID", "bootID"};
    for (size_t n = 0; n < ARRAY_SIZE(same); n++)
        json_put_str(doc, i, same[n], "");
    json_put_str(doc, i, "kernelVersion", u.release);
    json_put_str(doc, i, "osImage", "Linux processes");
    json_put_str(doc, i, "containerRuntimeVersion", "manta://0.1.0");
    json_put_str(doc, i, "kubeletVersion", VERSION);
    json_put_str(doc, i, "kubeProxyVersion", VERSION);
    json_put_str(doc, i, "operatingSystem", "linux");
    json_put_str(doc, i, "architecture", arch(&u));
}

static void put_status(struct kubelet *k, yyjson_mut_doc *doc, yyjson_mut_val *node)
{
    yyjson_mut_val *status = json_put_obj(doc, node, "status");

    put_resources(doc, status, "capacity");
    put_resources(doc, status, "allocatable");
    put_conditions(k, doc, status);
    yyjson_mut_val *addresses = json_put_arr(doc, status, "addresses");
    put_address(doc, addresses, "InternalIP", k->host.host_ip);
    put_address(doc, addresses, "Hostname", k->node_name);
    put_info(k, doc, status);
}

/* ---- registration ---- */

static void put_identity(struct kubelet *k, yyjson_mut_doc *doc, yyjson_mut_val *node)
{
    yyjson_mut_val *meta = json_put_obj(doc, node, "metadata");
    struct utsname u = {0};

    uname(&u);
    json_put_str(doc, meta, "name", k->node_name);
    yyjson_mut_val *labels = json_put_obj(doc, meta, "labels");
    json_put_str(doc, labels, "kubernetes.io/hostname", k->node_name);
    json_put_str(doc, labels, "kubernetes.io/os", "linux");
    json_put_str(doc, labels, "kubernetes.io/arch", arch(&u));
    json_put_str(doc, json_put_obj(doc, meta, "annotations"), KUBELET_SOCKET_ANNOTATION, k->socket);
}

static void note_node(struct kubelet *k, struct json *node)
{
    json_unref(k->node);
    k->node = json_ref(node);
    kubelet_maybe_ready(k);
    sched_run(k);
}

static void status_written(void *ctx, int code, struct json *answer, struct err *err)
{
    if (code == 0 && answer)
        note_node(ctx, answer);
    else if (code < 0 && code != ERR_CANCELLED)
        log_warn("writing the node's status", "error", err->msg, NULL);
}

static void write_status(struct kubelet *k)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *obj = yyjson_mut_obj(doc);
    struct buf b cleanup(buf_done) = BUF_INIT;

    put_status(k, doc, obj);
    json_mut_write(&b, obj);
    kube_call(k->kube, &(struct kube_call){.verb = KUBE_PATCH,
                                           .gvr = &gvr_nodes,
                                           .name = k->node_name,
                                           .subresource = "status",
                                           .body = buf_slice(&b),
                                           .content_type = KUBE_MERGE_PATCH,
                                           .on_done = status_written,
                                           .ctx = k});
}

/* Labels, the socket's path, and no "not ready" taint: this kubelet is the one that knows. */
static void write_identity(struct kubelet *k)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *obj = yyjson_mut_obj(doc);
    struct buf b cleanup(buf_done) = BUF_INIT;

    put_identity(k, doc, obj);
    yyjson_mut_val *taints = json_put_arr(doc, json_put_obj(doc, obj, "spec"), "taints");
    json_each(json_at(json_root(k->node), "spec.taints"), taint, i, n)
        if (strncmp(json_get_str(taint, "key", ""), "node.kubernetes.io/not-ready", 28) != 0)
            yyjson_mut_arr_append(taints, json_thaw(doc, taint));
    json_mut_write(&b, obj);
    kube_call(k->kube, &(struct kube_call){.verb = KUBE_PATCH,
                                           .gvr = &gvr_nodes,
                                           .name = k->node_name,
                                           .body = buf_slice(&b),
                                           .content_type = KUBE_MERGE_PATCH,
                                           .on_done = status_written,
                                           .ctx = k});
}

static void found(void *ctx, int code, struct json *answer, struct err *err)
{
    struct kubelet *k = ctx;

    if (code < 0 || !answer) {
        log_warn("reading the node", "error", err->msg, NULL);
        return;
    }
    json_unref(k->node);
    k->node = json_ref(answer);
    write_identity(k);
    write_status(k);
}

static void registered(void *ctx, int code, struct json *answer, struct err *err)
{
    struct kubelet *k = ctx;

    k->registering = false;
    if (code == ERR_ALREADY_EXISTS)
        kube_call(k->kube, &(struct kube_call){.verb = KUBE_GET,
                                               .gvr = &gvr_nodes,
                                               .name = k->node_name,
                                               .on_done = found,
                                               .ctx = k});
    else if (code == 0)
        found(ctx, code, answer, err);
    else if (code != ERR_CANCELLED)
        log_warn("registering the node", "error", err->msg, NULL);
}

static void register_node(struct kubelet *k)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *obj = yyjson_mut_obj(doc);
    struct buf b cleanup(buf_done) = BUF_INIT;

    k->registering = true;
    json_put_str(doc, obj, "apiVersion", "v1");
    json_put_str(doc, obj, "kind", "Node");
    put_identity(k, doc, obj);
    yyjson_mut_val *spec = json_put_obj(doc, obj, "spec");
    json_put_str(doc, spec, "podCIDR", NODE_POD_NET "/16");
    yyjson_mut_arr_add_strcpy(doc, json_put_arr(doc, spec, "podCIDRs"), NODE_POD_NET "/16");
    put_status(k, doc, obj);
    json_mut_write(&b, obj);
    kube_call(k->kube, &(struct kube_call){.verb = KUBE_CREATE,
                                           .gvr = &gvr_nodes,
                                           .body = buf_slice(&b),
                                           .on_done = registered,
                                           .ctx = k});
}

/* ---- heartbeat ---- */

static void lease_written(void *ctx, int code, unused struct json *answer, unused struct err *err)
{
    struct kubelet *k = ctx;
    /* Whichever of the two it was not, it is the other one next time. */
    if (code == ERR_ALREADY_EXISTS || code == 0)
        k->lease_there = true;
    else if (code == ERR_NOT_FOUND)
        k->lease_there = false;
}

static void beat(struct kubelet *k)
{
    char now[TIME_TEXT];
    autofree char *spec = xasprintf(
        "\"spec\":{\"holderIdentity\":\"%s\",\"leaseDurationSeconds\":%d,\"renewTime\":\"%s\"}",
        k->node_name, LEASE_SECONDS, time_rfc3339_micro(clock_wall_ns(), now));
    autofree char *create =
        xasprintf("{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{"
                  "\"name\":\"%s\",\"namespace\":\"" LEASE_NS "\"},%s}",
                  k->node_name, spec);
    autofree char *patch = xasprintf("{%s}", spec);

    kube_call(k->kube, &(struct kube_call){.verb = k->lease_there ? KUBE_PATCH : KUBE_CREATE,
                                           .gvr = &gvr_leases,
                                           .ns = LEASE_NS,
                                           .name = k->lease_there ? k->node_name : NULL,
                                           .body = slice_of(k->lease_there ? patch : create),
                                           .content_type = k->lease_there ? KUBE_MERGE_PATCH : NULL,
                                           .on_done = lease_written,
                                           .ctx = k});
}

static void on_heartbeat(uv_timer_t *t)
{
    static unsigned turn;
    struct kubelet *k = t->data;

    beat(k);
    if (k->node && ++turn % 30 == 0) /* as often as a kubelet does: every five minutes */
        write_status(k);
}

void knode_retry(struct kubelet *k)
{
    if (!k->node && !k->registering)
        register_node(k);
}

void knode_start(struct kubelet *k)
{
    register_node(k);
    uv_timer_init(&k->loop, &k->heartbeat);
    k->heartbeat.data = k;
    uv_timer_start(&k->heartbeat, on_heartbeat, 0, HEARTBEAT_MS);
}
