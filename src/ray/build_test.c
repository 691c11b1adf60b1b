/* Pods and hashes against what upstream made of the same specs (tests/golden/ray/build). */
#include "ray/build/build.h"
#include "ray/build/params.h"
#include "ray/fixture.h"
#include "ray/resources.h"

#include "base/test.h"

static const char all_gates[] =
    "{\"gates\":{\"RayClusterMTLS\":true,\"RayClusterHistoryServer\":true,"
    "\"GCSFaultToleranceEmbeddedStorage\":true,\"RayClusterNetworkPolicy\":true}}";

/* Without what the recorded pods have not got yet: name, owner, hash. */
static void strip(yyjson_mut_val *pod)
{
    yyjson_mut_val *meta = json_mut_get(pod, "metadata");
    yyjson_mut_val *annotations = json_mut_get(meta, "annotations");

    json_remove(meta, "name");
    json_remove(meta, "ownerReferences");
    json_remove(annotations, ANN_RECREATE_HASH);
    json_remove(annotations, ANN_VERSION);
}

static void check_pod(yyjson_mut_val *pod, yyjson_val *want)
{
    struct buf got cleanup(buf_done) = BUF_INIT, text cleanup(buf_done) = BUF_INIT;

    strip(pod);
    json_mut_write(&got, pod);
    json_write(&text, want);
    CHECK_STR(buf_str(&got), buf_str(&text));
}

TEST(pods_with_everything_on)
{
    struct json *cluster autojson = fixture_json("build/full.json");
    struct json *pods autojson = fixture_json("build/full.pods.json");
    struct json *options autojson = NULL;
    struct plan p cleanup(plan_done);
    struct cluster c;
    yyjson_mut_val *worker;

    plan_init(&p);
    CHECK(json_parse(slice_of(all_gates), &options, NULL) == 0);
    c = cluster_view(json_root(cluster), fixture_options(&p.arena, json_root(options)));
    check_pod(build_head_pod(&p, &c, "HASH", "full-head-x"), yyjson_arr_get(json_root(pods), 0));
    worker = build_worker_pod(&p, &c, yyjson_arr_get(c.groups, 0));
    check_pod(build_place(&p, &c, worker, &(struct replica){0}, "full-g1-worker-x"),
              yyjson_arr_get(json_root(pods), 1));
}

TEST(rc_150_hash_vectors)
{
    struct json *vectors autojson = fixture_json("build/hash.json");
    struct arena a cleanup(arena_done) = {0};

    json_each(json_root(vectors), v, i, n) {
        struct buf b cleanup(buf_done) = BUF_INIT;

        CHECK(spec_hash_json(json_get(v, "spec"), &b, NULL) == 0);
        CHECK_STR(buf_str(&b), json_get_str(v, "json", ""));
        CHECK_STR(spec_hash(&a, json_get(v, "spec")), json_get_str(v, "hash", ""));
    }
}

/* The hash of the first vector's spec with a merge patch over it. */
static const char *hash_with(struct arena *a, const char *patch)
{
    struct json *vectors autojson = fixture_json("build/hash.json"), *p autojson = NULL,
                         *spec autojson = NULL;
    yyjson_mut_doc *doc automut = json_mut_new();

    CHECK(json_parse(slice_of(patch), &p, NULL) == 0);
    spec = json_freeze(yyjson_merge_patch(
        doc, json_get(yyjson_arr_get_first(json_root(vectors)), "spec"), json_root(p)));
    return spec_hash(a, json_root(spec));
}

TEST(rc_067_and_151_what_the_hash_sees)
{
    static const char *const muted[] = {
        "{\"upgradeStrategy\":{\"type\":\"Recreate\"}}",
        "{\"headGroupSpec\":{\"template\":{\"spec\":{\"tolerations\":[{\"key\":\"k\"}]}}}}",
        "{\"headGroupSpec\":{\"template\":{\"spec\":{\"schedulingGates\":[{\"name\":\"k\"}]}}}}",
        "{\"headGroupSpec\":{\"rayStartParams\":null}}",
    };
    static const char *const seen[] = {
        "{\"suspend\":false}",
        "{\"rayVersion\":\"2.53.0\"}",
        "{\"managedBy\":\"ray.io/kuberay-operator\"}",
        "{\"headGroupSpec\":{\"serviceType\":\"NodePort\"}}",
        "{\"headGroupSpec\":{\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}}}}}",
    };
    struct arena a cleanup(arena_done) = {0};
    const char *base = hash_with(&a, "{}");

    for (size_t i = 0; i < ARRAY_SIZE(muted); i++)
        CHECK_STR(hash_with(&a, muted[i]), base);
    for (size_t i = 0; i < ARRAY_SIZE(seen); i++)
        CHECK(strcmp(hash_with(&a, seen[i]), base) != 0);
}

/* "head", "worker", "place", "service", …: what a case asks to be shown. */
static yyjson_mut_val *part(struct plan *p, const struct cluster *c, const char *name)
{
    static const struct {
        const char *name;
        yyjson_mut_val *(*build)(struct plan *p, const struct cluster *c);
    } builders[] = {
        {"service", build_head_service},
        {"headless", build_headless_service},
        {"serve", build_serve_service},
        {"ingress", build_ingress},
        {"route", build_route},
        {"account", build_service_account},
        {"role", build_role},
        {"binding", build_role_binding},
        {"pvc", build_gcs_pvc},
        {"job", build_redis_cleanup_job},
    };
    static const uint8_t random[32] = "0123456789abcdef0123456789abcde";
    yyjson_val *group = yyjson_arr_get_first(c->groups);

    if (!strcmp(name, "head"))
        return build_head_pod(p, c, "HASH", "demo-head-abcde");
    if (!strcmp(name, "worker"))
        return build_place(p, c, build_worker_pod(p, c, group), &(struct replica){.index = 3}, "w");
    if (!strcmp(name, "host"))
        return build_place(p, c, build_worker_pod(p, c, group),
                           &(struct replica){.index = 1, .name = "g-abcde", .host = 2}, "w");
    if (!strcmp(name, "secret"))
        return build_auth_secret(p, c, random);
    for (size_t i = 0; i < ARRAY_SIZE(builders); i++)
        if (!strcmp(builders[i].name, name))
            return builders[i].build(p, c);
    return NULL;
}

static void show(struct buf *out, struct plan *p, const struct cluster *c, const char *what)
{
    size_t n = strcspn(what, " ");
    yyjson_mut_val *v = part(p, c, arena_strndup(&p->arena, what, n));

    if (what[n])
        v = json_mut_at(v, what + n + 1);
    buf_printf(out, "  %s = ", what);
    if (v)
        json_mut_write(out, v);
    else
        buf_adds(out, "nothing");
    buf_addc(out, '\n');
}

static void run_case(struct buf *out, yyjson_val *base, yyjson_val *item)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    struct json *cluster autojson =
        json_freeze(yyjson_merge_patch(doc, base, json_get(item, "cluster")));
    struct plan p cleanup(plan_done);
    struct cluster c;

    plan_init(&p);
    c = cluster_view(json_root(cluster), fixture_options(&p.arena, json_get(item, "options")));
    buf_printf(out, "%s\n", json_get_str(item, "name", ""));
    json_each(json_get(item, "show"), what, i, n)
        show(out, &p, &c, json_str(what, ""));
}

/* Each case is a cluster (a merge patch onto the first one), and parts of what is built from it. */
TEST(cases)
{
    struct json *cases autojson = fixture_json("build/cases.json");
    struct arena a cleanup(arena_done) = {0};
    struct buf out cleanup(buf_done) = BUF_INIT;

    json_each(json_get(json_root(cases), "cases"), item, i, n)
        run_case(&out, json_get(json_root(cases), "base"), item);
    CHECK_GOLDEN(fixture_path(&a, "build/cases.txt"), buf_str(&out));
}

TEST(gpu_names)
{
    static const char *const yes[] = {"nvidia.com/gpu", "amd.com/gpu", "nvidia.com/mig-1g.10gb",
                                      "x.nvidia.com/mig-3g.20gb", "gpu"};
    static const char *const no[] = {"nvidia.com/gpu.shared", "nvidia.com/mig-1g.10gb.me", "cpu",
                                     "nvidia.com/mig-g.10gb", "nvidia.com/mig-1g10gb",     ""};

    for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
        CHECK(resource_is_gpu(yes[i]));
    for (size_t i = 0; i < ARRAY_SIZE(no); i++)
        CHECK(!resource_is_gpu(no[i]));
}
