#include "ray/plan.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *api, *plural;
} kinds[KIND_COUNT] = {
#define X(id, kind, api, plural) [KIND_##id] = {kind, api, plural},
    RAY_KINDS(X)
#undef X
};

const char *kind_name(enum ray_kind k)
{
    return kinds[k].name;
}

const char *kind_api_version(enum ray_kind k)
{
    return kinds[k].api;
}

const char *kind_plural(enum ray_kind k)
{
    return kinds[k].plural;
}

/* True when the store can answer for the kind; else the executor must fill it first. */
static bool known(struct snapshot *s, enum ray_kind kind)
{
    if (s->world.filled(s->world.ctx, kind))
        return true;
    s->missing |= UINT32_C(1) << kind;
    return false;
}

yyjson_val *snap_get(struct snapshot *s, enum ray_kind kind, const char *ns, const char *name)
{
    return known(s, kind) ? s->world.get(s->world.ctx, kind, ns, name) : NULL;
}

yyjson_val **snap_list(struct snapshot *s, struct arena *a, enum ray_kind kind, const char *ns,
                       const char *key, const char *value, size_t *ret_n)
{
    *ret_n = 0;
    return known(s, kind) ? s->world.list(s->world.ctx, a, kind, ns, key, value, ret_n) : NULL;
}

void plan_init(struct plan *p)
{
    *p = (struct plan){.doc = json_mut_new()};
}

void plan_done(struct plan *p)
{
    arena_done(&p->arena);
    json_mut_doc_free_p(&p->doc);
    vec_done(&p->actions);
    vec_done(&p->events);
    *p = (struct plan){0};
}

struct action *plan_action(struct plan *p, enum act act, enum ray_kind kind)
{
    struct action *a = vec_add(&p->actions);

    a->act = act;
    a->kind = kind;
    return a;
}

static char *format(struct arena *a, const char *fmt, va_list ap)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    buf_vprintf(&b, fmt, ap);
    return arena_strdup(a, buf_str(&b));
}

void plan_event(struct plan *p, bool warning, const char *reason, const char *action,
                const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vec_push(&p->events, (struct note){.warning = warning,
                                       .reason = reason,
                                       .action = action,
                                       .text = format(&p->arena, fmt, ap)});
    va_end(ap);
}

int plan_error(struct plan *p, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    p->error = format(&p->arena, fmt, ap);
    va_end(ap);
    p->done = true;
    return -1;
}

static const char *const act_names[] = {
    [ACT_CREATE] = "create",
    [ACT_UPDATE] = "update",
    [ACT_UPDATE_STATUS] = "update-status",
    [ACT_MERGE] = "merge",
    [ACT_DELETE] = "delete",
    [ACT_DELETE_COLLECTION] = "delete-collection",
    [ACT_DASH_SUBMIT] = "dash-submit",
    [ACT_DASH_STOP] = "dash-stop",
    [ACT_DASH_SERVE] = "dash-serve",
};

static const char *const ask_names[] = {
    [ASK_NOTHING] = "", [ASK_JOB] = "job", [ASK_SERVE] = "serve"};

static void print_note(struct buf *out, const char *when, const struct note *n)
{
    if (n->reason)
        buf_printf(out, "    %s: %s %s %s: %s%s\n", when, n->warning ? "Warning" : "Normal",
                   n->reason, n->action, n->text ? n->text : "", n->append_error ? ": …" : "");
}

/* Whatever a Secret holds stays out of logs and golden files; so do tokens to Ray. */
static void print_body(struct buf *out, const struct action *a)
{
    static const char *const secret[] = {"data", "stringData"};
    yyjson_mut_doc *doc cleanup(json_mut_doc_free_p) = NULL;
    yyjson_mut_val *v = a->body;

    if (!v)
        return;
    if (a->kind == KIND_SECRET) {
        doc = json_mut_new();
        v = json_dup(doc, v);
        for (size_t i = 0; i < ARRAY_SIZE(secret); i++)
            if (json_mut_get(v, secret[i]))
                json_put_str(doc, v, secret[i], "***");
    }
    buf_adds(out, "    ");
    json_mut_write(out, v);
    buf_addc(out, '\n');
}

static void print_flags(struct buf *out, const struct action *a)
{
    const struct {
        bool on;
        const char *name;
    } flags[] = {{a->ignore_not_found, "ignore-not-found"},
                 {a->ignore_exists, "ignore-exists"},
                 {a->look_first, "look-first"},
                 {a->best_effort, "best-effort"},
                 {a->chain, "chain"}};

    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        if (flags[i].on)
            buf_printf(out, " %s", flags[i].name);
    if (a->marker)
        buf_printf(out, " marker=%s", a->marker);
    if (a->propagation)
        buf_printf(out, " propagation=%s", a->propagation);
    if (a->uid)
        buf_printf(out, " uid=%s", a->uid);
}

static void print_action(struct buf *out, const struct action *a)
{
    bool dash = a->act >= ACT_DASH_SUBMIT;

    buf_adds(out, act_names[a->act]);
    if (dash)
        buf_printf(out, " %s", a->dash.url ? a->dash.url : "");
    else
        buf_printf(out, " %s %s", kind_name(a->kind), a->ns ? a->ns : "");
    if (a->name)
        buf_printf(out, "%s%s", dash ? " " : "/", a->name);
    if (a->selector)
        buf_printf(out, " ?%s", a->selector);
    print_flags(out, a);
    if (a->why)
        buf_printf(out, " — %s", a->why);
    buf_addc(out, '\n');
    print_body(out, a);
    print_note(out, "then", &a->ok);
    print_note(out, "else", &a->failed);
}

void plan_print(const struct plan *p, struct buf *out)
{
    for (size_t i = 0; i < p->events.n; i++) {
        const struct note *n = &p->events.v[i];

        buf_printf(out, "event %s %s %s: %s\n", n->warning ? "Warning" : "Normal", n->reason,
                   n->action, n->text ? n->text : "");
    }
    for (size_t i = 0; i < p->actions.n; i++)
        print_action(out, &p->actions.v[i]);
    if (p->ask)
        buf_printf(out, "ask %s %s %s\n", ask_names[p->ask], p->dash.url ? p->dash.url : "",
                   p->dash_job ? p->dash_job : "");
    if (p->error)
        buf_printf(out, "error %s%s%s\n", p->marker ? p->marker : "", p->marker ? ": " : "",
                   p->error);
    if (p->requeue_ns)
        buf_printf(out, "requeue %g s\n", (double)p->requeue_ns / 1e9);
    if (p->done)
        buf_adds(out, "done\n");
}
