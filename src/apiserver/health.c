#include "apiserver/server.h"

/* The release of the Kubernetes API that this server answers like. */
#define KUBERNETES_MINOR "36"

#ifdef __aarch64__
#define GO_ARCH "arm64"
#else
#define GO_ARCH "amd64"
#endif

static void version(struct request *req)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    buf_adds(&b,
             "{\"major\":\"1\",\"minor\":\"" KUBERNETES_MINOR
             "\",\"emulationMajor\":\"1\",\"emulationMinor\":\"" KUBERNETES_MINOR
             "\",\"minCompatibilityMajor\":\"1\",\"minCompatibilityMinor\":\"35\","
             "\"gitVersion\":\"v1." KUBERNETES_MINOR ".0+manta\",\"gitCommit\":\"\","
             "\"gitTreeState\":\"clean\",\"buildDate\":\"1970-01-01T00:00:00Z\","
             "\"goVersion\":\"none\",\"compiler\":\"gcc\",\"platform\":\"linux/" GO_ARCH "\"}\n");
    request_json(req, 200, &b);
}

static void ok(struct request *req)
{
    request_bytes(req, 200, "text/plain; charset=utf-8", SLICE("ok"));
}

static const struct {
    const char *path;
    void (*handle)(struct request *req);
} paths[] = {
    {"/healthz", ok},      {"/livez", ok},         {"/readyz", ok},
    {"/version", version}, {"/version/", version},
};

bool health_is_open(const char *path)
{
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        if (strcmp(paths[i].path, path) == 0)
            return true;
    return strncmp(path, "/livez/", 7) == 0 || strncmp(path, "/readyz/", 8) == 0 ||
           strncmp(path, "/healthz/", 9) == 0;
}

bool health_handle(struct request *req)
{
    if (!health_is_open(req->path))
        return false;
    /* the checks take any method, the version does not */
    if (strncmp(req->path, "/version", 8) == 0 && strcmp(req->method, "GET") &&
        strcmp(req->method, "HEAD")) {
        request_status(req, status_bad_method(&req->arena));
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        if (strcmp(paths[i].path, req->path) == 0) {
            paths[i].handle(req);
            return true;
        }
    }
    if (strcmp(strrchr(req->path, '/'), "/ping") != 0)
        return false;
    ok(req);
    return true;
}
