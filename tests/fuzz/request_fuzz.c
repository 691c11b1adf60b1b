/* request: path, query and Accept header of a request, one a line, are taken apart or refused. */
#include "apiserver/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct apiserver api;

static void setup(void)
{
    if (api.registry.generation)
        return;
    registry_init(&api.registry);
    kinds_register(&api.registry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = {(const char *)data, size}, path = {0}, query = {0};

    setup();
    struct request *req = request_new(&api);
    struct selection sel = {0};
    slice_cut(&rest, '\n', &path);
    slice_cut(&rest, '\n', &query);
    req->method = "GET";
    req->path = percent_decode(&req->arena, path, false);
    req->accept = arena_strndup(&req->arena, rest.n ? rest.p : "", rest.n);
    query_parse(req, query);
    if (req->path && !route(req) && !accept_parse(req) && req->res && !selection_parse(req, &sel))
        selection_done(&sel);
    selection_done(&sel);
    request_free(req);
    return 0;
}
