/*
 * LIST and WATCH of one kind, kept going for as long as it lives: list in pages, items cut out of
 * the bytes as they come (a list is never held whole), watch with bookmarks from the list's
 * version, resume from the last version after a cut, list anew after 410, back-off with jitter
 * after failures (100 ms doubling to 30 s), at once after a clean end.
 *
 *     struct kube_watch *w = kube_watch_new(k, &(struct watch_opts){.gvr = &gvr_pods, .store = s});
 *
 * Items of a list lack apiVersion and kind where the server leaves them out (core types).
 * With a store, its contract (store.h) decides what is news. Without one, on_event gets the raw
 * events: for each list WATCH_RESTARTED, its items as WATCH_ADDED, WATCH_SYNCED; then what the
 * server sends.
 */
#ifndef MANTA_KUBE_WATCH_H
#define MANTA_KUBE_WATCH_H

#include "kube/client.h"
#include "kube/store.h"

enum watch_event {
    WATCH_ADDED,
    WATCH_MODIFIED,
    WATCH_DELETED,
    WATCH_RESTARTED, /* obj NULL: a list begins; forget what a list does not repeat by SYNCED */
    WATCH_SYNCED,    /* obj NULL: the list is complete */
};

struct watch_opts {
    const struct gvr *gvr;
    const char *ns;                              /* NULL: all */
    const char *label_selector, *field_selector; /* NULL: none */
    struct store *store;                         /* borrowed; NULL: on_event only */
    void (*on_event)(void *ctx, enum watch_event event,
                     yyjson_val *obj); /* obj borrowed; may be NULL */
    void (*on_synced)(void *ctx);      /* after each complete list; may be NULL */
    void (*on_error)(void *ctx, int code,
                     const struct err *err); /* it goes on by itself; for the log */
    void *ctx;
    unsigned page; /* items a page; 0: 500 */
};

struct kube_watch;

struct kube_watch *kube_watch_new(struct kube *k,
                                  const struct watch_opts *opts); /* strings copied */
void kube_watch_free(struct kube_watch *w);                       /* no callback after it */
bool kube_watch_synced(const struct kube_watch *w);

#endif
