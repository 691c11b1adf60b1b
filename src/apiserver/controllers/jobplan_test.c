/* A Job's life as text: each case is a Job with its pods, and the plan that follows. */
#include "apiserver/controllers/jobplan.h"
#include "apiserver/controllers/endpoints.h"
#include "base/test.h"
#include "base/timefmt.h"

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

static size_t pods_of(yyjson_val *t, yyjson_val **out, size_t max)
{
    size_t k = 0;

    json_each(json_get(t, "pods"), p, i, n)
        if (k < max)
            out[k++] = p;
    return k;
}

static void add_names(struct buf *out, const char *word, yyjson_val *const *pods, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "  %s %s\n", word, json_str_at(pods[i], "metadata.name", ""));
}

static void add_plan(yyjson_val *t, int64_t now, struct buf *out)
{
    yyjson_val *pods[16];
    struct job_plan p;

    buf_printf(out, "%s\n", json_get_str(t, "name", ""));
    job_plan_init(&p);
    job_plan(&(struct job_input){json_get(t, "job"), pods, pods_of(t, pods, 16), now}, &p);
    if (p.create)
        buf_printf(out, "  create %zu\n", p.create);
    add_names(out, "delete", p.remove.v, p.remove.n);
    add_names(out, "release", p.release.v, p.release.n);
    if (p.again_ns)
        buf_printf(out, "  again in %lld s\n", (long long)(p.again_ns / SECOND_NS));
    if (p.event_reason)
        buf_printf(out, "  event %s %s: %s\n", p.event_type, p.event_reason, p.event_message);
    if (p.status) {
        buf_adds(out, "  status ");
        json_mut_write(out, p.status);
        buf_addc(out, '\n');
    }
    job_plan_done(&p);
}

TEST(plans)
{
    struct json *cases autojson = read_cases("jobs.json");
    struct buf out cleanup(buf_done) = BUF_INIT;
    int64_t now;

    CHECK(time_parse(SLICE("2026-01-01T01:00:00Z"), &now));
    json_each(json_root(cases), t, i, n)
        add_plan(t, now, &out);
    CHECK_GOLDEN(path_of("jobs.txt"), buf_str(&out));
}

TEST(endpoints)
{
    struct json *cases autojson = read_cases("endpoints.json");
    struct buf out cleanup(buf_done) = BUF_INIT;

    json_each(json_root(cases), t, i, n) {
        yyjson_mut_doc *doc automut = json_mut_new();
        yyjson_val *pods[16];
        struct backends b = {json_get(t, "service"), pods, pods_of(t, pods, 16)};
        json_mut_write(&out, endpoints_make(doc, &b));
        buf_addc(&out, '\n');
        json_mut_write(&out, endpointslice_make(doc, &b));
        buf_addc(&out, '\n');
    }
    CHECK_GOLDEN(path_of("endpoints.txt"), buf_str(&out));
}
