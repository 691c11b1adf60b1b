#include "ray/names.h"
#include "ray/options.h"
#include "ray/version.h"

#include "base/test.h"

#define TEN "abcdefghij"
#define FIFTY TEN TEN TEN TEN TEN

TEST(check_keeps_the_last_50)
{
    struct arena a cleanup(arena_done) = {0};

    CHECK_STR(name_check(&a, "demo"), "demo");
    CHECK_STR(name_check(&a, "x" FIFTY), FIFTY);
    CHECK_STR(name_check(&a, "1abc"), "rabc");
    CHECK_STR(name_check(&a, "-abc"), "rabc");
    CHECK_STR(name_check(&a, ""), "");
    CHECK_STR(name_check_label(&a, FIFTY "1234567890123"), FIFTY "1234567890123");
    CHECK_STR(name_check_label(&a, "xy" FIFTY "123456789012-"), FIFTY "123456789012-");
    CHECK_STR(name_check_label(&a, "1"), "1");
    CHECK_STR(name_check_label(&a, ".a"), "ra");
    CHECK_STR(name_check_route(&a, FIFTY "xyz", "ns1"), "abcdefghij" TEN TEN TEN "abcdefgh");
}

TEST(pod_names)
{
    struct arena a cleanup(arena_done) = {0};

    CHECK_STR(name_pod(&a, "Demo", "head", true), "demo-head-");
    CHECK_STR(name_pod(&a, "demo", "head", false), "demo-head");
    CHECK_STR(name_pod(&a, FIFTY "-group", "worker", true), FIFTY "-worker-");
}

TEST(generated_names_depend_on_their_words)
{
    struct arena a cleanup(arena_done) = {0};
    const char *one = name_generate(&a, "demo-head-", "uid 1");

    CHECK_INT(strlen(one), strlen("demo-head-") + NAME_SUFFIX);
    CHECK_STR(one, name_generate(&a, "demo-head-", "uid 1"));
    CHECK(strcmp(one, name_generate(&a, "demo-head-", "uid 2")) != 0);
    CHECK_INT(strlen(name_generate(&a, FIFTY FIFTY, "")), 63);
}

TEST(domain)
{
    struct arena a cleanup(arena_done) = {0};
    struct ray_env env[] = {{"CLUSTER_DOMAIN", "corp"}, {NULL, NULL}};
    struct ray_options none = {0}, own = {.env = env};

    CHECK_STR(name_fqdn(&a, &none, "s", "n"), "s.n.svc.cluster.local");
    CHECK_STR(name_fqdn(&a, &own, "s", "n"), "s.n.svc.corp");
}

TEST(versions)
{
    static const char *const bad[] = {"nightly", "3", "", "02.5", "2.", "v", ".2.3"};
    struct version v;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (version_parse(bad[i], &v))
            FAIL("%s parsed", bad[i]);
    CHECK(!version_parse(NULL, &v));
    CHECK(version_at_least("2.53.0rc1", 2, 53));
    CHECK(version_at_least("2.53", 2, 53));
    CHECK(version_at_least(" v3.0", 2, 53));
    CHECK(!version_at_least("2.52.9", 2, 53));
    CHECK(version_at_least("2.055", 2, 55));
}

TEST(env)
{
    struct ray_env env[] = {{"A", "TRUE"}, {"B", "no"}, {"C", "False"},
                            {"N", "12"},   {"M", "1x"}, {NULL, NULL}};
    struct ray_options o = {.env = env};

    CHECK(ray_env_true(&o, "A", false));
    CHECK(!ray_env_true(&o, "B", false));
    CHECK(ray_env_true(&o, "B", true));
    CHECK(!ray_env_true(&o, "C", true));
    CHECK(ray_env_true(&o, "none", true));
    CHECK_INT(ray_env_int(&o, "N", 3), 12);
    CHECK_INT(ray_env_int(&o, "M", 3), 3);
}
