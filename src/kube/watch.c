#include "kube/watch.h"

#include "base/clock.h"
#include "base/mem.h"
#include "kube/split.h"

#include <stdio.h>

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 30000
/* A watch that ends sooner than this and told nothing has failed. */
#define SHORT_NS (INT64_C(1000) * 1000000)

struct kube_watch {
    struct kube *k;
    struct watch_opts opts;
    char *ns, *labels, *fields;
    uv_timer_t *timer;
    struct kube_request *request;
    struct split split;
    char *next_page;   /* continue token of the page that is asked for; NULL: the first */
    uint64_t rv;       /* version up to which everything is known */
    uint64_t list_rv;  /* of the list that is being read */
    int64_t opened_ns; /* when the watch was sent */
    unsigned backoff_ms;
    unsigned busy; /* inside callbacks */
    bool listing, need_list, synced, told, whole_page, dead;
};

static void open_request(struct kube_watch *w);

/* ---- life ---- */

static void free_handle(uv_handle_t *h)
{
    free(h);
}

static void release(struct kube_watch *w)
{
    if (!w->dead || w->request || w->busy)
        return;
    split_done(&w->split);
    free(w->next_page);
    free(w->ns);
    free(w->labels);
    free(w->fields);
    free(w);
}

void kube_watch_free(struct kube_watch *w)
{
    if (!w || w->dead)
        return;
    w->dead = true;
    uv_timer_stop(w->timer);
    uv_close((uv_handle_t *)w->timer, free_handle);
    if (w->request)
        kube_call_cancel(w->request);
    release(w);
}

bool kube_watch_synced(const struct kube_watch *w)
{
    return w->synced;
}

/* ---- telling ---- */

static void tell(struct kube_watch *w, enum watch_event event, yyjson_val *obj)
{
    if (w->opts.on_event && !w->dead)
        w->opts.on_event(w->opts.ctx, event, obj);
}

static void list_begin(struct kube_watch *w)
{
    w->list_rv = 0;
    if (w->opts.store)
        store_list_begin(w->opts.store);
    tell(w, WATCH_RESTARTED, NULL);
}

static void list_end(struct kube_watch *w)
{
    w->rv = w->list_rv;
    w->need_list = false;
    w->whole_page = false;
    w->synced = true;
    if (w->opts.store)
        store_list_end(w->opts.store, w->list_rv);
    tell(w, WATCH_SYNCED, NULL);
    if (w->opts.on_synced && !w->dead)
        w->opts.on_synced(w->opts.ctx);
}

static int on_list_item(void *ctx, struct slice item, struct err *err)
{
    struct kube_watch *w = ctx;
    autojson struct json *j = NULL;

    if (json_parse(item, &j, err) < 0)
        return err_wrap(err, "an item of the list");
    if (w->opts.store)
        store_list_item(w->opts.store, json_root(j));
    tell(w, WATCH_ADDED, json_root(j));
    return w->dead ? err_set(err, ERR_CANCELLED, "the watch was closed") : 0;
}

static void store_event(struct store *s, enum watch_event type, yyjson_val *obj)
{
    if (type == WATCH_DELETED)
        store_watched_deleted(s, obj);
    else
        store_watched(s, obj);
}

/* An ERROR event holds a Status. 410: what we resume from is forgotten. */
static int server_error(struct kube_watch *w, yyjson_val *status, struct err *err)
{
    int code =
        err_from_reason(json_get_str(status, "reason", ""), (int)json_int_at(status, "code", 500));

    w->need_list |=
        code == ERR_GONE || code == ERR_EXPIRED || json_int_at(status, "code", 0) == 410;
    return err_set(err, code, "%s", json_get_str(status, "message", "the server ended the watch"));
}

static int on_watch_line(void *ctx, struct slice line, struct err *err)
{
    static const char *const types[] = {"ADDED", "MODIFIED", "DELETED"};
    struct kube_watch *w = ctx;
    autojson struct json *j = NULL;

    if (json_parse(line, &j, err) < 0)
        return err_wrap(err, "an event of the watch");
    const char *type = json_get_str(json_root(j), "type", "");
    yyjson_val *obj = json_get(json_root(j), "object");
    uint64_t rv = meta_rv(obj);
    if (strcmp(type, "ERROR") == 0)
        return server_error(w, obj, err);
    w->told = true;
    w->backoff_ms = 0;
    w->rv = MAX(w->rv, rv);
    if (strcmp(type, "BOOKMARK") == 0) {
        if (w->opts.store)
            store_bookmark(w->opts.store, rv);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (strcmp(type, types[i]) != 0)
            continue;
        if (w->opts.store)
            store_event(w->opts.store, (enum watch_event)i, obj);
        tell(w, (enum watch_event)i, obj);
    }
    return w->dead ? err_set(err, ERR_CANCELLED, "the watch was closed") : 0;
}

/* ---- going on ---- */

static void on_timer(uv_timer_t *t)
{
    struct kube_watch *w = t->data;

    if (!w->request)
        open_request(w);
}

static void again(struct kube_watch *w, bool failed)
{
    uint64_t wait = 0;

    if (failed) {
        w->backoff_ms = w->backoff_ms ? MIN(w->backoff_ms * 2, BACKOFF_MAX_MS) : BACKOFF_MIN_MS;
        wait = w->backoff_ms / 2 + rand_below(w->backoff_ms);
    }
    uv_update_time(kube_loop(w->k));
    uv_timer_start(w->timer, on_timer, wait, 0);
}

static void fail(struct kube_watch *w, int code, const struct err *err)
{
    free(w->next_page);
    w->next_page = NULL;
    if (w->listing && w->opts.store)
        store_list_abort(w->opts.store);
    w->need_list |= w->listing || code == ERR_GONE || code == ERR_EXPIRED;
    w->listing = false;
    if (w->opts.on_error && !w->dead)
        w->opts.on_error(w->opts.ctx, code, err);
    if (w->dead)
        return;
    /* A version that is gone is no failure of the server: ask anew at once, but once in a row. */
    bool gone = (code == ERR_GONE || code == ERR_EXPIRED) && w->backoff_ms == 0;
    if (gone)
        w->backoff_ms = 1;
    again(w, !gone);
}

/* The rest of a page: where it stands and whether there is more. Negative: it makes no sense. */
static int page_end(struct kube_watch *w, struct err *err)
{
    autojson struct json *rest = NULL;

    if (json_parse(buf_slice(&w->split.rest), &rest, err) < 0)
        return err_wrap(err, "a page of the list");
    uint64_t rv = rv_parse(json_str_at(json_root(rest), "metadata.resourceVersion", ""));
    const char *more = json_str_at(json_root(rest), "metadata.continue", "");
    if (rv == 0)
        return err_set(err, ERR_INTERNAL, "a list of %s without a resourceVersion",
                       w->opts.gvr->plural);
    if (w->next_page && strcmp(w->next_page, more) == 0)
        return err_set(err, ERR_INTERNAL, "the list of %s goes in circles", w->opts.gvr->plural);
    /* Pages of one list have one version; of a server that forgets that, the lowest is safe. */
    w->list_rv = w->list_rv ? MIN(w->list_rv, rv) : rv;
    free(w->next_page);
    w->next_page = *more ? xstrdup(more) : NULL;
    return 0;
}

static void end_of_page(struct kube_watch *w, int code, struct err *err)
{
    if (code == 0)
        code = page_end(w, err);
    if ((code == ERR_GONE || code == ERR_EXPIRED) && w->next_page)
        w->whole_page = true; /* the list outlived its token: next time in one piece */
    if (code < 0) {
        fail(w, code, err);
        return;
    }
    w->backoff_ms = 0;
    if (!w->next_page) {
        w->listing = false;
        list_end(w);
    }
    if (!w->dead)
        open_request(w);
}

static void end_of_watch(struct kube_watch *w, int code, struct err *err)
{
    bool short_lived = clock_mono_ns() - w->opened_ns < SHORT_NS && !w->told;

    if (code == 0 && !short_lived)
        again(w, false);
    else if (code == 0)
        fail(w, err_set(err, ERR_UNAVAILABLE, "the watch ended as soon as it began"), err);
    else
        fail(w, code, err);
}

static void on_done(void *ctx, int code, unused struct json *answer, struct err *err)
{
    struct kube_watch *w = ctx;
    struct err none = {0};

    w->request = NULL;
    w->busy++;
    if (!w->dead && w->split.failed.code < 0) { /* we gave up: say why, not that it was cancelled */
        err = &w->split.failed;
        code = err->code;
    }
    if (!w->dead && w->listing)
        end_of_page(w, code, err ? err : &none);
    else if (!w->dead)
        end_of_watch(w, code, err ? err : &none);
    w->busy--;
    release(w);
}

static bool on_data(void *ctx, struct slice data)
{
    struct kube_watch *w = ctx;

    if (w->dead || w->split.failed.code < 0)
        return true;
    w->busy++;
    if (split_feed(&w->split, data, &w->split.failed) < 0 && w->request && !w->dead)
        kube_call_cancel(w->request);
    w->busy--;
    return true; /* on_done releases */
}

/* ---- requests ---- */

static void list_query(const struct kube_watch *w, struct buf *q)
{
    char n[24];

    snprintf(n, sizeof n, "%u", w->opts.page ? w->opts.page : 500);
    if (!w->whole_page)
        query_add(q, "limit", n);
    if (w->next_page)
        query_add(q, "continue", w->next_page);
}

static void watch_query(const struct kube_watch *w, struct buf *q)
{
    char n[24];

    query_add(q, "watch", "true");
    query_add(q, "allowWatchBookmarks", "true");
    snprintf(n, sizeof n, "%llu", (unsigned long long)w->rv);
    query_add(q, "resourceVersion", n);
    snprintf(n, sizeof n, "%u", 300 + rand_below(300));
    query_add(q, "timeoutSeconds", n);
}

static void open_request(struct kube_watch *w)
{
    struct buf q cleanup(buf_done) = BUF_INIT;

    split_done(&w->split);
    if (w->need_list && !w->listing) {
        w->listing = true;
        w->busy++;
        list_begin(w);
        w->busy--;
        if (w->dead) {
            release(w);
            return;
        }
    }
    w->split = (struct split){
        .list = w->listing, .on_item = w->listing ? on_list_item : on_watch_line, .ctx = w};
    if (w->labels)
        query_add(&q, "labelSelector", w->labels);
    if (w->fields)
        query_add(&q, "fieldSelector", w->fields);
    if (w->listing)
        list_query(w, &q);
    else
        watch_query(w, &q);
    w->told = false;
    w->opened_ns = clock_mono_ns();
    w->request = kube_call(w->k, &(struct kube_call){
                                     .verb = KUBE_GET,
                                     .gvr = w->opts.gvr,
                                     .ns = w->ns,
                                     .query = q.len ? q.data + 1 : NULL,
                                     .on_data = on_data,
                                     .on_done = on_done,
                                     .ctx = w,
                                 });
}

struct kube_watch *kube_watch_new(struct kube *k, const struct watch_opts *opts)
{
    struct kube_watch *w = xnew(struct kube_watch);

    w->k = k;
    w->opts = *opts;
    w->ns = xstrdup(opts->ns);
    w->labels = xstrdup(opts->label_selector);
    w->fields = xstrdup(opts->field_selector);
    w->need_list = true;
    w->timer = xnew(uv_timer_t);
    uv_timer_init(kube_loop(k), w->timer);
    w->timer->data = w;
    again(w, false);
    return w;
}
