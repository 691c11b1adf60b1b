/* Defaults, rules and discovery of built-in kinds: golden files, no server. */
#include "apiserver/discovery.h"
#include "apiserver/kinds.h"
#include "apiserver/kinds/defaults.h"
#include "apiserver/kinds/hooks.h"
#include "base/test.h"
#include "data/typed.h"

static const char *path_of(const char *name)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/tests/golden/apiserver/%s", getenv("MANTA_SOURCE"), name);
    return path;
}

static struct json *read_cases(const char *name)
{
    struct buf text cleanup(buf_done) = BUF_INIT;
    struct json *doc = NULL;
    struct err err = {0};

    CHECK_OK(file_read(path_of(name), &text, &err), &err);
    CHECK_OK(json_parse(buf_slice(&text), &doc, &err), &err);
    return doc;
}

/* As the server reads it: through the type, with defaults. */
static yyjson_mut_val *decode(const struct resource *res, yyjson_mut_doc *doc, yyjson_val *in)
{
    const struct kind_row *row = res->data;
    yyjson_mut_val *obj = NULL;

    if (!res->type || typed_copy(res->type, doc, in, TYPED_LENIENT, &obj, NULL) < 0)
        obj = json_thaw(doc, in);
    if (row && row->defaults)
        defaults_apply(row->defaults, doc, obj, NULL);
    return obj;
}

static void add_errors(const struct kind_row *row, yyjson_val *obj, yyjson_val *old,
                       struct buf *out)
{
    struct field_errors errs cleanup(field_errors_done) = {0};
    struct check c = {.errs = &errs, .root = obj, .old_root = old};

    if (row && row->rules)
        rules_apply(&c, row->rules, obj, old, "");
    if (row && row->update_rules && old)
        rules_apply(&c, row->update_rules, obj, old, "");
    for (size_t i = 0; i < errs.n; i++)
        buf_printf(out, "    %s: %s\n", errs.v[i].field, errs.v[i].message);
}

static void add_case(const struct registry *reg, yyjson_val *t, struct buf *defaults,
                     struct buf *errors)
{
    const struct resource *res =
        registry_find(reg, json_get_str(t, "group", ""), json_get_str(t, "version", ""),
                      json_get_str(t, "plural", ""));
    yyjson_mut_doc *doc automut = json_mut_new();

    CHECK(res);
    if (!res)
        return;
    struct json *obj autojson = json_freeze(decode(res, doc, json_get(t, "object")));
    struct json *old autojson =
        json_get(t, "old") ? json_freeze(decode(res, doc, json_get(t, "old"))) : NULL;
    buf_printf(defaults, "%s ", json_get_str(t, "name", ""));
    json_write(defaults, json_root(obj));
    buf_addc(defaults, '\n');
    buf_printf(errors, "%s\n", json_get_str(t, "name", ""));
    add_errors(res->data, json_root(obj), json_root(old), errors);
}

TEST(objects)
{
    struct json *cases autojson = read_cases("objects.json");
    struct buf defaults cleanup(buf_done) = BUF_INIT, errors cleanup(buf_done) = BUF_INIT;
    struct registry reg;

    registry_init(&reg);
    kinds_register(&reg);
    json_each(json_root(cases), t, i, n)
        add_case(&reg, t, &defaults, &errors);
    CHECK_GOLDEN(path_of("defaults.txt"), buf_str(&defaults));
    CHECK_GOLDEN(path_of("errors.txt"), buf_str(&errors));
    registry_done(&reg);
}

TEST(discovery)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    yyjson_mut_doc *doc automut = json_mut_new();
    struct registry reg;

    registry_init(&reg);
    kinds_register(&reg);
    struct json *one autojson = json_freeze(discovery_aggregate(doc, &reg, false, "v2"));
    json_write_pretty(&b, json_root(one), 2);
    buf_addc(&b, '\n');
    CHECK_GOLDEN(path_of("discovery.json"), buf_str(&b));
    CHECK(!discovery_group(doc, &reg, "nope"));
    CHECK(!discovery_resources(doc, &reg, "apps", "v2"));
    CHECK(discovery_resources(doc, &reg, "", "v1") != NULL);
    registry_done(&reg);
}

TEST(aggregated_accept)
{
    CHECK_STR(
        discovery_aggregated("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
                             "application/json"),
        "v2");
    CHECK_STR(discovery_aggregated(
                  "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"),
              "v2beta1");
    CHECK(!discovery_aggregated("application/json"));
    CHECK(
        !discovery_aggregated("application/json, application/json;v=v2;as=APIGroupDiscoveryList"));
    CHECK(!discovery_aggregated(""));
}

TEST(versions_in_order)
{
    static const char *const order[] = {"v10",     "v2",       "v1",    "v2beta1", "v1beta2",
                                        "v1beta1", "v1alpha1", "alpha", "zeta"};

    for (size_t i = 0; i + 1 < ARRAY_SIZE(order); i++) {
        CHECK(version_order(order[i], order[i + 1]) < 0);
        CHECK(version_order(order[i + 1], order[i]) > 0);
    }
    CHECK_INT(version_order("v1", "v1"), 0);
}
