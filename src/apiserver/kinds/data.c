/* ConfigMaps and Secrets: keys, sizes, what each type of Secret holds, immutability. */
#include "apiserver/kinds/kind.h"

#include "base/base64.h"
#include "base/names.h"

#include <stdio.h>

#define MAX_DATA (1 << 20)

/* ---- ConfigMap and Secret ---- */

static void check_data_keys(struct check *c, const struct rule *r, const struct site *s)
{
    (void)r;
    json_each_member(s->v, key, val) {
        const char *why = name_config_key((struct slice){yyjson_get_str(key), yyjson_get_len(key)});
        if (why && val)
            field_invalid(c->errs, check_at(c, s->path, "[%s]", yyjson_get_str(key)), key, why);
    }
}

static size_t base64_size(yyjson_val *v)
{
    size_t n = yyjson_get_len(v);
    const char *s = json_str(v, "");

    return n / 4 * 3 - (n > 0 && s[n - 1] == '=') - (n > 1 && s[n - 2] == '=');
}

static void check_config_size(struct check *c, const struct rule *r, const struct site *s)
{
    size_t total = 0;

    (void)r;
    json_each_member(json_get(s->v, "data"), key, val)
        total += key ? yyjson_get_len(val) : 0;
    json_each_member(json_get(s->v, "binaryData"), bkey, bval) {
        total += base64_size(bval);
        if (json_get(json_get(s->v, "data"), yyjson_get_str(bkey)))
            field_invalid(c->errs, check_at(c, "data", "[%s]", yyjson_get_str(bkey)), bkey,
                          "duplicate of key present in binaryData");
    }
    if (total > MAX_DATA)
        field_too_long(c->errs, "[]", MAX_DATA);
}

/* Once `immutable` is set, it stays, and so does the data. */
static void check_frozen(struct check *c, const struct rule *r, const struct site *s)
{
    if (json_bool_at(c->old_root, "immutable", false) && !json_equal(s->v, s->old))
        field_forbidden(c->errs, s->path, r->text);
}
#define FROZEN(path)                                                                               \
    {                                                                                              \
        path, check_frozen, "field is immutable when `immutable` is set"                           \
    }

const struct rule configmap_rules[] = {
    {"data", check_data_keys}, {"binaryData", check_data_keys}, {"", check_config_size}, {NULL}};
const struct rule configmap_update_rules[] = {
    FROZEN("immutable"), FROZEN("data"), FROZEN("binaryData"), {NULL}};

static void check_secret_size(struct check *c, const struct rule *r, const struct site *s)
{
    size_t total = 0;

    (void)r;
    json_each_member(s->v, key, val)
        total += key ? base64_size(val) : 0;
    if (total > MAX_DATA)
        field_too_long(c->errs, "data", MAX_DATA);
}

/* What each type of secret must hold. any: one of the keys is enough. */
static const struct {
    const char *type, *keys[2];
    bool any;
} secret_types[] = {
    {"kubernetes.io/dockercfg", {".dockercfg"}, false},
    {"kubernetes.io/dockerconfigjson", {".dockerconfigjson"}, false},
    {"kubernetes.io/basic-auth", {"username", "password"}, true},
    {"kubernetes.io/ssh-auth", {"ssh-privatekey"}, false},
    {"kubernetes.io/tls", {"tls.crt", "tls.key"}, false},
};

static void check_secret_keys(struct check *c, yyjson_val *data, const char *const keys[2],
                              bool any)
{
    for (size_t i = 0; any && i < 2; i++)
        if (keys[i] && json_get(data, keys[i]))
            return;
    for (size_t i = 0; i < 2 && keys[i]; i++)
        if (!json_get(data, keys[i]))
            field_required(c->errs, check_at(c, "data", "[%s]", keys[i]), NULL);
}

static void check_docker_json(struct check *c, yyjson_val *data, const char *key)
{
    struct buf text cleanup(buf_done) = BUF_INIT;
    struct json *parsed autojson = NULL;
    yyjson_val *v = json_get(data, key);

    if (!v)
        return;
    base64_decode(&text, (struct slice){yyjson_get_str(v), yyjson_get_len(v)});
    if (json_parse(buf_slice(&text), &parsed, NULL) < 0 || !yyjson_is_obj(json_root(parsed)))
        field_invalid_str(c->errs, check_at(c, "data", "[%s]", key), "<secret contents redacted>",
                          "invalid JSON");
}

static void check_secret_type(struct check *c, const struct rule *r, const struct site *s)
{
    const char *type = json_get_str(s->v, "type", "");
    yyjson_val *data = json_get(s->v, "data"), *notes = json_at(s->v, "metadata.annotations");
    static const char account[] = "kubernetes.io/service-account.name";

    (void)r;
    for (size_t i = 0; i < ARRAY_SIZE(secret_types); i++)
        if (!strcmp(type, secret_types[i].type))
            check_secret_keys(c, data, secret_types[i].keys, secret_types[i].any);
    if (!strncmp(type, "kubernetes.io/dockerc", 21))
        check_docker_json(c, data, strchr(type, 'j') ? ".dockerconfigjson" : ".dockercfg");
    if (!strcmp(type, "kubernetes.io/service-account-token") && !*json_get_str(notes, account, ""))
        field_required(c->errs, check_at(c, "metadata.annotations", "[%s]", account), NULL);
}

const struct rule secret_rules[] = {
    {"data", check_data_keys}, {"data", check_secret_size}, {"", check_secret_type}, {NULL}};
const struct rule secret_update_rules[] = {
    {"type", check_immutable}, FROZEN("immutable"), FROZEN("data"), {NULL}};
const struct kind_defaults secret_defaults[] = {{"type", "\"Opaque\""}, {NULL}};
