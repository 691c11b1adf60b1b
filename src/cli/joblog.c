#include "cli/joblog.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/reach.h"
#include "data/json.h"
#include "net/client.h"

#include <stdio.h>

#define ASK_MS 250
#define RETRY_MS 500
#define LOG_MAX ((size_t)512 << 20)
#define FETCH_TRIES 3 /* for a log that is not whole, or of which there is nothing */

struct joblog {
    struct joblog_opts o;
    char *reach, *ip, *job_id, *authorization;
    struct http_client *http;
    struct ws *tail;
    struct http_call *asking, *fetching;
    uv_timer_t timer;
    uint64_t printed; /* bytes of the log handed on */
    uint64_t skip;    /* bytes of the present tail that were handed on before */
    char state[32];
    int64_t started; /* by Ray's clock, in ms; 0: not known */
    bool tail_ended; /* closed by Ray after the whole log */
    unsigned holds, tries;
    bool freed;
};

static bool ended(const char *state)
{
    return !strcmp(state, "SUCCEEDED") || !strcmp(state, "FAILED") || !strcmp(state, "STOPPED");
}

static int connect_pod(unused const char *host, uint16_t port, void *ctx, struct err *err)
{
    struct joblog *l = ctx;

    return reach_connect(l->reach, l->ip, port, err);
}

/* text begins at byte `at` of the log. */
static void hand_on(struct joblog *l, struct slice text, uint64_t at)
{
    if (at + text.n <= l->printed)
        return;
    size_t known = l->printed > at ? (size_t)(l->printed - at) : 0;
    l->printed = at + text.n;
    l->o.on_log(l->o.ctx, (struct slice){text.p + known, text.n - known});
}

static struct http_call *get(struct joblog *l, const char *what, size_t limit,
                             void (*done)(struct http_call *, const struct http_result *, void *))
{
    autofree char *path = xasprintf("/api/jobs/%s%s", l->job_id, what);
    struct http_field field = HTTP_FIELD("X-Ray-Authorization", l->authorization);

    return http_client_send(l->http, &(struct http_call_opts){.path = path,
                                                              .fields = &field,
                                                              .nfields = l->authorization ? 1 : 0,
                                                              .timeout = 60000,
                                                              .body_limit = limit,
                                                              .on_done = done,
                                                              .ctx = l});
}

/* What closes from the loop (the timer, tails) holds the struct until then. */
static void let_go(struct joblog *l)
{
    if (--l->holds)
        return;
    free(l->reach);
    free(l->ip);
    free(l->job_id);
    free(l->authorization);
    free(l);
}

static void on_tail(struct ws *ws, unused enum ws_kind kind, struct slice data, void *ctx)
{
    struct joblog *l = ctx;

    if (ws != l->tail)
        return; /* one that was given up */
    uint64_t at = l->skip;

    l->skip += data.n;
    hand_on(l, data, at);
}

static void on_tail_close(struct ws *ws, int code, unused struct slice reason, unused int status,
                          void *ctx)
{
    struct joblog *l = ctx;

    if (ws == l->tail) {
        l->tail = NULL;
        l->tail_ended = code == WS_NORMAL;
    }
    let_go(l);
}

static void open_tail(struct joblog *l)
{
    autofree char *path = xasprintf("/api/jobs/%s/logs/tail", l->job_id);
    struct http_field field = HTTP_FIELD("X-Ray-Authorization", l->authorization);
    struct ws_handler h = {.on_message = on_tail,
                           .on_close = on_tail_close,
                           .ctx = l,
                           .max_message = (size_t)64 << 20};

    l->skip = 0;
    l->holds++;
    l->tail = http_client_websocket(l->http, path, &field, l->authorization ? 1 : 0, NULL, &h);
}

static void fetch_again(uv_timer_t *t);

static void on_whole_log(unused struct http_call *call, const struct http_result *r, void *ctx)
{
    struct joblog *l = ctx;
    autojson struct json *j = NULL;

    bool whole = l->tail_ended;

    l->fetching = NULL;
    if (l->freed)
        return;
    if (r->outcome == HTTP_CALL_DONE && r->status == 200 && json_parse(r->body, &j, NULL) == 0) {
        yyjson_val *text = json_get(json_root(j), "logs");
        if (yyjson_is_str(text)) {
            hand_on(l, (struct slice){yyjson_get_str(text), yyjson_get_len(text)}, 0);
            whole = true;
        }
    }
    /* A busy dashboard may have failed both ways. */
    if ((!whole || !l->printed) && ++l->tries < FETCH_TRIES)
        uv_timer_start(&l->timer, fetch_again, RETRY_MS, 0);
    else
        l->o.on_state(l->o.ctx, l->state, true);
}

static void fetch_again(uv_timer_t *t)
{
    struct joblog *l = container_of(t, struct joblog, timer);

    l->fetching = get(l, "/logs", LOG_MAX, on_whole_log);
}

/* A head that is started again knows no job; the operator submits it once more, by the same name.
 */
static void begin_anew(struct joblog *l)
{
    l->printed = 0;
    l->tail_ended = false;
    if (l->tail)
        ws_cut(l->tail);
    l->tail = NULL;
    l->o.on_anew(l->o.ctx);
}

static void see_start(struct joblog *l, int64_t started)
{
    if (l->started && started && started != l->started)
        begin_anew(l);
    l->started = started ? started : l->started;
}

static void finish(struct joblog *l, const char *state)
{
    snprintf(l->state, sizeof l->state, "%s", state);
    uv_timer_stop(&l->timer);
    l->fetching = get(l, "/logs", LOG_MAX, on_whole_log);
}

void joblog_finish(struct joblog *l, const char *state)
{
    if (!l->fetching && !l->tries)
        finish(l, state);
}

static void on_answer(unused struct http_call *call, const struct http_result *r, void *ctx)
{
    struct joblog *l = ctx;
    autojson struct json *j = NULL;
    const char *state;

    l->asking = NULL;
    if (l->freed || l->fetching || r->outcome != HTTP_CALL_DONE || r->status != 200 ||
        json_parse(r->body, &j, NULL) < 0)
        return;
    see_start(l, json_int_at(json_root(j), "start_time", 0));
    state = json_get_str(json_root(j), "status", "");
    if (!*state || !strcmp(state, l->state))
        return;
    if (ended(state)) {
        finish(l, state);
        return;
    }
    snprintf(l->state, sizeof l->state, "%s", state);
    l->o.on_state(l->o.ctx, state, false);
}

static void on_timer(uv_timer_t *t)
{
    struct joblog *l = container_of(t, struct joblog, timer);

    if (!l->tail && !l->tail_ended)
        open_tail(l);
    if (!l->asking)
        l->asking = get(l, "", 0, on_answer);
}

struct joblog *joblog_new(const struct joblog_opts *o)
{
    struct joblog *l = xnew(struct joblog);
    autofree char *url = xasprintf("http://%s:%u", o->ip, o->port);

    l->o = *o;
    l->reach = xstrdup(o->reach);
    l->ip = xstrdup(o->ip);
    l->job_id = xstrdup(o->job_id);
    l->authorization = o->token ? xasprintf("Bearer %s", o->token) : NULL;
    l->http = http_client_new(
        o->loop,
        &(struct http_client_opts){.url = url, .proxy = "", .connect_fd = connect_pod, .ctx = l},
        NULL);
    uv_timer_init(o->loop, &l->timer);
    l->holds = 1;
    uv_timer_start(&l->timer, on_timer, 0, ASK_MS);
    return l;
}

static void timer_closed(uv_handle_t *h)
{
    let_go(container_of((uv_timer_t *)h, struct joblog, timer));
}

void joblog_free(struct joblog *l)
{
    if (!l)
        return;
    l->freed = true;
    if (l->tail)
        ws_cut(l->tail);
    l->tail = NULL;
    http_client_free(l->http);
    uv_close((uv_handle_t *)&l->timer, timer_closed);
}
