/*
 * Events (events.k8s.io/v1) as client-go's tools/events records them: sent in the background, at
 * most 1,000 queued (more are dropped), a few at once, so that order is not promised. Same type,
 * action, reason and regarding (with its resourceVersion, not the note) within 6 minutes are one
 * Event: the second makes it a series by PATCH, later ones are counted and flushed every 30 minutes
 * and at the end of the series. The server's refusals are final; a connection's failures are tried
 * again 12 times, 10 s apart.
 */
#ifndef MANTA_KUBE_EVENTS_H
#define MANTA_KUBE_EVENTS_H

#include "kube/client.h"

struct recorder;

struct event {
    const char *controller; /* reportingController: "raycluster-controller" */
    bool warning;
    const char *reason, *action, *note;
    yyjson_val *regarding; /* the whole object, or any object with apiVersion, kind and metadata */
};

/* host: the end of reportingInstance ("<controller>-<host>"). */
struct recorder *recorder_new(struct kube *k, const char *host);
void recorder_emit(struct recorder *r, const struct event *e); /* copies */
/* Stops; done (may be NULL) comes when the queue is empty or after 1 s. */
void recorder_drain(struct recorder *r, void (*done)(void *ctx), void *ctx);
void recorder_free(struct recorder *r);
size_t recorder_queued(const struct recorder *r);

#endif
