#include "operator/controllers.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/pages.h"
#include "kube/queue.h"
#include "operator/meters.h"
#include "operator/metrics.h"
#include "operator/quarantine.h"
#include "ray/sched/sched.h"

#include <malloc.h>
#include <string.h>

/* Keys of one kind under way for each of --reconcile-concurrency, and at least: enough to keep the
 * API server busy at the default rate limit. Each holds its plan in memory, some 100 KB. Passes
 * that wait for a dashboard or have a long plan do not count. */
#define KEYS_EACH 2
#define KEYS_LEAST 4
#define KEYS_MOST 64

/* Which updates of the object itself wake its controller. */
enum predicate {
    ANY_UPDATE,
    SPEC_OR_WORDS, /* generation, labels or annotations differ */
    SPEC_ONLY,     /* generation differs */
};

/* After a burst of passes the memory they used goes back to the kernel, once it is this quiet. */
#define QUIET_MS 500

/* How long a controller waits for the first lists of what it watches: controller-runtime's. */
#define SYNC_MS 120000

#define OWNS_END KIND_COUNT

static const struct controller_row {
    const char *name; /* in metrics */
    const struct planner *planner;
    enum predicate predicate;
    int gate; /* enum ray_feature that turns it on; -1: always */
    enum ray_kind owns[8];
} rows[] = {
    {"raycluster",
     &raycluster_planner,
     SPEC_OR_WORDS,
     -1,
     {KIND_POD, KIND_SERVICE, KIND_SECRET, KIND_PVC, OWNS_END}},
    {"rayjob",
     &rayjob_planner,
     ANY_UPDATE,
     -1,
     {KIND_RAYCLUSTER, KIND_SERVICE, KIND_JOB, OWNS_END}},
    {"networkpolicy",
     &networkpolicy_planner,
     SPEC_ONLY,
     FEATURE_NETWORK_POLICY,
     {KIND_NETWORKPOLICY, OWNS_END}},
    {"raycluster-mtls",
     &mtls_planner,
     ANY_UPDATE,
     FEATURE_MTLS,
     {KIND_ISSUER, KIND_CERTIFICATE, OWNS_END}},
};

struct controller {
    const struct controller_row *row;
    enum ray_kind owns[12]; /* the row's, and the batch scheduler's */
    size_t n_owns;
    struct controllers *all;
    struct queue *queue;
    struct map waiting; /* keys whose pass waits for a kind to fill */
};

struct controllers {
    struct actor *a;
    struct running *running; /* all under way */
    struct controller list[ARRAY_SIZE(rows)];
    size_t n;
    uv_timer_t *quiet;
    uv_timer_t *sync; /* until all can run */
    bool settled;     /* it was quiet once: the start is over */
};

/* One pass under way. */
struct running {
    struct controller *c;
    char *key;
    int64_t started;
    struct running *prev, *next;
};

static struct running *running_new(struct controller *c, const char *key)
{
    struct running *r = xnew(struct running);
    struct running **list = &c->all->running;

    r->c = c;
    r->key = xstrdup(key);
    r->started = clock_mono_ns();
    r->next = *list;
    if (r->next)
        r->next->prev = r;
    *list = r;
    return r;
}

/* c is NULL once the controllers are gone: passes that are abandoned end after them. */
static void running_free(struct running *r)
{
    if (r->c)
        *(r->prev ? &r->prev->next : &r->c->all->running) = r->next;
    if (r->next)
        r->next->prev = r->prev;
    free(r->key);
    free(r);
}

static const char *metric_name(const struct controller *c)
{
    return c->row->name;
}

static void count(const struct running *r, enum pass_result result, int64_t again_ns)
{
    const char *name = metric_name(r->c);
    const char *word = result == PASS_FAILED ? "error" : again_ns > 0 ? "requeue_after" : "success";

    if (result == PASS_WAITING)
        return;
    metrics_add(METRIC_RECONCILE_TOTAL, 1, name, word);
    if (result == PASS_FAILED)
        metrics_add(METRIC_RECONCILE_ERRORS, 1, name);
    metrics_observe(METRIC_RECONCILE_SECONDS, (double)(clock_mono_ns() - r->started) / 1e9, name);
    metrics_observe(METRIC_QUEUE_WORK_SECONDS, (double)(clock_mono_ns() - r->started) / 1e9, name,
                    name);
}

static bool is_on(const struct actor *a, const struct controller_row *row)
{
    if (row->gate == FEATURE_MTLS && !a->options->cert_manager)
        return false;
    return row->gate < 0 || ray_feature(a->options, (enum ray_feature)row->gate);
}

static void on_quiet(uv_timer_t *t)
{
    struct controllers *all = t->data;

    observe_rest(all->a->observe);
    malloc_trim(0);
    if (!all->settled)
        pages_drop_code();
    all->settled = true;
}

static void on_end(void *ctx, enum pass_result result, int64_t again_ns)
{
    struct running *r = ctx;

    if (result != PASS_ABANDONED) {
        count(r, result, again_ns);
        if (result == PASS_WAITING)
            map_put(&r->c->waiting, r->key, r->c);
        queue_done(r->c->queue, r->key, result == PASS_FAILED ? QUEUE_RETRY : QUEUE_FORGET,
                   result == PASS_DONE ? again_ns : 0);
        uv_timer_start(r->c->all->quiet, on_quiet, QUIET_MS, 0);
    }
    running_free(r);
}

static void on_wait(void *ctx, int places)
{
    struct running *r = ctx;

    queue_lend(r->c->queue, places);
}

/* An object that killed its workers: that is told, and it is left alone until it changes. */
static void tell_quarantine(struct controller *c, yyjson_val *object)
{
    const struct planner *planner = c->row->planner;

    log_error("quarantined: planning it crashed the operator twice; change its spec to try again",
              "controller", planner->controller, "namespace", meta_namespace(object), "name",
              meta_name(object), NULL);
    recorder_emit(c->all->a->recorder, &(struct event){.controller = planner->controller,
                                                       .warning = true,
                                                       .reason = QUARANTINED,
                                                       .action = "Reconcile",
                                                       .note = QUARANTINE_TEXT,
                                                       .regarding = object});
    if (quarantine_can_show(planner->kind) && !quarantine_shown(planner->kind, object))
        quarantine_show(c->all->a, planner->kind, object, true, NULL, NULL);
}

static void on_released(void *ctx, bool ok)
{
    struct running *r = ctx;

    if (r->c)
        queue_done(r->c->queue, r->key, ok ? QUEUE_AGAIN : QUEUE_RETRY, 0);
    running_free(r);
}

/* True when the key's turn is over, or goes on once the status no longer speaks of a quarantine. */
static bool is_held(struct controller *c, const char *key, const char *ns, const char *name)
{
    struct world w = observe_world(c->all->a->observe);
    enum ray_kind kind = c->row->planner->kind;
    yyjson_val *object = w.get(w.ctx, kind, ns, name);

    if (!object)
        return false;
    if (guard_quarantined(c->all->a->guard, meta_uid(object), meta_generation(object))) {
        tell_quarantine(c, object);
        queue_done(c->queue, key, QUEUE_FORGET, 0);
        return true;
    }
    if (!quarantine_shown(kind, object))
        return false;
    quarantine_show(c->all->a, kind, object, false, on_released, running_new(c, key));
    return true;
}

static void on_run(void *ctx, const char *key)
{
    struct controller *c = ctx;
    const char *slash = strchr(key, '/');
    autofree char *ns = xstrndup(key, (size_t)(slash - key));
    struct running *r;

    if (is_held(c, key, ns, slash + 1))
        return;
    r = running_new(c, key);
    metrics_observe(METRIC_QUEUE_WAIT_SECONDS, (double)queue_waited_ns(c->queue, key) / 1e9,
                    metric_name(c), metric_name(c));
    act_run(c->all->a, c->row->planner, ns, slash + 1,
            &(struct act_watcher){.on_end = on_end, .on_wait = on_wait, .ctx = r});
}

/* The RayCluster controller also watches what the batch scheduler has it make. */
static void list_owned(struct controller *c, const struct ray_options *o)
{
    const struct scheduler *sched = scheduler_of(o);

    while (c->row->owns[c->n_owns] != OWNS_END) {
        c->owns[c->n_owns] = c->row->owns[c->n_owns];
        c->n_owns++;
    }
    for (size_t i = 0; i < sched->n_owns && c->row->planner == &raycluster_planner; i++)
        c->owns[c->n_owns++] = sched->owns[i];
}

static unsigned keys_at_once(const struct actor *a)
{
    return MIN(MAX(MIN(a->concurrency, KEYS_MOST) * KEYS_EACH, KEYS_LEAST), KEYS_MOST);
}

struct controllers *controllers_new(struct actor *a)
{
    struct controllers *all = xnew(struct controllers);

    all->a = a;
    all->quiet = xnew(uv_timer_t);
    uv_timer_init(a->loop, all->quiet);
    all->quiet->data = all;
    all->sync = xnew(uv_timer_t);
    uv_timer_init(a->loop, all->sync);
    all->sync->data = all;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct controller *c = &all->list[all->n];
        if (!is_on(a, &rows[i]))
            continue;
        all->n++;
        c->row = &rows[i];
        c->all = all;
        list_owned(c, a->options);
        c->queue = queue_new(
            a->loop, &(struct queue_opts){.concurrency = keys_at_once(a), .run = on_run, .ctx = c});
        queue_pause(c->queue, true); /* until what it reads at once is there */
    }
    return all;
}

/* The series that are there before anything has happened. */
static void prepare_metrics(const char *name, unsigned concurrency)
{
    static const char *const results[] = {"error", "requeue_after", "requeue", "success"};

    for (size_t i = 0; i < ARRAY_SIZE(results); i++)
        metrics_add(METRIC_RECONCILE_TOTAL, 0, name, results[i]);
    metrics_add(METRIC_RECONCILE_ERRORS, 0, name);
    metrics_add(METRIC_RECONCILE_PANICS, 0, name);
    metrics_add(METRIC_RECONCILE_TIMEOUTS, 0, name);
    metrics_add(METRIC_TERMINAL_ERRORS, 0, name);
    metrics_set(METRIC_MAX_CONCURRENT, concurrency, name);
}

/* What is only known when somebody asks: depths, ages. */
static void on_scrape(void *ctx)
{
    struct controllers *all = ctx;
    int64_t now = clock_mono_ns();

    for (size_t i = 0; i < all->n; i++) {
        struct controller *c = &all->list[i];
        const char *name = metric_name(c);
        double longest = 0, sum = 0;

        for (struct running *r = all->running; r; r = r->next) {
            double age = r->c == c ? (double)(now - r->started) / 1e9 : 0;
            longest = MAX(longest, age);
            sum += age;
        }
        metrics_set(METRIC_ACTIVE_WORKERS, (double)queue_running(c->queue), name);
        metrics_set(METRIC_QUEUE_ADDS, (double)queue_adds(c->queue), name, name);
        metrics_set(METRIC_QUEUE_RETRIES, (double)queue_retries(c->queue), name, name);
        metrics_set(METRIC_QUEUE_LONGEST_SECONDS, longest, name, name);
        metrics_set(METRIC_QUEUE_UNFINISHED_SECONDS, sum, name, name);
        metrics_set(METRIC_QUEUE_DEPTH, (double)queue_depth_low(c->queue), name, name, "-100");
        metrics_set(METRIC_QUEUE_DEPTH, (double)(queue_depth(c->queue) - queue_depth_low(c->queue)),
                    name, name, "0");
    }
}

/* A kind that the controller still waits for; KIND_COUNT: none. */
static enum ray_kind missing_kind(const struct controller *c)
{
    struct observe *o = c->all->a->observe;

    for (size_t k = 0; k < c->n_owns; k++)
        if (!observe_filled(o, c->owns[k]))
            return c->owns[k];
    return observe_filled(o, c->row->planner->kind) ? KIND_COUNT : c->row->planner->kind;
}

static void on_sync_time(uv_timer_t *t)
{
    struct controllers *all = t->data;
    struct actor *a = all->a;

    for (size_t i = 0; i < all->n && a->on_unsynced; i++) {
        enum ray_kind kind = missing_kind(&all->list[i]);
        if (kind == KIND_COUNT)
            continue;
        a->on_unsynced(a->ctx, all->list[i].row->name, kind_name(kind));
        return;
    }
}

void controllers_start(struct controllers *all)
{
    metrics_on_scrape(on_scrape, all);
    uv_timer_start(all->sync, on_sync_time, SYNC_MS, 0);
    for (size_t i = 0; i < all->n; i++) {
        const struct controller_row *row = all->list[i].row;
        prepare_metrics(row->name, MAX(all->a->concurrency, 1));
        observe_need(all->a->observe, row->planner->kind);
        for (size_t k = 0; k < all->list[i].n_owns; k++)
            observe_need(all->a->observe, all->list[i].owns[k]);
    }
}

static void free_handle(uv_handle_t *h)
{
    free(h);
}

void controllers_free(struct controllers *all)
{
    if (!all)
        return;
    uv_close((uv_handle_t *)all->quiet, free_handle);
    uv_close((uv_handle_t *)all->sync, free_handle);
    for (struct running *r = all->running, *next; r; r = next) {
        next = r->next;
        r->c = NULL;
        r->prev = r->next = NULL;
    }
    for (size_t i = 0; i < all->n; i++) {
        queue_free(all->list[i].queue);
        map_done(&all->list[i].waiting);
    }
    free(all);
}

/* ---- what wakes a controller ---- */

static void add_key(struct controller *c, const char *ns, const char *name, bool low)
{
    autofree char *key = xasprintf("%s/%s", ns, name);

    if (low)
        queue_add_low(c->queue, key);
    else
        queue_add(c->queue, key);
}

static bool words_differ(yyjson_val *was, yyjson_val *now, const char *path)
{
    yyjson_val *a = json_at(was, path), *b = json_at(now, path);

    return !(json_is_empty(a) && json_is_empty(b)) && !json_equal(a, b);
}

static bool lets_through(enum predicate p, yyjson_val *was, yyjson_val *now)
{
    if (!was || !now || p == ANY_UPDATE)
        return true;
    if (meta_generation(was) != meta_generation(now))
        return true;
    return p == SPEC_OR_WORDS && (words_differ(was, now, "metadata.labels") ||
                                  words_differ(was, now, "metadata.annotations"));
}

static void wake_owner(struct controller *c, yyjson_val *child, bool low)
{
    yyjson_val *owner = child ? meta_controller(child) : NULL;
    const char *kind = json_get_str(owner, "kind", "");
    const char *version = json_get_str(owner, "apiVersion", "");

    if (!strcmp(kind, kind_name(c->row->planner->kind)) && !strncmp(version, "ray.io/", 7))
        add_key(c, meta_namespace(child), json_get_str(owner, "name", ""), low);
}

void controllers_changed(void *ctx, enum ray_kind kind, yyjson_val *was, yyjson_val *now,
                         bool first_list)
{
    struct controllers *all = ctx;

    if (!now)
        meters_gone(kind, meta_namespace(was), meta_name(was));
    for (size_t i = 0; i < all->n; i++) {
        struct controller *c = &all->list[i];
        if (c->row->planner->kind == kind && lets_through(c->row->predicate, was, now))
            add_key(c, meta_namespace(now ? now : was), meta_name(now ? now : was), first_list);
        for (size_t k = 0; k < c->n_owns; k++)
            if (c->owns[k] == kind) {
                wake_owner(c, now, first_list);
                wake_owner(c, was, first_list);
            }
    }
}

void controllers_filled(void *ctx, unused enum ray_kind kind)
{
    struct controllers *all = ctx;
    bool all_run = true;

    for (size_t i = 0; i < all->n; i++) {
        struct controller *c = &all->list[i];
        struct map waiting = c->waiting;
        c->waiting = (struct map){0};
        for (struct map_item *k = map_next(&waiting, NULL); k; k = map_next(&waiting, k))
            queue_add(c->queue, k->key);
        map_done(&waiting);
        if (missing_kind(c) == KIND_COUNT)
            queue_pause(c->queue, false);
        else
            all_run = false;
    }
    if (all_run)
        uv_timer_stop(all->sync);
    uv_timer_start(all->quiet, on_quiet, QUIET_MS, 0);
}
