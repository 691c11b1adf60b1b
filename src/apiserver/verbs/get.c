#include "apiserver/server.h"

/* Kubernetes reads resourceVersion here with other words than in a list. */
static struct status *check_version(struct request *req)
{
    const char *rv = request_param(req, "resourceVersion");
    int64_t n;

    if (!rv || !*rv)
        return NULL;
    if (slice_int64(slice_of(rv), &n) && n >= 0)
        return (uint64_t)n > storage_rv(req->api->storage)
                   ? status_version_too_large(req, (uint64_t)n)
                   : NULL;
    return status_plain(
        &req->arena, 500,
        arena_printf(&req->arena,
                     "resourceVersion: Invalid value: \"%s\": strconv.ParseUint: parsing \"%s\": "
                     "invalid syntax",
                     rv, rv));
}

void verb_get(struct request *req)
{
    struct object *o autoobject = NULL;
    struct status *st = check_version(req);

    if (!st && req->view.rep == REP_PARTIAL_LIST)
        st = status_new(
            &req->arena, ERR_NOT_ACCEPTABLE,
            "you requested PartialObjectMetadataList, but the requested object is not a list (%s)",
            req->res->kind);
    if (!st) {
        o = storage_get(req->api->storage, req->res, req->ns, req->name);
        if (!o)
            st = status_not_found(&req->arena, req->res->group, req->res->plural, req->name);
    }
    if (st)
        request_status(req, st);
    else
        request_object(req, 200, o);
}
