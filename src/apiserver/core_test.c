/* The core without a network: routes, Accept, options, Status, tokens, protobuf, and calls from
 * inside. */
#include "apiserver/protobuf.h"
#include "apiserver/server.h"
#include "base/clock.h"
#include "base/test.h"
#include "base/timefmt.h"

struct fixture {
    struct apiserver api; /* only its registry, for requests that are not run */
};

static struct request *request(struct fixture *f, const char *method, const char *path,
                               const char *query)
{
    struct request *req = request_new(&f->api);

    req->method = method;
    req->path = path;
    query_parse(req, slice_of(query));
    return req;
}

static void setup(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    registry_init(&f->api.registry);
    kinds_register(&f->api.registry);
}

static void finish(struct fixture *f)
{
    registry_done(&f->api.registry);
}

TEST(apiserver_routes)
{
    static const struct {
        const char *method, *path, *query;
        int http;         /* of a refusal; 0: routed; -1: no resource's path */
        const char *want; /* verb group/version/plural ns name subresource rest */
    } cases[] = {
        {"GET", "/api/v1/pods", "", 0, "list /v1/pods    "},
        {"GET", "/api/v1/pods", "watch=1", 0, "watch /v1/pods    "},
        {"GET", "/api/v1/watch/pods", "", 0, "watch /v1/pods    "},
        {"GET", "/api/v1/namespaces/a/pods/", "", 0, "list /v1/pods a   "},
        {"GET", "/api/v1/namespaces/a/pods/p", "", 0, "get /v1/pods a p  "},
        {"GET", "/api/v1/namespaces/a/pods/p", "watch=true", 0, "get /v1/pods a p  "},
        {"GET", "/api/v1/namespaces/a/pods/p/log", "", 0, "get /v1/pods a p log "},
        {"GET", "/api/v1/namespaces/a", "", 0, "get /v1/namespaces  a  "},
        {"PUT", "/api/v1/namespaces/a/finalize", "", 0, "update /v1/namespaces  a finalize "},
        {"GET", "/api/v1/namespaces/a/services/s:80/proxy/x/y", "", 0,
         "get /v1/services a s:80 proxy x/y"},
        {"PATCH", "/apis/apps/v1/namespaces/a/deployments/d/scale", "", 0,
         "patch apps/v1/deployments a d scale "},
        {"DELETE", "/apis/apps/v1/namespaces/a/deployments", "", 0,
         "deletecollection apps/v1/deployments a   "},
        {"POST", "/api/v1/namespaces/a/configmaps/c", "", 405, ""},
        {"POST", "/api/v1/configmaps", "", 405, ""},
        {"DELETE", "/api/v1/namespaces", "", 405, ""},
        {"GET", "/api/v1/namespaces/a/nodes", "", 404, ""},
        {"GET", "/api/v1/namespaces/a/nothings", "", 404, ""},
        {"GET", "/api//v1/namespaces", "", 404, ""},
        {"GET", "/api/v1/namespaces/a/configmaps/c/scale", "", 404, ""},
        {"GET", "/apis/apps/v9/deployments", "", 404, ""},
        {"GET", "/apis/nope/v1/things", "", -1, ""},
        {"GET", "/api", "", -1, ""},
        {"GET", "/version", "", -1, ""},
        {"GET", "/", "", -1, ""},
    };
    struct fixture f;

    setup(&f);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct request *req = request(&f, cases[i].method, cases[i].path, cases[i].query);
        struct status *st = route(req);
        char got[256] = "";

        if (!st && req->res)
            snprintf(got, sizeof got, "%s %s/%s/%s %s %s %s %s", verb_names[req->verb],
                     req->res->group, req->res->version, req->res->plural, req->ns, req->name,
                     req->subresource, req->rest);
        CHECK_INT(st ? st->http : req->res ? 0 : -1, cases[i].http);
        CHECK_STR(got, cases[i].want);
        request_free(req);
    }
    finish(&f);
}

TEST(apiserver_accept)
{
    static const struct {
        const char *accept;
        int http;
        enum representation rep;
        enum encoding encoding;
    } cases[] = {
        {"", 0, REP_OBJECT, ENCODE_JSON},
        {"*/*", 0, REP_OBJECT, ENCODE_JSON},
        {"application/yaml", 0, REP_OBJECT, ENCODE_YAML},
        {"application/json;q=0.5, application/yaml", 0, REP_OBJECT, ENCODE_YAML},
        {"application/vnd.kubernetes.protobuf,application/json", 0, REP_OBJECT, ENCODE_JSON},
        {"application/vnd.kubernetes.protobuf", 0, REP_OBJECT, ENCODE_PROTOBUF},
        {"application/json;as=Table;v=v1;g=meta.k8s.io,application/json", 0, REP_TABLE,
         ENCODE_JSON},
        {"application/json;as=Nope;v=v1;g=meta.k8s.io,application/json", 0, REP_OBJECT,
         ENCODE_JSON},
        {"application/json;as=Nope;v=v1;g=meta.k8s.io", 406, REP_OBJECT, ENCODE_JSON},
        {"text/html", 406, REP_OBJECT, ENCODE_JSON},
    };
    struct fixture f;

    setup(&f);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct request *req = request(&f, "GET", "/api/v1/pods", "");

        req->accept = cases[i].accept;
        struct status *st = accept_parse(req);
        CHECK_INT(st ? st->http : 0, cases[i].http);
        CHECK_INT(req->view.rep, cases[i].rep);
        CHECK_INT(req->view.encoding, cases[i].encoding);
        request_free(req);
    }
    finish(&f);
}

TEST(apiserver_query)
{
    struct fixture f;
    bool b = false;
    int64_t n = 7;

    setup(&f);
    struct request *req = request(&f, "GET", "/", "a=%2Fx+y&watch&n=12&bad=%zz&n2=soon&no=False");
    CHECK_STR(request_param(req, "a"), "/x y");
    CHECK_STR(request_param(req, "watch"), "");
    CHECK(request_param(req, "bad") == NULL);
    query_bool(req, "no", &b);
    CHECK(!b);
    CHECK(query_int(req, "n", &n) == NULL && n == 12);
    CHECK_INT(query_int(req, "n2", &n)->http, 400);
    CHECK(query_int(req, "n3", &n) == NULL && n == 12);
    request_free(req);
    finish(&f);
}

TEST(apiserver_status_text)
{
    struct arena a = {0};
    struct buf b cleanup(buf_done) = BUF_INIT;
    struct field_errors errs cleanup(field_errors_done) = {0};

    field_required(&errs, "spec.x", "");
    field_invalid_str(&errs, "spec.y", "a\"b", "must be short");
    status_write(status_invalid(&a, "ray.io", "RayJob", "j", &errs), &b);
    status_write(status_not_found(&a, "ray.io", "rayjobs", "j"), &b);
    status_write(status_success(&a, "", "pods", "p", "u-1"), &b);
    status_write(status_no_such_resource(&a), &b);
    status_write(status_plain(&a, 500, "line\nline"), &b);
    CHECK_STR(
        b.data,
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"RayJob."
        "ray.io \\\"j\\\" is invalid: [spec.x: Required value, spec.y: Invalid value: "
        "\\\"a\\\\\\\"b\\\": must be "
        "short]\",\"reason\":\"Invalid\",\"details\":{\"name\":\"j\",\"group\":\"ray.io\",\"kind\":"
        "\"RayJob\","
        "\"causes\":[{\"reason\":\"FieldValueRequired\",\"message\":\"Required "
        "value\",\"field\":\"spec.x\"},{"
        "\"reason\":\"FieldValueInvalid\",\"message\":\"Invalid value: \\\"a\\\\\\\"b\\\": must be "
        "short\",\"field\":"
        "\"spec.y\"}]},\"code\":422}\n"
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"rayjobs.ray."
        "io \\\"j\\\" not "
        "found\",\"reason\":\"NotFound\",\"details\":{\"name\":\"j\",\"group\":\"ray.io\",\"kind\":"
        "\"rayjobs\"},\"code\":404}\n"
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Success\","
        "\"details\":{\"name\":\"p\","
        "\"kind\":\"pods\",\"uid\":\"u-1\"}}\n"
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"the server "
        "could not find the requested "
        "resource\",\"reason\":\"NotFound\",\"details\":{},\"code\":404}\n"
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"line\\nline\","
        "\"code\":500}\n");
    arena_done(&a);
}

/* ---- protobuf ---- */

static char *decode(const char *bytes, size_t n, struct err *err)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *obj = NULL;
    struct buf b = BUF_INIT;

    if (protobuf_decode((struct slice){bytes, n}, doc, &obj, err) < 0)
        return NULL;
    json_mut_write(&b, obj);
    return buf_take(&b);
}

TEST(apiserver_protobuf)
{
    /* ConfigMap: metadata {name a, labels {l: 1}}, data {k: v}, and a field 99 that nobody knows */
    static const char body[] = "k8s\0"
                               "\x0a\x0f\x0a\x02v1\x12\x09"
                               "ConfigMap"
                               "\x12\x18"
                               "\x0a\x0b\x0a\x01"
                               "a"
                               "\x5a\x06\x0a\x01l\x12\x01"
                               "1"
                               "\x12\x06\x0a\x01k\x12\x01v"
                               "\x98\x06\x05";
    struct err err = {0};
    autofree char *got = decode(body, sizeof body - 1, &err);

    CHECK_STR(got, "{\"metadata\":{\"name\":\"a\",\"labels\":{\"l\":\"1\"}},\"data\":{\"k\":\"v\"},"
                   "\"kind\":\"ConfigMap\","
                   "\"apiVersion\":\"v1\"}");
    for (size_t n = 0; n < sizeof body - 1; n++) {
        autofree char *part =
            decode(body, n, &err); /* cut anywhere: an error or a part, never more */
        CHECK(!part || strlen(part) < strlen(got) + 1);
    }
    CHECK(decode("k8s\0\x0a\x08\x0a\x02v1\x12\x02No", 16, &err) == NULL);
    CHECK_INT(err.code, ERR_BAD_REQUEST);
}

/* ---- a whole server, called from inside ---- */

struct live {
    uv_loop_t loop;
    char dir[64];
    struct apiserver *api;
    int http;        /* of the last answer: 0 for success */
    char reason[64]; /* of a refusal */
    struct json *object;
    int events[3];
};

static void start(struct live *l)
{
    struct err err = {0};

    *l = (struct live){.dir = "/tmp/manta-core-XXXXXX"};
    CHECK(mkdtemp(l->dir) != NULL);
    uv_loop_init(&l->loop);
    struct apiserver_options o = {.listen = "127.0.0.1:0", .state = l->dir, .controllers = "-*"};
    CHECK_OK(apiserver_new(&o, &l->loop, &l->api, &err), &err);
}

static void stop(struct live *l)
{
    json_unref(l->object);
    apiserver_free(l->api);
    uv_run(&l->loop, UV_RUN_DEFAULT);
    uv_loop_close(&l->loop);
    file_remove_tree(l->dir, NULL);
}

static void on_answer(void *arg, const struct status *st, const struct object *obj)
{
    struct live *l = arg;

    l->http = st ? st->http : 0;
    snprintf(l->reason, sizeof l->reason, "%s", st ? st->reason : "");
    json_unref(l->object);
    l->object = obj ? object_parse(obj) : NULL;
    uv_stop(&l->loop);
}

/* Calls and waits for the answer; gives its code, 0 for success. */
static int call(struct live *l, enum api_verb verb, const char *group, const char *plural,
                const char *name, const char *body)
{
    struct json *j autojson = NULL;
    const struct resource *res = api_resource(l->api, group, plural);

    l->http = -1;
    if (body)
        CHECK_INT(json_parse(slice_of(body), &j, NULL), 0);
    api_call(l->api, &(struct api_call){.verb = verb,
                                        .res = res,
                                        .ns = res->namespaced ? "default" : "",
                                        .name = name,
                                        .body = json_root(j),
                                        .done = on_answer,
                                        .arg = l});
    while (l->http < 0)
        uv_run(&l->loop, UV_RUN_ONCE);
    return l->http;
}

static void on_event(void *arg, const struct event *e)
{
    ((struct live *)arg)->events[e->type]++;
}

static int64_t at(const struct live *l, const char *path)
{
    return json_int_at(json_root(l->object), path, -1);
}

TEST(apiserver_life_of_an_object)
{
    struct live l;

    start(&l);
    struct subscription *sub =
        api_subscribe(l.api, api_resource(l.api, "", "configmaps"), on_event, &l);
    CHECK_INT(call(&l, VERB_CREATE, "", "configmaps", "",
                   "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"v\"}}"),
              0);
    CHECK_STR(json_str_at(json_root(l.object), "metadata.namespace", ""), "default");
    autofree char *rv = xstrdup(json_str_at(json_root(l.object), "metadata.resourceVersion", ""));
    CHECK_INT(call(&l, VERB_CREATE, "", "configmaps", "", "{\"metadata\":{\"name\":\"a\"}}"), 409);
    CHECK_STR(l.reason, "AlreadyExists");
    CHECK_INT(call(&l, VERB_PATCH, "", "configmaps", "a", "{\"data\":{\"k\":\"w\"}}"), 0);
    CHECK_STR(json_str_at(json_root(l.object), "data.k", ""), "w");
    autofree char *stale =
        xasprintf("{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"%s\"}}", rv);
    CHECK_INT(call(&l, VERB_UPDATE, "", "configmaps", "a", stale), 409);
    CHECK_STR(l.reason, "Conflict");
    CHECK_INT(call(&l, VERB_PATCH, "", "configmaps", "a", "{\"data\":{\"k\":\"w\"}}"),
              0); /* no write */
    CHECK_INT(call(&l, VERB_DELETE, "", "configmaps", "a", NULL), 0);
    CHECK_INT(call(&l, VERB_DELETE, "", "configmaps", "a", NULL), 404);
    CHECK_INT(l.events[EVENT_ADDED], 1);
    CHECK_INT(l.events[EVENT_MODIFIED], 1);
    CHECK_INT(l.events[EVENT_DELETED], 1);
    api_unsubscribe(sub);
    stop(&l);
}

TEST(apiserver_finalizers)
{
    struct live l;

    start(&l);
    CHECK_INT(call(&l, VERB_CREATE, "", "configmaps", "",
                   "{\"metadata\":{\"name\":\"a\",\"finalizers\":[\"e.com/x\"]}}"),
              0);
    CHECK_INT(call(&l, VERB_DELETE, "", "configmaps", "a", NULL), 0);
    CHECK(json_str_at(json_root(l.object), "metadata.deletionTimestamp", NULL) != NULL);
    CHECK_INT(call(&l, VERB_PATCH, "", "configmaps", "a",
                   "{\"metadata\":{\"finalizers\":[\"e.com/x\",\"e.com/y\"]}}"),
              422);
    CHECK_INT(call(&l, VERB_PATCH, "", "configmaps", "a", "{\"metadata\":{\"finalizers\":null}}"),
              0);
    CHECK_INT(call(&l, VERB_DELETE, "", "configmaps", "a", NULL), 404);
    stop(&l);
}

TEST(apiserver_generation_and_status)
{
    static const char job[] = "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"selector\":{"
                              "\"matchLabels\":{\"a\":\"b\"}},\"template\":{"
                              "\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{"
                              "\"name\":\"c\",\"image\":\"i\"}]}}},"
                              "\"status\":{\"replicas\":7}}";
    struct live l;

    start(&l);
    CHECK_INT(call(&l, VERB_CREATE, "apps", "deployments", "", job), 0);
    CHECK_INT(at(&l, "metadata.generation"), 1);
    CHECK_INT(at(&l, "status.replicas"), -1);
    CHECK_INT(call(&l, VERB_PATCH, "apps", "deployments", "d",
                   "{\"metadata\":{\"labels\":{\"x\":\"y\"}}}"),
              0);
    CHECK_INT(at(&l, "metadata.generation"), 1);
    CHECK_INT(call(&l, VERB_PATCH, "apps", "deployments", "d",
                   "{\"spec\":{\"replicas\":3},\"status\":{\"replicas\":9}}"),
              0);
    CHECK_INT(at(&l, "metadata.generation"), 2);
    CHECK_INT(at(&l, "status.replicas"), -1);
    stop(&l);
}

TEST(apiserver_service_account_tokens)
{
    struct live l;
    struct json *payload autojson = NULL;
    struct err err = {0};

    start(&l);
    autofree char *token = api_sa_token(l.api, "ns", "sa", "uid-1", "pod", "uid-2", 600);
    CHECK_OK(token_verify(l.api->signer, slice_of(token), &payload, &err), &err);
    CHECK_STR(json_str_at(json_root(payload), "sub", ""), "system:serviceaccount:ns:sa");
    CHECK(json_int_at(json_root(payload), "exp", 0) > clock_wall_ns() / SECOND_NS + 590);
    token[strlen(token) - 2] ^= 1;
    json_unref(take(payload));
    CHECK(token_verify(l.api->signer, slice_of(token), &payload, NULL) < 0);
    CHECK(token_verify(l.api->signer, SLICE("a.b"), &payload, NULL) < 0);
    CHECK(token_verify(l.api->signer, SLICE(""), &payload, NULL) < 0);
    stop(&l);
}
