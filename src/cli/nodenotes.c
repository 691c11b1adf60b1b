#include "cli/nodenotes.h"

#include "base/map.h"
#include "base/mem.h"
#include "kube/watch.h"

#include <string.h>

struct node_notes {
    uv_loop_t *loop;
    struct timeline *timeline;
    struct kube_watch *watch;
    struct map told; /* messages */
    bool seen, waiting;
};

static bool is_worth_telling(const char *type)
{
    static const char *const types[] = {"PodsIsolated", "PodsReachInternet"};

    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (strcmp(types[i], type) == 0)
            return true;
    return false;
}

static void on_node(void *ctx, enum watch_event event, yyjson_val *node)
{
    struct node_notes *n = ctx;

    if (!node || event == WATCH_DELETED)
        return;
    json_each(json_at(node, "status.conditions"), c, i, count) {
        const char *message = json_get_str(c, "message", "");
        if (strcmp(json_get_str(c, "status", ""), "False") != 0 ||
            !is_worth_telling(json_get_str(c, "type", "")) || map_get(&n->told, message))
            continue;
        map_put(&n->told, message, n);
        timeline_note(n->timeline, "%s", message);
    }
    n->seen = true;
    if (n->waiting)
        uv_stop(n->loop);
}

struct node_notes *node_notes_new(struct kube *kube, struct timeline *timeline)
{
    struct node_notes *n = xnew(struct node_notes);

    n->loop = kube_loop(kube);
    n->timeline = timeline;
    n->watch = kube_watch_new(
        kube, &(struct watch_opts){.gvr = &gvr_nodes, .on_event = on_node, .ctx = n});
    return n;
}

void node_notes_free(struct node_notes *n)
{
    if (!n)
        return;
    kube_watch_free(n->watch);
    map_done(&n->told);
    free(n);
}

static void on_time_up(uv_timer_t *t)
{
    uv_stop(t->loop);
}

void node_notes_wait(struct node_notes *n, unsigned ms)
{
    uv_timer_t timer;

    uv_timer_init(n->loop, &timer);
    uv_timer_start(&timer, on_time_up, ms, 0);
    n->waiting = true;
    if (!n->seen)
        uv_run(n->loop, UV_RUN_DEFAULT);
    n->waiting = false;
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(n->loop, UV_RUN_NOWAIT);
}
