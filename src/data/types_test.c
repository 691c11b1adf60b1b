#include "data/types.h"

#include "base/test.h"

TEST(find_by_version_and_kind)
{
    CHECK_STR(type_package(type_find("v1", "Pod")), "core/v1");
    CHECK_STR(type_package(type_find("apps/v1", "Deployment")), "apps/v1");
    CHECK_STR(type_package(type_find("v1", "Event")), "core/v1");
    CHECK_STR(type_package(type_find("events.k8s.io/v1", "Event")), "events/v1");
    CHECK_STR(type_package(type_find("ray.io/v1alpha1", "RayCluster")), "ray/v1alpha1");
    CHECK(!type_find("ray.io/v1alpha1", "RayCronJob"));
    CHECK(!type_find("v2", "Pod"));
    CHECK(!type_find("v1", "Pods"));
    CHECK(!type_find(NULL, "Pod"));
}

TEST(find_by_name)
{
    CHECK_STR(type_package(type_named("PodSpec")), "core/v1");
    CHECK_STR(type_package(type_named("RayClusterSpec")), "ray/v1");
    CHECK_STR(type_package(type_named("ray/v1alpha1.RayClusterSpec")), "ray/v1alpha1");
    CHECK_STR(type_package(type_named("events/v1.Event")), "events/v1");
    CHECK(!type_named("NoSuchType"));
}

TEST(fields_in_declaration_order_and_by_name)
{
    const struct type *t = type_named("ContainerPort");

    CHECK_INT(type_n_fields(t), 5);
    CHECK_STR(field_name(type_nth(t, 0)), "name");
    CHECK_STR(field_name(type_nth(t, 4)), "hostIP");
    CHECK_STR(field_name(type_sorted(t, 0)), "containerPort");
    CHECK_STR(field_name(type_sorted(t, 4)), "protocol");
    CHECK(!type_nth(t, 5) && !type_sorted(t, 5));
}

TEST(every_field_is_found)
{
    static const char *const names[] = {"Pod", "PodSpec", "RayClusterSpec", "JSONSchemaProps", "Node"};

    for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
        const struct type *t = type_named(names[n]);

        for (size_t i = 0; i < type_n_fields(t); i++)
            CHECK(type_field_str(t, field_name(type_nth(t, i))) == type_nth(t, i));
        CHECK(!type_field_str(t, "zzz") && !type_field_str(t, "") && !type_field(t, "spe", 3));
    }
}

TEST(paths)
{
    const struct type *pod = type_find("v1", "Pod");
    const struct field *f = type_at(pod, "spec.containers.ports.protocol");

    CHECK_INT(field_kind(f), FIELD_STRING);
    CHECK_STR(field_default(f), "\"TCP\"");
    CHECK(!type_at(pod, "spec.containers.nope"));
    CHECK(!type_at(pod, "spec.nodeName.x"));
}

TEST(rules_of_a_field)
{
    const struct field *f = type_at(type_find("v1", "Pod"), "spec.containers.ports");
    struct field_limits limits;

    CHECK(field_is(f, FIELD_LIST_MAP));
    CHECK_STR(field_list_key(f, 0), "containerPort");
    CHECK_STR(field_list_key(f, 1), "protocol");
    CHECK(!field_list_key(f, 2));
    CHECK_INT(field_patch_strategy(f), PATCH_MERGE);
    CHECK_STR(field_merge_key(f), "containerPort");
    CHECK_STR(type_name(field_type(field_item(f))), "ContainerPort");

    f = type_at(type_find("v1", "Pod"), "spec.volumes");
    CHECK_INT(field_patch_strategy(f), PATCH_MERGE | PATCH_RETAIN_KEYS);

    f = type_at(type_named("RayJobSpec"), "preRunningDeadlineSeconds");
    field_limits(f, &limits);
    CHECK(limits.has_min && limits.min == 1 && !limits.has_max);
    CHECK(field_is(f, FIELD_POINTER) && !field_is(f, FIELD_REQUIRED));

    f = type_at(type_named("GcsFaultToleranceOptions"), "backend");
    CHECK_STR(field_enum(f, 0), "redis");
    CHECK_STR(field_enum(f, 1), "rocksdb");
    CHECK(!field_enum(f, 2));
}

TEST(atomic_types)
{
    CHECK(type_is_atomic(type_named("LabelSelector")));
    CHECK(!type_is_atomic(type_named("PodSpec")));
    CHECK(field_is(type_at(type_named("PodSpec"), "nodeSelector"), FIELD_ATOMIC));
}
