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

/* Masterminds/semver: "v" and missing parts are taken; anything else but a pre-release or build is not. */
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
        return arena_printf(&j->p->arena, "failed to parse Ray version: %s: invalid semantic version",
                            version);
    /* A lone major number is below 2.6 unless it is 3 or more. */
    const char *padded = arena_printf(&j->p->arena, "%s%s", version, strchr(version, '.') ? "" : ".0");
    bool late = version_parse(padded, &parsed) && version_at_least(padded, 2, 6);
    return !late || prerelease
               ? "the Ray version must be at least 2.6.0 to use the metadata field"
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
    json_each_member (json_root(doc), key, value)
        if (!yyjson_is_num(value))
            return "entrypointResources: must be a JSON object of numbers";
    if (yyjson_obj_size(json_root(doc)))
        json_put(j->p->doc, body, "entrypoint_resources", json_thaw(j->p->doc, json_root(doc)));
    return NULL;
}

/* Every number becomes the double that a generic decoder makes of it, in Go's spelling: 3 stays 3, but
 * large integers lose their last digits. */
static void as_doubles(struct arena *a, yyjson_mut_val *v)
{
    yyjson_mut_val *key, *item;
    char text[GO_FLOAT_TEXT];
    size_t i, n;

    if (yyjson_mut_is_num(v)) {
        const char *kept = arena_strdup(a, go_float_json(yyjson_mut_get_num(v), text));
        yyjson_mut_set_raw(v, kept, strlen(kept));
    } else if (yyjson_mut_is_arr(v)) {
        yyjson_mut_arr_foreach(v, i, n, item) as_doubles(a, item);
    } else if (yyjson_mut_is_obj(v)) {
        yyjson_mut_obj_foreach(v, i, n, key, item) as_doubles(a, item);
    }
}

static void put_number(yyjson_mut_doc *doc, yyjson_mut_val *body, const char *key, yyjson_val *v)
{
    if (yyjson_is_num(v) && yyjson_get_num(v) != 0)
        json_put(doc, body, key, json_thaw(doc, v));
}

yyjson_mut_val *rayjob_http_request(struct rayjob *j, const char **ret_error)
{
    yyjson_mut_doc *doc = j->p->doc;
    yyjson_mut_val *body = yyjson_mut_obj(doc);
    yyjson_val *metadata = json_get(j->spec, "metadata");
    autojson struct json *env = NULL;

    if (read_runtime_env(j, &env, ret_error) < 0)
        return NULL;
    if (yyjson_obj_size(json_root(env))) {
        yyjson_mut_val *copy = json_thaw(doc, json_root(env));
        as_doubles(&j->p->arena, copy);
        json_put(doc, body, "runtime_env", copy);
    }
    if (yyjson_obj_size(metadata))
        json_put(doc, body, "metadata", json_thaw(doc, metadata));
    if ((*ret_error = add_resources(j, body)))
        return NULL;
    json_put_str(doc, body, "entrypoint", json_get_str(j->spec, "entrypoint", ""));
    if (*rayjob_next(j, "jobId"))
        json_put_str(doc, body, "submission_id", rayjob_next(j, "jobId"));
    put_number(doc, body, "entrypoint_num_cpus", json_get(j->spec, "entrypointNumCpus"));
    put_number(doc, body, "entrypoint_num_gpus", json_get(j->spec, "entrypointNumGpus"));
    return body;
}
