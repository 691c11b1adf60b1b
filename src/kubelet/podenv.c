#include "kubelet/podenv.h"
#include "base/base64.h"
#include "data/quantity.h"
#include "kube/meta.h"

#include <stdio.h>

void env_done(struct env *e)
{
    for (size_t i = 0; i < e->vars.n; i++) {
        free(e->vars.v[i].name);
        free(e->vars.v[i].value);
    }
    vec_done(&e->vars);
}

static struct env_var *env_find(const struct env *e, struct slice name)
{
    for (size_t i = 0; i < e->vars.n; i++)
        if (slice_is(name, e->vars.v[i].name))
            return &e->vars.v[i];
    return NULL;
}

void env_set(struct env *e, const char *name, const char *value)
{
    struct env_var *v = env_find(e, slice_of(name));

    if (!v) {
        v = vec_add(&e->vars);
        v->name = xstrdup(name);
    }
    char *copy = xstrdup(value);
    free(v->value);
    v->value = copy;
}

const char *env_get(const struct env *e, const char *name)
{
    struct env_var *v = env_find(e, slice_of(name));
    return v ? v->value : NULL;
}

/* One reference that begins at "$": what it stands for into out, and how many bytes it took. */
static size_t expand_one(const struct env *e, const char *at, struct buf *out)
{
    const char *end;

    if (at[1] == '$') {
        buf_addc(out, '$');
        return 2;
    }
    if (at[1] != '(' || !(end = strchr(at, ')'))) {
        buf_addc(out, '$');
        return 1;
    }
    struct env_var *v = env_find(e, (struct slice){at + 2, (size_t)(end - at - 2)});
    if (v)
        buf_adds(out, v->value);
    else
        buf_add(out, at, (size_t)(end + 1 - at));
    return (size_t)(end + 1 - at);
}

char *env_expand(const struct env *e, const char *text)
{
    struct buf out = BUF_INIT;

    while (*text) {
        size_t plain = strcspn(text, "$");
        buf_add(&out, text, plain);
        text += plain;
        if (*text)
            text += expand_one(e, text, &out);
    }
    char *s = buf_take(&out);
    return s ? s : xstrdup("");
}

bool object_key(yyjson_val *object, const char *key, struct buf *out)
{
    yyjson_val *v = json_get(json_get(object, "data"), key);
    bool secret =
        strcmp(json_get_str(object, "kind", ""), "Secret") == 0 || json_get(object, "type");

    if (yyjson_is_str(v) && !secret) {
        buf_add(out, yyjson_get_str(v), yyjson_get_len(v));
        return true;
    }
    if (!v)
        v = json_get(json_get(object, "binaryData"), key);
    return yyjson_is_str(v) &&
           base64_decode(out, (struct slice){yyjson_get_str(v), yyjson_get_len(v)});
}

/* metadata.labels['k'] and metadata.annotations['k']. */
static bool subscript(const char *path, const char *what, char *key, size_t room)
{
    size_t n = strlen(what), len = strlen(path);

    if (strncmp(path, what, n) != 0 || strncmp(path + n, "['", 2) != 0 || len < n + 4 ||
        strcmp(path + len - 2, "']") != 0)
        return false;
    snprintf(key, room, "%.*s", (int)(len - n - 4), path + n + 2);
    return true;
}

/* All labels or annotations as the downward API prints them: key="escaped value", sorted lines. */
static char *print_map(yyjson_val *map)
{
    struct buf out = BUF_INIT;

    json_each_member(map, k, v) {
        buf_printf(&out, "%s%s=\"", out.len ? "\n" : "", yyjson_get_str(k));
        for (const char *p = json_str(v, ""); *p; p++) {
            if (*p == '"' || *p == '\\')
                buf_addc(&out, '\\');
            if (*p == '\n')
                buf_adds(&out, "\\n");
            else
                buf_addc(&out, *p);
        }
        buf_addc(&out, '"');
    }
    char *s = buf_take(&out);
    return s ? s : xstrdup("");
}

int env_field(const struct env_context *c, const char *path, char **ret, struct err *err)
{
    yyjson_val *meta = json_get(c->pod, "metadata"), *spec = json_get(c->pod, "spec");
    const struct {
        const char *path, *value;
    } fields[] = {
        {"metadata.name", json_get_str(meta, "name", "")},
        {"metadata.namespace", json_get_str(meta, "namespace", "")},
        {"metadata.uid", json_get_str(meta, "uid", "")},
        {"spec.nodeName", c->node_name},
        {"spec.serviceAccountName", json_get_str(spec, "serviceAccountName", "default")},
        {"status.hostIP", c->host_ip},
        {"status.hostIPs", c->host_ip},
        {"status.podIP", c->pod_ip},
        {"status.podIPs", c->pod_ip},
    };
    char key[320];

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (strcmp(fields[i].path, path) == 0) {
            *ret = xstrdup(fields[i].value ? fields[i].value : "");
            return 0;
        }
    if (subscript(path, "metadata.labels", key, sizeof key))
        *ret = xstrdup(json_get_str(json_get(meta, "labels"), key, ""));
    else if (subscript(path, "metadata.annotations", key, sizeof key))
        *ret = xstrdup(json_get_str(json_get(meta, "annotations"), key, ""));
    else if (strcmp(path, "metadata.labels") == 0)
        *ret = print_map(json_get(meta, "labels"));
    else if (strcmp(path, "metadata.annotations") == 0)
        *ret = print_map(json_get(meta, "annotations"));
    else
        return err_set(err, ERR_INVALID, "unsupported fieldPath: %s", path);
    return 0;
}

static yyjson_val *find_container(yyjson_val *pod, const char *name)
{
    static const char *const lists[] = {"containers", "initContainers"};

    for (size_t k = 0; k < ARRAY_SIZE(lists); k++)
        json_each(json_get(json_get(pod, "spec"), lists[k]), item, i, n)
            if (strcmp(json_get_str(item, "name", ""), name) == 0)
                return item;
    return NULL;
}

int env_resource(const struct env_context *c, yyjson_val *ref, char **ret, struct err *err)
{
    const char *from = json_get_str(ref, "containerName", NULL);
    yyjson_val *container = from ? find_container(c->pod, from) : c->container;
    const char *resource = json_get_str(ref, "resource", "");
    const char *divisor_text = json_get_str(ref, "divisor", "1");
    const char *dot = strchr(resource, '.');
    struct quantity q, divisor = quantity_int(1, QUANTITY_DECIMAL_SI);

    if (!container || !dot)
        return err_set(err, ERR_INVALID, "unsupported container resource: %s", resource);
    autofree char *kind = xstrndup(resource, (size_t)(dot - resource));
    const char *text =
        json_get_str(json_get(json_get(container, "resources"), kind), dot + 1, NULL);
    bool cpu = strcmp(dot + 1, "cpu") == 0;
    if (strcmp(divisor_text, "0") != 0 && quantity_parse(slice_of(divisor_text), &divisor, err) < 0)
        return ERR_INVALID;
    if (text && quantity_parse(slice_of(text), &q, err) < 0)
        return ERR_INVALID;
    int64_t value = cpu ? c->node_cpu_milli : c->node_memory;
    if (text)
        value = cpu ? quantity_milli(&q) : quantity_value(&q);
    else if (strcmp(kind, "requests") == 0)
        value = 0;
    int64_t by = cpu ? quantity_milli(&divisor) : quantity_value(&divisor);
    *ret = xasprintf("%lld", (long long)((value + by - 1) / MAX(by, 1)));
    return 0;
}

/* An object of an env reference. NULL in *ret and 0: it is optional and absent. */
static int env_object(const struct env_context *c, const char *kind, yyjson_val *ref,
                      yyjson_val **ret, struct err *err)
{
    const char *ns = meta_namespace(c->pod);
    int r = c->object(c->ctx, kind, ns, json_get_str(ref, "name", ""), ret, err);

    if (r == ERR_NOT_FOUND && json_bool_at(ref, "optional", false)) {
        *ret = NULL;
        return 0;
    }
    return r;
}

static int env_from(const struct env_context *c, struct env *e, yyjson_val *source, struct err *err)
{
    static const struct {
        const char *member, *kind;
    } kinds[] = {{"configMapRef", "ConfigMap"}, {"secretRef", "Secret"}};
    const char *prefix = json_get_str(source, "prefix", "");

    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        yyjson_val *ref = json_get(source, kinds[k].member), *object = NULL;
        int r = ref ? env_object(c, kinds[k].kind, ref, &object, err) : 0;
        if (r < 0)
            return r;
        json_each_member(json_get(object, "data"), key, val) {
            struct buf value cleanup(buf_done) = BUF_INIT;
            autofree char *name = xasprintf("%s%s", prefix, yyjson_get_str(key));
            (void)val;
            if (object_key(object, yyjson_get_str(key), &value) && !strchr(name, '='))
                env_set(e, name, buf_str(&value));
        }
    }
    return 0;
}

static int env_key_ref(const struct env_context *c, const char *kind, yyjson_val *ref, char **ret,
                       struct err *err)
{
    struct buf value cleanup(buf_done) = BUF_INIT;
    yyjson_val *object = NULL;
    const char *key = json_get_str(ref, "key", "");
    int r = env_object(c, kind, ref, &object, err);

    if (r < 0)
        return r;
    if (object && object_key(object, key, &value)) {
        *ret = xstrdup(buf_str(&value));
        return 0;
    }
    *ret = NULL;
    if (json_bool_at(ref, "optional", false))
        return 0;
    return err_set(err, ERR_NOT_FOUND, "couldn't find key %s in %s %s/%s", key, kind,
                   meta_namespace(c->pod), json_get_str(ref, "name", ""));
}

/* *ret NULL: the variable is not set at all (an optional reference to nothing). */
static int env_value_from(const struct env_context *c, yyjson_val *from, char **ret,
                          struct err *err)
{
    yyjson_val *ref;

    if ((ref = json_get(from, "fieldRef")))
        return env_field(c, json_get_str(ref, "fieldPath", ""), ret, err);
    if ((ref = json_get(from, "resourceFieldRef")))
        return env_resource(c, ref, ret, err);
    if ((ref = json_get(from, "configMapKeyRef")))
        return env_key_ref(c, "ConfigMap", ref, ret, err);
    if ((ref = json_get(from, "secretKeyRef")))
        return env_key_ref(c, "Secret", ref, ret, err);
    *ret = xstrdup("");
    return 0;
}

int env_build(const struct env_context *c, struct env *e, struct err *err)
{
    json_each(json_get(c->container, "envFrom"), source, i, n) {
        int r = env_from(c, e, source, err);
        if (r < 0)
            return r;
    }
    json_each(json_get(c->container, "env"), var, k, count) {
        yyjson_val *from = json_get(var, "valueFrom");
        autofree char *value = NULL;
        int r = 0;
        if (json_is_empty(from))
            value = env_expand(e, json_get_str(var, "value", ""));
        else
            r = env_value_from(c, from, &value, err);
        if (r < 0)
            return r;
        if (value)
            env_set(e, json_get_str(var, "name", ""), value);
    }
    return 0;
}
