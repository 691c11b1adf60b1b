#include "ray/build/params.h"

#include "ray/resources.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

const char *params_get(const struct params *p, const char *key)
{
    for (size_t i = 0; i < p->n; i++)
        if (!strcmp(p->v[i].key, key))
            return p->v[i].value;
    return NULL;
}

static void grow(struct params *p)
{
    struct param *old = p->v;

    if (p->n < p->cap)
        return;
    p->cap = p->cap ? p->cap * 2 : 16;
    p->v = arena_array(p->a, struct param, p->cap);
    if (p->n)
        memcpy(p->v, old, p->n * sizeof *old);
}

void params_set(struct params *p, const char *key, const char *value)
{
    size_t i = 0;

    while (i < p->n && strcmp(p->v[i].key, key) < 0)
        i++;
    if (i == p->n || strcmp(p->v[i].key, key) != 0) {
        grow(p);
        memmove(&p->v[i + 1], &p->v[i], (p->n - i) * sizeof *p->v);
        p->n++;
    }
    p->v[i] = (struct param){key, value};
}

void params_missing(struct params *p, const char *key, const char *value)
{
    if (!params_get(p, key))
        params_set(p, key, value);
}

/* A JSON string with what Go escapes for HTML. */
static void add_json_string(struct buf *b, const char *s)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    struct buf text cleanup(buf_done) = BUF_INIT;

    json_mut_write(&text, yyjson_mut_strcpy(doc, s));
    for (size_t i = 0; i < text.len; i++)
        if (strchr("<>&", text.data[i]))
            buf_printf(b, "\\u%04x", text.data[i]);
        else
            buf_addc(b, text.data[i]);
}

/* '{"name":number,…}' in single quotes, as one word of the shell. p maps names to numbers' text. */
static const char *quoted_json(const struct params *p)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    buf_adds(&b, "'{");
    for (size_t i = 0; i < p->n; i++) {
        buf_adds(&b, i ? "," : "");
        add_json_string(&b, p->v[i].key);
        buf_printf(&b, ":%s", p->v[i].value);
    }
    buf_adds(&b, "}'");
    return arena_strdup(p->a, buf_str(&b));
}

static const char *value_text(struct arena *a, const struct quantity *q)
{
    return arena_printf(a, "%lld", (long long)quantity_value(q));
}

static const char *param_of_resource(struct arena *a, const char *name)
{
    char *lower = arena_strdup(a, name);

    for (char *c = lower; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    if (!strcmp(lower, "cpu"))
        return "num-cpus";
    if (!strcmp(lower, "memory"))
        return "memory";
    return resource_is_gpu(lower) ? "num-gpus" : NULL;
}

static void add_resources(struct params *p, yyjson_val *resources)
{
    struct params custom = {.a = p->a};

    json_each_member(resources, key, val) {
        const char *name = json_str(key, ""), *param = param_of_resource(p->a, name);
        struct quantity q;

        if (!resource_read(p->a, val, &q))
            continue;
        if (param)
            params_set(p, param, value_text(p->a, &q));
        else
            params_set(&custom, name, resource_float_text(p->a, resource_float(&q)));
    }
    if (custom.n)
        params_set(p, "resources", quoted_json(&custom));
}

static void add_labels(struct params *p, yyjson_val *labels)
{
    struct params sorted = {.a = p->a};
    struct buf b cleanup(buf_done) = BUF_INIT;

    json_each_member(labels, key, val)
        params_set(&sorted, json_str(key, ""), json_str(val, ""));
    for (size_t i = 0; i < sorted.n; i++)
        buf_printf(&b, "%s%s=%s", i ? "," : "", sorted.v[i].key, sorted.v[i].value);
    if (sorted.n)
        params_set(p, "labels", arena_strdup(p->a, buf_str(&b)));
}

struct params params_of_group(struct arena *a, yyjson_val *group)
{
    struct params p = {.a = a};

    json_each_member(json_get(group, "rayStartParams"), key, val)
        params_set(&p, json_str(key, ""), json_str(val, ""));
    add_resources(&p, json_get(group, "resources"));
    add_labels(&p, json_get(group, "labels"));
    return p;
}

void params_complete(struct params *p, const char *address)
{
    if (address)
        params_missing(p, "address", address);
    else
        params_missing(p, "dashboard-host", "0.0.0.0");
    params_missing(p, "metrics-export-port", "8080");
    params_set(p, "block", "true");
    params_missing(p, "dashboard-agent-listen-port", "52365");
}

/* The value in whole units of limits (or requests) when it is there and not zero. */
static const char *amount(struct params *p, yyjson_val *container, const char *path,
                          const char *name)
{
    struct quantity q;

    if (!resource_read(p->a, json_get(json_at(container, path), name), &q) || quantity_is_zero(&q))
        return NULL;
    return value_text(p->a, &q);
}

static void add_cpu_and_memory(struct params *p, yyjson_val *container)
{
    const char *cpu = amount(p, container, "resources.limits", "cpu");
    const char *memory = amount(p, container, "resources.limits", "memory");

    if (!cpu)
        cpu = amount(p, container, "resources.requests", "cpu");
    if (cpu)
        params_missing(p, "num-cpus", cpu);
    if (memory)
        params_missing(p, "memory", memory);
}

/* The numbers of the `resources` parameter, unquoted first. False: it cannot be understood. */
static bool read_resources(struct params *p, struct params *ret)
{
    static const char quotes[] = "'\"` ";
    const char *text = params_get(p, "resources");
    struct json *j autojson = NULL;
    struct slice s = slice_of(text);

    if (!text || !*text)
        return true;
    while (s.n && strchr(quotes, s.p[0]))
        s = (struct slice){s.p + 1, s.n - 1};
    while (s.n && strchr(quotes, s.p[s.n - 1]))
        s.n--;
    if (json_parse(s, &j, NULL) < 0 || !yyjson_is_obj(json_root(j)))
        return false;
    json_each_member(json_root(j), key, val) {
        if (!yyjson_is_num(val))
            return false;
        params_set(ret, arena_strdup(p->a, json_str(key, "")),
                   resource_float_text(p->a, yyjson_get_num(val)));
    }
    return true;
}

/* Ray's names of accelerators that Kubernetes calls otherwise; only one of them is ever added. */
static const struct {
    const char *kubernetes, *ray;
} accelerators[] = {{"aws.amazon.com/neuroncore", "neuron_cores"}, {"google.com/tpu", "TPU"}};

static bool add_accelerator(struct params *p, struct params *custom, const char *name,
                            const struct quantity *q)
{
    for (size_t i = 0; i < ARRAY_SIZE(accelerators); i++) {
        if (strcmp(name, accelerators[i].kubernetes) != 0)
            continue;
        params_set(custom, accelerators[i].ray, resource_float_text(p->a, resource_float(q)));
        params_set(p, "resources", quoted_json(custom));
        return true;
    }
    return false;
}

static void add_accelerators(struct params *p, yyjson_val *limits)
{
    struct params sorted = {.a = p->a}, custom = {.a = p->a};
    bool added = false;

    if (!yyjson_obj_size(limits) || !read_resources(p, &custom))
        return;
    json_each_member(limits, key, val)
        params_set(&sorted, json_str(key, ""), NULL);
    for (size_t i = 0; i < ARRAY_SIZE(accelerators); i++)
        added |= params_get(&custom, accelerators[i].ray) != NULL;
    for (size_t i = 0; i < sorted.n; i++) {
        const char *name = sorted.v[i].key;
        struct quantity q;

        if (!resource_read(p->a, json_get(limits, name), &q) || quantity_is_zero(&q))
            continue;
        if (resource_is_gpu(name))
            params_missing(p, "num-gpus", value_text(p->a, &q));
        added = added || add_accelerator(p, &custom, name, &q);
    }
}

/* " --key " for true, nothing for false, " --key=value " otherwise. Nothing is quoted. */
static void add_flag(struct buf *b, const struct param *f)
{
    static const char *const keep[] = {"log-color", "include-dashboard", "include-log-monitor"};
    bool literal = false;

    for (size_t i = 0; i < ARRAY_SIZE(keep); i++)
        literal |= !strcmp(f->key, keep[i]);
    if (!literal && !strcasecmp(f->value, "false"))
        return;
    if (!literal && !strcasecmp(f->value, "true"))
        buf_printf(b, " --%s ", f->key);
    else
        buf_printf(b, " --%s=%s ", f->key, f->value);
}

const char *params_start_command(struct params *p, yyjson_val *container, bool head)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    add_cpu_and_memory(p, container);
    add_accelerators(p, json_at(container, "resources.limits"));
    buf_adds(&b, head ? "ray start --head " : "ray start ");
    for (size_t i = 0; i < p->n; i++)
        add_flag(&b, &p->v[i]);
    return arena_strdup(p->a, buf_str(&b));
}
