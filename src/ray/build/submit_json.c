#include "ray/build/submit_json.h"
#include "ray/version.h"

#include "data/gofmt.h"
#include "data/yaml.h"

static int fail(struct rayjob *j, const char **ret_error, const char *what, const char *why)
{
    *ret_error = arena_printf(&j->p->arena, "%s: %s", what, why);
    return -1;
}

/* The runtime environment as JSON; *ret stays NULL when the spec has none. */
static int read_runtime_env(struct rayjob *j, struct json **ret, const char **ret_error)
{
    const char *text = json_get_str(j->spec, "runtimeEnvYAML", "");
    struct err err;

    if (!*text)
        return 0;
    if (yaml_parse(slice_of(text), 0, ret, &err) < 0)
        return fail(j, ret_error, "runtimeEnvYAML", err.msg);
    return 0;
}

int submit_runtime_env(struct rayjob *j, struct buf *out, const char **ret_error)
{
    autojson struct json *env = NULL;

    if (read_runtime_env(j, &env, ret_error) < 0)
        return -1;
    if (env)
        go_json(out, json_root(env), true);
    return 0;
}

/* Masterminds/semver: "v" and missing parts are taken; anything else but a pre-release or build is
 * not. */
static bool semver_shape(struct slice v, bool *ret_prerelease)
{
    size_t digits = 0, parts = 1;

    if (v.n && v.p[0] == 'v')
        v.p++, v.n--;
    while (v.n && ((v.p[0] >= '0' && v.p[0] <= '9') || (v.p[0] == '.' && digits && parts < 3))) {
        parts += v.p[0] == '.';
        digits = v.p[0] == '.' ? 0 : digits + 1;
        v.p++, v.n--;
    }
    *ret_prerelease = v.n > 1 && v.p[0] == '-';
    return digits && (!v.n || (v.n > 1 && (v.p[0] == '-' || v.p[0] == '+')));
}

static const char *version_error(struct rayjob *j, const char *version)
{
    bool prerelease;
    struct slice v = slice_of(version);
    struct version parsed;

    if (!semver_shape(v, &prerelease))
        return arena_printf(&j->p->arena,
                            "failed to parse Ray version: %s: invalid semantic version", version);
    /* A lone major number is below 2.6 unless it is 3 or more. */
    const char *padded =
        arena_printf(&j->p->arena, "%s%s", version, strchr(version, '.') ? "" : ".0");
    bool late = version_parse(padded, &parsed) && version_at_least(padded, 2, 6);
    return !late || prerelease ? "the Ray version must be at least 2.6.0 to use the metadata field"
                               : NULL;
}

int submit_metadata(struct rayjob *j, struct buf *out, const char **ret_error)
{
    yyjson_val *metadata = json_get(j->spec, "metadata");
    const char *version = json_get_str(json_get(j->spec, "rayClusterSpec"), "rayVersion", "");

    if (!yyjson_obj_size(metadata))
        return 0;
    if (*version && (*ret_error = version_error(j, version)))
        return -1;
    go_json(out, metadata, true);
    return 0;
}

static double as_it_is(double v)
{
    return v;
}

/* Every number becomes the double that a Go program holds of it: large integers lose their last
 * digits. */
static void as_numbers(yyjson_mut_val *v, double (*held)(double))
{
    yyjson_mut_val *key, *item;
    size_t i, n;

    if (yyjson_mut_is_num(v)) {
        yyjson_mut_set_real(v, held(yyjson_mut_get_num(v)));
    } else if (yyjson_mut_is_arr(v)) {
        yyjson_mut_arr_foreach(v, i, n, item)
            as_numbers(item, held);
    } else if (yyjson_mut_is_obj(v)) {
        yyjson_mut_obj_foreach(v, i, n, key, item) as_numbers(item, held);
    }
}

/* The member in Go's bytes: keys sorted, what HTML minds escaped, numbers in Go's spelling. */
static void put_go(yyjson_mut_doc *doc, yyjson_mut_val *body, const char *key, yyjson_val *v,
                   double (*held)(double))
{
    yyjson_mut_val *copy = json_thaw(doc, v);
    struct buf text cleanup(buf_done) = BUF_INIT;

    as_numbers(copy, held);
    autojson struct json *frozen = json_freeze(copy);
    go_json(&text, json_root(frozen), true);
    json_put(doc, body, key, yyjson_mut_rawncpy(doc, text.data, text.len));
}

static const char *add_resources(struct rayjob *j, yyjson_mut_val *body)
{
    const char *text = json_get_str(j->spec, "entrypointResources", "");
    autojson struct json *doc = NULL;
    struct err err;

    if (!*text)
        return NULL;
    if (json_parse(slice_of(text), &doc, &err) < 0)
        return arena_printf(&j->p->arena, "entrypointResources: %s", err.msg);
    if (!yyjson_is_obj(json_root(doc)))
        return "entrypointResources: must be a JSON object of numbers";
    json_each_member(json_root(doc), key, value)
        if (!yyjson_is_num(value))
            return "entrypointResources: must be a JSON object of numbers";
    if (yyjson_obj_size(json_root(doc)))
        put_go(j->p->doc, body, "entrypoint_resources", json_root(doc), go_float32);
    return NULL;
}

/* Left out when it is empty, as Go leaves it out. */
static void put_member(struct rayjob *j, yyjson_mut_val *body, const char *key, const char *field)
{
    yyjson_val *v = json_get(j->spec, field);

    if (!json_is_empty(v) && !(yyjson_is_num(v) && yyjson_get_num(v) == 0))
        put_go(j->p->doc, body, key, v, go_float32);
}

static void put_string(struct rayjob *j, yyjson_mut_val *body, const char *key, const char *s)
{
    struct buf text cleanup(buf_done) = BUF_INIT;

    go_json_string(&text, slice_of(s), true);
    json_put(j->p->doc, body, key, yyjson_mut_rawncpy(j->p->doc, text.data, text.len));
}

yyjson_mut_val *rayjob_http_request(struct rayjob *j, const char **ret_error)
{
    yyjson_mut_val *body = yyjson_mut_obj(j->p->doc);
    autojson struct json *env = NULL;

    if (read_runtime_env(j, &env, ret_error) < 0)
        return NULL;
    if (yyjson_obj_size(json_root(env)))
        put_go(j->p->doc, body, "runtime_env", json_root(env), as_it_is);
    put_member(j, body, "metadata", "metadata");
    if ((*ret_error = add_resources(j, body)))
        return NULL;
    put_string(j, body, "entrypoint", json_get_str(j->spec, "entrypoint", ""));
    if (*rayjob_next(j, "jobId"))
        put_string(j, body, "submission_id", rayjob_next(j, "jobId"));
    put_member(j, body, "entrypoint_num_cpus", "entrypointNumCpus");
    put_member(j, body, "entrypoint_num_gpus", "entrypointNumGpus");
    return body;
}
