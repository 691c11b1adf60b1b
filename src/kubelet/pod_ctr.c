/* Containers of a pod: start with image and back-off, the end, restart, kill. */
#include "base/clock.h"
#include "base/mem.h"
#include "kube/meta.h"
#include "kubelet/pod.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#define BACKOFF_FIRST_NS (10 * SECOND_NS)
#define BACKOFF_MAX_NS (300 * SECOND_NS)
#define BACKOFF_RESET_NS (600 * SECOND_NS) /* a run this long starts the back-off anew */
#define CONFIG_RETRY_NS (5 * SECOND_NS)
#define PULL_ERROR_SHOWN_NS (2 * SECOND_NS) /* ErrImagePull before it becomes ImagePullBackOff */

void ctr_event(struct ctr *c, bool warning, const char *reason, const char *fmt, ...)
{
    const struct pod_host *h = c->pod->host;
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (!c->pod->orphan)
        h->event(h->ctx, c->pod, c->name, warning, reason, text);
}

void ctr_wait(struct ctr *c, const char *reason, const char *fmt, ...)
{
    va_list ap;

    snprintf(c->wait_reason, sizeof c->wait_reason, "%s", reason);
    va_start(ap, fmt);
    vsnprintf(c->wait_message, sizeof c->wait_message, fmt, ap);
    va_end(ap);
    /* With a reason to wait it is no longer what it was before: its last end moves to lastState. */
    if (c->phase == CTR_EXITED) {
        free(c->before.message);
        c->before = c->end;
        c->end = (struct ctr_end){0};
        c->phase = CTR_WAITING;
    }
}

bool ctr_restarts(const struct ctr *c)
{
    const char *policy = json_get_str(pod_spec(c->pod), "restartPolicy", "Always");

    if (c->pod->deleting || c->pod->failed)
        return false;
    if (c->sidecar)
        return true;
    if (strcmp(policy, "Never") == 0)
        return false;
    return c->end.code != 0 || (!c->init && strcmp(policy, "Always") == 0);
}

bool ctr_done(const struct ctr *c)
{
    return c->phase == CTR_EXITED && !ctr_restarts(c);
}

/* ---- start ---- */

static bool in_backoff(struct ctr *c)
{
    struct pod *p = c->pod;

    if (c->attempt < 0 || clock_mono_ns() >= c->end_ns + c->backoff_ns)
        return false;
    if (strcmp(c->wait_reason, "CrashLoopBackOff") != 0)
        ctr_event(c, true, "BackOff", "Back-off restarting failed container %s in pod %s_%s(%s)",
                  c->name, pod_name(p), pod_ns(p), p->uid);
    ctr_wait(c, "CrashLoopBackOff", "back-off %llds restarting failed container=%s pod=%s_%s(%s)",
             (long long)(c->backoff_ns / SECOND_NS), c->name, pod_name(p), pod_ns(p), p->uid);
    return true;
}

static void pull_failed(struct ctr *c, const char *image, const struct pull_info *info)
{
    int64_t now = clock_mono_ns();

    if (c->pull_failures < info->failures) {
        c->pull_failures = info->failures;
        c->pull_failed_ns = now;
        ctr_event(c, true, "Failed", "Failed to pull image \"%s\": %s", image, info->message);
        ctr_event(c, true, "Failed", "Error: ErrImagePull");
        ctr_wait(c, "ErrImagePull", "%s", info->message);
    } else if (now >= c->pull_failed_ns + PULL_ERROR_SHOWN_NS &&
               strcmp(c->wait_reason, "ImagePullBackOff") != 0) {
        ctr_event(c, false, "BackOff", "Back-off pulling image \"%s\"", image);
        ctr_event(c, true, "Failed", "Error: ImagePullBackOff");
        ctr_wait(c, "ImagePullBackOff", "Back-off pulling image \"%s\": ErrImagePull: %s", image,
                 info->message);
    }
}

static void begin_pull(struct ctr *c, const char *image)
{
    if (strcmp(json_get_str(c->spec, "imagePullPolicy", ""), "Never") == 0) {
        if (strcmp(c->wait_reason, "ErrImageNeverPull") != 0)
            ctr_event(c, true, "ErrImageNeverPull",
                      "Container image \"%s\" is not present with pull policy of Never", image);
        ctr_wait(c, "ErrImageNeverPull",
                 "Container image \"%s\" is not present with pull policy of Never", image);
        return;
    }
    ctr_event(c, false, "Pulling", "Pulling image \"%s\"", image);
    c->pull_waited = true;
    pull_start(c->pod->host->pulls, image);
}

static void tell_pulled(struct ctr *c, const char *image, const struct pull_info *info)
{
    double took = (double)info->took_ns / 1e9;

    if (c->image_told)
        return;
    c->image_told = true;
    if (c->pull_waited)
        ctr_event(c, false, "Pulled",
                  "Successfully pulled image \"%s\" in %.3fs (%.3fs including waiting)", image,
                  took, took);
    else
        ctr_event(c, false, "Pulled", "Container image \"%s\" already present on machine", image);
}

/* False while the image is not there. */
static bool have_image(struct ctr *c)
{
    const char *image = json_get_str(c->spec, "image", "");
    struct pull_info info;

    pull_look(c->pod->host->pulls, image, &info);
    switch (info.state) {
    case PULL_READY:
        free(c->image_path);
        c->image_path = xstrdup(info.path);
        snprintf(c->image_version, sizeof c->image_version, "%s", info.ray_version);
        tell_pulled(c, image, &info);
        return true;
    case PULL_NONE:
        begin_pull(c, image);
        return false;
    case PULL_BACKOFF:
        pull_failed(c, image, &info);
        return false;
    case PULL_RUNNING:
        c->pull_waited = true;
        return false;
    }
    return false;
}

static void start_answered(void *ctx, int code, unused yyjson_val *answer, struct err *err)
{
    struct ctr *c = ctx;

    c->starting = NULL;
    if (code == 0)
        ctr_event(c, false, "Started", "Started container %s", c->name);
    else if (code != ERR_LOST)
        ctr_event(c, true, "Failed", "Error: %s", err->msg);
    if (code < 0 && code != ERR_LOST && c->phase == CTR_STARTING && c->end.attempt != c->attempt) {
        /* The shim refused before anything ran, so no record of an end will come. */
        c->phase = CTR_WAITING;
        c->attempt--;
        c->end_ns = clock_mono_ns();
        c->backoff_ns = CONFIG_RETRY_NS;
        ctr_wait(c, "CreateContainerError", "%s", err->msg);
    }
    pod_poke(c->pod);
}

static void send_start(struct ctr *c)
{
    char text[512];
    int n = snprintf(text, sizeof text, "{\"op\":\"start\",\"container\":\"%s\",\"attempt\":%d}",
                     c->name, c->attempt);

    c->starting = shim_call(c->pod->host->loop, c->pod->dir, (struct slice){text, (size_t)n}, NULL,
                            0, start_answered, c);
}

static void config_failed(struct ctr *c, int code, const struct err *err)
{
    c->attempt--;
    if (code == ERR_UNAVAILABLE)
        return;
    if (strcmp(c->wait_message, err->msg) != 0)
        ctr_event(c, true, "Failed", "Error: %s", err->msg);
    c->end_ns = clock_mono_ns();
    ctr_wait(c, "CreateContainerConfigError", "%s", err->msg);
}

static bool config_wait(const struct ctr *c)
{
    return strcmp(c->wait_reason, "CreateContainerConfigError") == 0 &&
           clock_mono_ns() < c->end_ns + CONFIG_RETRY_NS;
}

void ctr_try_start(struct ctr *c)
{
    struct err err = {0};

    if (c->starting || config_wait(c) || in_backoff(c) || !have_image(c))
        return;
    c->attempt++;
    int r = pod_write_spec(c->pod, c, &err);
    if (r < 0) {
        config_failed(c, r, &err);
        return;
    }
    if (c->end.set) {
        free(c->before.message);
        c->before = c->end;
        c->end = (struct ctr_end){0};
    }
    c->phase = CTR_STARTING;
    c->wait_reason[0] = c->wait_message[0] = '\0';
    c->killing = c->term_sent = c->kill_sent = false;
    ctr_event(c, false, "Created", "Created container: %s", c->name);
    send_start(c);
}

/* ---- what the shim says ---- */

static void stop_probes(struct ctr *c)
{
    for (int k = 0; k < PROBE_KINDS; k++)
        probe_stop(take(c->probes[k]));
    c->ready = c->started = false;
}

static void start_probes(struct ctr *c)
{
    c->started = !json_get(c->spec, probe_member(PROBE_STARTUP));
    c->ready = c->started && !json_get(c->spec, probe_member(PROBE_READINESS));
    if (!c->started) {
        c->probes[PROBE_STARTUP] = probe_start(c, PROBE_STARTUP);
        return;
    }
    for (int k = PROBE_READINESS; k < PROBE_KINDS; k++)
        if (!c->probes[k])
            c->probes[k] = probe_start(c, (enum probe_kind)k);
}

static void set_time(char out[TIME_TEXT], const char *nano)
{
    int64_t ns;
    if (time_parse(slice_of(nano), &ns))
        time_rfc3339(ns, out);
    else
        snprintf(out, TIME_TEXT, "%s", "1970-01-01T00:00:00Z");
}

static int64_t ran_ns(yyjson_val *state)
{
    int64_t from = 0, to = 0;
    time_parse(slice_of(json_get_str(state, "startedAt", "")), &from);
    time_parse(slice_of(json_get_str(state, "finishedAt", "")), &to);
    return to - from;
}

static void take_end(struct ctr *c, yyjson_val *state)
{
    const char *message = json_get_str(state, "message", NULL);
    struct ctr_end end = {
        .set = true,
        .attempt = (int)json_int_at(state, "attempt", 0),
        .code = (int)json_int_at(state, "exitCode", 0),
        .signal = (int)json_int_at(state, "signal", 0),
        .message = xstrdup(message),
    };
    int64_t finished;

    snprintf(end.reason, sizeof end.reason, "%s", json_get_str(state, "reason", "Error"));
    set_time(end.started, json_get_str(state, "startedAt", ""));
    set_time(end.finished, json_get_str(state, "finishedAt", ""));
    free(c->end.message);
    c->end = end;
    c->phase = CTR_EXITED;
    c->streak = ran_ns(state) >= BACKOFF_RESET_NS ? 1 : c->streak + 1;
    c->backoff_ns = 0;
    for (unsigned i = 1; i < c->streak && c->backoff_ns < BACKOFF_MAX_NS; i++)
        c->backoff_ns = c->backoff_ns ? MIN(c->backoff_ns * 2, BACKOFF_MAX_NS) : BACKOFF_FIRST_NS;
    c->end_ns = clock_mono_ns();
    if (time_parse(slice_of(json_get_str(state, "finishedAt", "")), &finished))
        c->end_ns -= MAX(clock_wall_ns() - finished, 0);
    c->image_told = c->pull_waited = false;
    c->wait_reason[0] = c->wait_message[0] = '\0';
    stop_probes(c);
}

void ctr_shim_state(struct ctr *c, yyjson_val *state)
{
    int attempt = (int)json_int_at(state, "attempt", 0);

    if (attempt < c->attempt || (c->end.set && c->end.attempt >= attempt) ||
        (c->before.set && c->before.attempt >= attempt))
        return; /* known already */
    c->attempt = attempt;
    if (strcmp(json_get_str(state, "state", ""), "exited") == 0) {
        take_end(c, state);
        return;
    }
    if (c->phase == CTR_RUNNING)
        return;
    c->phase = CTR_RUNNING;
    c->start_ns = clock_mono_ns();
    c->wait_reason[0] = c->wait_message[0] = '\0';
    set_time(c->started_at, json_get_str(state, "startedAt", ""));
    start_probes(c);
}

void ctr_lost(struct ctr *c)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *obj = yyjson_mut_obj(doc);
    char now[TIME_TEXT];

    shim_call_cancel(take(c->starting));
    shim_call_cancel(take(c->prestop));
    if (c->phase == CTR_STARTING || c->phase == CTR_RUNNING) {
        time_rfc3339_nano(clock_wall_ns(), now);
        json_put_int(doc, obj, "attempt", c->attempt);
        json_put_int(doc, obj, "exitCode", 137);
        json_put_str(doc, obj, "reason", "ContainerStatusUnknown");
        json_put_str(doc, obj, "message",
                     "The container could not be located when the pod was terminated");
        json_put_str(doc, obj, "startedAt", c->started_at[0] ? c->started_at : now);
        json_put_str(doc, obj, "finishedAt", now);
        struct json *state autojson = json_freeze(obj);
        take_end(c, json_root(state));
    }
    /* A new sandbox runs its init containers again. */
    if (c->init && !c->sidecar && c->phase == CTR_EXITED && c->end.code == 0 && !c->pod->deleting)
        ctr_wait(c, "PodInitializing", "%s", "");
}

/* ---- end ---- */

static void send_signal(struct ctr *c, int sig)
{
    char text[512];
    int n = sig == SIGKILL
                ? snprintf(text, sizeof text, "{\"op\":\"kill\",\"container\":\"%s\"}", c->name)
                : snprintf(text, sizeof text,
                           "{\"op\":\"signal\",\"container\":\"%s\",\"signal\":%d}", c->name, sig);

    shim_call(c->pod->host->loop, c->pod->dir, (struct slice){text, (size_t)n}, NULL, 0, NULL,
              NULL);
}

static void prestop_done(void *ctx, int code, yyjson_val *answer, struct err *err)
{
    struct ctr *c = ctx;
    int64_t exit_code = json_int_at(answer, "exitCode", 0);

    c->prestop = NULL;
    if (code < 0)
        ctr_event(c, true, "FailedPreStopHook", "PreStopHook failed: %s", err->msg);
    else if (exit_code)
        ctr_event(c, true, "FailedPreStopHook", "PreStopHook failed: exit code %d", (int)exit_code);
    /* The signal follows with at least two seconds to react to it. */
    c->kill_at = MAX(c->kill_at, clock_mono_ns() + 2 * SECOND_NS);
    pod_poke(c->pod);
}

/* Runs the hook's command; httpGet and sleep hooks are commands here, too. */
static void run_prestop(struct ctr *c)
{
    yyjson_val *hook = json_at(c->spec, "lifecycle.preStop");
    yyjson_val *command = json_at(hook, "exec.command");
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *obj = yyjson_mut_obj(doc);
    struct buf b cleanup(buf_done) = BUF_INIT;

    if (!hook || c->phase != CTR_RUNNING)
        return;
    json_put_str(doc, obj, "op", "exec");
    json_put_str(doc, obj, "container", c->name);
    if (command) {
        json_put(doc, obj, "argv", json_thaw(doc, command));
    } else {
        autofree char *seconds =
            xasprintf("%lld", (long long)json_int_at(hook, "sleep.seconds", 0));
        yyjson_mut_val *argv = json_put_arr(doc, obj, "argv");
        yyjson_mut_arr_add_strcpy(doc, argv, "sleep");
        yyjson_mut_arr_add_strcpy(doc, argv, seconds);
    }
    json_mut_write(&b, obj);
    int null = probe_null_fd();
    c->prestop = shim_call(c->pod->host->loop, c->pod->dir, buf_slice(&b),
                           (int[]){null, null, null}, 3, prestop_done, c);
}

void ctr_kill(struct ctr *c, int64_t grace_ns, const char *message)
{
    int64_t at = clock_mono_ns() + grace_ns;

    if (c->phase != CTR_RUNNING && c->phase != CTR_STARTING)
        return;
    if (c->killing) {
        c->kill_at = MIN(c->kill_at, at);
        return;
    }
    c->killing = true;
    c->kill_at = at;
    stop_probes(c);
    if (message)
        ctr_event(c, false, "Killing", "%s", message);
    else
        ctr_event(c, false, "Killing", "Stopping container %s", c->name);
    if (grace_ns > 0)
        run_prestop(c);
}

void ctr_kill_step(struct ctr *c)
{
    int64_t now = clock_mono_ns();

    if (!c->killing || (c->phase != CTR_RUNNING && c->phase != CTR_STARTING))
        return;
    if (c->prestop && now >= c->kill_at)
        shim_call_cancel(take(c->prestop));
    if (!c->prestop && !c->term_sent) {
        c->term_sent = true;
        send_signal(c, now < c->kill_at ? SIGTERM : SIGKILL);
        c->kill_sent = now >= c->kill_at;
    }
    if (!c->kill_sent && now >= c->kill_at) {
        c->kill_sent = true;
        send_signal(c, SIGKILL);
    }
}

static int64_t pull_next(const struct ctr *c)
{
    struct pull_info info;

    if (strcmp(c->wait_reason, "ErrImagePull") == 0)
        return c->pull_failed_ns + PULL_ERROR_SHOWN_NS;
    pull_look(c->pod->host->pulls, json_get_str(c->spec, "image", ""), &info);
    return info.state == PULL_BACKOFF ? info.retry_ns : 0;
}

int64_t ctr_next_ns(const struct ctr *c)
{
    if (c->killing && !c->kill_sent && (c->phase == CTR_RUNNING || c->phase == CTR_STARTING))
        return c->kill_at;
    if (c->phase != CTR_WAITING || c->pod->stage != POD_UP)
        return 0;
    if (strcmp(c->wait_reason, "CrashLoopBackOff") == 0 ||
        strcmp(c->wait_reason, "CreateContainerError") == 0)
        return c->end_ns + c->backoff_ns;
    if (strcmp(c->wait_reason, "CreateContainerConfigError") == 0)
        return c->end_ns + CONFIG_RETRY_NS;
    return strstr(c->wait_reason, "Image") ? pull_next(c) : 0;
}

/* ---- probes ---- */

static int64_t probe_grace_ns(const struct ctr *c, enum probe_kind kind)
{
    int64_t pod = json_int_at(pod_spec(c->pod), "terminationGracePeriodSeconds", 30);
    return json_int_at(json_get(c->spec, probe_member(kind)), "terminationGracePeriodSeconds",
                       pod) *
           SECOND_NS;
}

/* A probe passed its threshold in either direction. */
void ctr_probed(struct ctr *c, enum probe_kind kind, bool ok, const char *output)
{
    if (c->phase != CTR_RUNNING || c->killing)
        return;
    if (kind == PROBE_READINESS) {
        c->ready = ok;
    } else if (!ok) {
        char text[320];
        snprintf(text, sizeof text, "Container %s failed %s probe, will be restarted", c->name,
                 kind == PROBE_LIVENESS ? "liveness" : "startup");
        ctr_kill(c, probe_grace_ns(c, kind), text);
    } else if (kind == PROBE_STARTUP) {
        probe_stop(take(c->probes[PROBE_STARTUP]));
        c->started = true;
        c->ready = !json_get(c->spec, probe_member(PROBE_READINESS));
        for (int k = PROBE_READINESS; k < PROBE_KINDS; k++)
            c->probes[k] = probe_start(c, (enum probe_kind)k);
    }
    (void)output;
    pod_poke(c->pod);
}
