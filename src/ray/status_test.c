/* What a RayCluster's status counts right after a pass that made pods. */
#include "ray/fixture.h"

#include "base/test.h"

static const char world[] =
    "[{\"apiVersion\":\"ray.io/v1\",\"kind\":\"RayCluster\",\"metadata\":{\"name\":\"c\","
    "\"namespace\":\"n\",\"uid\":\"u\",\"resourceVersion\":\"1\",\"generation\":1},"
    "\"spec\":{\"headGroupSpec\":{\"rayStartParams\":{},\"template\":{\"spec\":{\"containers\":"
    "[{\"name\":\"h\",\"image\":\"i\"}]}}}}},"
    "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"c-head-svc\","
    "\"namespace\":\"n\",\"labels\":{\"ray.io/cluster\":\"c\",\"ray.io/node-type\":\"head\","
    "\"ray.io/identifier\":\"c-head\"}},\"spec\":{\"clusterIP\":\"None\"}}]";

/* The pod as an API server answers it; then as the watch has it when its kubelet was quick. */
static struct json *answered(const struct action *a, const char *phase)
{
    yyjson_mut_doc *doc automut = json_mut_new();
    struct json *body autojson = json_freeze(a->body);
    yyjson_mut_val *pod = json_thaw(doc, json_root(body));

    json_put_str(doc, json_mut_get(pod, "metadata"), "uid", "p");
    json_put_str(doc, json_ensure(doc, pod, "status"), "phase", phase);
    return json_freeze(pod);
}

/* The state that the status write after the pass has. */
static const char *state_after(bool with_answers, char out[16])
{
    struct fixture f = {0};
    struct json *objects autojson = NULL, *pending autojson = NULL, *runs autojson = NULL;
    struct plan first cleanup(plan_done), second cleanup(plan_done);
    struct snapshot s = {.kind = KIND_RAYCLUSTER};
    struct outcome o = {.plan = &first};
    yyjson_val *answers[4] = {0};

    plan_init(&first);
    plan_init(&second);
    CHECK(json_parse(slice_of(world), &objects, NULL) == 0);
    json_each(json_root(objects), object, i, n)
        fixture_put(&f, object);
    s.object = fixture_get(&f, KIND_RAYCLUSTER, "n", "c");
    s.world = fixture_world(&f);
    s.options = fixture_options(&first.arena, NULL);
    raycluster_planner.plan(&s, &first);
    CHECK_INT(first.actions.n, 1);
    pending = answered(&first.actions.v[0], "Pending");
    runs = answered(&first.actions.v[0], "Running");
    fixture_put(&f, json_root(runs));
    answers[0] = json_root(pending);
    o.answers = with_answers ? answers : NULL;
    raycluster_planner.finish(&s, &o, &second);
    CHECK_INT(second.actions.n, 1);
    snprintf(out, 16, "%s",
             second.actions.n ? json_mut_str_at(second.actions.v[0].body, "status.state", "")
                              : "?");
    fixture_done(&f);
    return out;
}

TEST(pods_of_the_pass_count_as_they_were_made)
{
    char state[16];

    CHECK_STR(state_after(true, state), "");
    CHECK_STR(state_after(false, state), "ready");
}
