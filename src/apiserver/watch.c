/*
 * Watches. One event of the storage goes to the watches of its kind; each sees it as an object that
 * appears, changes or goes among those it selects. The bytes are made once for every form in which
 * somebody wants them and shared by all queues. Who does not read is cut off at WATCH_UNSENT_MAX.
 */
#include "apiserver/server.h"
#include "base/clock.h"
#include "data/field_error.h"

#include <stdio.h>

#define WATCH_UNSENT_MAX (1u << 20)
#define BOOKMARK_MS 60000
#define TIMEOUT_MIN 1800 /* seconds; up to twice that, so that not all come back at once */

struct watch {
    struct watches *all;
    struct http_req *http;
    const struct resource *res; /* referenced */
    struct view view;
    struct selection sel;
    char *ns, *name; /* "" and NULL: all */
    uint64_t from;   /* events up to here are not for it */
    bool bookmarks, ended, columns_sent;
    uv_timer_t timer;
};

/* The watches of one stored kind. */
struct watch_set {
    const struct resource *res; /* stored; compared only */
    VEC(struct watch *) list;
};

struct watches {
    struct apiserver *api;
    VEC(struct watch_set) sets;
    uv_timer_t bookmark;
    size_t n;
};

/* ---- sending ---- */

static void end(struct watch *w)
{
    if (w->ended)
        return;
    w->ended = true;
    uv_timer_stop(&w->timer);
    http_end(w->http);
}

static void send_event(struct watch *w, struct rcbuf *event)
{
    http_write(w->http, event);
    w->columns_sent = true;
    if (http_unsent(w->http) > WATCH_UNSENT_MAX) {
        w->ended = true;
        uv_timer_stop(&w->timer);
        http_cut(w->http);
    }
}

static void send_status(struct watch *w, const struct status *st)
{
    struct buf b cleanup(buf_done) = BUF_INIT;

    buf_adds(&b, "{\"type\":\"ERROR\",\"object\":");
    status_write(st, &b);
    b.len--; /* the newline of its own */
    buf_adds(&b, "}\n");
    http_write_bytes(w->http, buf_slice(&b));
    end(w);
}

static void send_bookmark(struct watch *w, uint64_t rv, bool initial_end)
{
    struct buf b cleanup(buf_done) = BUF_INIT;
    const char *kind = w->res->kind, *version = w->res->api_version;

    if (w->view.rep == REP_TABLE) {
        kind = "Table";
        version = w->view.beta ? "meta.k8s.io/v1beta1" : "meta.k8s.io/v1";
    } else if (w->view.rep == REP_PARTIAL) {
        kind = "PartialObjectMetadata";
        version = w->view.beta ? "meta.k8s.io/v1beta1" : "meta.k8s.io/v1";
    }
    buf_printf(
        &b,
        "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":{"
        "\"resourceVersion\":\"%llu\"%s}%s}}\n",
        kind, version, (unsigned long long)rv,
        initial_end && w->view.rep != REP_TABLE
            ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}"
            : "",
        w->view.rep == REP_TABLE ? ",\"columnDefinitions\":null,\"rows\":null" : "");
    http_write_bytes(w->http, buf_slice(&b));
}

/* ---- what an event is to one watch ---- */

static bool selects(const struct watch *w, const struct object *o)
{
    return o && (!*w->ns || strcmp(o->ns, w->ns) == 0) && selection_has(&w->sel, o);
}

static const char *type_for(const struct watch *w, const struct event *e)
{
    bool was = selects(w, e->prev), is = e->type != EVENT_DELETED && selects(w, e->object);

    if (is)
        return was ? "MODIFIED" : "ADDED";
    return was ? "DELETED" : NULL;
}

/* Bytes of one event in one form. */
struct encoded {
    const struct resource *res;
    struct view view;
    const char *type;
    bool columns;
    struct rcbuf *bytes;
};
typedef VEC(struct encoded) encoded_list;

/*
 * An object that leaves the selection is shown as it last was in it, with the version of the
 * change; one that is deleted, as it last was.
 */
static struct rcbuf *encode_left(const struct watch *w, const struct event *e, bool columns)
{
    struct json *last autojson = object_in_version(w->res, e->prev);
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *root = json_thaw(doc, json_root(last));
    char rv[24];

    snprintf(rv, sizeof rv, "%llu", (unsigned long long)e->rv);
    json_put_str(doc, json_ensure(doc, root, "metadata"), "resourceVersion", rv);
    struct json *j autojson = json_freeze(root);
    return view_event(&w->view, w->res, "DELETED", e->object, json_root(j), columns);
}

static struct rcbuf *encode(encoded_list *cache, const struct watch *w, const struct event *e,
                            const char *type)
{
    struct encoded want = {w->res, w->view, type, !w->columns_sent && w->view.rep == REP_TABLE,
                           NULL};

    for (size_t i = 0; i < cache->n; i++) {
        const struct encoded *c = &cache->v[i];

        if (c->res == want.res && c->view.rep == want.view.rep &&
            c->view.include == want.view.include && c->view.beta == want.view.beta &&
            c->columns == want.columns && c->type == type)
            return c->bytes;
    }
    if (*type == 'D' && e->type != EVENT_DELETED)
        want.bytes = encode_left(w, e, want.columns);
    else
        want.bytes = view_event(&w->view, w->res, type, e->object, NULL, want.columns);
    vec_push(cache, want);
    return want.bytes;
}

static void deliver(struct watch *w, const struct event *e, encoded_list *cache)
{
    if (w->ended || e->rv <= w->from)
        return;
    const char *type = type_for(w, e);
    if (type)
        send_event(w, encode(cache, w, e, type));
}

static void drop_encoded(encoded_list *cache)
{
    for (size_t i = 0; i < cache->n; i++)
        rcbuf_unref(cache->v[i].bytes);
    vec_done(cache);
}

static struct watch_set *set_of(struct watches *all, const struct resource *stored)
{
    for (size_t i = 0; i < all->sets.n; i++)
        if (all->sets.v[i].res == stored)
            return &all->sets.v[i];
    return NULL;
}

static void on_event(void *arg, const struct event *e)
{
    struct watch_set *set = set_of(arg, object_resource(e->object));
    encoded_list cache = {0};

    for (size_t i = 0; set && i < set->list.n; i++)
        deliver(set->list.v[i], e, &cache);
    drop_encoded(&cache);
}

/* ---- life ---- */

static void on_timer_closed(uv_handle_t *h)
{
    free(h->data);
}

static void forget(struct watch *w)
{
    struct watch_set *set = set_of(w->all, w->res->stored);

    for (size_t i = 0; set && i < set->list.n; i++) {
        if (set->list.v[i] == w) {
            vec_remove(&set->list, i);
            break;
        }
    }
    w->all->n--;
    resource_unref(w->res);
    selection_done(&w->sel);
    free(w->ns);
    free(w->name);
    uv_close((uv_handle_t *)&w->timer, on_timer_closed);
}

static void on_close(struct http_req *r, enum http_end_kind how, void *ctx)
{
    (void)how;
    r->user = NULL;
    forget(ctx);
}

static void on_timeout(uv_timer_t *t)
{
    struct watch *w = t->data;

    if (w->bookmarks)
        send_bookmark(w, MAX(w->from, storage_rv(w->all->api->storage)), false);
    end(w);
}

/* Takes what it needs from req, and its connection; req is gone after. */
static struct watch *watch_new(struct request *req, struct selection *sel, int64_t timeout)
{
    struct watches *all = req->api->watches;
    struct watch *w = xnew(struct watch);

    w->all = all;
    w->http = req->http;
    w->res = resource_ref(req->res);
    w->view = req->view;
    w->sel = *sel;
    w->ns = xstrdup(req->ns);
    if (sel->name) {
        w->name = xstrdup(sel->name);
        w->sel.name = w->name;
    }
    uv_timer_init(all->api->loop, &w->timer);
    w->timer.data = w;
    uv_timer_start(&w->timer, on_timeout, (uint64_t)timeout * 1000, 0);
    struct watch_set *set = set_of(all, w->res->stored);
    if (!set) {
        set = vec_add(&all->sets);
        set->res = w->res->stored;
    }
    vec_push(&set->list, w);
    all->n++;
    http_on_close(w->http, on_close, w);
    size_t n;
    const struct http_field *fields = request_fields(req, 200, "application/json", &n);
    http_start(w->http, 200, fields, n);
    req->http->user = NULL;
    req->http = NULL;
    request_free(req);
    return w;
}

/* ---- the start of a watch ---- */

struct start {
    bool initial;     /* synthetic ADDED events of what is there */
    bool initial_end; /* and a bookmark behind them */
    bool history;
    bool bookmarks;
    uint64_t rv;
    int64_t timeout;
};

static struct status *read_version(struct request *req, uint64_t *ret)
{
    const char *text = request_param(req, "resourceVersion");
    int64_t rv = 0;

    if (text && *text && (!slice_int64(slice_of(text), &rv) || rv < 0))
        return status_plain(
            &req->arena, 500,
            arena_printf(&req->arena,
                         "resourceVersion: Invalid value: \"%s\": strconv.ParseUint: parsing "
                         "\"%s\": invalid syntax",
                         text, text));
    *ret = (uint64_t)rv;
    return NULL;
}

static void check_match(struct request *req, const char *send_initial, const char *match)
{
    static const char field[] = "resourceVersionMatch";
    bool given = match && *match, right = given && strcmp(match, "NotOlderThan") == 0;

    if (send_initial && !right)
        field_forbidden(&req->errs, field,
                        "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    if (given && !send_initial)
        field_forbidden(
            &req->errs, field,
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
    if (given && !right)
        field_error_add(
            &req->errs, FIELD_NOT_SUPPORTED, field,
            arena_printf(&req->arena,
                         "Unsupported value: \"%s\": supported values: \"NotOlderThan\"", match));
    const char *token = request_param(req, "continue");
    if (token && *token)
        field_forbidden(&req->errs, field,
                        "resourceVersionMatch is forbidden when continue is provided");
}

static struct status *read_start(struct request *req, struct start *s)
{
    const char *send_initial = request_param(req, "sendInitialEvents");
    bool initial = false;
    struct status *st;

    *s = (struct start){.timeout = TIMEOUT_MIN + rand_below(TIMEOUT_MIN)};
    st = query_int(req, "timeoutSeconds", &s->timeout);
    if (!st)
        st = query_int(req, "limit", &(int64_t){0});
    if (st)
        return st;
    check_match(req, send_initial, request_param(req, "resourceVersionMatch"));
    if (req->errs.n)
        return status_invalid_option(&req->arena, "ListOptions", &req->errs);
    st = read_version(req, &s->rv);
    query_bool(req, "sendInitialEvents", &initial);
    query_bool(req, "allowWatchBookmarks", &s->bookmarks);
    s->initial = send_initial ? initial : s->rv == 0;
    /* a watch from nowhere that takes bookmarks is told the end of the beginning without asking,
     * too */
    s->initial_end = s->bookmarks && s->initial;
    s->history = !s->initial && s->rv != 0;
    if (s->timeout <= 0)
        s->timeout = TIMEOUT_MIN;
    return st;
}

static bool send_existing(void *arg, const struct object *o)
{
    struct watch *w = arg;

    if (selects(w, o) && !w->ended) {
        struct rcbuf *bytes = view_event(&w->view, w->res, "ADDED", o, NULL,
                                         !w->columns_sent && w->view.rep == REP_TABLE);

        http_write(w->http, bytes);
        w->columns_sent = true;
        rcbuf_unref(bytes);
    }
    return true;
}

static bool send_past(void *arg, const struct event *e)
{
    struct watch *w = arg;
    encoded_list cache = {0};
    const char *type = type_for(w, e);

    if (type && !w->ended) {
        http_write(w->http, encode(&cache, w, e, type));
        w->columns_sent = true;
    }
    drop_encoded(&cache);
    return true;
}

static void begin(struct watch *w, const struct start *s)
{
    struct storage *storage = w->all->api->storage;
    struct err err = {0};
    struct arena arena = {0};
    int r = 0;

    w->bookmarks = s->bookmarks;
    if (s->initial)
        storage_each(storage, &(struct storage_scan){.res = w->res, .ns = w->ns}, send_existing, w,
                     NULL);
    else if (s->history)
        r = storage_history(storage, w->res, s->rv, send_past, w, &err);
    w->from = MAX(s->history ? s->rv : 0, storage_rv(storage));
    if (r < 0)
        send_status(w, status_from_err(&arena, &err));
    else if (s->initial_end)
        send_bookmark(w, storage_rv(storage), true);
    arena_done(&arena);
}

void verb_watch(struct request *req)
{
    struct selection sel = {0};
    struct start start;
    struct status *st = read_start(req, &start);

    if (!st && (req->view.encoding == ENCODE_YAML))
        st = status_new(
            &req->arena, ERR_NOT_ACCEPTABLE,
            "only the following media types are accepted: application/json;stream=watch, "
            "application/vnd.kubernetes.protobuf;stream=watch");
    if (!st)
        st = selection_parse(req, &sel);
    if (!st && req->api->draining)
        st = status_new(&req->arena, ERR_UNAVAILABLE, "the server is shutting down");
    if (st || !req->http) {
        selection_done(&sel);
        request_status(req, st ? st : status_bad_method(&req->arena));
        return;
    }
    begin(watch_new(req, &sel, start.timeout), &start);
}

/* ---- all of them ---- */

static void on_bookmark_time(uv_timer_t *t)
{
    struct watches *all = t->data;

    for (size_t i = 0; i < all->sets.n; i++) {
        for (size_t j = 0; j < all->sets.v[i].list.n; j++) {
            struct watch *w = all->sets.v[i].list.v[j];

            if (w->bookmarks && !w->ended)
                send_bookmark(w, MAX(w->from, storage_rv(all->api->storage)), false);
        }
    }
}

struct watches *watches_new(struct apiserver *api)
{
    struct watches *all = xnew(struct watches);

    all->api = api;
    storage_follow(api->storage, on_event, all);
    uv_timer_init(api->loop, &all->bookmark);
    all->bookmark.data = all;
    uv_timer_start(&all->bookmark, on_bookmark_time, BOOKMARK_MS, BOOKMARK_MS);
    uv_unref((uv_handle_t *)&all->bookmark);
    return all;
}

void watches_drain(struct watches *all)
{
    for (size_t i = 0; i < all->sets.n; i++)
        for (size_t j = 0; j < all->sets.v[i].list.n; j++)
            end(all->sets.v[i].list.v[j]);
}

void api_resource_gone(struct apiserver *api, const struct resource *res)
{
    struct watches *all = api->watches;

    for (size_t i = 0; i < all->sets.n; i++)
        for (size_t j = 0; j < all->sets.v[i].list.n; j++)
            if (all->sets.v[i].list.v[j]->res == res)
                end(all->sets.v[i].list.v[j]);
}

/* The HTTP server is freed before: no watch is left. */
void watches_free(struct watches *all)
{
    storage_unfollow(all->api->storage, on_event, all);
    for (size_t i = 0; i < all->sets.n; i++)
        vec_done(&all->sets.v[i].list);
    vec_done(&all->sets);
    uv_close((uv_handle_t *)&all->bookmark, on_timer_closed);
}
