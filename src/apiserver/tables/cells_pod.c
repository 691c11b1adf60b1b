/*
 * Cells of pods. READY, STATUS and RESTARTS come from one walk over the container statuses, by the
 * rules of Kubernetes' printPod: the last thing that says something about the pod wins.
 */
#include "apiserver/tables/cells.h"

#include "base/timefmt.h"

#include <stdio.h>

struct pod_view {
    char reason[300];
    long long total, ready, restarts;
    int64_t restarted_ns; /* when the last container was restarted; 0 never */
};

struct restarts {
    long long n;
    int64_t last_ns;
};

static void count_restart(struct restarts *r, yyjson_val *status)
{
    int64_t at;
    const char *finished = json_str_at(status, "lastState.terminated.finishedAt", "");

    r->n += json_int_at(status, "restartCount", 0);
    if (time_parse(slice_of(finished), &at) && at > r->last_ns)
        r->last_ns = at;
}

static yyjson_val *container_named(yyjson_val *containers, const char *name)
{
    json_each(containers, c, i, n)
        if (!strcmp(json_get_str(c, "name", ""), name))
            return c;
    return NULL;
}

/* A sidecar: an init container that is restarted always. */
static bool is_sidecar(yyjson_val *container)
{
    return !strcmp(json_get_str(container, "restartPolicy", ""), "Always");
}

static void terminated_reason(struct pod_view *p, const char *prefix, yyjson_val *terminated)
{
    const char *reason = json_get_str(terminated, "reason", "");
    long long signal = json_int_at(terminated, "signal", 0);

    if (*reason)
        snprintf(p->reason, sizeof p->reason, "%s%s", prefix, reason);
    else if (signal)
        snprintf(p->reason, sizeof p->reason, "%sSignal:%lld", prefix, signal);
    else
        snprintf(p->reason, sizeof p->reason, "%sExitCode:%lld", prefix,
                 (long long)json_int_at(terminated, "exitCode", 0));
}

/* Whether this init container is done with; otherwise reason says what it waits for. */
static bool init_passed(struct pod_view *p, yyjson_val *status, bool sidecar, size_t i, size_t n)
{
    yyjson_val *terminated = json_at(status, "state.terminated");
    const char *waiting = json_str_at(status, "state.waiting.reason", "");

    if (terminated && json_int_at(terminated, "exitCode", 0) == 0)
        return true;
    if (sidecar && json_bool_at(status, "started", false)) {
        p->ready += json_bool_at(status, "ready", false);
        return true;
    }
    if (terminated)
        terminated_reason(p, "Init:", terminated);
    else if (*waiting && strcmp(waiting, "PodInitializing"))
        snprintf(p->reason, sizeof p->reason, "Init:%s", waiting);
    else
        snprintf(p->reason, sizeof p->reason, "Init:%zu/%zu", i, n);
    return false;
}

/* Walks the init containers; whether one still holds the pod up. */
static bool view_init(struct pod_view *p, yyjson_val *pod, struct restarts *sidecars)
{
    struct restarts all = {0};
    yyjson_val *containers = json_at(pod, "spec.initContainers");
    bool waiting = false;

    json_each(containers, c, k, kn)
        p->total += is_sidecar(c);
    json_each(json_at(pod, "status.initContainerStatuses"), s, i, n) {
        bool sidecar = is_sidecar(container_named(containers, json_get_str(s, "name", "")));
        count_restart(&all, s);
        if (sidecar)
            count_restart(sidecars, s);
        if (!waiting && !init_passed(p, s, sidecar, i, yyjson_arr_size(containers)))
            waiting = true;
        if (waiting)
            break;
    }
    p->restarts = all.n;
    p->restarted_ns = all.last_ns;
    return waiting;
}

static bool condition_true(yyjson_val *pod, const char *type)
{
    json_each(json_at(pod, "status.conditions"), c, i, n)
        if (!strcmp(json_get_str(c, "type", ""), type))
            return !strcmp(json_get_str(c, "status", ""), "True");
    return false;
}

static void view_main(struct pod_view *p, yyjson_val *pod, struct restarts r)
{
    yyjson_val *statuses = json_at(pod, "status.containerStatuses");
    bool running = false;

    for (size_t i = yyjson_arr_size(statuses); i-- > 0;) {
        yyjson_val *s = yyjson_arr_get(statuses, i);
        yyjson_val *terminated = json_at(s, "state.terminated");
        const char *waiting = json_str_at(s, "state.waiting.reason", "");
        count_restart(&r, s);
        if (*waiting) {
            snprintf(p->reason, sizeof p->reason, "%s", waiting);
        } else if (terminated) {
            terminated_reason(p, "", terminated);
        } else if (json_bool_at(s, "ready", false) && json_at(s, "state.running")) {
            running = true;
            p->ready++;
        }
    }
    p->restarts = r.n;
    p->restarted_ns = r.last_ns;
    if (running && !strcmp(p->reason, "Completed"))
        snprintf(p->reason, sizeof p->reason,
                 condition_true(pod, "Ready") ? "Running" : "NotReady");
}

static void view_phase(struct pod_view *p, yyjson_val *pod)
{
    const char *reason = json_str_at(pod, "status.reason", "");

    snprintf(p->reason, sizeof p->reason, "%s",
             *reason ? reason : json_str_at(pod, "status.phase", ""));
    json_each(json_at(pod, "status.conditions"), c, i, n)
        if (!strcmp(json_get_str(c, "type", ""), "PodScheduled") &&
            !strcmp(json_get_str(c, "reason", ""), "SchedulingGated"))
            snprintf(p->reason, sizeof p->reason, "SchedulingGated");
}

static void view_pod(struct pod_view *p, yyjson_val *pod)
{
    struct restarts sidecars = {0};
    const char *phase = json_str_at(pod, "status.phase", "");

    *p = (struct pod_view){.total = (long long)yyjson_arr_size(json_at(pod, "spec.containers"))};
    view_phase(p, pod);
    if (!view_init(p, pod, &sidecars) || condition_true(pod, "Initialized"))
        view_main(p, pod, sidecars);
    if (!json_at(pod, "metadata.deletionTimestamp"))
        return;
    if (!strcmp(json_str_at(pod, "status.reason", ""), "NodeLost"))
        snprintf(p->reason, sizeof p->reason, "Unknown");
    else if (strcmp(phase, "Failed") && strcmp(phase, "Succeeded"))
        snprintf(p->reason, sizeof p->reason, "Terminating");
}

CELL(cell_pod_ready)
{
    struct pod_view p;
    char text[48];

    (void)column;
    view_pod(&p, cell->obj);
    snprintf(text, sizeof text, "%lld/%lld", p.ready, p.total);
    return cell_str(cell, text);
}

CELL(cell_pod_status)
{
    struct pod_view p;

    (void)column;
    view_pod(&p, cell->obj);
    return cell_str(cell, p.reason);
}

CELL(cell_pod_restarts)
{
    struct pod_view p;
    char text[64], age[TABLE_AGE];

    (void)column;
    view_pod(&p, cell->obj);
    if (p.restarts && p.restarted_ns)
        snprintf(text, sizeof text, "%lld (%s ago)", p.restarts,
                 human_duration(cell->now_ns - p.restarted_ns, age));
    else
        snprintf(text, sizeof text, "%lld", p.restarts);
    return cell_str(cell, text);
}

CELL(cell_pod_gates)
{
    yyjson_val *gates = json_at(cell->obj, "spec.readinessGates");
    size_t met = 0;
    char text[48];

    (void)column;
    if (!yyjson_arr_size(gates))
        return cell_str(cell, "<none>");
    json_each(gates, g, i, n)
        met += condition_true(cell->obj, json_get_str(g, "conditionType", ""));
    snprintf(text, sizeof text, "%zu/%zu", met, yyjson_arr_size(gates));
    return cell_str(cell, text);
}
