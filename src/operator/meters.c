#include "operator/meters.h"
#include "operator/metrics.h"

#include "base/timefmt.h"

#include <stdio.h>
#include <string.h>

void meters_request(const char *host, const struct kube_seen *seen)
{
    char code[16];

    if (seen->http)
        snprintf(code, sizeof code, "%d", seen->http);
    else
        snprintf(code, sizeof code, "<error>");
    metrics_add(METRIC_REQUESTS_TOTAL, 1, code, host, seen->method);
    if (seen->again)
        metrics_add(METRIC_REQUEST_RETRIES, 1, code, host, seen->method);
    if (seen->stream)
        return;
    metrics_observe(METRIC_RATE_LIMITER_SECONDS, seen->waited, host, seen->method);
    metrics_observe(METRIC_REQUEST_SECONDS, seen->seconds, host, seen->method);
    metrics_observe(METRIC_REQUEST_BYTES, (double)seen->sent, host, seen->method);
    metrics_observe(METRIC_RESPONSE_BYTES, (double)seen->received, host, seen->method);
}

/* ---- custom resources, at each scrape ---- */

static const char *name_of(yyjson_val *o)
{
    return json_str_at(o, "metadata.name", "");
}

static const char *ns_of(yyjson_val *o)
{
    return json_str_at(o, "metadata.namespace", "");
}

static const char *uid_of(yyjson_val *o)
{
    return json_str_at(o, "metadata.uid", "");
}

static bool condition_true(yyjson_val *o, const char *type)
{
    json_each(json_at(o, "status.conditions"), c, i, n)
        if (!strcmp(json_get_str(c, "type", ""), type))
            return !strcmp(json_get_str(c, "status", ""), "True");
    return false;
}

static void put_condition(enum metric m, yyjson_val *o, const char *type)
{
    metrics_set(m, 1, condition_true(o, type) ? "true" : "false", name_of(o), ns_of(o), uid_of(o));
}

static void put_cluster(unused void *ctx, yyjson_val *o)
{
    const char *owner =
        json_get_str(json_at(o, "metadata.labels"), "ray.io/originated-from-crd", "");

    metrics_set(METRIC_CLUSTER_INFO, 1, name_of(o), ns_of(o), *owner ? owner : "None", uid_of(o));
    put_condition(METRIC_CLUSTER_PROVISIONED, o, "RayClusterProvisioned");
}

static void put_job(unused void *ctx, yyjson_val *o)
{
    metrics_set(METRIC_JOB_INFO, 1, name_of(o), ns_of(o), uid_of(o));
    metrics_set(METRIC_JOB_STATUS, 1, json_str_at(o, "status.jobDeploymentStatus", ""), name_of(o),
                ns_of(o), uid_of(o));
}

static void put_service(unused void *ctx, yyjson_val *o)
{
    metrics_set(METRIC_SERVICE_INFO, 1, name_of(o), ns_of(o), uid_of(o));
    put_condition(METRIC_SERVICE_READY, o, "Ready");
    put_condition(METRIC_SERVICE_UPGRADING, o, "UpgradeInProgress");
}

static const struct collected {
    enum ray_kind kind;
    void (*put)(void *ctx, yyjson_val *object);
    enum metric families[3];
    size_t n;
} collected[] = {
    {KIND_RAYCLUSTER, put_cluster, {METRIC_CLUSTER_INFO, METRIC_CLUSTER_PROVISIONED}, 2},
    {KIND_RAYJOB, put_job, {METRIC_JOB_INFO, METRIC_JOB_STATUS}, 2},
    {KIND_RAYSERVICE,
     put_service,
     {METRIC_SERVICE_INFO, METRIC_SERVICE_READY, METRIC_SERVICE_UPGRADING},
     3},
};

static bool collecting; /* with --enable-metrics */

static void on_scrape(void *ctx)
{
    for (size_t i = 0; i < ARRAY_SIZE(collected); i++) {
        for (size_t k = 0; k < collected[i].n; k++)
            metrics_clear(collected[i].families[k]);
        observe_need(ctx, collected[i].kind);
        observe_each(ctx, collected[i].kind, collected[i].put, NULL);
    }
}

void meters_collect(struct observe *o)
{
    collecting = true;
    metrics_on_scrape(on_scrape, o);
}

/* ---- how long it took ---- */

static double seconds_since(const char *from, int64_t now_ns)
{
    int64_t ns;

    return time_parse(slice_of(from), &ns) ? (double)(now_ns - ns) / 1e9 : 0;
}

static void cluster_status(yyjson_val *was, yyjson_val *now, int64_t now_ns)
{
    static const char type[] = "RayClusterProvisioned";

    if (condition_true(was, type) || !condition_true(now, type))
        return;
    metrics_set(METRIC_CLUSTER_SECONDS,
                seconds_since(json_str_at(now, "metadata.creationTimestamp", ""), now_ns),
                name_of(now), ns_of(now), uid_of(now));
}

static bool is_end(const char *deployment)
{
    return !strcmp(deployment, "Complete") || !strcmp(deployment, "Failed");
}

static void job_status(yyjson_val *was, yyjson_val *now, int64_t now_ns)
{
    const char *before = json_str_at(was, "status.jobDeploymentStatus", "");
    const char *after = json_str_at(now, "status.jobDeploymentStatus", "");
    const char *start = json_str_at(now, "status.startTime", "");
    char retries[24];

    if (is_end(before) || !strcmp(before, after) || !*start ||
        !(is_end(after) || !strcmp(after, "Retrying")))
        return;
    snprintf(retries, sizeof retries, "%lld", (long long)json_int_at(was, "status.failed", 0));
    metrics_set(METRIC_JOB_SECONDS, seconds_since(start, now_ns), after, name_of(now), ns_of(now),
                retries, uid_of(now));
}

void meters_status(enum ray_kind kind, yyjson_val *was, yyjson_val *now, int64_t now_ns)
{
    if (!collecting || !now)
        return;
    if (kind == KIND_RAYCLUSTER)
        cluster_status(was, now, now_ns);
    else if (kind == KIND_RAYJOB)
        job_status(was, now, now_ns);
}

void meters_gone(enum ray_kind kind, const char *ns, const char *name)
{
    if (kind == KIND_RAYCLUSTER)
        metrics_forget(METRIC_CLUSTER_SECONDS, ns, name);
    else if (kind == KIND_RAYJOB)
        metrics_forget(METRIC_JOB_SECONDS, ns, name);
}
