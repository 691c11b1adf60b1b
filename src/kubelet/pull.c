#include "kubelet/pull.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/timefmt.h"

#include <stdio.h>

#define BACKOFF_FIRST_NS (10 * SECOND_NS)
#define BACKOFF_MAX_NS (300 * SECOND_NS)

struct pull {
    uv_work_t work;
    struct pulls *owner; /* NULL: nobody listens any more */
    char *cache_dir, *image, *path;
    char version[32];
    bool running;
    int code;
    struct err err;
    int64_t began_ns, took_ns, retry_ns, backoff_ns;
    unsigned failures;
};

struct pulls {
    uv_loop_t *loop;
    char *cache_dir;
    struct map by_image;
    void (*changed)(void *ctx);
    void *ctx;
};

struct pulls *pulls_new(uv_loop_t *loop, const char *cache_dir, void (*changed)(void *ctx),
                        void *ctx)
{
    struct pulls *p = xnew(struct pulls);

    p->loop = loop;
    p->cache_dir = cache_dir ? xstrdup(cache_dir) : image_cache_dir();
    p->changed = changed;
    p->ctx = ctx;
    return p;
}

static void pull_free(struct pull *w)
{
    free(w->cache_dir);
    free(w->image);
    free(w->path);
    free(w);
}

void pulls_free(struct pulls *p)
{
    if (!p)
        return;
    for (struct map_item *i = map_next(&p->by_image, NULL); i; i = map_next(&p->by_image, i)) {
        struct pull *w = i->value;
        if (w->running)
            w->owner = NULL; /* freed when it is done */
        else
            pull_free(w);
    }
    map_done(&p->by_image);
    free(p->cache_dir);
    free(p);
}

static struct pull *get(struct pulls *p, const char *image)
{
    struct pull *w = map_get(&p->by_image, image);

    if (!w) {
        w = xnew(struct pull);
        w->owner = p;
        w->image = xstrdup(image);
        w->cache_dir = xstrdup(p->cache_dir);
        map_put(&p->by_image, image, w);
    }
    return w;
}

static void remember(struct pull *w, char *path)
{
    free(w->path);
    w->path = path;
    if (image_ray_version(path, w->version, NULL) < 0)
        w->version[0] = '\0';
}

void pull_look(struct pulls *p, const char *image, struct pull_info *ret)
{
    struct pull *w = get(p, image);
    char *path = NULL;

    *ret = (struct pull_info){.failures = w->failures, .took_ns = w->took_ns};
    if (w->running) {
        ret->state = PULL_RUNNING;
        return;
    }
    if (image_find(p->cache_dir, image, &path, NULL) == 0) {
        if (!w->path || strcmp(w->path, path) != 0)
            remember(w, path);
        else
            free(path);
        ret->state = PULL_READY;
        ret->path = w->path;
        snprintf(ret->ray_version, sizeof ret->ray_version, "%s", w->version);
    } else if (w->retry_ns > clock_mono_ns()) {
        ret->state = PULL_BACKOFF;
        ret->message = w->err.msg;
        ret->retry_ns = w->retry_ns;
    } else {
        ret->state = PULL_NONE;
    }
}

static void pull_run(uv_work_t *work)
{
    struct pull *w = work->data;
    char *path = NULL;

    w->code = image_pull(w->cache_dir, w->image, NULL, &path, &w->err);
    free(path);
}

static void pull_done(uv_work_t *work, unused int status)
{
    struct pull *w = work->data;
    int64_t now = clock_mono_ns();

    w->running = false;
    if (!w->owner) {
        pull_free(w);
        return;
    }
    if (w->code < 0) {
        w->failures++;
        w->backoff_ns = w->backoff_ns ? MIN(w->backoff_ns * 2, BACKOFF_MAX_NS) : BACKOFF_FIRST_NS;
        w->retry_ns = now + w->backoff_ns;
    } else {
        w->took_ns = now - w->began_ns;
        w->backoff_ns = w->retry_ns = 0;
    }
    w->owner->changed(w->owner->ctx);
}

void pull_start(struct pulls *p, const char *image)
{
    struct pull *w = get(p, image);

    if (w->running)
        return;
    w->running = true;
    w->began_ns = clock_mono_ns();
    w->work.data = w;
    uv_queue_work(p->loop, &w->work, pull_run, pull_done);
}
