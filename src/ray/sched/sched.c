#include "ray/sched/sched.h"

#include <string.h>

static const struct scheduler no_scheduler = {.name = ""};

static const struct scheduler *const by_flag[] = {&volcano_scheduler, &yunikorn_scheduler,
                                                  &kai_scheduler, &plugins_scheduler};

static const struct scheduler *find(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_SIZE(by_flag); i++)
        if (!strcmp(by_flag[i]->name, name))
            return by_flag[i];
    return NULL;
}

bool scheduler_known(const char *name)
{
    return find(name);
}

const struct scheduler *scheduler_of(const struct ray_options *o)
{
    const struct scheduler *s = find(o->batch_scheduler);

    if (s)
        return s;
    return ray_feature(o, FEATURE_KUBERNETES_WAS) ? &was_scheduler : &no_scheduler;
}

struct sched_parent sched_cluster(struct pass *x)
{
    return (struct sched_parent){.s = x->s, .p = x->p, .c = x->c};
}

struct sched_parent sched_job(struct rayjob *j)
{
    struct sched_parent x = {.s = j->s, .p = j->p, .job = j};
    yyjson_val *spec = json_get(j->spec, "rayClusterSpec");

    x.c = cluster_view(j->object, j->s->options);
    x.c.spec = spec;
    x.c.head = json_get(spec, "headGroupSpec");
    x.c.groups = json_get(spec, "workerGroupSpecs");
    return x;
}

bool sched_submit(struct sched_parent *x)
{
    const struct scheduler *s = scheduler_of(x->s->options);

    return !s->submit || s->submit(x);
}

bool sched_decorate(struct sched_parent *x, yyjson_mut_val *child, const char *group)
{
    const struct scheduler *s = scheduler_of(x->s->options);

    return !s->decorate || s->decorate(x, child, group);
}

bool sched_clean_up(struct sched_parent *x, bool must_work)
{
    const struct scheduler *s = scheduler_of(x->s->options);

    return !s->clean_up || s->clean_up(x, must_work);
}

bool sched_fail(struct sched_parent *x, const char *fmt, ...)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    x->p->error = arena_strdup(&x->p->arena, buf_str(&b));
    return false;
}

struct action *sched_create(struct sched_parent *x, enum ray_kind kind, yyjson_mut_val *body)
{
    struct action *a = plan_action(x->p, ACT_CREATE, kind);

    a->ns = x->c.ns;
    a->name = json_mut_str_at(body, "metadata.name", "");
    a->body = body;
    a->ignore_exists = true;
    a->why = arena_printf(&x->p->arena, "create %s %s", kind_name(kind), a->name);
    return a;
}

void sched_copy_label(struct sched_parent *x, yyjson_mut_val *child, const char *label,
                      const char *from)
{
    const char *v = cluster_label(&x->c, from);

    if (v && *v)
        json_put_str(x->p->doc, json_ensure(x->p->doc, child, "metadata.labels"), label, v);
}

void sched_put_annotation(struct sched_parent *x, yyjson_mut_val *child, const char *key,
                          const char *value)
{
    json_put_str(x->p->doc, json_ensure(x->p->doc, child, "metadata.annotations"), key, value);
}

void sched_put_name(struct sched_parent *x, yyjson_mut_val *child, const char *group,
                    const char *name)
{
    if (*group)
        json_put_str(x->p->doc, json_ensure(x->p->doc, child, "spec"), "schedulerName", name);
}
