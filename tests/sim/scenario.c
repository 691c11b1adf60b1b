#include "scenario.h"

#include "base/names.h"
#include "data/patch.h"
#include "ray/words.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *profile, *options;
} profiles[] = {
    {"default", "{}"},
    {"gates",
     "{\"gates\":{\"RayClusterNetworkPolicy\":true,\"GCSFaultToleranceEmbeddedStorage\":true,"
     "\"RayClusterMTLS\":true,\"RayClusterHistoryServer\":true},\"certManager\":true}"},
    {"volcano", "{\"batchScheduler\":\"volcano\"}"},
    {"yunikorn", "{\"batchScheduler\":\"yunikorn\"}"},
    {"kai", "{\"batchScheduler\":\"kai-scheduler\"}"},
    {"scheduler-plugins", "{\"batchScheduler\":\"scheduler-plugins\"}"},
};

struct ray_options *scenario_options(struct arena *a, yyjson_val *scenario)
{
    const char *name = json_get_str(scenario, "profile", "default");

    if (json_get(scenario, "options"))
        return fixture_options(a, json_get(scenario, "options"));
    for (size_t i = 0; i < ARRAY_SIZE(profiles); i++) {
        struct json *j autojson = NULL;

        if (strcmp(profiles[i].profile, name) != 0)
            continue;
        json_parse(slice_of(profiles[i].options), &j, NULL);
        struct ray_options *o = fixture_options(a, json_root(j));
        o->batch_scheduler = arena_strdup(a, o->batch_scheduler ? o->batch_scheduler : "");
        return o;
    }
    return NULL;
}

/* "Kind/glob" */
static bool object_is(yyjson_val *o, const char *pattern)
{
    const char *slash = strchr(pattern, '/');
    const char *kind = json_get_str(o, "kind", "");

    return slash && strlen(kind) == (size_t)(slash - pattern) &&
           !strncmp(kind, pattern, strlen(kind)) &&
           fnmatch(slash + 1, json_str_at(o, "metadata.name", ""), 0) == 0;
}

static void patch_one(struct sim *s, yyjson_val *o, yyjson_val *step)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *v = json_thaw(doc, o);
    struct json *frozen autojson = NULL;
    struct err err;

    if (json_get(step, "json") && patch_json(doc, &v, json_get(step, "json"), &err) < 0)
        fprintf(stderr, "patch: %s\n", err.msg);
    if (json_get(step, "merge"))
        v = patch_merge(doc, v, json_get(step, "merge"));
    frozen = json_freeze(v);
    sim_apply(s, json_root(frozen));
}

static void each_object(struct sim *s, const char *pattern, yyjson_val *patch, bool first)
{
    for (size_t i = 0; i < s->world.objects.n; i++) {
        struct json *o autojson = json_ref(s->world.objects.v[i]);

        if (!object_is(json_root(o), pattern))
            continue;
        if (patch) {
            patch_one(s, json_root(o), patch);
        } else if (!json_str_at(json_root(o), "metadata.deletionTimestamp", NULL)) {
            sim_delete(s, json_root(o));
            if (first)
                return;
            i = (size_t)-1;
        }
    }
}

/* The status of a RayCluster, as nobody but a test would write it. */
static void put_status(struct sim *s, yyjson_val *step)
{
    for (size_t i = 0; i < s->world.objects.n; i++) {
        struct json *o autojson = json_ref(s->world.objects.v[i]);
        yyjson_mut_doc *doc automut = json_mut_new();
        yyjson_mut_val *v;

        if (!object_is(json_root(o), json_get_str(step, "object", "")))
            continue;
        v = json_thaw(doc, json_root(o));
        json_put(doc, v, "status",
                 patch_merge(doc, json_ensure(doc, v, "status"), json_get(step, "merge")));
        sim_put(s, doc, v);
    }
}

/* workersToDelete of the first group becomes the first pod that matches. */
static void doom(struct sim *s, yyjson_val *step)
{
    const char *name = NULL;

    for (size_t i = 0; i < s->world.objects.n && !name; i++)
        if (object_is(json_root(s->world.objects.v[i]), json_get_str(step, "pod", "")))
            name = json_str_at(json_root(s->world.objects.v[i]), "metadata.name", "");
    for (size_t i = 0; name && i < s->world.objects.n; i++) {
        struct json *o autojson = json_ref(s->world.objects.v[i]), *frozen autojson = NULL;
        yyjson_mut_doc *doc automut = json_mut_new();
        yyjson_mut_val *v, *list;

        if (!object_is(json_root(o), json_get_str(step, "object", "")))
            continue;
        v = json_thaw(doc, json_root(o));
        list = json_put_arr(
            doc, json_ensure(doc, json_mut_at(v, "spec.workerGroupSpecs.0"), "scaleStrategy"),
            "workersToDelete");
        yyjson_mut_arr_append(list, yyjson_mut_strcpy(doc, name));
        frozen = json_freeze(v);
        sim_apply(s, json_root(frozen));
        return;
    }
}

static void play_step(struct sim *s, yyjson_val *step, record_fn *record, void *arg)
{
    yyjson_val *v;

    json_each(json_get(step, "apply"), o, i, n)
        sim_apply(s, o);
    if ((v = json_get(step, "patch")))
        each_object(s, json_get_str(v, "object", ""), v, false);
    if ((v = json_get(step, "delete")))
        each_object(s, json_str(v, ""), NULL, false);
    if ((v = json_get(step, "delete_one")))
        each_object(s, json_str(v, ""), NULL, true);
    if ((v = json_get(step, "kubelet"))) {
        s->rules = v;
        sim_kubelet(s);
    }
    if ((v = json_get(step, "status")))
        put_status(s, v);
    if ((v = json_get(step, "doom")))
        doom(s, v);
    if (json_get(step, "refuse"))
        s->refuses = json_get_str(step, "refuse", NULL);
    if (json_get(step, "pass"))
        sim_round(s);
    if (json_get(step, "settle") || json_get(step, "until") || json_get(step, "sleep"))
        sim_settle(s);
    if ((v = json_get(step, "record")) && record)
        record(arg, s, json_str(v, ""));
}

void scenario_play(struct sim *s, yyjson_val *scenario, record_fn *record, void *arg)
{
    s->rules = json_get(scenario, "kubelet");
    s->brief = json_bool_at(scenario, "brief", false);
    json_each(json_get(scenario, "steps"), step, i, n)
        play_step(s, step, record, arg);
}

/* How many characters at p are a thing that differs from run to run, and its name. */
static size_t random_part(const char *start, const char *p, const char **ret_name)
{
    static const char uid[] = "00000000-0000-4000-8000-";
    size_t n;

    if (!strncmp(p, uid, sizeof uid - 1)) {
        *ret_name = "<uid>";
        return sizeof uid - 1 + 12;
    }
    if (!strncmp(p, "127.88.0.", 9) || !strncmp(p, "10.0.0.", 7)) {
        *ret_name = "<ip>";
        return strspn(p, "0123456789.");
    }
    if (!strncmp(p, "2026-", 5) && (n = strspn(p, "0123456789-T:.")) >= 19 && p[n] == 'Z') {
        *ret_name = "<time>";
        return n + 1;
    }
    if (p > start && p[-1] == '-' && strspn(p, NAME_ALPHABET) == 5 &&
        !isalnum((unsigned char)p[5])) {
        *ret_name = "<r>";
        return 5;
    }
    return 0;
}

static void mask(struct buf *out, const char *text)
{
    for (const char *p = text; *p;) {
        const char *name;
        size_t n = random_part(text, p, &name);

        if (n) {
            buf_adds(out, name);
            p += n;
        } else {
            buf_addc(out, *p++);
        }
    }
}

static char *object_line(yyjson_val *o)
{
    static const char *const dropped[] = {"resourceVersion", "uid", "creationTimestamp"};
    yyjson_mut_doc *doc automut = json_mut_new();
    yyjson_mut_val *v = json_thaw(doc, o);
    struct buf b cleanup(buf_done) = BUF_INIT, out = BUF_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(dropped); i++)
        json_remove(json_mut_get(v, "metadata"), dropped[i]);
    if (fixture_kind(o) != KIND_RAYCLUSTER)
        json_remove(v, "status");
    json_remove(json_mut_get(v, "status"), "observedGeneration");
    if (fixture_kind(o) == KIND_SECRET)
        json_remove(v, "data");
    buf_printf(&b, "%s/%s ", json_get_str(o, "kind", ""), json_str_at(o, "metadata.name", ""));
    json_mut_write(&b, v);
    mask(&out, buf_str(&b));
    return buf_take(&out);
}

/* What tells one pod from another; of a RayCluster its status; of others the name. */
static char *brief_line(yyjson_val *o)
{
    static const char *const labels[] = {LABEL_GROUP, LABEL_REPLICA_INDEX, LABEL_REPLICA_NAME,
                                         LABEL_HOST_INDEX};
    struct buf b cleanup(buf_done) = BUF_INIT, out = BUF_INIT;
    yyjson_val *meta = json_get(o, "metadata");

    buf_printf(&b, "%s/%s", json_get_str(o, "kind", ""), json_get_str(meta, "name", ""));
    if (json_get(meta, "deletionTimestamp"))
        buf_adds(&b, " deleting");
    for (size_t i = 0; i < ARRAY_SIZE(labels) && fixture_kind(o) == KIND_POD; i++)
        if (json_get(json_get(meta, "labels"), labels[i]))
            buf_printf(&b, " %s", json_get_str(json_get(meta, "labels"), labels[i], ""));
    if (fixture_kind(o) == KIND_POD)
        buf_printf(&b, " %s", json_str_at(o, "status.phase", "no phase"));
    if (fixture_kind(o) == KIND_RAYCLUSTER && json_get(o, "status")) {
        yyjson_mut_doc *doc automut = json_mut_new();
        yyjson_mut_val *status = json_thaw(doc, json_get(o, "status"));

        /* Whether it is the newest depends on what else changed (spec: raycluster §17.6). */
        json_remove(status, "observedGeneration");
        buf_addc(&b, ' ');
        json_mut_write(&b, status);
    }
    mask(&out, buf_str(&b));
    return buf_take(&out);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void scenario_dump(struct sim *s, struct buf *out)
{
    VEC(char *) lines = {0};

    for (size_t i = 0; i < s->world.objects.n; i++)
        vec_push(&lines, s->brief ? brief_line(json_root(s->world.objects.v[i]))
                                  : object_line(json_root(s->world.objects.v[i])));
    for (size_t i = 0; i < s->events.n; i++)
        vec_push(&lines,
                 xasprintf("event %s %s/%s %s", s->events.v[i].warning ? "Warning" : "Normal",
                           s->events.v[i].kind, s->events.v[i].name, s->events.v[i].reason));
    if (lines.n)
        qsort(lines.v, lines.n, sizeof *lines.v, by_text);
    for (size_t i = 0; i < lines.n; i++) {
        buf_printf(out, "%s\n", lines.v[i]);
        free(lines.v[i]);
    }
    vec_done(&lines);
}
