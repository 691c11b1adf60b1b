#include "operator/options.h"
#include "base/file.h"
#include "base/mem.h"
#include "data/yaml.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONFIG_MAX ((size_t)4 << 20)

enum kind { TEXT, BOOL, INT, FLOAT };

/* One setting: flag, key of the configuration file (NULL: a flag only), default. */
struct setting {
    const char *flag, *key;
    enum kind kind;
    size_t at;
    const char *def;
    const char *help;
    const char *words; /* what a flag of kind TEXT may say, '|' between; "N": a number above 0 */
};

#define TIME_WORDS "rfc3339nano|rfc3339|iso8601|millis|nano|epoch"

#define AT(member) offsetof(struct operator_options, member)

static const struct setting settings[] = {
    {"metrics-addr", "metricsAddr", TEXT, AT(metrics_addr), ":8080",
     "where /metrics is served; 0: nowhere"},
    {"health-probe-bind-address", "probeAddr", TEXT, AT(probe_addr), ":8082",
     "where /healthz and /readyz are served; 0: nowhere"},
    {"enable-leader-election", "enableLeaderElection", BOOL, AT(leader_election), "true",
     "work only while holding the lease"},
    {"leader-election-namespace", "leaderElectionNamespace", TEXT, AT(leader_election_namespace),
     "", "namespace of the lease; empty: the operator's own"},
    {"reconcile-concurrency", "reconcileConcurrency", INT, AT(concurrency), "1",
     "objects of one kind under way at once"},
    {"watch-namespace", "watchNamespace", TEXT, AT(watch_namespace), "",
     "comma-separated namespaces to watch; empty: all"},
    {"forced-cluster-upgrade", NULL, BOOL, AT(forced_upgrade), "false",
     "deprecated, without effect"},
    {"log-file-path", "logFile", TEXT, AT(log_file), "", "also log to this file"},
    {"log-file-encoder", NULL, TEXT, AT(log_file_encoder), "json", "json or console"},
    {"log-stdout-encoder", NULL, TEXT, AT(log_stdout_encoder), "json", "json or console"},
    {"enable-batch-scheduler", "enableBatchScheduler", BOOL, AT(enable_batch_scheduler), "false",
     "deprecated: use --batch-scheduler=volcano"},
    {"batch-scheduler", "batchScheduler", TEXT, AT(batch_scheduler), "",
     "volcano, yunikorn, kai-scheduler or scheduler-plugins"},
    {"config", NULL, TEXT, AT(config), "", "configuration file, instead of most flags"},
    {"use-kubernetes-proxy", "useKubernetesProxy", BOOL, AT(use_kubernetes_proxy), "false",
     "reach Ray through the API server's proxy"},
    {"feature-gates", NULL, TEXT, AT(feature_gates), "", "comma-separated Name=true|false"},
    {"enable-metrics", "enableMetrics", BOOL, AT(enable_metrics), "false",
     "collect kuberay_* metrics"},
    {"qps", "qps", FLOAT, AT(qps), "100", "requests a second to the API server"},
    {"burst", "burst", INT, AT(burst), "200", "requests at once beyond qps"},
    {"kubeconfig", NULL, TEXT, AT(kubeconfig), "", "kubeconfig file"},
    {"zap-devel", NULL, BOOL, AT(zap_devel), "false", "debug level, stack traces from warnings on"},
    {"zap-encoder", NULL, TEXT, AT(zap_encoder), "", "accepted, without effect", "json|console"},
    {"zap-log-level", NULL, TEXT, AT(zap_log_level), "info",
     "debug, info, error, panic or a number", "debug|info|error|panic|N"},
    {"zap-stacktrace-level", NULL, TEXT, AT(zap_stacktrace_level), "error", "info, error or panic",
     "info|error|panic"},
    {"zap-time-encoding", NULL, TEXT, AT(zap_time_encoding), "", "accepted, without effect",
     TIME_WORDS},
};

/* Go's strconv.ParseBool */
static bool parse_bool(const char *text, bool *ret)
{
    static const char *const words[] = {"1", "t", "T", "TRUE",  "true",  "True",
                                        "0", "f", "F", "FALSE", "false", "False"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (!strcmp(words[i], text)) {
            *ret = i < 6;
            return true;
        }
    return false;
}

static bool parse_float(const char *text, double *ret)
{
    char *end;

    errno = 0;
    *ret = strtod(text, &end);
    return *text && !*end && errno == 0;
}

/* text must outlive o. */
static bool assign(struct operator_options *o, const struct setting *s, const char *text)
{
    void *at = (char *)o + s->at;

    switch (s->kind) {
    case TEXT:
        *(const char **)at = text;
        return true;
    case BOOL:
        return parse_bool(text, at);
    case INT:
        return slice_int64(slice_of(text), at);
    case FLOAT:
        return parse_float(text, at);
    }
    return false;
}

/* zap's flags take their words in any case. */
static bool is_one_of(const char *words, const char *text)
{
    struct slice rest = slice_of(words), word;
    int64_t n;

    while (slice_cut(&rest, '|', &word))
        if (slice_is(word, "N") ? slice_int64(slice_of(text), &n) && n > 0
                                : strlen(text) == word.n && !strncasecmp(text, word.p, word.n))
            return true;
    return false;
}

static const struct setting *find_flag(const char *name, size_t n)
{
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
        if (strlen(settings[i].flag) == n && !strncmp(settings[i].flag, name, n))
            return &settings[i];
    return NULL;
}

static const char *kind_words[] = {"string", "boolean", "int", "float64"};

/* Go's flag package: -x and --x, -x=v and -x v, booleans need "=", the first operand ends it. */
static int parse_flags(struct operator_options *o, int argc, char **argv, struct err *err)
{
    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i], *name = arg + 1 + (arg[0] == '-' && arg[1] == '-');
        size_t n = strcspn(arg[0] ? name : arg, "=");
        if (arg[0] != '-' || !arg[1] || !strcmp(arg, "--"))
            return OPTIONS_OK;
        if (!strcmp(name, "h") || !strcmp(name, "help"))
            return OPTIONS_HELP;
        const struct setting *s = find_flag(name, n);
        const char *value = name[n] ? name + n + 1 : NULL;
        if (!s) {
            err_set(err, ERR_BAD_REQUEST, "flag provided but not defined: -%.*s", (int)n, name);
            return OPTIONS_USAGE;
        }
        if (!value && s->kind == BOOL)
            value = "true";
        else if (!value && i + 1 < argc)
            value = argv[++i];
        if (!value) {
            err_set(err, ERR_BAD_REQUEST, "flag needs an argument: -%s", s->flag);
            return OPTIONS_USAGE;
        }
        if ((s->words && !is_one_of(s->words, value)) ||
            !assign(o, s, arena_strdup(&o->arena, value))) {
            err_set(err, ERR_BAD_REQUEST, "invalid %s value \"%s\" for flag -%s",
                    kind_words[s->kind], value, s->flag);
            return OPTIONS_USAGE;
        }
    }
    return OPTIONS_OK;
}

static bool right_kind(const struct setting *s, yyjson_val *v)
{
    return s->kind == TEXT   ? yyjson_is_str(v)
           : s->kind == BOOL ? yyjson_is_bool(v)
           : s->kind == INT  ? yyjson_is_int(v)
                             : yyjson_is_num(v);
}

/* Every setting that has a key comes from the file or its default: flags do not count then. */
static int take_from_file(struct operator_options *o, struct err *err)
{
    yyjson_val *root = json_root(o->file);

    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        const struct setting *s = &settings[i];
        yyjson_val *v = s->key ? json_get(root, s->key) : NULL;
        if (!s->key)
            continue;
        if (!v || yyjson_is_null(v)) {
            assign(o, s, s->def);
            continue;
        }
        if (!right_kind(s, v)) {
            err_set(err, ERR_BAD_REQUEST, "%s: %s: must be a %s", o->config, s->key,
                    kind_words[s->kind]);
            return OPTIONS_CONFIG;
        }
        autofree char *text = s->kind == TEXT ? xstrdup(yyjson_get_str(v)) : json_text(v);
        assign(o, s, arena_strdup(&o->arena, text));
    }
    if (o->concurrency == 0)
        o->concurrency = 1;
    if (!*o->metrics_addr)
        o->metrics_addr = ":8080";
    if (!*o->probe_addr)
        o->probe_addr = ":8082";
    o->ray.head_sidecars = json_get(root, "headSidecarContainers");
    o->ray.worker_sidecars = json_get(root, "workerSidecarContainers");
    o->ray.default_container_envs = json_get(root, "defaultContainerEnvs");
    o->ray.default_pod_annotations = json_get(root, "defaultPodAnnotations");
    o->ray.default_pod_labels = json_get(root, "defaultPodLabels");
    return OPTIONS_OK;
}

static int read_file(struct operator_options *o, struct err *err)
{
    struct buf text cleanup(buf_done) = BUF_LIMIT(CONFIG_MAX);
    const char *kind, *version;

    if (file_read(o->config, &text, err) < 0)
        return OPTIONS_CONFIG;
    if (yaml_or_json(buf_slice(&text), 0, &o->file, err) < 0) {
        err_wrap(err, "%s", o->config);
        return OPTIONS_CONFIG;
    }
    kind = json_get_str(json_root(o->file), "kind", "");
    version = json_get_str(json_root(o->file), "apiVersion", "");
    if (strcmp(kind, "Configuration") != 0 || strcmp(version, "config.ray.io/v1alpha1") != 0) {
        err_set(err, ERR_BAD_REQUEST,
                "%s: kind must be Configuration and apiVersion config.ray.io/v1alpha1", o->config);
        return OPTIONS_CONFIG;
    }
    return take_from_file(o, err);
}

static const struct {
    const char *name;
    bool on, alpha;
} gates[] = {
#define X(id, name, on) {name, on, !(on)},
    RAY_FEATURES(X)
#undef X
};

/* AllAlpha and AllBeta set every gate of their stage that is not named itself. */
static bool set_gate(struct operator_options *o, bool *named, struct slice name, bool on)
{
    bool alpha = slice_is(name, "AllAlpha"), beta = slice_is(name, "AllBeta");

    for (size_t i = 0; i < FEATURE_COUNT; i++) {
        if ((alpha || beta) && !named[i] && gates[i].alpha == alpha)
            o->ray.features[i] = on;
        if (slice_is(name, gates[i].name)) {
            o->ray.features[i] = on;
            named[i] = true;
            return true;
        }
    }
    return alpha || beta;
}

static int set_gates(struct operator_options *o, struct err *err)
{
    struct slice rest = slice_of(o->feature_gates), item;
    bool named[FEATURE_COUNT] = {false}, on;

    while (slice_cut(&rest, ',', &item)) {
        struct slice name;
        item = slice_trim(item);
        if (!item.n)
            continue;
        struct slice value = item;
        slice_cut(&value, '=', &name);
        name = slice_trim(name);
        if (!value.p ||
            !parse_bool(arena_strndup(&o->arena, slice_trim(value).p, slice_trim(value).n), &on)) {
            err_set(err, ERR_BAD_REQUEST, "--feature-gates: %.*s: must be Name=true or Name=false",
                    SLICE_FMT(item));
            return OPTIONS_CONFIG;
        }
        if (!set_gate(o, named, name, on)) {
            err_set(err, ERR_BAD_REQUEST, "--feature-gates: unrecognized feature gate: %.*s",
                    SLICE_FMT(name));
            return OPTIONS_CONFIG;
        }
    }
    return OPTIONS_OK;
}

static int by_gate_name(const void *a, const void *b)
{
    return strcmp(gates[*(const size_t *)a].name, gates[*(const size_t *)b].name);
}

void operator_gates_json(const struct operator_options *o, struct buf *out)
{
    size_t order[FEATURE_COUNT];

    for (size_t i = 0; i < FEATURE_COUNT; i++)
        order[i] = i;
    qsort(order, FEATURE_COUNT, sizeof *order, by_gate_name);
    for (size_t i = 0; i < FEATURE_COUNT; i++)
        buf_printf(out, "%c\"%s\":%s", i ? ',' : '{', gates[order[i]].name,
                   o->ray.features[order[i]] ? "true" : "false");
    buf_addc(out, '}');
}

static int choose_scheduler(struct operator_options *o, struct err *err)
{
    static const char *const known[] = {"volcano", "yunikorn", "kai-scheduler",
                                        "scheduler-plugins"};
    bool was = o->ray.features[FEATURE_KUBERNETES_WAS];

    if (was && (o->enable_batch_scheduler || *o->batch_scheduler)) {
        err_set(err, ERR_BAD_REQUEST,
                "the feature gate KubernetesWAS does not go together with a batch scheduler");
        return OPTIONS_CONFIG;
    }
    if (o->enable_batch_scheduler && *o->batch_scheduler) {
        err_set(
            err, ERR_BAD_REQUEST,
            "--enable-batch-scheduler and --batch-scheduler do not go together: use the second");
        return OPTIONS_CONFIG;
    }
    if (was || o->enable_batch_scheduler)
        o->ray.batch_scheduler = was ? "kubernetes-was" : "volcano";
    else if (*o->batch_scheduler)
        o->ray.batch_scheduler = o->batch_scheduler;
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (!*o->batch_scheduler || !strcmp(known[i], o->batch_scheduler))
            return OPTIONS_OK;
    err_set(err, ERR_BAD_REQUEST,
            "--batch-scheduler: %s: must be volcano, yunikorn, kai-scheduler or scheduler-plugins",
            o->batch_scheduler);
    return OPTIONS_CONFIG;
}

static int check_encoders(struct operator_options *o, struct err *err)
{
    const char *const values[] = {o->log_file_encoder, o->log_stdout_encoder};

    for (size_t i = 0; i < ARRAY_SIZE(values); i++)
        if (*values[i] && strcmp(values[i], "json") != 0 && strcmp(values[i], "console") != 0) {
            err_set(err, ERR_BAD_REQUEST, "unknown log encoder %s: must be json or console",
                    values[i]);
            return OPTIONS_CONFIG;
        }
    return OPTIONS_OK;
}

static void copy_env(struct operator_options *o, char **env)
{
    size_t n = 0;

    while (env[n])
        n++;
    struct ray_env *list = arena_array(&o->arena, struct ray_env, n + 1);
    for (size_t i = 0; i < n; i++) {
        size_t len = strcspn(env[i], "=");
        list[i].name = arena_strndup(&o->arena, env[i], len);
        list[i].value = arena_strdup(&o->arena, env[i][len] ? env[i] + len + 1 : "");
    }
    o->ray.env = list;
}

int operator_options_parse(struct operator_options *o, int argc, char **argv, char **env,
                           struct err *err)
{
    int code;

    *o = (struct operator_options){0};
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
        assign(o, &settings[i], settings[i].def);
    for (size_t i = 0; i < FEATURE_COUNT; i++)
        o->ray.features[i] = gates[i].on;
    copy_env(o, env);
    code = parse_flags(o, argc, argv, err);
    if (code == OPTIONS_OK && *o->config)
        code = read_file(o, err);
    if (code == OPTIONS_OK)
        code = check_encoders(o, err);
    if (code == OPTIONS_OK)
        code = set_gates(o, err);
    if (code == OPTIONS_OK)
        code = choose_scheduler(o, err);
    o->ray.use_kubernetes_proxy = o->use_kubernetes_proxy;
    return code;
}

void operator_options_done(struct operator_options *o)
{
    json_unref(o->file);
    arena_done(&o->arena);
}

void operator_options_usage(struct buf *out)
{
    buf_adds(out, "Usage of manta operator:\n");
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
        buf_printf(out, "  -%s %s\n    \t%s%s%s%s\n", settings[i].flag,
                   settings[i].kind == BOOL ? "" : kind_words[settings[i].kind], settings[i].help,
                   *settings[i].def ? " (default " : "", settings[i].def,
                   *settings[i].def ? ")" : "");
}

const char **operator_namespaces(struct operator_options *o, size_t *ret_n)
{
    struct slice rest = slice_of(o->watch_namespace), part;
    size_t n = 1;

    for (const char *c = o->watch_namespace; *c; c++)
        n += *c == ',';
    const char **list = arena_array(&o->arena, const char *, n);
    *ret_n = 0;
    while (*o->watch_namespace && slice_cut(&rest, ',', &part))
        list[(*ret_n)++] = arena_strndup(&o->arena, part.p, part.n);
    return list;
}
