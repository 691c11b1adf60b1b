/* typed: any JSON goes through every type; the bytes that come out go through unchanged. */
#include "data/typed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ignore(unused void *arg, unused enum typed_problem problem, unused const char *message)
{
}

/* Writing what was written changes nothing. */
static void stable(const struct type *t, const struct buf *once)
{
    struct buf twice cleanup(buf_done) = BUF_INIT;
    autojson struct json *again = NULL;
    struct err err;

    if (json_parse(buf_slice(once), &again, &err) < 0 ||
        typed_json(t, json_root(again), &twice, 0, &err) < 0 ||
        !slice_eq(buf_slice(once), buf_slice(&twice)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {
        "Pod",     "RayCluster",
        "RayJob",  "RayService",
        "Service", "Secret",
        "Lease",   "CustomResourceDefinition",
        "Event",   "ControllerRevision",
    };
    struct buf text cleanup(buf_done) = BUF_INIT;
    autojson struct json *doc = NULL;
    struct err err;

    if (size < 1 || json_parse((struct slice){(const char *)data + 1, size - 1}, &doc, NULL) < 0)
        return 0;
    const struct type *t = type_named(names[data[0] % ARRAY_SIZE(names)]);
    typed_check(t, json_root(doc), ignore, NULL);
    if (typed_json(t, json_root(doc), &text, 0, &err) == 0)
        stable(t, &text);
    buf_reset(&text);
    if (typed_json(t, json_root(doc), &text, TYPED_LENIENT, &err) < 0)
        abort();
    automut yyjson_mut_doc *tree = json_mut_new();
    yyjson_mut_val *copy = json_thaw(tree, json_root(doc));
    if (yyjson_mut_is_obj(copy))
        typed_default(t, tree, copy);
    return 0;
}
