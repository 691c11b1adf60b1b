/* Whole pods of small shell containers, driven by a host that only writes down what it is told. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/reach.h"
#include "base/test.h"
#include "kubelet/node.h"
#include "kubelet/pod.h"

#include <signal.h>
#include <sys/wait.h>

#define RAY_ENV "MANTA_TEST_RAY" /* a version of Ray: run the tests that need the real one */

struct lab {
    uv_loop_t loop;
    struct pod_host host;
    char dir[64], cache[80], reach[96];
    pid_t node;
    struct buf events; /* "Reason container: message\n" */
    struct json *status;
    struct pod *pod;
    bool ended;
};

static int no_object(unused void *ctx, const char *kind, const char *ns, const char *name,
                     yyjson_val **ret, struct err *err)
{
    static struct json *map, *secret;

    (void)ns;
    if (!map) {
        json_parse(
            SLICE(
                "{\"kind\":\"ConfigMap\",\"data\":{\"k\":\"from map\",\"f.sh\":\"echo file\\n\"}}"),
            &map, NULL);
        json_parse(SLICE("{\"kind\":\"Secret\",\"data\":{\"k\":\"aGlkZGVu\"}}"), &secret, NULL);
    }
    if (strcmp(name, "here") != 0)
        return err_set(err, ERR_NOT_FOUND, "%s \"%s\" not found",
                       strcmp(kind, "Secret") ? "configmap" : "secret", name);
    *ret = json_root(strcmp(kind, "Secret") ? map : secret);
    return 0;
}

static int no_token(unused void *ctx, unused yyjson_val *pod, unused const char *audience,
                    unused int64_t seconds, struct buf *out, unused struct err *err)
{
    buf_adds(out, "a-token");
    return 0;
}

static void on_status(void *ctx, unused struct pod *p, yyjson_val *status)
{
    struct lab *l = ctx;
    json_unref(l->status);
    l->status = json_copy(status);
}

static void on_event(void *ctx, unused struct pod *p, const char *container, unused bool warning,
                     const char *reason, const char *message)
{
    struct lab *l = ctx;
    buf_printf(&l->events, "%s %s: %s\n", reason, container ? container : "-", message);
}

static void on_ended(void *ctx, unused struct pod *p)
{
    ((struct lab *)ctx)->ended = true;
}

static void pulled(void *ctx)
{
    struct lab *l = ctx;
    if (l->pod)
        pod_poke(l->pod);
}

static pid_t fork_node(struct lab *l)
{
    char said[64] = "";
    int pipes[2];

    CHECK(pipe(pipes) == 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(node_run(&(struct node_options){.state_dir = l->dir, .ready_fd = pipes[1]}));
    close(pipes[1]);
    CHECK(read(pipes[0], said, sizeof said - 1) > 0);
    close(pipes[0]);
    return pid;
}

static bool lab_up(struct lab *l)
{
    struct node_info info = {0};
    struct err err = {0};

    *l = (struct lab){0};
    snprintf(l->dir, sizeof l->dir, "%s", "/tmp/manta-pod-test.XXXXXX");
    CHECK(mkdtemp(l->dir) != NULL);
    snprintf(l->cache, sizeof l->cache, "%s/cache", l->dir);
    snprintf(l->reach, sizeof l->reach, "%s/" REACH_SOCKET, l->dir);
    l->node = fork_node(l);
    CHECK_OK(node_info(l->reach, &info, &err), &err);
    CHECK_OK(image_add(l->cache, "busybox", "/usr", &err), &err);
    uv_loop_init(&l->loop);
    l->host = (struct pod_host){
        .loop = &l->loop,
        .state_dir = l->dir,
        .reach = l->reach,
        .node_name = "manta",
        .host_ip = "127.0.0.1",
        .namespaces = info.namespaces,
        .cpu_milli = 2000,
        .memory = INT64_C(4) << 30,
        .pulls = pulls_new(&l->loop, l->cache, pulled, l),
        .object = no_object,
        .token = no_token,
        .status = on_status,
        .event = on_event,
        .ended = on_ended,
        .ctx = l,
    };
    if (!info.namespaces)
        fprintf(stderr, "namespaces do not work here: %s\n", info.why);
    return info.namespaces;
}

static void close_handle(uv_handle_t *h, unused void *arg)
{
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static void lab_down(struct lab *l)
{
    int status;

    pod_free(l->pod);
    pulls_free(l->host.pulls);
    node_stop(l->reach, NULL);
    CHECK(waitpid(l->node, &status, 0) == l->node);
    uv_run(&l->loop, UV_RUN_NOWAIT);
    uv_walk(&l->loop, close_handle, NULL);
    uv_run(&l->loop, UV_RUN_DEFAULT);
    CHECK_INT(uv_loop_close(&l->loop), 0);
    json_unref(l->status);
    buf_done(&l->events);
    CHECK(file_remove_tree(l->dir, NULL) == 0);
}

static struct json *make_pod(const char *spec, const char *extra)
{
    struct json *doc = NULL;
    struct err err = {0};
    autofree char *text = xasprintf(
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\","
        "\"uid\":\"0a1b-2c3d\",\"labels\":{\"a\":\"b\"}%s},\"spec\":{%s}}",
        extra, spec);
    CHECK_OK(json_parse(slice_of(text), &doc, &err), &err);
    return doc;
}

static void lab_pod(struct lab *l, const char *spec)
{
    struct json *object autojson = make_pod(spec, "");
    l->pod = pod_new(&l->host, object, "10.244.0.7");
}

static void nothing(unused uv_timer_t *t)
{
}

/* Runs the loop until the status (or the end) is as wanted; false after some time. */
static bool wait_for(struct lab *l, const char *path, const char *want)
{
    int64_t until = clock_mono_ns() + (getenv(RAY_ENV) ? 300 : 10) * SECOND_NS;
    uv_timer_t tick;
    bool ok = false;

    uv_timer_init(&l->loop, &tick);
    uv_timer_start(&tick, nothing, 100, 100);
    while (!ok && clock_mono_ns() < until) {
        uv_run(&l->loop, UV_RUN_ONCE);
        ok = path ? strcmp(json_str_at(json_root(l->status), path, ""), want) == 0 : l->ended;
    }
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(&l->loop, UV_RUN_NOWAIT);
    if (!ok) {
        autofree char *text = json_text(json_root(l->status));
        FAIL("%s did not become %s\nstatus %s\nevents %s", path ? path : "pod", want, text,
             buf_str(&l->events));
    }
    return ok;
}

static char *log_of(struct lab *l, const char *container, int attempt)
{
    autofree char *path = xasprintf("%s/pods/0a1b-2c3d/logs/%s/%d.log", l->dir, container, attempt);
    struct buf b = BUF_INIT;
    return file_read(path, &b, NULL) < 0 ? xstrdup("") : buf_take(&b);
}

static void delete_pod(struct lab *l, int grace)
{
    char extra[160], when[TIME_TEXT];

    time_rfc3339(clock_wall_ns() + grace * SECOND_NS, when);
    snprintf(extra, sizeof extra, ",\"deletionTimestamp\":\"%s\",\"deletionGracePeriodSeconds\":%d",
             when, grace);
    autofree char *spec = json_text(pod_spec(l->pod));
    spec[strlen(spec) - 1] = '\0';
    struct json *object autojson = make_pod(spec + 1, extra);
    pod_update(l->pod, object);
}

#define SHELL(name, script)                                                                        \
    "{\"name\":\"" name "\",\"image\":\"busybox\",\"command\":[\"sh\",\"-c\",\"" script "\"]"

TEST(a_pod_runs_to_completion)
{
    struct lab l;

    if (!lab_up(&l))
        return;
    lab_pod(
        &l,
        "\"restartPolicy\":\"Never\",\"initContainers\":[" SHELL(
            "i",
            "echo init > /v/x") ",\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/v\"}]}],"
                                "\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}},{\"name\":\"m\","
                                "\"configMap\":{\"name\":\"here\"}},"
                                "{\"name\":\"t\",\"projected\":{\"sources\":[{"
                                "\"serviceAccountToken\":{\"path\":\"token\"}},"
                                "{\"downwardAPI\":{\"items\":[{\"path\":\"l\",\"fieldRef\":{"
                                "\"fieldPath\":\"metadata.labels\"}}]}}]}}],"
                                "\"containers\":[" SHELL(
                                    "c",
                                    "cat /v/x; echo $A $B $C $D; cat /t/token /t/l; sh /m/f.sh; "
                                    "exit 3") ",\"env\":[{\"name\":\"A\",\"value\":\"one\"},{"
                                              "\"name\":\"B\",\"value\":\"$(A) $$(A) $(NO)\"},"
                                              "{\"name\":\"C\",\"valueFrom\":{\"fieldRef\":{"
                                              "\"fieldPath\":\"status.podIP\"}}},"
                                              "{\"name\":\"D\",\"valueFrom\":{\"secretKeyRef\":{"
                                              "\"name\":\"here\",\"key\":\"k\"}}}],"
                                              "\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/"
                                              "v\"},{\"name\":\"m\",\"mountPath\":\"/m\"},"
                                              "{\"name\":\"t\",\"mountPath\":\"/t\"}]}]");
    if (wait_for(&l, "phase", "Failed")) {
        autofree char *log = log_of(&l, "c", 0);
        yyjson_val *s = json_root(l.status);
        CHECK(strstr(log, " F init\n") && strstr(log, " F one one $(A) $(NO) 10.244.0.7 hidden\n"));
        CHECK(strstr(log, " F a-tokena=\"b\"") && strstr(log, "file"));
        CHECK_INT(json_int_at(s, "containerStatuses.0.state.terminated.exitCode", -1), 3);
        CHECK_STR(json_str_at(s, "containerStatuses.0.state.terminated.reason", ""), "Error");
        CHECK_STR(json_str_at(s, "initContainerStatuses.0.state.terminated.reason", ""),
                  "Completed");
        CHECK_STR(json_str_at(s, "podIP", ""), "10.244.0.7");
        CHECK(strstr(buf_str(&l.events), "Started c: Started container c\n"));
    }
    lab_down(&l);
}

TEST(a_failing_container_restarts_with_back_off)
{
    struct lab l;

    if (!lab_up(&l))
        return;
    lab_pod(&l, "\"containers\":[" SHELL("c", "exit 1") "}]");
    if (wait_for(&l, "containerStatuses.0.state.waiting.reason", "CrashLoopBackOff")) {
        yyjson_val *s = json_root(l.status);
        CHECK_INT(json_int_at(s, "containerStatuses.0.restartCount", -1), 1);
        CHECK_INT(json_int_at(s, "containerStatuses.0.lastState.terminated.exitCode", -1), 1);
        CHECK_STR(json_str_at(s, "phase", ""), "Running");
        CHECK_STR(json_str_at(s, "containerStatuses.0.state.waiting.message", ""),
                  "back-off 10s restarting failed container=c pod=p_ns(0a1b-2c3d)");
    }
    delete_pod(&l, 0);
    wait_for(&l, NULL, "ended");
    lab_down(&l);
}

TEST(deletion_is_graceful_and_leaves_nothing)
{
    struct lab l;

    if (!lab_up(&l))
        return;
    lab_pod(
        &l,
        "\"containers\":[" SHELL(
            "c",
            "trap 'echo bye > /h/bye; exit 0' TERM; touch /tmp/up; "
            "while :; do sleep 0.02; done") ",\"volumeMounts\":[{\"name\":\"h\",\"mountPath\":\"/"
                                            "h\"}],"
                                            "\"readinessProbe\":{\"exec\":{\"command\":[\"test\","
                                            "\"-e\",\"/tmp/up\"]},\"initialDelaySeconds\":30},"
                                            "\"lifecycle\":{\"preStop\":{\"exec\":{\"command\":["
                                            "\"sh\",\"-c\",\"echo pre > /h/pre\"]}}}}],"
                                            "\"volumes\":[{\"name\":\"h\",\"hostPath\":{\"path\":"
                                            "\"/tmp/manta-pod-test-host\"}}]");
    if (wait_for(&l, "conditions.2.status", "True")) {
        CHECK_STR(json_str_at(json_root(l.status), "conditions.2.type", ""), "Ready");
        delete_pod(&l, 20);
        wait_for(&l, NULL, "ended");
        CHECK(access("/tmp/manta-pod-test-host/pre", F_OK) == 0);
        CHECK(access("/tmp/manta-pod-test-host/bye", F_OK) == 0);
        autofree char *dir = xasprintf("%s/pods/0a1b-2c3d", l.dir);
        CHECK(access(dir, F_OK) < 0);
        CHECK(strstr(buf_str(&l.events), "Killing c: Stopping container c\n"));
    }
    file_remove_tree("/tmp/manta-pod-test-host", NULL);
    lab_down(&l);
}

TEST(a_new_kubelet_takes_the_pod_back)
{
    struct lab l;

    if (!lab_up(&l))
        return;
    lab_pod(&l, "\"restartPolicy\":\"Never\",\"containers\":[" SHELL(
                    "c", "while [ ! -e /tmp/go ]; do sleep 0.02; "
                         "done; echo done; exit 9") "}]");
    if (wait_for(&l, "phase", "Running")) {
        struct json *object autojson = json_ref(l.pod->object);
        autofree char *go = xasprintf("%s/containers/c/tmp/go", l.pod->dir);
        struct err err;
        pod_free(l.pod); /* as if it had been killed: nothing is told to the shim */
        json_unref(l.status);
        l.status = NULL;
        CHECK_OK(file_write(go, SLICE("x"), 0644, &err), &err);
        l.pod = pod_new(&l.host, object, "10.244.9.9");
        wait_for(&l, "phase", "Failed");
        CHECK_INT(
            json_int_at(json_root(l.status), "containerStatuses.0.state.terminated.exitCode", -1),
            9);
        CHECK_STR(json_str_at(json_root(l.status), "podIP", ""), "10.244.0.7");
        autofree char *log = log_of(&l, "c", 0);
        CHECK(strstr(log, " F done\n"));
    }
    delete_pod(&l, 0);
    wait_for(&l, NULL, "ended");
    lab_down(&l);
}

TEST(what_cannot_be_had_says_what_to_do)
{
    struct lab l;

    if (!lab_up(&l))
        return;
    lab_pod(&l, "\"containers\":[{\"name\":\"c\",\"image\":\"nginx:1\"},"
                "{\"name\":\"d\",\"image\":\"busybox\",\"env\":[{\"name\":\"X\",\"valueFrom\":"
                "{\"configMapKeyRef\":{\"name\":\"gone\",\"key\":\"k\"}}}]}]");
    if (wait_for(&l, "containerStatuses.0.state.waiting.reason", "ErrImagePull")) {
        CHECK(strstr(
            json_str_at(json_root(l.status), "containerStatuses.0.state.waiting.message", ""),
            "manta image add nginx:1 PATH"));
        wait_for(&l, "containerStatuses.0.state.waiting.reason", "ImagePullBackOff");
    }
    wait_for(&l, "containerStatuses.1.state.waiting.reason", "CreateContainerConfigError");
    CHECK_STR(json_str_at(json_root(l.status), "containerStatuses.1.state.waiting.message", ""),
              "configmap \"gone\" not found");
    delete_pod(&l, 30);
    wait_for(&l, NULL, "ended");
    lab_down(&l);
}

TEST(a_failing_liveness_probe_restarts_the_container)
{
    struct lab l;

    if (!lab_up(&l))
        return;
    lab_pod(&l, "\"terminationGracePeriodSeconds\":1,\"containers\":[" SHELL(
                    "c", "exec sleep 1000") ",\"livenessProbe\":{\"exec\":{\"command\":[\"sh\",\"-"
                                            "c\",\"echo sick; exit 1\"]},"
                                            "\"periodSeconds\":1,\"failureThreshold\":1}}]");
    if (wait_for(&l, "phase", "Running")) {
        /* Each status that is written comes back as a new object; the old one goes. */
        struct json *again autojson = json_copy(json_root(l.pod->object));
        pod_update(l.pod, again);
    }
    if (wait_for(&l, "containerStatuses.0.lastState.terminated.reason", "Error")) {
        CHECK(strstr(buf_str(&l.events), "Unhealthy c: Liveness probe failed: sick\n"));
        CHECK(strstr(buf_str(&l.events),
                     "Killing c: Container c failed liveness probe, will be restarted\n"));
        CHECK_INT(json_int_at(json_root(l.status),
                              "containerStatuses.0.lastState.terminated.exitCode", -1),
                  143);
    }
    delete_pod(&l, 0);
    wait_for(&l, NULL, "ended");
    lab_down(&l);
}

TEST(a_sidecar_runs_beside_and_ends_after)
{
    struct lab l;

    if (!lab_up(&l))
        return;
    lab_pod(&l, "\"restartPolicy\":\"Never\",\"initContainers\":[" SHELL(
                    "s", "exec sleep 1000") ",\"restartPolicy\":\"Always\"}],\"containers\":"
                                            "[" SHELL("c", "exit 0") "}]");
    if (wait_for(&l, "phase", "Succeeded"))
        wait_for(&l, "initContainerStatuses.0.state.terminated.reason", "Error");
    delete_pod(&l, 0);
    wait_for(&l, NULL, "ended");
    lab_down(&l);
}

TEST(wget_probes_are_understood)
{
    static const struct {
        const char *command;
        size_t n;
    } cases[] = {
        {"[\"bash\",\"-c\",\"wget --tries 1 -T 2 -q -O- "
         "http://localhost:52365/api/local_raylet_healthz | "
         "grep success && wget --tries 1 -T 10 -q -O- http://localhost:8265/api/gcs_healthz | grep "
         "success\"]",
         2},
        {"[\"sh\",\"-c\",\"wget -qO- http://127.0.0.1/ | grep -q ok\"]", 1},
        {"[\"bash\",\"-c\",\"wget http://localhost:1/ | grep a; rm x\"]", 0},
        {"[\"bash\",\"-c\",\"wget --post-data=x http://localhost:1/ | grep a\"]", 0},
        {"[\"bash\",\"-c\",\"wget http://example.com/ | grep a\"]", 0},
        {"[\"bash\",\"-c\",\"wget http://localhost:1/ | grep $(id)\"]", 0},
        {"[\"wget\",\"http://localhost:1/\"]", 0},
    };
    struct wget_check checks[WGET_CHECKS_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct json *doc autojson = NULL;
        CHECK(json_parse(slice_of(cases[i].command), &doc, NULL) == 0);
        CHECK_INT(probe_parse_wget(json_root(doc), checks), cases[i].n);
    }
}

TEST(image_names_are_parsed)
{
    static const struct {
        const char *name, *ray, *python;
    } cases[] = {
        {"rayproject/ray:2.52.0", "2.52.0", ""},
        {"rayproject/ray:2.52.0-py311-cpu", "2.52.0", "3.11"},
        {"docker.io/rayproject/ray-ml:2.9.3-py39", "2.9.3", "3.9"},
        {"rayproject/ray:2.60.0-py312-cu121", "2.60.0", "3.12"},
        {"rayproject/ray:nightly", NULL, NULL},
        {"rayproject/ray:2.52", NULL, NULL},
        {"rayproject/ray:2.52.0rc1", NULL, NULL},
        {"someone/ray:2.52.0", NULL, NULL},
        {"rayproject/ray", NULL, NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct image_want w;
        CHECK(image_parse(cases[i].name, &w) == (cases[i].ray != NULL));
        if (cases[i].ray) {
            CHECK_STR(w.ray, cases[i].ray);
            CHECK_STR(w.python, cases[i].python);
        }
    }
}

TEST(a_head_of_real_ray_becomes_ready)
{
    const char *version = getenv(RAY_ENV);
    struct lab l;

    if (!version || !lab_up(&l))
        return;
    pulls_free(l.host.pulls);
    l.host.pulls = pulls_new(&l.loop, NULL, pulled, &l); /* the user's own cache */
    autofree char *spec = xasprintf(
        "\"volumes\":[{\"name\":\"shared-mem\",\"emptyDir\":{\"medium\":\"Memory\",\"sizeLimit\":"
        "\"2Gi\"}}],"
        "\"containers\":[{\"name\":\"ray-head\",\"image\":\"rayproject/ray:%s\",\"command\":[\"/"
        "bin/bash\",\"-c\",\"--\"],"
        "\"args\":[\"ulimit -n 65536; ray start --head  --block  "
        "--dashboard-agent-listen-port=52365  "
        "--dashboard-host=0.0.0.0  --metrics-export-port=8080  --num-cpus=1  --memory=2147483648 "
        "\"],"
        "\"env\":[{\"name\":\"RAY_PORT\",\"value\":\"6379\"},{\"name\":\"RAY_ADDRESS\",\"value\":"
        "\"127.0.0.1:6379\"}],"
        "\"resources\":{\"limits\":{\"memory\":\"2Gi\"}},"
        "\"volumeMounts\":[{\"name\":\"shared-mem\",\"mountPath\":\"/dev/shm\"}],"
        "\"readinessProbe\":{\"exec\":{\"command\":[\"bash\",\"-c\",\"wget --tries 1 -T 2 -q -O- "
        "http://localhost:52365/api/local_raylet_healthz | grep success && wget --tries 1 -T 10 -q "
        "-O- "
        "http://localhost:8265/api/gcs_healthz | grep success\"]},\"initialDelaySeconds\":10,"
        "\"timeoutSeconds\":2,\"periodSeconds\":5,\"failureThreshold\":10}}]",
        version);
    int64_t began = clock_mono_ns();
    lab_pod(&l, spec);
    wait_for(&l, "conditions.2.status", "True");
    fprintf(stderr, "ready after %.1f s\n%s", (double)(clock_mono_ns() - began) / 1e9,
            buf_str(&l.events));
    began = clock_mono_ns();
    delete_pod(&l, 30);
    wait_for(&l, NULL, "ended");
    fprintf(stderr, "gone after %.1f s\n", (double)(clock_mono_ns() - began) / 1e9);
    lab_down(&l);
}
