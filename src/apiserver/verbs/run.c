/* Which function serves a routed request. */
#include "apiserver/server.h"

static verb_fn *const verbs[VERB_COUNT] = {
    [VERB_GET] = verb_get,       [VERB_LIST] = verb_list,
    [VERB_WATCH] = verb_watch,   [VERB_CREATE] = verb_create,
    [VERB_UPDATE] = verb_update, [VERB_PATCH] = verb_patch,
    [VERB_DELETE] = verb_delete, [VERB_DELETECOLLECTION] = verb_deletecollection,
};

/* Served by the verbs themselves, on the object that they belong to. */
static bool is_part(const char *subresource)
{
    return strcmp(subresource, "status") == 0 || strcmp(subresource, "finalize") == 0 ||
           strcmp(subresource, "ephemeralcontainers") == 0 || strcmp(subresource, "resize") == 0 ||
           strcmp(subresource, "approval") == 0;
}

static verb_fn *served_apart(const char *subresource)
{
    static const struct {
        const char *name;
        verb_fn *serve;
    } table[] = {{"scale", verb_scale},
                 {"log", podlog_handle},
                 {"exec", podexec_handle},
                 {"proxy", proxy_handle}};

    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (strcmp(table[i].name, subresource) == 0)
            return table[i].serve;
    return NULL;
}

void request_run(struct request *req)
{
    verb_fn *serve;
    const struct subresource *sub =
        *req->subresource ? resource_sub(req->res, req->subresource) : NULL;

    if (!sub && req->res->handle)
        req->res->handle(req);
    else if (sub && sub->handle)
        sub->handle(req);
    else if (!sub && req->res->review && req->verb == VERB_CREATE)
        req->res->review(req);
    else if (sub && (serve = served_apart(sub->name)))
        serve(req);
    else if (!sub || is_part(sub->name))
        verbs[req->verb](req);
    else
        request_status(req, status_no_such_resource(&req->arena));
}
