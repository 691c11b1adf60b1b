/*
 * Requests to a Kubernetes API server.
 *
 *     struct kube *k = kube_new(loop, config, &(struct kube_opts){.user_agent = "manta/0.1"},
 * &err); kube_call(k, &(struct kube_call){.verb = KUBE_GET, .gvr = &gvr_pods, .ns = "default",
 * .name = "a", .on_done = got_pod, .ctx = me});
 *
 * Two connections: watches on one, everything else on the other (a kube-apiserver ends busy watches
 * that share a connection with a flood of writes). At most 64 requests in flight, the others wait
 * in order. Requests about one resource share a token bucket of qps/burst, as controller-runtime
 * has it (a client a kind); streams do not wait for one.
 *
 * Retries, all before on_done: a stream the server refused (any verb: it was not looked at); 429
 * and 5xx with Retry-After (at most 10 times, as client-go); a GET whose connection died (3 times).
 * Any other verb whose connection died after it was sent ends as ERR_LOST: it may have happened.
 * Never sent at all ends as ERR_IO.
 *
 * A Status answer becomes its code (ERR_NOT_FOUND, ERR_CONFLICT, …) with the server's message.
 * Callbacks come from the loop, never from inside kube_call().
 */
#ifndef MANTA_KUBE_CLIENT_H
#define MANTA_KUBE_CLIENT_H

#include "kube/config.h"
#include "kube/meta.h"

#include "net/loop.h"

struct kube;
struct kube_request;

struct kube_opts {
    const char *user_agent; /* NULL: "manta" */
    double qps;             /* 0: no limit (client-go's "0 is 5" is the caller's business) */
    int burst;
    unsigned max_in_flight; /* 0: 64 */
};

/* Copies config. Does not connect yet; errors are of the configuration (a bad key, a bad URL). */
int kube_new(uv_loop_t *loop, const struct kube_config *config, const struct kube_opts *opts,
             struct kube **ret, struct err *err);
/* Cancels what is in flight (on_done with ERR_CANCELLED, before it returns) and closes. The loop
 * must run once more for handles to close. */
void kube_free(struct kube *k);

enum kube_verb {
    KUBE_GET,    /* name NULL: a LIST, whole */
    KUBE_CREATE, /* POST */
    KUBE_UPDATE, /* PUT */
    KUBE_PATCH,  /* content_type says which */
    KUBE_DELETE, /* name NULL: deletecollection */
};

#define KUBE_MERGE_PATCH "application/merge-patch+json"
#define KUBE_STRATEGIC_PATCH "application/strategic-merge-patch+json"
#define KUBE_JSON_PATCH "application/json-patch+json"
#define KUBE_APPLY_PATCH "application/apply-patch+yaml"

struct kube_call {
    enum kube_verb verb;
    const struct gvr *gvr;
    const char *ns, *name, *subresource;
    const char *path;         /* instead of the four above: "/version", "/apis" */
    const char *query;        /* encoded already, without "?"; may be NULL */
    struct slice body;        /* copied */
    const char *content_type; /* of body; NULL: application/json */
    const char *accept;       /* NULL: application/json */
    uint64_t timeout_ms;      /* over all retries; 0: 60 s, or none for a stream */
    /* Once, always (also after cancel). code 0: answer is the parsed body (NULL if the server sent
     * none or not JSON), borrowed. Otherwise err says why; answer may hold the Status. */
    void (*on_done)(void *ctx, int code, struct json *answer, struct err *err);
    /* Makes it a stream (pod logs, watches by hand): bytes of a 2xx answer as they come, and answer
     * is NULL at the end. Nothing is retried once a byte came. False pauses reading until
     * kube_call_resume(). */
    bool (*on_data)(void *ctx, struct slice data);
    void *ctx;
};

/* Everything in c but ctx is copied. The handle is valid until on_done returns. */
struct kube_request *kube_call(struct kube *k, const struct kube_call *c);
void kube_call_cancel(struct kube_request *r); /* on_done comes with ERR_CANCELLED, from the loop */
void kube_call_resume(struct kube_request *r);

/* For command lines: runs the loop until the call is done. Not from inside a callback. The answer
 * is the caller's (may be NULL when there is none). */
int kube_do(struct kube *k, const struct kube_call *c, struct json **ret_answer, struct err *err);

uv_loop_t *kube_loop(struct kube *k);
const struct kube_config *kube_config_of(const struct kube *k);

/* Asked before each write is sent; false: the call ends with ERR_CANCELLED. For leaders whose lease
 * may run out while requests wait. NULL: always. */
void kube_fence(struct kube *k, bool (*may_write)(void *ctx), void *ctx);

/* One answer, or the end of an attempt that got none (http 0); for metrics. */
struct kube_seen {
    const char *method;
    int http;
    double seconds;        /* from sending to the answer's end */
    double waited;         /* for a token of the bucket, before it was sent */
    size_t sent, received; /* bytes of the bodies; of a stream nothing is counted */
    bool stream, again;    /* again: a retry */
};

/* Called once an attempt. NULL: none. */
void kube_on_request(struct kube *k, void (*fn)(void *ctx, const struct kube_seen *seen),
                     void *ctx);

#endif
