/* Calls from inside: the same requests as from outside, without HTTP. */
#include "apiserver/server.h"

void api_call(struct apiserver *api, const struct api_call *call)
{
    static const char *const groups[] = {"system:masters", "system:authenticated", NULL};
    struct request *req = request_new(api);

    req->res = resource_ref(call->res);
    req->verb = call->verb;
    req->ns = arena_strdup(&req->arena, call->ns ? call->ns : "");
    req->name = arena_strdup(&req->arena, call->name ? call->name : "");
    req->subresource = arena_strdup(&req->arena, call->subresource ? call->subresource : "");
    req->manager = arena_strdup(&req->arena, call->manager ? call->manager : "manta");
    req->user = (struct user){.name = "system:apiserver", .uid = "", .groups = groups};
    req->value = call->body;
    req->internal = true;
    req->done = call->done;
    req->arg = call->arg;
    request_run(req);
}

struct subscription {
    struct apiserver *api;
    const struct resource *res; /* stored; compared only */
    storage_follower *f;
    void *arg;
};

static void on_event(void *arg, const struct event *e)
{
    struct subscription *sub = arg;

    if (!sub->res || object_resource(e->object) == sub->res)
        sub->f(sub->arg, e);
}

struct subscription *api_subscribe(struct apiserver *api, const struct resource *res,
                                   storage_follower *f, void *arg)
{
    struct subscription *sub = xnew(struct subscription);

    *sub = (struct subscription){api, res ? res->stored : NULL, f, arg};
    storage_follow(api->storage, on_event, sub);
    return sub;
}

void api_unsubscribe(struct subscription *sub)
{
    if (!sub)
        return;
    storage_unfollow(sub->api->storage, on_event, sub);
    free(sub);
}
