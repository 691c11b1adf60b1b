/* Which function serves a routed request. */
#include "apiserver/server.h"

static verb_fn *const verbs[VERB_COUNT] = {
    [VERB_GET] = verb_get,
    [VERB_LIST] = verb_list,
    [VERB_WATCH] = verb_watch,
    [VERB_CREATE] = verb_create,
    [VERB_UPDATE] = verb_update,
    [VERB_PATCH] = verb_patch,
    [VERB_DELETE] = verb_delete,
    [VERB_DELETECOLLECTION] = verb_deletecollection,
};

/* Served by the verbs themselves, on the object that they belong to. */
static bool is_part(const char *subresource)
{
    return strcmp(subresource, "status") == 0 || strcmp(subresource, "finalize") == 0 ||
           strcmp(subresource, "ephemeralcontainers") == 0 || strcmp(subresource, "resize") == 0 ||
           strcmp(subresource, "approval") == 0;
}

void request_run(struct request *req)
{
    const struct subresource *sub = *req->subresource ? resource_sub(req->res, req->subresource) : NULL;

    if (!sub && req->res->handle)
        req->res->handle(req);
    else if (sub && sub->handle)
        sub->handle(req);
    else if (!sub && req->res->review && req->verb == VERB_CREATE)
        req->res->review(req);
    else if (sub && strcmp(sub->name, "scale") == 0)
        verb_scale(req);
    else if (!sub || is_part(sub->name))
        verbs[req->verb](req);
    else
        request_status(req, status_no_such_resource(&req->arena));
}
