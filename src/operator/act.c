#include "operator/act.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/timefmt.h"

#include <stdio.h>
#include <string.h>

/* The last resourceVersion that the server answered for an object in this pass. */
struct answered {
    enum ray_kind kind;
    const char *name;
    char version[32];
};

struct pass {
    struct actor *a;
    const struct planner *planner;
    char *ns, *name;
    yyjson_val *object; /* as the pass began or went on with; in pins */
    struct pins pins;
    struct plan first, second;
    struct plan *plan; /* the one whose actions are under way */
    bool finishing;
    size_t at;         /* action under way */
    bool unsure;       /* its request was sent and the answer lost: it may have been carried out */
    unsigned repeated; /* times that it was sent again since */
    uv_timer_t *pause; /* before it is sent again */
    struct outcome outcome;
    struct err failure;
    VEC(struct json *) answers; /* by action of the first plan */
    VEC(struct answered) versions;
    struct dash_answer job, serve;
    struct json *dash_body;
    char *dash_error;
    uint8_t entropy[32];
    char id[37]; /* of this pass, in its log lines */
    uint32_t attempt;
    bool lent; /* its plan is long: its place is another key's meanwhile */
    bool deletes;
    struct pass *next_deleting;
    struct act_watcher watcher;
};

/* A plan with more actions than this lends its place, so that a few large clusters hold up nobody.
 */
#define LONG_PLAN 16

static void waits(struct pass *p, bool begins)
{
    if (p->watcher.on_wait && !p->a->stopping)
        p->watcher.on_wait(p->watcher.ctx, begins ? -1 : 1);
}

static struct action *current(struct pass *p)
{
    return &p->plan->actions.v[p->at];
}

static void delete_begins(struct pass *p)
{
    if (p->deletes)
        return;
    p->deletes = true;
    p->next_deleting = p->a->deleting;
    p->a->deleting = p;
}

static void delete_ends(struct pass *p)
{
    struct pass **at = &p->a->deleting;

    if (!p->deletes)
        return;
    while (*at != p)
        at = &(*at)->next_deleting;
    *at = p->next_deleting;
    p->deletes = false;
}

static void end(struct pass *p, enum pass_result result, int64_t again_ns)
{
    struct act_watcher w = p->watcher;

    delete_ends(p);
    if (p->lent)
        waits(p, false);
    plan_done(&p->first);
    plan_done(&p->second);
    for (size_t i = 0; i < p->answers.n; i++)
        json_unref(p->answers.v[i]);
    vec_done(&p->answers);
    vec_done(&p->versions);
    free(p->outcome.answers);
    pins_done(&p->pins);
    json_unref(p->dash_body);
    free(p->dash_error);
    free(p->ns);
    free(p->name);
    free(p);
    w.on_end(w.ctx, result, again_ns);
}

/* ---- planning ---- */

static bool look(struct pass *p, struct snapshot *s)
{
    struct world world = observe_pinned(p->a->observe, &p->pins);
    yyjson_val *object = world.get(world.ctx, p->planner->kind, p->ns, p->name);

    if (!object)
        return false;
    p->object = object;
    *s = (struct snapshot){.kind = p->planner->kind,
                           .object = object,
                           .world = world,
                           .job = p->job,
                           .serve = p->serve,
                           .now_ns = p->a->now(),
                           .options = p->a->options,
                           .attempt = p->attempt,
                           .entropy = p->entropy};
    return true;
}

/* Starts the watches of kinds that the planner asked for in vain; true when there were any. */
static bool await_kinds(struct pass *p, const struct snapshot *s)
{
    for (unsigned k = 0; k < KIND_COUNT; k++)
        if (s->missing >> k & 1)
            observe_need(p->a->observe, (enum ray_kind)k);
    return s->missing != 0;
}

static void note_failure(struct pass *p, const char *error)
{
    log_error("Reconciler error", "controller", p->planner->controller, "namespace", p->ns, "name",
              p->name, "reconcileID", p->id, "error", error, NULL);
}

static void emit(struct pass *p, const struct note *n, const char *error)
{
    struct buf text cleanup(buf_done) = BUF_LIMIT(1024);

    if (!n->reason)
        return;
    buf_adds(&text, n->text ? n->text : "");
    if (n->append_error && error)
        buf_printf(&text, ": %.500s", error);
    recorder_emit(p->a->recorder, &(struct event){.controller = p->planner->controller,
                                                  .warning = n->warning,
                                                  .reason = n->reason,
                                                  .action = n->action,
                                                  .note = buf_str(&text),
                                                  .regarding = p->object});
}

static void perform(struct pass *p);
static void plan_first(struct pass *p);

/* ---- the dashboard's answer, then the plan anew ---- */

static void on_answer(void *ctx, const struct dash_answer *answer)
{
    struct pass *p = ctx;
    struct dash_answer kept = *answer;
    enum dash_ask ask = p->first.ask;

    waits(p, false);
    if (p->a->stopping) {
        end(p, PASS_ABANDONED, 0);
        return;
    }
    p->dash_body = answer->body ? json_copy(answer->body) : NULL;
    p->dash_error = xstrdup(answer->error);
    kept.body = json_root(p->dash_body);
    kept.error = p->dash_error;
    if (ask == ASK_JOB)
        p->job = kept;
    else
        p->serve = kept;
    plan_done(&p->first);
    plan_init(&p->first);
    plan_first(p);
}

static void ask(struct pass *p)
{
    waits(p, true);
    dash_send(p->a->dash, &(struct dash_request){.what = p->first.ask == ASK_JOB ? DASH_GET_JOB
                                                                                 : DASH_GET_SERVE,
                                                 .target = p->first.dash,
                                                 .job_id = p->first.dash_job,
                                                 .on_done = on_answer,
                                                 .ctx = p});
}

static bool was_asked(const struct pass *p)
{
    return p->job.state != DASH_NONE || p->serve.state != DASH_NONE;
}

static void begin_actions(struct pass *p, struct plan *plan)
{
    p->plan = plan;
    p->at = 0;
    p->unsure = false;
    p->repeated = 0;
    if (!p->lent && plan->actions.n > LONG_PLAN) {
        p->lent = true;
        waits(p, true);
    }
    for (size_t i = 0; i < plan->events.n; i++)
        emit(p, &plan->events.v[i], NULL);
    perform(p);
}

/* Another pass waits to hear that this object is deleted. Its children may be gone already, and
 * would be made anew. */
static bool being_deleted(const struct pass *p)
{
    for (struct pass *d = p->a->deleting; d; d = d->next_deleting)
        if (current(d)->kind == p->planner->kind && !strcmp(current(d)->ns, p->ns) &&
            !strcmp(current(d)->name, p->name))
            return true;
    return false;
}

static void plan_first(struct pass *p)
{
    struct snapshot s;

    if (!look(p, &s)) {
        end(p, PASS_DONE, 0);
        return;
    }
    if (being_deleted(p)) {
        end(p, PASS_DONE, SECOND_NS); /* the answer wakes it sooner, unless it is an error */
        return;
    }
    guard_enter(p->a->guard, meta_uid(s.object), meta_generation(s.object));
    p->planner->plan(&s, &p->first);
    guard_leave(p->a->guard);
    if (await_kinds(p, &s))
        end(p, PASS_WAITING, 0);
    else if (p->first.ask != ASK_NOTHING && !was_asked(p))
        ask(p);
    else
        begin_actions(p, &p->first);
}

/* ---- after the actions ---- */

static void conclude(struct pass *p, const struct plan *plan)
{
    const char *error = p->outcome.failed ? p->failure.msg : plan->error;

    if (error) {
        note_failure(p, error);
        end(p, PASS_FAILED, 0);
    } else {
        end(p, PASS_DONE, plan->requeue_ns);
    }
}

static void plan_second(struct pass *p)
{
    struct snapshot s;

    p->outcome.plan = &p->first;
    p->outcome.answers = xcalloc(p->first.actions.n + 1, sizeof *p->outcome.answers);
    for (size_t i = 0; i < p->answers.n; i++)
        p->outcome.answers[i] = json_root(p->answers.v[i]);
    if (!look(p, &s)) {
        end(p, PASS_DONE, 0);
        return;
    }
    guard_enter(p->a->guard, meta_uid(s.object), meta_generation(s.object));
    p->planner->finish(&s, &p->outcome, &p->second);
    guard_leave(p->a->guard);
    if (await_kinds(p, &s)) {
        end(p, PASS_WAITING, 0);
        return;
    }
    p->finishing = true;
    p->outcome.failed = NULL; /* finish() has seen it; its own actions count from here on */
    begin_actions(p, &p->second);
}

static void all_done(struct pass *p)
{
    if (!p->finishing && !p->first.done && p->planner->finish)
        plan_second(p);
    else
        conclude(p, p->plan);
}

/* ---- one action ---- */

static void remember_version(struct pass *p, const struct action *act, yyjson_val *answer)
{
    struct answered *v = NULL;

    for (size_t i = 0; i < p->versions.n; i++)
        if (p->versions.v[i].kind == act->kind && !strcmp(p->versions.v[i].name, act->name))
            v = &p->versions.v[i];
    if (!v)
        v = vec_add(&p->versions);
    v->kind = act->kind;
    v->name = act->name;
    snprintf(v->version, sizeof v->version, "%s", meta_rv_text(answer));
}

static void take_over_version(struct pass *p, const struct action *act)
{
    for (size_t i = 0; act->chain && i < p->versions.n; i++) {
        struct answered *v = &p->versions.v[i];
        if (v->kind == act->kind && act->name && !strcmp(v->name, act->name))
            json_put_str(p->plan->doc, json_mut_get(act->body, "metadata"), "resourceVersion",
                         v->version);
    }
}

static void next(struct pass *p)
{
    p->at++;
    p->unsure = false;
    p->repeated = 0;
    perform(p);
}

static void succeeded(struct pass *p, struct json *answer)
{
    if (!p->finishing) {
        while (p->answers.n <= p->at)
            vec_push(&p->answers, NULL);
        p->answers.v[p->at] = json_ref(answer);
    }
    if (current(p)->act == ACT_UPDATE_STATUS && p->a->on_status)
        p->a->on_status(current(p)->kind, p->object, json_root(answer), p->a->now());
    emit(p, &current(p)->ok, NULL);
    next(p);
}

static void failed(struct pass *p, int code, const char *error)
{
    struct action *act = current(p);

    if ((code == ERR_NOT_FOUND && act->ignore_not_found) ||
        (code == ERR_ALREADY_EXISTS && act->ignore_exists)) {
        next(p);
        return;
    }
    if (act->best_effort) {
        log_info("an action failed and is not needed", "action", act->why, "error", error, NULL);
        emit(p, &act->failed, error);
        next(p);
        return;
    }
    if (code == ERR_CANCELLED) { /* no longer the leader: another one goes on */
        end(p, PASS_FAILED, 0);
        return;
    }
    emit(p, &act->failed, error);
    p->outcome.failed = act;
    p->outcome.code = code;
    err_set(&p->failure, code, "%s", error);
    p->outcome.error = p->failure.msg;
    all_done(p);
}

static void enter_store(struct pass *p, const struct action *act, yyjson_val *answer)
{
    struct observe *o = p->a->observe;

    if (act->act == ACT_DELETE) {
        observe_deleted(o, act->kind, act->ns, act->name, answer);
    } else if (act->act == ACT_DELETE_COLLECTION) {
        json_each(json_get(answer, "items"), item, i, n)
            observe_deleted(o, act->kind, act->ns, meta_name(item), item);
    } else if (answer) {
        observe_answer(o, act->kind, answer);
        if (act->name)
            remember_version(p, act, answer);
    }
}

/* ---- answers that were lost ---- */

static void free_timer(uv_handle_t *h)
{
    free(h);
}

static void on_pause_over(uv_timer_t *t)
{
    struct pass *p = t->data;

    p->pause = NULL;
    uv_close((uv_handle_t *)t, free_timer);
    perform(p);
}

/* Sends the action again, under the same name, after a moment: until the answer is a definite one
 * the pass may not end, or the next would choose another name and there would be two. */
static void repeat(struct pass *p)
{
    p->unsure = true;
    p->pause = xnew(uv_timer_t);
    uv_timer_init(p->a->loop, p->pause);
    p->pause->data = p;
    uv_update_time(p->a->loop);
    uv_timer_start(p->pause, on_pause_over, MIN(50u << MIN(p->repeated, 6u), 2000u), 0);
    p->repeated++;
}

static const char *owner_uid(yyjson_mut_val *body)
{
    return json_mut_str_at(body, "metadata.ownerReferences.0.uid", "");
}

/* What has the name that we meant to create: our own, if it has our owner. */
static void on_found(void *ctx, int code, struct json *answer, struct err *err)
{
    struct pass *p = ctx;
    struct action *act = current(p);
    yyjson_val *owner = meta_controller(json_root(answer));

    if (p->a->stopping)
        end(p, PASS_ABANDONED, 0);
    else if (code == ERR_IO || code == ERR_LOST || code == ERR_TIMEOUT || code == ERR_NOT_FOUND)
        repeat(p);
    else if (code < 0)
        failed(p, code, err->msg);
    else if (*owner_uid(act->body) &&
             !strcmp(json_get_str(owner, "uid", ""), owner_uid(act->body))) {
        enter_store(p, act, json_root(answer));
        succeeded(p, answer);
    } else {
        failed(p, ERR_ALREADY_EXISTS, "an object of that name exists");
    }
}

static void find_created(struct pass *p)
{
    struct action *act = current(p);

    kube_call(p->a->kube,
              &(struct kube_call){.verb = KUBE_GET,
                                  .gvr = kind_gvr(act->kind),
                                  .ns = act->ns,
                                  .name = json_mut_str_at(act->body, "metadata.name", ""),
                                  .on_done = on_found,
                                  .ctx = p});
}

/* True when a failure is about an action that may have happened, and has been dealt with. */
static bool unsure_of(struct pass *p, int code)
{
    enum act act = current(p)->act;
    bool lost = code == ERR_LOST || (p->unsure && (code == ERR_IO || code == ERR_TIMEOUT));

    if (lost && (act == ACT_CREATE || act == ACT_DELETE || act == ACT_DELETE_COLLECTION)) {
        repeat(p);
        return true;
    }
    if (lost) { /* a PUT of one version: planning anew from what the watch tells is safe */
        note_failure(p, "the answer to an update was lost");
        end(p, PASS_FAILED, 0);
        return true;
    }
    if (p->unsure && act == ACT_CREATE && code == ERR_ALREADY_EXISTS) {
        find_created(p);
        return true;
    }
    return false;
}

static void on_kube(void *ctx, int code, struct json *answer, struct err *err)
{
    struct pass *p = ctx;

    if (p->a->stopping) {
        end(p, PASS_ABANDONED, 0);
        return;
    }
    if (code < 0 && unsure_of(p, code))
        return;
    delete_ends(p);
    if (code == ERR_NOT_FOUND && p->unsure && current(p)->act == ACT_DELETE)
        code = 0; /* the first time, whose answer was lost, did it */
    if (code < 0) {
        failed(p, code, err->msg);
        return;
    }
    enter_store(p, current(p), json_root(answer));
    succeeded(p, answer);
}

static void on_dash(void *ctx, const struct dash_answer *answer)
{
    struct pass *p = ctx;

    waits(p, false);
    if (p->a->stopping)
        end(p, PASS_ABANDONED, 0);
    else if (answer->state == DASH_OK)
        succeeded(p, NULL);
    else
        failed(p, ERR_UNAVAILABLE, answer->error ? answer->error : "not found");
}

static void delete_options(const struct action *act, struct buf *body)
{
    if (!act->propagation && !act->uid)
        return;
    buf_adds(body, "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\"");
    if (act->propagation)
        buf_printf(body, ",\"propagationPolicy\":\"%s\"", act->propagation);
    if (act->uid)
        buf_printf(body, ",\"preconditions\":{\"uid\":\"%s\"}", act->uid);
    buf_addc(body, '}');
}

static void send_kube(struct pass *p, const struct action *act, enum kube_verb verb,
                      const char *subresource)
{
    struct buf body cleanup(buf_done) = BUF_INIT, query cleanup(buf_done) = BUF_INIT;

    if (act->body && verb != KUBE_DELETE) {
        take_over_version(p, act);
        json_mut_write(&body, act->body);
    }
    delete_options(act, &body);
    if (act->selector)
        query_add(&query, "labelSelector", act->selector);
    kube_call(p->a->kube,
              &(struct kube_call){.verb = verb,
                                  .gvr = kind_gvr(act->kind),
                                  .ns = act->ns,
                                  .name = verb == KUBE_CREATE || act->selector ? NULL : act->name,
                                  .subresource = subresource,
                                  .query = query.len ? buf_str(&query) + 1 : NULL, /* without "?" */
                                  .body = buf_slice(&body),
                                  .on_done = on_kube,
                                  .ctx = p});
}

static void send_dash(struct pass *p, const struct action *act)
{
    struct buf body cleanup(buf_done) = BUF_INIT;
    struct dash_request r = {
        .target = act->dash, .job_id = act->name, .on_done = on_dash, .ctx = p};

    r.what = act->act == ACT_DASH_SUBMIT ? DASH_POST_JOB
             : act->act == ACT_DASH_STOP ? DASH_POST_STOP
                                         : DASH_PUT_SERVE;
    if (act->body)
        json_mut_write(&body, act->body);
    r.body = buf_slice(&body);
    waits(p, true);
    dash_send(p->a->dash, &r);
}

/* ACT_MERGE: the object as the server has it, patched, back. */
static void on_fetched(void *ctx, int code, struct json *answer, struct err *err)
{
    struct pass *p = ctx;
    struct action *act = current(p);
    automut yyjson_mut_doc *doc = json_mut_new();
    struct buf body cleanup(buf_done) = BUF_INIT;

    if (p->a->stopping) {
        end(p, PASS_ABANDONED, 0);
        return;
    }
    if (code < 0) {
        failed(p, code, err->msg);
        return;
    }
    json_mut_write(&body,
                   yyjson_mut_merge_patch(doc, json_thaw(doc, json_root(answer)), act->body));
    kube_call(p->a->kube, &(struct kube_call){.verb = KUBE_UPDATE,
                                              .gvr = kind_gvr(act->kind),
                                              .ns = act->ns,
                                              .name = act->name,
                                              .body = buf_slice(&body),
                                              .on_done = on_kube,
                                              .ctx = p});
}

static void fetch_and_merge(struct pass *p, const struct action *act)
{
    kube_call(p->a->kube, &(struct kube_call){.verb = KUBE_GET,
                                              .gvr = kind_gvr(act->kind),
                                              .ns = act->ns,
                                              .name = act->name,
                                              .on_done = on_fetched,
                                              .ctx = p});
}

static void on_looked(void *ctx, int code, unused struct json *answer, struct err *err)
{
    struct pass *p = ctx;

    if (p->a->stopping)
        end(p, PASS_ABANDONED, 0);
    else if (code < 0)
        failed(p, code, err->msg);
    else
        send_kube(p, current(p), KUBE_DELETE, NULL);
}

static void look_first(struct pass *p, const struct action *act)
{
    kube_call(p->a->kube, &(struct kube_call){.verb = KUBE_GET,
                                              .gvr = kind_gvr(act->kind),
                                              .ns = act->ns,
                                              .name = act->name,
                                              .on_done = on_looked,
                                              .ctx = p});
}

static void perform(struct pass *p)
{
    struct action *act;

    if (p->at >= p->plan->actions.n) {
        all_done(p);
        return;
    }
    act = current(p);
    log_info(act->why ? act->why : "act", "controller", p->planner->controller, "namespace", p->ns,
             "name", p->name, "reconcileID", p->id, NULL);
    switch (act->act) {
    case ACT_CREATE:
        send_kube(p, act, KUBE_CREATE, NULL);
        break;
    case ACT_UPDATE:
        send_kube(p, act, KUBE_UPDATE, NULL);
        break;
    case ACT_UPDATE_STATUS:
        send_kube(p, act, KUBE_UPDATE, "status");
        break;
    case ACT_MERGE:
        fetch_and_merge(p, act);
        break;
    case ACT_DELETE:
        if (act->look_first && !p->unsure) {
            look_first(p, act);
            break;
        }
        delete_begins(p);
        send_kube(p, act, KUBE_DELETE, NULL);
        break;
    case ACT_DELETE_COLLECTION:
        send_kube(p, act, KUBE_DELETE, NULL);
        break;
    case ACT_DASH_SUBMIT:
    case ACT_DASH_STOP:
    case ACT_DASH_SERVE:
        send_dash(p, act);
        break;
    }
}

void act_run(struct actor *a, const struct planner *planner, const char *ns, const char *name,
             const struct act_watcher *watcher)
{
    struct pass *p = xnew(struct pass);

    p->a = a;
    p->planner = planner;
    p->ns = xstrdup(ns);
    p->name = xstrdup(name);
    p->watcher = *watcher;
    p->attempt = a->attempts++;
    rand_bytes(p->entropy, sizeof p->entropy);
    rand_uuid(p->id);
    plan_init(&p->first);
    plan_init(&p->second);
    plan_first(p);
}
