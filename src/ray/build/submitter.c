/*
 * The submitter of a RayJob: the container that hands the entrypoint to Ray's dashboard and follows
 * its log, as a Job's pod (K8sJobMode) or beside the head (SidecarMode). Its command line is part
 * of the contract, token by token (spec rayjob §7.5-7.7).
 */
#include "ray/build/submitter.h"
#include "ray/gotext.h"
#include "ray/names.h"
#include "ray/build/submit_json.h"
#include "ray/words.h"

#include "data/gofmt.h"

#define SUBMITTER_NAME "ray-job-submitter"
#define DASHBOARD_PORT 8265
#define TOKEN_VOLUME "ray-token"
#define TOKEN_PATH "/var/run/secrets/ray.io/serviceaccount"

/* What the command is made for. */
struct submit {
    struct rayjob *j;
    yyjson_val *cluster_spec;
    const char *address, *health; /* URLs */
    bool checks_status; /* asks first whether the job is there, so that it can be started again */
};

static yyjson_val *head_container(yyjson_val *cluster_spec)
{
    return json_at(cluster_spec, "headGroupSpec.template.spec.containers.0");
}

static int64_t dashboard_port(yyjson_val *cluster_spec)
{
    json_each(json_get(head_container(cluster_spec), "ports"), port, i, n)
        if (!strcmp(json_get_str(port, "name", ""), "dashboard"))
            return json_int_at(port, "containerPort", DASHBOARD_PORT);
    return DASHBOARD_PORT;
}

static void submit_init(struct submit *u, struct rayjob *j, yyjson_val *cluster_spec)
{
    struct arena *a = &j->p->arena;
    const char *url = rayjob_next(j, "dashboardURL");

    *u = (struct submit){.j = j, .cluster_spec = cluster_spec};
    if (rayjob_mode_is(j, "SidecarMode")) {
        long long port = dashboard_port(cluster_spec);
        u->address = arena_printf(a, "http://127.0.0.1:%lld", port);
        u->health = arena_printf(a, "http://localhost:%lld/api/gcs_healthz", port);
        u->checks_status = ray_feature(j->s->options, FEATURE_SIDECAR_RESTART);
        return;
    }
    u->address = strncmp(url, "http://", 7) ? arena_printf(a, "http://%s", url) : url;
    u->health = arena_printf(a, "%s/api/gcs_healthz", u->address);
    u->checks_status = true;
}

static void add_wait(struct submit *u, struct buf *b)
{
    struct buf text cleanup(buf_done) = BUF_INIT;

    buf_printf(&text, "Waiting for Ray Dashboard GCS to become healthy at %s ...", u->address);
    buf_printf(b,
               "until python -c \"import urllib.request; r=urllib.request.urlopen('%s', "
               "timeout=10); exit(0 if b'success' in r.read() else 1)\" >/dev/null 2>&1 ; do echo ",
               u->health);
    go_quote(b, buf_slice(&text));
    buf_adds(b, " ; sleep 2 ; done ; ");
}

/* The flags of `ray job submit` that the spec asks for. 0, or -1 with the text of an error. */
static int add_flags(struct submit *u, struct buf *b, const char **ret_error)
{
    static const struct {
        const char *field, *flag;
    } floats[] = {{"entrypointNumCpus", "--entrypoint-num-cpus"},
                  {"entrypointNumGpus", "--entrypoint-num-gpus"}};
    struct rayjob *j = u->j;
    struct buf runtime_env cleanup(buf_done) = BUF_INIT;
    struct buf metadata cleanup(buf_done) = BUF_INIT;
    const char *resources = json_get_str(j->spec, "entrypointResources", "");

    if (submit_runtime_env(j, &runtime_env, ret_error) < 0 ||
        submit_metadata(j, &metadata, ret_error) < 0)
        return -1;
    if (runtime_env.len) {
        buf_adds(b, " --runtime-env-json ");
        go_quote(b, buf_slice(&runtime_env));
    }
    if (metadata.len) {
        buf_adds(b, " --metadata-json ");
        go_quote(b, buf_slice(&metadata));
    }
    if (*rayjob_next(j, "jobId"))
        buf_printf(b, " --submission-id %s", rayjob_next(j, "jobId"));
    for (size_t i = 0; i < ARRAY_SIZE(floats); i++) {
        float f = (float)yyjson_get_num(json_get(j->spec, floats[i].field));
        if (f > 0) {
            buf_printf(b, " %s ", floats[i].flag);
            go_float_f(b, f);
        }
    }
    if (*resources) {
        buf_adds(b, " --entrypoint-resources ");
        go_quote(b, slice_of(resources));
    }
    return 0;
}

static int command_line(struct submit *u, struct buf *b, const char **ret_error)
{
    const char *id = rayjob_next(u->j, "jobId");
    struct slice entrypoint = go_trim_space(slice_of(json_get_str(u->j->spec, "entrypoint", "")));

    add_wait(u, b);
    if (u->checks_status)
        buf_printf(b, "if ! ray job status --address %s %s >/dev/null 2>&1 ; then ", u->address,
                   id);
    buf_printf(b, "ray job submit --address %s", u->address);
    if (u->checks_status)
        buf_adds(b, " --no-wait");
    if (add_flags(u, b, ret_error) < 0)
        return -1;
    buf_printf(b, " -- %.*s ;", SLICE_FMT(entrypoint));
    if (u->checks_status)
        buf_printf(b, " fi ; ray job logs --address %s --follow %s", u->address, id);
    return 0;
}

static yyjson_mut_val *add_env(yyjson_mut_doc *doc, yyjson_mut_val *env, const char *name,
                               const char *value)
{
    yyjson_mut_val *e = yyjson_mut_arr_add_obj(doc, env);

    json_put_str(doc, e, "name", name);
    if (value && *value)
        json_put_str(doc, e, "value", value);
    return e;
}

static bool has_named(yyjson_mut_val *list, const char *name)
{
    for (size_t i = 0; i < yyjson_mut_arr_size(list); i++)
        if (!strcmp(json_mut_str_at(yyjson_mut_arr_get(list, i), "name", ""), name))
            return true;
    return false;
}

static yyjson_mut_val *list_in(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key)
{
    yyjson_mut_val *list = json_mut_get(obj, key);

    return yyjson_mut_is_arr(list) ? list : json_put_arr(doc, obj, key);
}

static void mount_token(yyjson_mut_doc *doc, yyjson_mut_val *container)
{
    yyjson_mut_val *mounts = list_in(doc, container, "volumeMounts");

    if (has_named(mounts, TOKEN_VOLUME))
        return;
    yyjson_mut_val *m = yyjson_mut_arr_add_obj(doc, mounts);
    json_put_str(doc, m, "name", TOKEN_VOLUME);
    json_put_bool(doc, m, "readOnly", true);
    json_put_str(doc, m, "mountPath", TOKEN_PATH);
}

static void add_token(struct submit *u, yyjson_mut_val *container, yyjson_mut_val *env)
{
    yyjson_mut_doc *doc = u->j->p->doc;
    yyjson_val *auth = json_get(u->cluster_spec, "authOptions");
    const char *secret = json_get_str(auth, "secretName", "");

    if (strcmp(json_get_str(auth, "mode", ""), "token") != 0)
        return;
    if (!has_named(env, "RAY_AUTH_MODE"))
        add_env(doc, env, "RAY_AUTH_MODE", "token");
    if (json_bool_at(auth, "enableK8sTokenAuth", false)) {
        if (!has_named(env, "RAY_ENABLE_K8S_TOKEN_AUTH"))
            add_env(doc, env, "RAY_ENABLE_K8S_TOKEN_AUTH", "true");
        mount_token(doc, container);
        return;
    }
    if (has_named(env, "RAY_AUTH_TOKEN"))
        return;
    if (!*secret)
        secret = name_check(&u->j->p->arena, rayjob_next(u->j, "rayClusterName"));
    yyjson_mut_val *e = add_env(doc, env, "RAY_AUTH_TOKEN", NULL);
    yyjson_mut_val *ref = json_ensure(doc, e, "valueFrom.secretKeyRef");
    json_put_str(doc, ref, "name", secret);
    json_put_str(doc, ref, "key", "auth_token");
}

/* Command, arguments and environment of the container, whoever made it. 0, or -1. */
static int configure(struct submit *u, yyjson_mut_val *container)
{
    struct rayjob *j = u->j;
    yyjson_mut_doc *doc = j->p->doc;
    bool sidecar = rayjob_mode_is(j, "SidecarMode");
    bool login = ray_env_true(j->s->options, "ENABLE_LOGIN_SHELL", false);
    struct buf line cleanup(buf_done) = BUF_INIT;
    const char *error = NULL;

    if (command_line(u, &line, &error) < 0)
        return plan_error(j->p, "%s", error);
    if (!yyjson_mut_arr_size(json_mut_get(container, "command")) || sidecar) {
        yyjson_mut_val *command = json_put_arr(doc, container, "command");
        yyjson_mut_arr_add_str(doc, command, "/bin/bash");
        yyjson_mut_arr_add_str(doc, command, login ? "-cel" : "-ce");
        yyjson_mut_arr_add_str(doc, command, "--");
        yyjson_mut_arr_add_strcpy(doc, json_put_arr(doc, container, "args"), buf_str(&line));
    }
    yyjson_mut_val *env = list_in(doc, container, "env");
    add_env(doc, env, "PYTHONUNBUFFERED", "1");
    add_env(doc, env, "RAY_DASHBOARD_ADDRESS", rayjob_next(j, "dashboardURL"));
    add_env(doc, env, "RAY_JOB_SUBMISSION_ID", rayjob_next(j, "jobId"));
    add_token(u, container, env);
    return 0;
}

static yyjson_mut_val *default_container(yyjson_mut_doc *doc, yyjson_val *cluster_spec)
{
    yyjson_mut_val *c = yyjson_mut_obj(doc), *limits, *requests;

    json_put_str(doc, c, "name", SUBMITTER_NAME);
    json_put_str(doc, c, "image", json_get_str(head_container(cluster_spec), "image", ""));
    limits = json_ensure(doc, c, "resources.limits");
    json_put_str(doc, limits, "cpu", "1");
    json_put_str(doc, limits, "memory", "1Gi");
    requests = json_ensure(doc, c, "resources.requests");
    json_put_str(doc, requests, "cpu", "500m");
    json_put_str(doc, requests, "memory", "200Mi");
    return c;
}

static yyjson_mut_val *default_spec(yyjson_mut_doc *doc, yyjson_val *cluster_spec)
{
    yyjson_mut_val *spec = yyjson_mut_obj(doc);

    yyjson_mut_arr_append(json_put_arr(doc, spec, "containers"),
                          default_container(doc, cluster_spec));
    json_put_str(doc, spec, "restartPolicy", "Never");
    return spec;
}

struct json *submitter_plain_spec(struct rayjob *j, yyjson_val *cluster_spec)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_val *own = json_get(json_get(j->spec, "submitterPodTemplate"), "spec");

    if (!rayjob_has_submitter(j))
        return NULL;
    return json_freeze(own ? json_thaw(doc, own) : default_spec(doc, cluster_spec));
}

static void add_token_volume(yyjson_mut_doc *doc, yyjson_mut_val *pod_spec)
{
    yyjson_mut_val *volumes = list_in(doc, pod_spec, "volumes");

    if (has_named(volumes, TOKEN_VOLUME))
        return;
    yyjson_mut_val *v = yyjson_mut_arr_add_obj(doc, volumes);
    json_put_str(doc, v, "name", TOKEN_VOLUME);
    yyjson_mut_val *sources = json_put_arr(doc, json_ensure(doc, v, "projected"), "sources");
    yyjson_mut_val *source = yyjson_mut_arr_add_obj(doc, sources);
    json_put_str(doc, json_ensure(doc, source, "serviceAccountToken"), "path", "token");
}

void submitter_labels(struct rayjob *j, yyjson_mut_val *labels)
{
    yyjson_mut_doc *doc = j->p->doc;

    json_put_str(doc, labels, LABEL_FROM_CR, j->name);
    json_put_str(doc, labels, LABEL_FROM_CRD, CRD_RAYJOB);
    json_put_str(doc, labels, LABEL_CREATED_BY, CREATED_BY);
}

yyjson_mut_val *submitter_pod_template(struct rayjob *j, yyjson_val *cluster_spec)
{
    yyjson_mut_doc *doc = j->p->doc;
    yyjson_mut_val *template = json_thaw(doc, json_get(j->spec, "submitterPodTemplate"));
    struct submit u;

    submit_init(&u, j, cluster_spec);
    if (!template) {
        template = yyjson_mut_obj(doc);
        json_put(doc, template, "spec", default_spec(doc, cluster_spec));
    }
    yyjson_mut_val *container = json_mut_at(template, "spec.containers.0");
    if (!container) {
        plan_error(j->p, "spec.submitterPodTemplate.spec.containers: needs a container");
        return NULL;
    }
    if (configure(&u, container) < 0)
        return NULL;
    if (json_bool_at(cluster_spec, "authOptions.enableK8sTokenAuth", false))
        add_token_volume(doc, json_mut_get(template, "spec"));
    submitter_labels(j, json_ensure(doc, template, "metadata.labels"));
    return template;
}

yyjson_mut_val *submitter_sidecar(struct rayjob *j, yyjson_val *cluster_spec)
{
    yyjson_mut_doc *doc = j->p->doc;
    yyjson_mut_val *container = default_container(doc, cluster_spec);
    struct submit u;

    submit_init(&u, j, cluster_spec);
    if (configure(&u, container) < 0)
        return NULL;
    if (ray_feature(j->s->options, FEATURE_SIDECAR_RESTART))
        json_put_str(doc, container, "restartPolicy", "OnFailure");
    return container;
}
