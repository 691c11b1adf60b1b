/*
 * A request that somebody else answers: a node's kubelet, a pod. The answer is streamed through, no
 * faster than our client takes it.
 */
#ifndef MANTA_APISERVER_FORWARD_H
#define MANTA_APISERVER_FORWARD_H

#include "apiserver/request.h"
#include "net/client.h"

struct forward {
    const char *method, *path; /* with query, percent-encoded */
    const struct http_field *fields;
    size_t n_fields;
    struct slice body;
    /* Where to: a connecting socket. target is copied. */
    int (*connect)(const char *target, struct err *err);
    const char *target;
    /* An error of the other side becomes a Status with its text (logs); else it is passed on as it
     * is. */
    bool errors_as_status;
    const char *what; /* for messages: "the kubelet of node n" */
};
void forward(struct request *req, const struct forward *f); /* req is gone when it returns */

/*
 * The same for a request that http_wants_websocket(): messages both ways, in the subprotocol that
 * the other side picks of those offered. Of f: path, connect, target, what.
 */
void forward_websocket(struct request *req, const struct forward *f);

#endif
