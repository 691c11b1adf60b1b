#include "ray/resources.h"

#include "data/gofmt.h"

#include <string.h>

/* At the end of name: \d+g\.\d+gb after "nvidia.com/mig-". */
static bool is_mig(const char *s)
{
    static const char *const parts[] = {"g.", "gb"};

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        size_t n = strspn(s, "0123456789");

        if (!n || strncmp(s + n, parts[i], 2) != 0)
            return false;
        s += n + 2;
    }
    return !*s;
}

bool resource_is_gpu(const char *name)
{
    static const char mig[] = "nvidia.com/mig-";
    size_t n = strlen(name);

    if (n >= 3 && !strcmp(name + n - 3, "gpu"))
        return true;
    for (const char *p = name; (p = strstr(p, mig)); p++)
        if (is_mig(p + sizeof mig - 1))
            return true;
    return false;
}

bool resource_read(struct arena *a, yyjson_val *v, struct quantity *ret)
{
    const char *text = json_str(v, NULL);

    if (yyjson_is_int(v))
        text = arena_printf(a, "%lld", (long long)yyjson_get_sint(v));
    else if (yyjson_is_real(v))
        text = resource_float_text(a, yyjson_get_real(v));
    return text && quantity_parse(slice_of(text), ret, NULL) == 0;
}

double resource_float(const struct quantity *q)
{
    double base = (double)q->mantissa, ten = 1;

    for (int i = q->exp < 0 ? -q->exp : q->exp; i > 0; i--)
        ten *= 10; /* exact up to 10^22 */
    return q->exp < 0 ? base * (1 / ten) : base * ten;
}

const char *resource_float_text(struct arena *a, double v)
{
    char text[GO_FLOAT_TEXT];

    return arena_strdup(a, go_float_json(v, text));
}

void resources_done(struct resources *r)
{
    vec_done(&r->list);
}

void resources_add(struct resources *r, const char *name, const struct quantity *q)
{
    for (size_t i = 0; i < r->list.n; i++)
        if (!strcmp(r->list.v[i].name, name)) {
            quantity_add(&r->list.v[i].amount, q);
            return;
        }
    vec_push(&r->list, (struct resource){name, *q});
}

static void add_times(struct resources *r, struct arena *a, const char *name, yyjson_val *v,
                      const int64_t *times)
{
    struct quantity q;

    if (!resource_read(a, v, &q))
        return;
    if (times)
        quantity_mul(&q, *times);
    resources_add(r, name, &q);
}

void resources_add_pod(struct resources *r, struct arena *a, yyjson_val *pod_spec,
                       const int64_t *times)
{
    json_each(json_get(pod_spec, "containers"), c, i, m) {
        yyjson_val *limits = json_at(c, "resources.limits");
        yyjson_val *requests = json_at(c, "resources.requests");

        json_each_member(requests, key, val)
            add_times(r, a, json_str(key, ""), val, times);
        json_each_member(limits, lkey, lval)
            if (!json_get(requests, json_str(lkey, "")))
                add_times(r, a, json_str(lkey, ""), lval, times);
    }
}

const struct quantity *resources_get(const struct resources *r, const char *name)
{
    for (size_t i = 0; i < r->list.n; i++)
        if (!strcmp(r->list.v[i].name, name))
            return &r->list.v[i].amount;
    return NULL;
}

const char *resource_text(struct arena *a, const struct quantity *q)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    if (!q)
        return "0";
    quantity_print(q, &b);
    return arena_strdup(a, buf_str(&b));
}
