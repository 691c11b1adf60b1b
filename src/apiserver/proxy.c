#include "apiserver/server.h"

void proxy_handle(struct request *req)
{
    request_status(req, status_new(&req->arena, ERR_UNAVAILABLE, "no kubelet serves this yet"));
}
