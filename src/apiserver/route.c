/*
 * Paths of resources:
 *   /api/VERSION/…, /apis/GROUP/VERSION/…, then an optional "watch", then one of
 *   PLURAL[/NAME[/SUBRESOURCE[/REST]]]
 *   namespaces/NS/PLURAL[/NAME[/SUBRESOURCE[/REST]]]
 * where namespaces/NS alone, and its status and finalize, are the namespace itself.
 */
#include "apiserver/server.h"

#define SEGMENTS_MAX 64

struct segments {
    const char *v[SEGMENTS_MAX];
    size_t n;
    const char *rest; /* raw text behind what was taken, for proxies */
};

/* Empty segments but the last are kept: "/api//v1" is another path than "/api/v1". */
static bool split(struct request *req, struct segments *s)
{
    const char *p = req->path;

    s->n = 0;
    while (*p == '/' && p[1]) {
        const char *end = strchrnul(p + 1, '/');

        if (s->n == SEGMENTS_MAX)
            return false;
        s->v[s->n++] = arena_strndup(&req->arena, p + 1, (size_t)(end - p - 1));
        p = end;
    }
    return true;
}

/* An escaped slash stays within its segment, and no name may have one. */
static bool has_escaped_slash(struct slice raw)
{
    for (size_t i = 0; i + 2 < raw.n; i++)
        if (raw.p[i] == '%' && raw.p[i + 1] == '2' && (raw.p[i + 2] | 32) == 'f')
            return true;
    return false;
}

static bool parse_watch(struct request *req)
{
    bool watch = false;

    query_bool(req, "watch", &watch);
    return watch;
}

static int pick_verb(struct request *req, bool watch_path)
{
    bool named = *req->name;

    if (strcmp(req->method, "GET") == 0)
        return *req->subresource  ? VERB_GET
               : watch_path       ? VERB_WATCH
               : named            ? VERB_GET /* "watch" in its query means nothing */
               : parse_watch(req) ? VERB_WATCH
                                  : VERB_LIST;
    if (strcmp(req->method, "POST") == 0)
        return named && !*req->subresource ? -1 : VERB_CREATE;
    if (strcmp(req->method, "PUT") == 0)
        return named ? VERB_UPDATE : -1;
    if (strcmp(req->method, "PATCH") == 0)
        return named ? VERB_PATCH : -1;
    if (strcmp(req->method, "DELETE") == 0)
        return named ? VERB_DELETE : VERB_DELETECOLLECTION;
    return -1;
}

/* What stands behind the version: ns, plural, name, subresource. */
static const char *take_names(struct request *req, const struct segments *s, size_t i)
{
    const char *plural;

    if (i + 2 < s->n && strcmp(s->v[i], "namespaces") == 0 &&
        !(i + 3 == s->n &&
          (strcmp(s->v[i + 2], "status") == 0 || strcmp(s->v[i + 2], "finalize") == 0))) {
        req->ns = s->v[i + 1];
        i += 2;
    }
    plural = s->v[i];
    if (i + 1 < s->n)
        req->name = s->v[i + 1];
    if (i + 2 < s->n)
        req->subresource = s->v[i + 2];
    if (i + 3 < s->n) {
        struct buf rest cleanup(buf_done) = BUF_INIT;

        for (size_t j = i + 3; j < s->n; j++)
            buf_printf(&rest, "%s%s", j > i + 3 ? "/" : "", s->v[j]);
        req->rest = arena_strdup(&req->arena, buf_str(&rest));
    }
    return plural;
}

/* Whether the path has the form that the resource and the verb need. */
static struct status *check_shape(struct request *req, int verb)
{
    const struct resource *res = req->res;
    bool all = res->namespaced && !*req->ns;

    if (!res->namespaced && *req->ns)
        return status_no_such_resource(&req->arena);
    if (all && *req->name)
        return status_no_such_resource(&req->arena);
    if (*req->subresource) {
        const struct subresource *sub = resource_sub(res, req->subresource);

        if (!sub && !res->built_in &&
            !*req->rest) /* of a custom kind it is the object that is not found */
            return status_not_found(&req->arena, res->group, res->plural, req->name);
        if (!sub || (*req->rest && strcmp(req->subresource, "proxy") != 0))
            return status_no_such_resource(&req->arena);
        if (verb < 0 || !(sub->verbs & VERB_BIT(verb)))
            return status_bad_method(&req->arena);
        return NULL;
    }
    if (verb < 0 || !resource_has(res, (enum api_verb)verb) ||
        (all && verb != VERB_LIST && verb != VERB_WATCH))
        return status_bad_method(&req->arena);
    return NULL;
}

/* A group of custom kinds ends where its versions do: another one is no path at all. */
static bool has_built_in(struct request *req, const char *group)
{
    const struct registry *reg = &req->api->registry;

    for (size_t i = 0; i < reg->list.n; i++)
        if (strcmp(reg->list.v[i]->group, group) == 0)
            return reg->list.v[i]->built_in;
    return false;
}

struct status *route(struct request *req)
{
    struct segments s;
    bool core, watch = false;

    if (!split(req, &s))
        return status_no_such_resource(&req->arena);
    core = s.n > 0 && strcmp(s.v[0], "api") == 0;
    if (s.n < (core ? 3u : 4u) || (!core && strcmp(s.v[0], "apis") != 0))
        return NULL;
    const char *group = core ? "" : s.v[1], *version = core ? s.v[1] : s.v[2];
    size_t i = core ? 2 : 3;
    if (!core &&
        !registry_has_group(&req->api->registry, group, has_built_in(req, group) ? NULL : version))
        return NULL;
    if (strcmp(s.v[i], "watch") == 0 && i + 1 < s.n) {
        watch = true;
        i++;
    }
    const char *plural = take_names(req, &s, i);
    const struct resource *res = registry_find(&req->api->registry, group, version, plural);
    if (!res || (req->http && has_escaped_slash(req->http->path)))
        return status_no_such_resource(&req->arena);
    req->res = resource_ref(res);
    if (res->deprecation)
        warnings_add(&req->warnings, "%s", res->deprecation);
    int verb = pick_verb(req, watch);
    struct status *st = check_shape(req, verb);
    req->verb = verb < 0 ? VERB_GET : (enum api_verb)verb;
    return st;
}
