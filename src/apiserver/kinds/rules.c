#include "apiserver/kinds/rules.h"

#include <stdarg.h>

/* One step of a path: the member's name, and whether to go over its items. */
struct step {
    struct slice name;
    char each; /* 0, '[' or '{' */
};

static const char *step_next(const char *path, struct step *ret)
{
    size_t n = strcspn(path, ".");
    const char *rest = path[n] ? path + n + 1 : path + n;

    *ret = (struct step){.name = {path, n}};
    if (n >= 2 && (!strncmp(path + n - 2, "[]", 2) || !strncmp(path + n - 2, "{}", 2))) {
        ret->each = path[n - 2];
        ret->name.n -= 2;
    }
    return rest;
}

static yyjson_val *member(yyjson_val *obj, struct slice name)
{
    yyjson_val *v = yyjson_is_obj(obj) ? yyjson_obj_getn(obj, name.p, name.n) : NULL;

    return v && !yyjson_is_null(v) ? v : NULL;
}

static void walk(struct check *c, const struct rule *r, const char *path, const struct site *s);

static void walk_items(struct check *c, const struct rule *r, const char *rest, yyjson_val *list,
                       yyjson_val *old)
{
    size_t len = c->path.len;

    json_each(list, item, i, n) {
        buf_printf(&c->path, "[%zu]", i);
        walk(c, r, rest,
             &(struct site){.v = item,
                            .old = yyjson_arr_get(old, i),
                            .parent = list,
                            .old_parent = old,
                            .index = i});
        c->path.len = len;
        c->path.data[len] = 0;
    }
}

static void walk_values(struct check *c, const struct rule *r, const char *rest, yyjson_val *map,
                        yyjson_val *old)
{
    size_t len = c->path.len;

    json_each_member(map, key, val) {
        buf_printf(&c->path, "[%s]", yyjson_get_str(key));
        walk(c, r, rest,
             &(struct site){.v = val,
                            .old = json_get(old, yyjson_get_str(key)),
                            .parent = map,
                            .old_parent = old});
        c->path.len = len;
        c->path.data[len] = 0;
    }
}

static void run(struct check *c, const struct rule *r, const struct site *s)
{
    struct site here = *s;

    here.path = buf_str(&c->path);
    r->check(c, r, &here);
}

static void walk(struct check *c, const struct rule *r, const char *path, const struct site *s)
{
    struct step step;
    size_t len = c->path.len;

    if (!*path) {
        run(c, r, s);
        return;
    }
    if (!s->v)
        return;
    const char *rest = step_next(path, &step);
    yyjson_val *v = step.name.n ? member(s->v, step.name) : s->v;
    yyjson_val *old = step.name.n ? member(s->old, step.name) : s->old;
    if (step.name.n)
        buf_printf(&c->path, "%s%.*s", len ? "." : "", SLICE_FMT(step.name));
    if (step.each == '[')
        walk_items(c, r, rest, v, old);
    else if (step.each == '{')
        walk_values(c, r, rest, v, old);
    else
        walk(c, r, rest, &(struct site){.v = v, .old = old, .parent = s->v, .old_parent = s->old});
    if (c->path.data) {
        c->path.len = len;
        c->path.data[len] = 0;
    }
}

void rules_apply(struct check *c, const struct rule *rules, yyjson_val *v, yyjson_val *old,
                 const char *prefix)
{
    struct buf saved = c->path;

    c->path = (struct buf)BUF_INIT;
    buf_adds(&c->path, prefix);
    for (const struct rule *r = rules; r->path; r++)
        walk(c, r, r->path, &(struct site){.v = v, .old = old});
    buf_done(&c->path);
    c->path = saved;
}

const char *check_at(struct check *c, const char *path, const char *fmt, ...)
{
    static char out[2]
                   [1024]; /* loop thread only; two, so that one result may be the other's path */
    static unsigned turn;
    char *to = out[turn++ % 2];
    va_list ap;

    (void)c;
    size_t n = (size_t)snprintf(to, sizeof out[0], "%s", path);
    if (n < sizeof out[0]) {
        va_start(ap, fmt);
        vsnprintf(to + n, sizeof out[0] - n, fmt, ap);
        va_end(ap);
    }
    return to;
}

void check_add_invalid(struct check *c, const struct site *s, const char *detail)
{
    field_invalid(c->errs, s->path, s->v, detail);
}

void check_rules(struct check *c, const struct rule *r, const struct site *s)
{
    char path[1024];

    if (!s->v)
        return;
    snprintf(path, sizeof path, "%s", s->path);
    rules_apply(c, r->rules, s->v, s->old, path);
}
