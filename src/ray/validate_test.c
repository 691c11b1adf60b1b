#include "ray/fixture.h"
#include "ray/validate/validate.h"

#include "base/test.h"

static const char base[] = "{\"headGroupSpec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":"
                           "\"h\",\"image\":\"i\"}]}}}}";

/* One line a case: its name and what is said about it. The specs are merged onto `base`. */
TEST(specs)
{
    struct json *cases autojson = fixture_json("validate.json");
    struct json *spec0 autojson = NULL;
    struct buf out cleanup(buf_done) = BUF_INIT;
    struct arena a cleanup(arena_done) = {0};

    CHECK(json_parse(slice_of(base), &spec0, NULL) == 0);
    json_each(json_root(cases), item, i, n) {
        yyjson_mut_doc *doc automut = json_mut_new();
        struct json *spec autojson =
            json_freeze(yyjson_merge_patch(doc, json_root(spec0), json_get(item, "spec")));
        struct cluster c = cluster_view_spec(json_root(spec), json_get(item, "annotations"),
                                             fixture_options(&a, item));
        const char *why = validate_cluster_spec(&a, &c);

        buf_printf(&out, "%s: %s\n", json_get_str(item, "name", ""), why ? why : "ok");
    }
    CHECK_GOLDEN(fixture_path(&a, "validate.txt"), buf_str(&out));
}

TEST(rc_011_and_012_names)
{
    struct arena a cleanup(arena_done) = {0};
    char name[55];

    memset(name, 'a', 54);
    name[54] = 0;
    CHECK(validate_cluster_metadata(&a, name));
    name[53] = 0;
    CHECK(!validate_cluster_metadata(&a, name));
    CHECK(validate_cluster_metadata(&a, "1abc"));
    CHECK(validate_cluster_metadata(&a, "a.b"));
}

static const char *upgrade(struct arena *a, const char *type, const char *crd)
{
    struct ray_options o = {0};
    struct json *j autojson = NULL;
    struct cluster c;

    CHECK(json_parse(slice_of(arena_printf(
                         a,
                         "{\"metadata\":{\"labels\":{\"ray.io/originated-from-crd\":\"%s\"}},"
                         "\"spec\":{\"upgradeStrategy\":{\"type\":\"%s\"}}}",
                         crd, type)),
                     &j, NULL) == 0);
    c = cluster_view(json_root(j), &o);
    return validate_cluster_upgrade(a, &c);
}

TEST(rc_046_upgrade_strategy)
{
    struct arena a cleanup(arena_done) = {0};

    CHECK(!upgrade(&a, "Recreate", "RayCluster"));
    CHECK(!upgrade(&a, "None", "other"));
    CHECK(upgrade(&a, "Recreate", "RayJob"));
    CHECK(upgrade(&a, "None", "RayService"));
    CHECK(upgrade(&a, "Other", "RayCluster"));
}
