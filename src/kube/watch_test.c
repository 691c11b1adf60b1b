#include "kube/fake.h"
#include "kube/watch.h"

#define OBJ(name, rv)                                                                              \
    "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"" name "\",\"uid\":\"u-" name                  \
    "\",\"resourceVersion\":\"" #rv "\"}}"
#define EVENT(type, obj) "{\"type\":\"" type "\",\"object\":" obj "}\n"

static struct store *s;
static struct kube_watch *w;
static struct http_req *stream; /* the open watch */
static struct buf seen;
static int errors;
static const char *plan; /* what the server is up to */
static unsigned lists;

static void on_event(unused void *ctx, enum watch_event event, yyjson_val *obj)
{
    static const char *const names[] = {"added", "modified", "deleted", "restarted", "synced"};

    buf_printf(&seen, "%s %s\n", names[event], obj ? meta_name(obj) : "-");
}
static void on_error(unused void *ctx, unused int code, unused const struct err *err)
{
    errors++;
}
static void stream_closed(struct http_req *r, unused enum http_end_kind how, unused void *ctx)
{
    if (stream == r)
        stream = NULL;
}

static bool is(const char *word)
{
    return plan && strcmp(plan, word) == 0;
}

static void serve_list(struct http_req *r, const char *line)
{
    lists++;
    if (is("circles")) {
        fake_json(r, 200,
                  "{\"metadata\":{\"resourceVersion\":\"9\",\"continue\":\"p\"},\"items\":[]}");
    } else if (is("expires") && strstr(line, "continue=")) {
        fake_json(r, 410, "{\"kind\":\"Status\",\"reason\":\"Expired\",\"code\":410}");
    } else if (is("short") && lists == 2) {
        fake_json(r, 200, "{\"metadata\":{\"resourceVersion\":\"50\"},\"items\":[{\"metadata\":");
    } else if (lists > 1 && !strstr(line, "continue=")) {
        fake_json(r, 200,
                  "{\"metadata\":{\"resourceVersion\":\"60\"},\"items\":[" OBJ("c", 55) "]}");
    } else if (strstr(line, "continue=")) {
        fake_json(r, 200,
                  "{\"items\":[" OBJ("b", 4) "],\"metadata\":{\"resourceVersion\":\"10\"}}");
    } else {
        fake_json(
            r, 200,
            "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"10\",\"continue\":\"p 2\"},"
            "\"items\":[" OBJ("a", 3) "]}");
    }
}

static void serve(struct http_req *r, const char *line)
{
    if (!strstr(line, "watch=true")) {
        serve_list(r, line);
        return;
    }
    if (is("gone")) {
        plan = "";
        fake_json(r, 410, "{\"kind\":\"Status\",\"reason\":\"Expired\",\"code\":410}");
        return;
    }
    http_start(r, 200, NULL, 0);
    stream = r;
    http_on_close(r, stream_closed, NULL);
}

static void start(const char *what)
{
    plan = what;
    errors = 0;
    lists = 0;
    buf_reset(&seen);
    fake_start(serve);
}

static struct kube *watch(bool with_store)
{
    struct kube *k = fake_kube(NULL);

    s = with_store ? store_new(&(struct store_opts){0}) : NULL;
    w = kube_watch_new(k, &(struct watch_opts){.gvr = &gvr_pods,
                                               .ns = "ns",
                                               .label_selector = "a in (b)",
                                               .store = s,
                                               .on_event = on_event,
                                               .on_error = on_error});
    return k;
}

static void stop(struct kube *k)
{
    kube_watch_free(w);
    fake_stop(k);
    store_free(s);
    buf_done(&seen);
}

static bool requested(const char *text)
{
    return strstr(buf_str(&fake.record), text) != NULL;
}

TEST(list_then_watch)
{
    start("");
    struct kube *k = watch(true);
    FAKE_UNTIL(stream);
    CHECK(requested("GET /api/v1/namespaces/ns/pods?labelSelector=a%20in%20%28b%29&limit=500\n"));
    CHECK(requested("&limit=500&continue=p%202\n"));
    CHECK(requested("watch=true&allowWatchBookmarks=true&resourceVersion=10&timeoutSeconds="));
    CHECK(store_synced(s));
    CHECK_INT(store_count(s), 2);
    CHECK_STR(buf_str(&seen), "restarted -\nadded a\nadded b\nsynced -\n");
    http_write_bytes(stream, SLICE(EVENT("MODIFIED", OBJ("a", 12)) EVENT("DELETED", OBJ("b", 13))));
    http_write_bytes(stream,
                     SLICE(EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"20\"}}")));
    FAKE_UNTIL(store_floor(s) == 20);
    CHECK_INT(store_count(s), 1);
    /* a clean end is reopened at once from the last version */
    http_end(stream);
    FAKE_UNTIL(requested("resourceVersion=20&"));
    CHECK_INT(errors, 0);
    FAKE_UNTIL(stream);
    /* a cut, too, after a moment */
    http_write_bytes(stream, SLICE(EVENT("ADDED", OBJ("d", 25))));
    FAKE_UNTIL(store_count(s) == 2);
    http_cut(stream);
    FAKE_UNTIL(requested("resourceVersion=25&"));
    CHECK_INT(errors, 1);
    CHECK_INT(lists, 2);
    stop(k);
}

TEST(gone_lists_anew)
{
    start("gone");
    struct kube *k = watch(true);
    FAKE_UNTIL(stream);
    CHECK(requested("resourceVersion=60&"));
    CHECK_INT(store_count(s), 1);
    CHECK(store_get(s, "ns", "c"));
    /* the same by an event in the stream */
    http_write_bytes(
        stream, SLICE(EVENT("ERROR", "{\"kind\":\"Status\",\"reason\":\"Expired\",\"code\":410}")));
    http_end(stream);
    unsigned before = lists;
    FAKE_UNTIL(lists > before);
    FAKE_UNTIL(stream);
    stop(k);
}

TEST(partial_page_never_deletes)
{
    start("");
    struct kube *k = watch(true);
    FAKE_UNTIL(stream);
    plan = "short"; /* the next list breaks off in the middle */
    lists = 1;
    http_write_bytes(
        stream, SLICE(EVENT("ERROR", "{\"kind\":\"Status\",\"reason\":\"Expired\",\"code\":410}")));
    FAKE_UNTIL(errors == 2);
    CHECK_INT(store_count(s), 2);
    FAKE_UNTIL(store_count(s) == 1);
    stop(k);
}

TEST(lying_pages)
{
    start("circles");
    struct kube *k = watch(true);
    FAKE_UNTIL(errors == 1);
    CHECK(!store_synced(s));
    stop(k);
    start("expires");
    k = watch(false);
    FAKE_UNTIL(stream); /* the second list came without pages */
    CHECK(requested("labelSelector=a%20in%20%28b%29\n"));
    stop(k);
}

static void close_it(unused void *ctx, enum watch_event event, unused yyjson_val *obj)
{
    if (event == WATCH_ADDED)
        kube_watch_free(take(w));
}

TEST(closed_from_inside)
{
    start("");
    struct kube *k = fake_kube(NULL);
    s = NULL;
    w = kube_watch_new(k, &(struct watch_opts){.gvr = &gvr_pods, .on_event = close_it});
    FAKE_UNTIL(!w);
    for (int i = 0; i < 20; i++)
        uv_run(&fake.loop, UV_RUN_NOWAIT);
    stop(k);
}
