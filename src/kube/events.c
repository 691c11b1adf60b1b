#include "kube/events.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/names.h"
#include "base/timefmt.h"
#include "base/vec.h"

#include <stdio.h>

#define QUEUED_MAX 1000
#define AT_ONCE 8
#define SERIES_NS (6 * 60 * SECOND_NS)   /* a series (or a single event) ends after this silence */
#define REFRESH_NS (30 * 60 * SECOND_NS) /* a running series is written this often */
#define TRIES 12
#define RETRY_MS 10000
#define DRAIN_MS 1000
#define SWEEP_MS 30000

/* One Event on the server, and what we know that it does not. */
struct record {
    struct recorder *r;
    struct kube_request *request; /* that is sending it */
    char key[17];
    char *ns, *name;
    struct json *body; /* until the server has it */
    int64_t last_ns;   /* of the last occurrence, wall clock */
    int64_t series_ns; /* lastObservedTime of the series to send */
    uint32_t count;    /* 1: no series */
    uint32_t series;   /* count to send; 0: nothing to send */
    int64_t due_ns;    /* monotonic: not sent before, after a failure of the connection */
    unsigned tries;
    bool created; /* the server has it */
    bool queued;
    bool ending; /* forgotten once sent */
};

struct recorder {
    struct kube *k;
    char *host;
    struct map records; /* aggregation key → struct record */
    VEC(struct record *) queue;
    unsigned in_flight;
    uv_timer_t *retry, *sweep, *deadline;
    int64_t refreshed_ns;
    bool freed, draining;
    void (*drained)(void *ctx);
    void *drained_ctx;
};

static void send_next(struct recorder *r);

/* ---- building ---- */

static void put_micro(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *key, int64_t ns)
{
    char text[TIME_TEXT];

    json_put_str(doc, obj, key, time_rfc3339_micro(ns, text));
}

static const char *type_of(const struct event *e)
{
    return e->warning ? "Warning" : "Normal";
}

static uint64_t mix(uint64_t h, const char *s)
{
    for (; s && *s; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
    return (h ^ 0x1f) * UINT64_C(1099511628211);
}

/* The aggregation key, hashed: thousands of records are kept for minutes. */
static void key_of(const struct recorder *r, const struct event *e, char out[17])
{
    yyjson_val *o = e->regarding;
    const char *parts[] = {type_of(e),        e->action,    e->reason,
                           e->controller,     r->host,      json_get_str(o, "kind", ""),
                           meta_namespace(o), meta_name(o), meta_uid(o),
                           meta_rv_text(o)};
    uint64_t h = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        h = mix(h, parts[i]);
    snprintf(out, 17, "%016llx", (unsigned long long)h);
}

/* "<object>.<unix nanoseconds in hex>", or a UUID where that is no name. */
static char *name_of(const struct event *e, int64_t now)
{
    char *name = xasprintf("%s.%llx", meta_name(e->regarding), (unsigned long long)now);
    char uuid[37];

    if (!name_dns1123_subdomain(slice_of(name)))
        return name;
    free(name);
    rand_uuid(uuid);
    return xstrdup(uuid);
}

static void put_regarding(yyjson_mut_doc *doc, yyjson_mut_val *root, yyjson_val *obj)
{
    static const char *const fields[] = {"name", "namespace", "uid", "resourceVersion"};
    yyjson_mut_val *to = json_put_obj(doc, root, "regarding");

    json_put_str(doc, to, "kind", json_get_str(obj, "kind", ""));
    json_put_str(doc, to, "apiVersion", json_get_str(obj, "apiVersion", ""));
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        const char *v = json_get_str(json_get(obj, "metadata"), fields[i], NULL);
        if (v)
            json_put_str(doc, to, fields[i], v);
    }
}

static struct json *body_of(const struct recorder *r, const struct event *e,
                            const struct record *rec)
{
    automut yyjson_mut_doc *doc = json_mut_new();
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    autofree char *instance = xasprintf("%s-%s", e->controller, r->host);

    json_put_str(doc, root, "apiVersion", "events.k8s.io/v1");
    json_put_str(doc, root, "kind", "Event");
    yyjson_mut_val *meta = json_put_obj(doc, root, "metadata");
    json_put_str(doc, meta, "name", rec->name);
    json_put_str(doc, meta, "namespace", rec->ns);
    put_micro(doc, root, "eventTime", rec->last_ns);
    json_put_str(doc, root, "reportingController", e->controller);
    json_put_str(doc, root, "reportingInstance", instance);
    json_put_str(doc, root, "action", e->action ? e->action : "");
    json_put_str(doc, root, "reason", e->reason);
    put_regarding(doc, root, e->regarding);
    json_put_str(doc, root, "note", e->note ? e->note : "");
    json_put_str(doc, root, "type", type_of(e));
    return json_freeze(root);
}

/* ---- records ---- */

static void record_free(struct record *rec)
{
    if (!rec)
        return;
    json_unref(rec->body);
    free(rec->ns);
    free(rec->name);
    free(rec);
}

/* No later event joins it. It goes at once unless it is still to be sent. */
static void forget(struct recorder *r, struct record *rec)
{
    if (map_get(&r->records, rec->key) == rec)
        map_remove(&r->records, rec->key);
    rec->ending = true;
    if (!rec->queued)
        record_free(rec);
}

static void enqueue(struct recorder *r, struct record *rec)
{
    if (rec->queued)
        return;
    if (r->queue.n >= QUEUED_MAX) {
        if (!rec->created)
            forget(r, rec);
        return;
    }
    rec->queued = true;
    vec_push(&r->queue, rec);
    send_next(r);
}

void recorder_emit(struct recorder *r, const struct event *e)
{
    int64_t now = clock_wall_ns();
    char key[17];

    key_of(r, e, key);
    struct record *rec = map_get(&r->records, key);
    if (rec && now - rec->last_ns > SERIES_NS) {
        forget(r, rec);
        rec = NULL;
    }
    if (rec) {
        rec->last_ns = now;
        if (++rec->count == 2) { /* the second makes it a series; the others are counted here */
            rec->series = 2;
            rec->series_ns = now;
            enqueue(r, rec);
        }
        return;
    }
    rec = xnew(struct record);
    rec->r = r;
    memcpy(rec->key, key, sizeof key);
    rec->ns = xstrdup(*meta_namespace(e->regarding) ? meta_namespace(e->regarding) : "default");
    rec->name = name_of(e, now);
    rec->count = 1;
    rec->last_ns = now;
    rec->body = body_of(r, e, rec);
    map_put(&r->records, rec->key, rec);
    enqueue(r, rec);
}

/* Series that went on are written again; those that fell silent are written once more and end. */
static void on_sweep(uv_timer_t *t)
{
    struct recorder *r = t->data;
    int64_t now = clock_wall_ns(), mono = clock_mono_ns();
    bool refresh = mono - r->refreshed_ns >= REFRESH_NS;

    if (refresh)
        r->refreshed_ns = mono;
    for (struct map_item *i = map_next(&r->records, NULL); i; i = map_next(&r->records, i)) {
        struct record *rec = i->value;
        bool silent = now - rec->last_ns > SERIES_NS;
        if (rec->count >= 2 && (silent || refresh)) {
            rec->series = rec->count;
            rec->series_ns = rec->last_ns;
            enqueue(r, rec);
        }
        if (silent)
            forget(r, rec);
    }
}

/* ---- sending ---- */

static void end_of_queue(struct recorder *r)
{
    void (*fn)(void *) = r->drained;

    r->drained = NULL;
    if (fn)
        fn(r->drained_ctx);
}

static void on_retry(uv_timer_t *t)
{
    send_next(t->data);
}

static void unqueue(struct recorder *r, struct record *rec)
{
    for (size_t i = 0; i < r->queue.n; i++)
        if (r->queue.v[i] == rec) {
            vec_remove(&r->queue, i);
            break;
        }
    rec->queued = false;
    rec->tries = 0;
    rec->due_ns = 0;
}

/* It was sent, or is given up. */
static void settled(struct recorder *r, struct record *rec, bool sent)
{
    unqueue(r, rec);
    if (sent && rec->series)
        enqueue(r, rec);
    else if (!sent && !rec->ending)
        forget(r, rec);
    else if (rec->ending)
        record_free(rec);
}

static void on_sent(void *ctx, int code, unused struct json *answer, unused struct err *err)
{
    struct record *rec = ctx;
    struct recorder *r = rec->r;
    bool lost = code == ERR_IO || code == ERR_LOST || code == ERR_TIMEOUT;

    rec->request = NULL;
    r->in_flight--;
    if (r->freed) {
        record_free(rec);
        if (!r->in_flight)
            free(r);
        return;
    }
    if (lost && !r->draining && rec->tries++ < TRIES) { /* the others go on meanwhile */
        rec->due_ns = clock_mono_ns() + (int64_t)(RETRY_MS + rand_below(RETRY_MS / 4)) * 1000000;
        send_next(r);
        return;
    }
    /* A name that exists is our own event, whose answer was lost. */
    bool sent = code == 0 || code == ERR_ALREADY_EXISTS;
    if (sent && rec->created)
        rec->series = 0;
    if (sent && !rec->created) {
        rec->created = true;
        json_unref(rec->body);
        rec->body = NULL;
    }
    settled(r, rec, sent);
    send_next(r);
}

static void series_patch(struct buf *out, const struct record *rec)
{
    char text[TIME_TEXT];

    buf_printf(out, "{\"series\":{\"count\":%u,\"lastObservedTime\":\"%s\"}}", rec->series,
               time_rfc3339_micro(rec->series_ns, text));
}

/* The first that may be sent now; else the timer is set to the earliest. */
static struct record *next_due(struct recorder *r)
{
    int64_t now = clock_mono_ns(), first = INT64_MAX;

    for (size_t i = 0; i < r->queue.n; i++) {
        struct record *rec = r->queue.v[i];
        if (rec->request)
            continue;
        if (rec->due_ns <= now || r->draining)
            return rec;
        first = MIN(first, rec->due_ns);
    }
    if (first != INT64_MAX)
        uv_timer_start(r->retry, on_retry, (uint64_t)(first - now) / 1000000 + 1, 0);
    return NULL;
}

static void send_record(struct recorder *r, struct record *rec)
{
    struct buf body cleanup(buf_done) = BUF_INIT;

    if (rec->created)
        series_patch(&body, rec);
    else
        json_write(&body, json_root(rec->body));
    r->in_flight++;
    rec->request = kube_call(r->k, &(struct kube_call){
                                       .verb = rec->created ? KUBE_PATCH : KUBE_CREATE,
                                       .gvr = &gvr_events,
                                       .ns = rec->ns,
                                       .name = rec->created ? rec->name : NULL,
                                       .content_type = rec->created ? KUBE_STRATEGIC_PATCH : NULL,
                                       .body = buf_slice(&body),
                                       .on_done = on_sent,
                                       .ctx = rec,
                                   });
}

static void send_next(struct recorder *r)
{
    if (!r->queue.n)
        end_of_queue(r);
    for (struct record *rec; r->in_flight < AT_ONCE && (rec = next_due(r));)
        send_record(r, rec);
}

/* ---- life ---- */

static uv_timer_t *timer_new(struct recorder *r)
{
    uv_timer_t *t = xnew(uv_timer_t);

    uv_timer_init(kube_loop(r->k), t);
    t->data = r;
    uv_unref((uv_handle_t *)t);
    return t;
}

struct recorder *recorder_new(struct kube *k, const char *host)
{
    struct recorder *r = xnew(struct recorder);

    r->k = k;
    r->host = xstrdup(host);
    r->retry = timer_new(r);
    r->sweep = timer_new(r);
    r->deadline = timer_new(r);
    r->refreshed_ns = clock_mono_ns();
    uv_timer_start(r->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    return r;
}

static void on_deadline(uv_timer_t *t)
{
    end_of_queue(t->data);
}

void recorder_drain(struct recorder *r, void (*done)(void *ctx), void *ctx)
{
    r->draining = true;
    r->drained = done;
    r->drained_ctx = ctx;
    uv_timer_stop(r->retry);
    uv_ref((uv_handle_t *)r->deadline);
    uv_timer_start(r->deadline, on_deadline, r->queue.n ? DRAIN_MS : 0, 0);
    send_next(r);
}

static void free_handle(uv_handle_t *h)
{
    free(h);
}

static void timer_free(uv_timer_t *t)
{
    uv_timer_stop(t);
    uv_close((uv_handle_t *)t, free_handle);
}

void recorder_free(struct recorder *r)
{
    if (!r)
        return;
    r->freed = true;
    for (struct map_item *i = map_next(&r->records, NULL); i; i = map_next(&r->records, i))
        if (!((struct record *)i->value)->queued)
            record_free(i->value);
    for (size_t i = 0; i < r->queue.n; i++)
        if (r->queue.v[i]->request) /* its end comes from the loop and frees it */
            kube_call_cancel(r->queue.v[i]->request);
        else
            record_free(r->queue.v[i]);
    map_done(&r->records);
    vec_done(&r->queue);
    timer_free(r->retry);
    timer_free(r->sweep);
    timer_free(r->deadline);
    free(r->host);
    if (!r->in_flight) /* else the last of them frees it */
        free(r);
}

size_t recorder_queued(const struct recorder *r)
{
    return r->queue.n;
}
