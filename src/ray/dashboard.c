#include "ray/dashboard.h"
#include "ray/cluster.h"
#include "ray/names.h"

#include "base/buf.h"

const char *dashboard_url(struct snapshot *s, struct arena *a, yyjson_val *cluster,
                          const char *port_name, const char **ret_error)
{
    struct cluster c = cluster_view(cluster, s->options);
    const char *name = cluster_head_service(a, &c);
    yyjson_val *service = snap_get(s, KIND_SERVICE, c.ns, name);

    if (!service) {
        *ret_error = arena_printf(a, "head Service %s/%s not found", c.ns, name);
        return NULL;
    }
    json_each(json_at(service, "spec.ports"), port, i, n)
        if (!strcmp(json_get_str(port, "name", ""), port_name))
            return arena_printf(a, "%s:%lld", name_fqdn(a, s->options, name, c.ns),
                                (long long)json_int_at(port, "port", 0));
    *ret_error = arena_printf(a, "head Service %s/%s has no port named %s", c.ns, name, port_name);
    return NULL;
}

/* Plain base64 with padding, as a Secret's data has it; NULL when it is not. */
static const char *decode64(struct arena *a, const char *text)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *out = arena_alloc(a, strlen(text) / 4 * 3 + 4), *at = out;
    uint32_t bits = 0;
    int have = 0;

    for (; *text && *text != '='; text++) {
        const char *letter = strchr(alphabet, *text);
        if (!letter)
            return NULL;
        bits = bits << 6 | (uint32_t)(letter - alphabet);
        have += 6;
        if (have >= 8) {
            have -= 8;
            *at++ = (char)(bits >> have);
        }
    }
    return out;
}

static int read_token(struct snapshot *s, struct arena *a, const struct cluster *c,
                      const char **ret_token, const char **ret_error)
{
    const char *name = json_str_at(c->spec, "authOptions.secretName", "");

    if (!*name)
        name = name_check(a, c->name);
    yyjson_val *secret = snap_get(s, KIND_SECRET, c->ns, name);
    const char *data = json_str_at(secret, "data.auth_token", NULL);
    *ret_token = data ? decode64(a, data) : NULL;
    if (*ret_token)
        return 0;
    *ret_error = secret ? arena_printf(a, "Secret %s/%s has no key auth_token", c->ns, name)
                        : arena_printf(a, "Secret %s/%s not found", c->ns, name);
    return -1;
}

int dashboard_target(struct snapshot *s, struct arena *a, yyjson_val *cluster, const char *url,
                     struct dash_target *ret, const char **ret_error)
{
    struct cluster c = cluster_view(cluster, s->options);

    *ret = (struct dash_target){.url = url};
    if (!cluster)
        return 0;
    ret->cluster_ns = c.ns;
    ret->service = json_str_at(c.status, "head.serviceName", NULL);
    if (!ret->service)
        ret->service = cluster_head_service(a, &c);
    return cluster_auth(&c) ? read_token(s, a, &c, &ret->token, ret_error) : 0;
}
