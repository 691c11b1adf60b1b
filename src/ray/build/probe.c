/* Probes of the Ray container (spec: raycluster §8.6.7); what the user set stays. */
#include "ray/build/pod.h"

#include "ray/version.h"

#include <string.h>

#define WGET "wget --tries 1 -T %d -q -O- http://localhost:%d/%s | grep success"

static int32_t port_param(struct pod *b, const char *key, int32_t def)
{
    int64_t n;
    const char *text = params_get(&b->params, key);

    return text && slice_int64(slice_of(text), &n) && n >= INT32_MIN && n <= INT32_MAX ? (int32_t)n
                                                                                       : def;
}

/* `probe` asks over HTTP or by a command; joined by && with a second command if there is one. */
static void put_http(struct pod *b, yyjson_mut_val *probe)
{
    yyjson_mut_val *get = json_put_obj(b->doc, probe, "httpGet");

    json_put_str(b->doc, get, "path", "/api/healthz");
    json_put_int(b->doc, get, "port", port_param(b, "dashboard-agent-listen-port", 52365));
}

static void put_exec(struct pod *b, yyjson_mut_val *probe, const char *second)
{
    int port = port_param(b, "dashboard-agent-listen-port", 52365);
    const char *cmd = arena_printf(b->a, WGET, 2, port, "api/local_raylet_healthz");

    if (second)
        cmd = arena_printf(b->a, "%s && %s", cmd, second);
    edit_put_strings(b->doc, json_put_obj(b->doc, probe, "exec"), "command",
                     (const char *[]){"bash", "-c", cmd, NULL});
}

static yyjson_mut_val *add_probe(struct pod *b, const char *name, int delay, int failures)
{
    yyjson_mut_val *probe = json_put_obj(b->doc, b->ray, name);

    json_put_int(b->doc, probe, "initialDelaySeconds", delay);
    json_put_int(b->doc, probe, "timeoutSeconds", b->head ? 5 : 2);
    json_put_int(b->doc, probe, "periodSeconds", 5);
    json_put_int(b->doc, probe, "successThreshold", 1);
    json_put_int(b->doc, probe, "failureThreshold", failures);
    return probe;
}

static bool has_probe(struct pod *b, const char *name)
{
    return yyjson_is_obj(json_get(b->user, name));
}

static const char *gcs_check(struct pod *b)
{
    if (!b->head)
        return NULL;
    return arena_printf(b->a, WGET, 10, port_param(b, "dashboard-port", 8265), "api/gcs_healthz");
}

static const char *serve_check(struct pod *b)
{
    yyjson_val *port = list_named(json_get(b->user, "ports"), "serve");

    return arena_printf(b->a, WGET, 10, (int)json_int_at(port, "containerPort", 8000), "-/healthz");
}

void pod_probes(struct pod *b)
{
    bool http = version_at_least(json_get_str(b->c->spec, "rayVersion", NULL), 2, 53);
    bool serve = !b->head && !strcmp(cluster_creator(b->c), CRD_RAYSERVICE);
    yyjson_mut_val *probe;

    if (!has_probe(b, "livenessProbe")) {
        probe = add_probe(b, "livenessProbe", 30, 120);
        if (http)
            put_http(b, probe);
        else
            put_exec(b, probe, gcs_check(b));
    }
    if (!has_probe(b, "readinessProbe")) {
        probe = add_probe(b, "readinessProbe", 10, serve ? 1 : 10);
        if (serve)
            put_exec(b, probe, serve_check(b));
        else if (http)
            put_http(b, probe);
        else
            put_exec(b, probe, gcs_check(b));
    }
}
