#include "net/tunnel_private.h"

#include "base/mem.h"

static struct tunnel *of(struct conn *c)
{
    return c->owner;
}

static void on_data(struct conn *c, struct slice bytes)
{
    struct tunnel *t = of(c);

    if (t->early.len) {
        struct buf early cleanup(buf_done) = t->early;
        t->early = (struct buf)BUF_INIT;
        t->h.on_data(t, buf_slice(&early), t->h.ctx);
    }
    if (bytes.n && !conn_dead(c) && !t->cut)
        t->h.on_data(t, bytes, t->h.ctx);
}

static void on_eof(struct conn *c)
{
    struct tunnel *t = of(c);

    if (t->h.on_eof)
        t->h.on_eof(t, t->h.ctx);
    else
        tunnel_close(t);
    conn_dirty(c);
}

static void on_pull(struct conn *c, struct buf *out, size_t max)
{
    struct tunnel *t = of(c);
    size_t n = MIN(t->out.unsent, max);

    if (n && buf_reserve(out, n))
        out->len += stream_pull(&t->out, out->data + out->len, n);
}

static void on_flushed(struct conn *c)
{
    struct tunnel *t = of(c);

    if (t->wrote) {
        t->wrote = false;
        if (t->h.on_drain && !t->ended && !t->closing)
            t->h.on_drain(t, t->h.ctx);
    }
    if (conn_dead(c) || t->out.unsent)
        return;
    if (t->closing || (t->ended && c->eof)) {
        conn_finish(c);
    } else if (t->ended && !t->shut) {
        t->shut = true;
        conn_shutdown_write(c);
    }
}

static void on_dead(struct conn *c, const char *why)
{
    struct tunnel *t = of(c);

    hub_unpost(&t->task);
    list_remove(&t->link);
    t->h.on_close(t, why, t->h.ctx);
    if (t->gone)
        t->gone(t->gone_ctx);
}

static void on_free(struct conn *c)
{
    struct tunnel *t = of(c);

    stream_done(&t->out);
    buf_done(&t->early);
    free(t);
}

static const struct conn_ops ops = {
    .data = on_data,
    .eof = on_eof,
    .pull = on_pull,
    .flushed = on_flushed,
    .dead = on_dead,
    .free = on_free,
};

/* Work that may not happen inside the caller's call: early bytes, cutting. */
static void on_task(struct task *task)
{
    struct tunnel *t = container_of(task, struct tunnel, task);

    if (t->cut)
        conn_kill(t->c, "cut");
    else if (!t->c->paused)
        on_data(t->c, (struct slice){0});
}

struct tunnel *tunnel_new(struct conn *c, struct slice early, const struct tunnel_handler *h)
{
    struct tunnel *t = xnew(struct tunnel);

    t->c = c;
    t->h = *h;
    t->task.fn = on_task;
    buf_add_slice(&t->early, early);
    c->ops = &ops;
    c->owner = t;
    conn_timer_stop(c);
    if (early.n)
        hub_post(c->hub, &t->task);
    return t;
}

static bool writable(const struct tunnel *t)
{
    return !t->ended && !t->closing && !t->cut && !conn_dead(t->c);
}

void tunnel_write_rc(struct tunnel *t, struct rcbuf *data)
{
    if (!writable(t))
        return;
    stream_add(&t->out, data);
    t->wrote = true;
    conn_dirty(t->c);
}

void tunnel_write(struct tunnel *t, struct slice data)
{
    if (!writable(t))
        return;
    stream_add_copy(&t->out, data);
    t->wrote = true;
    conn_dirty(t->c);
}

size_t tunnel_unsent(const struct tunnel *t)
{
    return t->out.unsent + conn_pending(t->c);
}

void tunnel_pause(struct tunnel *t, bool pause)
{
    conn_pause(t->c, pause);
    if (!pause && t->early.len)
        hub_post(t->c->hub, &t->task);
}

void tunnel_end(struct tunnel *t)
{
    t->ended = true;
    conn_dirty(t->c);
}

void tunnel_close(struct tunnel *t)
{
    t->closing = true;
    conn_dirty(t->c);
}

void tunnel_cut(struct tunnel *t)
{
    if (t->cut || conn_dead(t->c))
        return;
    t->cut = true;
    hub_post(t->c->hub, &t->task);
}
