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
    static const char *const names[] = {"Pod", "PodSpec", "RayClusterSpec", "JSONSchemaProps",
                                        "Node"};

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

/* --- the whole of RayClusterSpec, one line a struct --- */

static const char *letter(enum field_kind kind)
{
    static const char *const letters[] = {
        [FIELD_STRING] = "s",
        [FIELD_BOOL] = "b",
        [FIELD_INT32] = "i",
        [FIELD_INT64] = "l",
        [FIELD_TIME] = "!Time",
        [FIELD_QUANTITY] = "!Quantity",
        [FIELD_INT_OR_STRING] = "!IntOrString",
        [FIELD_RAW] = "!FieldsV1",
    };
    return letters[kind];
}

static void describe(const struct field *f, struct buf *out)
{
    if (field_is(f, FIELD_POINTER))
        buf_addc(out, '*');
    if (field_item(f)) {
        buf_adds(out, field_kind(f) == FIELD_LIST ? "[]" : "{s}");
        describe(field_item(f), out);
    } else {
        buf_adds(out, field_type(f) ? type_name(field_type(f)) : letter(field_kind(f)));
    }
}

struct types {
    const struct type *v[300];
    size_t n;
};

static void visit(struct types *types, const struct type *t)
{
    for (size_t i = 0; i < types->n; i++)
        if (types->v[i] == t)
            return;
    if (t)
        types->v[types->n++] = t;
}

static const struct type *inner(const struct field *f)
{
    while (field_item(f))
        f = field_item(f);
    return field_type(f);
}

TEST(order_and_omission_of_raycluster)
{
    static const char *const marks[] = {[OMIT_NEVER] = "", [OMIT_EMPTY] = "?", [OMIT_ZERO] = "?0"};
    struct buf out cleanup(buf_done) = BUF_INIT;
    struct types types = {{type_named("RayClusterSpec")}, 1};
    const char *source = getenv("MANTA_SOURCE");
    autofree char *path = NULL;

    for (size_t at = 0; at < types.n; at++) {
        buf_printf(&out, "%s =", type_name(types.v[at]));
        for (size_t i = 0; i < type_n_fields(types.v[at]); i++) {
            const struct field *f = type_nth(types.v[at], i);

            buf_printf(&out, " %s%s:", field_name(f), marks[field_omit(f)]);
            describe(f, &out);
            visit(&types, inner(f));
        }
        buf_addc(&out, '\n');
    }
    if (asprintf(&path, "%s/tests/golden/types/raycluster.txt", source ? source : ".") < 0)
        abort();
    CHECK_GOLDEN(path, buf_str(&out));
}
