#include "data/crd.h"
#include "data/json.h"

#include "base/file.h"
#include "base/test.h"

static char *in_source(const char *name)
{
    const char *source = getenv("MANTA_SOURCE");
    char *path;

    if (asprintf(&path, "%s/tests/golden/%s.json", source ? source : ".", name) < 0)
        abort();
    return path;
}

/* Says where two long texts part. */
static void check_same(const char *what, struct slice got, struct slice want)
{
    size_t i = 0;

    while (i < got.n && i < want.n && got.p[i] == want.p[i])
        i++;
    if (i == got.n && i == want.n)
        return;
    size_t from = i > 150 ? i - 150 : 0;
    FAIL("%s differs at %zu:\n got  %.*s\n want %.*s", what, i, (int)MIN(got.n - from, 300),
         got.p + from, (int)MIN(want.n - from, 300), want.p + from);
}

static void check_crd(const char *kind, const char *plural)
{
    struct buf got cleanup(buf_done) = BUF_INIT, want cleanup(buf_done) = BUF_INIT;
    autofree char *name = NULL;
    struct err err;

    if (asprintf(&name, "crds/%s", plural) < 0)
        abort();
    autofree char *path = in_source(name);
    CHECK(crd_write(kind, &got));
    CHECK_OK(file_read(path, &want, &err), &err);
    check_same(kind, buf_slice(&got), buf_slice(&want));
}

TEST(crds_are_upstreams)
{
    check_crd("RayCluster", "rayclusters");
    check_crd("RayJob", "rayjobs");
    check_crd("RayService", "rayservices");
    check_crd("RayCronJob", "raycronjobs");
}

TEST(kinds)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    CHECK_STR(crd_kind(0), "RayCluster");
    CHECK_STR(crd_kind(3), "RayCronJob");
    CHECK(!crd_kind(4));
    CHECK(!crd_write("Pod", &b) && b.len == 0);
}

static void check_openapi(const char *type, const char *want)
{
    struct buf got cleanup(buf_done) = BUF_INIT;

    type_openapi(type_named(type), &got);
    CHECK_STR(buf_str(&got), want);
}

TEST(openapi)
{
    check_openapi(
        "PodIP",
        "{\"properties\":{\"ip\":{\"default\":\"\",\"type\":\"string\"}},\"required\":[\"ip\"],"
        "\"type\":\"object\"}");
    check_openapi("Time", "{\"format\":\"date-time\",\"type\":\"string\"}");
    check_openapi("JSON", "{}");
    check_openapi(
        "AppArmorProfile",
        "{\"properties\":{\"localhostProfile\":{\"type\":\"string\"},\"type\":{\"default\":\"\","
        "\"enum\":[\"Localhost\",\"RuntimeDefault\",\"Unconfined\"],\"type\":\"string\"}},"
        "\"required\":[\"type\"],\"type\":\"object\",\"x-kubernetes-unions\":[{\"discriminator\":"
        "\"type\","
        "\"fields-to-discriminateBy\":{\"localhostProfile\":\"LocalhostProfile\"}}]}");
    check_openapi(
        "IngressClassList",
        "{\"properties\":{\"apiVersion\":{\"type\":\"string\"},\"items\":{\"items\":{\"allOf\":[{"
        "\"$ref\":"
        "\"#/components/schemas/io.k8s.api.networking.v1.IngressClass\"}],\"default\":{}},"
        "\"type\":\"array\"},\"kind\":{\"type\":\"string\"},\"metadata\":{\"allOf\":[{\"$ref\":"
        "\"#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta\"}],\"default\":{}}},"
        "\"required\":[\"items\"],\"type\":\"object\",\"x-kubernetes-group-version-kind\":[{"
        "\"group\":"
        "\"networking.k8s.io\",\"kind\":\"IngressClassList\",\"version\":\"v1\"}]}");
}

TEST(openapi_references)
{
    const struct type *t = type_find("v1", "Pod");

    CHECK_STR(type_openapi_name(t), "io.k8s.api.core.v1.Pod");
    CHECK_STR(type_openapi_name(type_openapi_ref(t, 0)),
              "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
    CHECK_STR(type_name(type_openapi_ref(t, 2)), "PodStatus");
    CHECK(!type_openapi_ref(t, 3));
}

/* Every type's schema is JSON. */
TEST(openapi_is_well_formed)
{
    static const char *const names[] = {"Pod",        "PodSpec", "Container", "JSONSchemaProps",
                                        "RayCluster", "Service"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct buf got cleanup(buf_done) = BUF_INIT;
        struct err err;
        autojson struct json *j = NULL;

        type_openapi(type_named(names[i]), &got);
        CHECK_OK(json_parse(buf_slice(&got), &j, &err), &err);
    }
}
