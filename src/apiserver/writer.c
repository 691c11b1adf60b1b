/*
 * The writer thread: takes one batch, runs it in one transaction, reports to the loop. While it
 * runs, the next batch gathers on the loop's side.
 */
#include "apiserver/storage_impl.h"

#include <pthread.h>
#include <stdio.h>

/* Past this many pages the log is reset by the writer itself, however busy: a passive checkpoint
 * never catches up with a writer that does not pause. */
#define WAL_PAGES_HARD 20000

struct writer {
    struct db *db;
    void (*done)(void *arg, int error, const char *message);
    void *arg;
    uv_async_t wake;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under the lock */
    const struct db_batch *batch; /* to be run, or running */
    bool finished;                /* the batch is through, the loop does not know yet */
    bool stop;
    int error;
    struct err err;
};

static void checkpoint_hard(struct db *db)
{
    if (__atomic_load_n(&db->wal_pages, __ATOMIC_RELAXED) > WAL_PAGES_HARD)
        sqlite3_wal_checkpoint_v2(db->writer, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
}

static void *writer_main(void *arg)
{
    struct writer *w = arg;

    pthread_mutex_lock(&w->lock);
    while (true) {
        while (!w->stop && (!w->batch || w->finished))
            pthread_cond_wait(&w->changed, &w->lock);
        if (w->stop)
            break;
        pthread_mutex_unlock(&w->lock);
        struct err err = {0};
        int r = db_run_batch(w->db, w->batch, &err);
        checkpoint_hard(w->db);
        pthread_mutex_lock(&w->lock);
        w->error = r;
        w->err = err;
        w->finished = true;
        pthread_cond_broadcast(&w->changed);
        uv_async_send(&w->wake);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* On the loop: tells about a finished batch, if there is one. */
static void deliver(struct writer *w)
{
    struct err err;
    int error;

    pthread_mutex_lock(&w->lock);
    bool finished = w->finished;
    if (finished) {
        w->batch = NULL;
        w->finished = false;
        error = w->error;
        err = w->err;
    }
    pthread_mutex_unlock(&w->lock);
    if (!finished)
        return;
    uv_unref((uv_handle_t *)&w->wake);
    w->done(w->arg, error, err.msg);
}

static void on_wake(uv_async_t *wake)
{
    deliver(wake->data);
}

struct writer *writer_new(uv_loop_t *loop, struct db *db,
                          void (*done)(void *arg, int error, const char *message), void *arg)
{
    struct writer *w = xnew(struct writer);

    w->db = db;
    w->done = done;
    w->arg = arg;
    uv_async_init(loop, &w->wake, on_wake);
    w->wake.data = w;
    uv_unref((uv_handle_t *)&w->wake);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    if (pthread_create(&w->thread, NULL, writer_main, w) != 0)
        abort();
    return w;
}

bool writer_busy(const struct writer *w)
{
    return w->batch != NULL; /* only the loop sets and clears it */
}

void writer_submit(struct writer *w, const struct db_batch *batch)
{
    pthread_mutex_lock(&w->lock);
    w->batch = batch;
    w->finished = false;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    uv_ref((uv_handle_t *)&w->wake);
}

void writer_wait(struct writer *w)
{
    while (writer_busy(w)) {
        pthread_mutex_lock(&w->lock);
        while (w->batch && !w->finished)
            pthread_cond_wait(&w->changed, &w->lock);
        pthread_mutex_unlock(&w->lock);
        deliver(w);
    }
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

void writer_free(struct writer *w)
{
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->changed);
    uv_close((uv_handle_t *)&w->wake, on_closed);
}
