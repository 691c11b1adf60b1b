/*
 * One pod of this node: from its object to processes and back to status. Everything outside
 * (API objects, tokens, images, events, status) comes and goes through struct pod_host, so that
 * tests drive pods without an API server.
 *
 * Every event (a watch, a timer, a shim's word, a probe) ends in pod_poke(): pod_sync() then runs
 * from the loop, looks at the whole state and takes the next steps. It is idempotent.
 *
 * Life: POD_NEW (objects awaited, volumes made) → POD_UP (the shim serves; containers run) →
 * POD_ENDING (deleted, or nothing will run any more: containers are ended) → POD_STOPPING (the shim
 * is asked to end) → POD_ENDED. A shim that dies brings the pod back to POD_NEW.
 */
#ifndef MANTA_KUBELET_POD_H
#define MANTA_KUBELET_POD_H

#include "base/timefmt.h"
#include "data/json.h"
#include "kubelet/dns.h"
#include "kubelet/podenv.h"
#include "kubelet/probe.h"
#include "kubelet/pull.h"
#include "kubelet/shim_client.h"
#include "net/loop.h"

struct pod;

struct pod_host {
    uv_loop_t *loop;
    const char *state_dir; /* absolute */
    const char *reach;     /* path of reach.sock */
    const char *node_name, *host_ip;
    bool namespaces, uplink;   /* uplink: pods have a way to the internet */
    int64_t cpu_milli, memory; /* of the machine */
    struct pulls *pulls;
    /* See pod_object_fn: ERR_UNAVAILABLE while it is being fetched; pod_poke() comes later. */
    pod_object_fn *object;
    int (*token)(void *ctx, yyjson_val *pod, const char *audience, int64_t seconds, struct buf *out,
                 struct err *err);
    dns_lookup_fn *lookup; /* names of services, for pods without namespaces (fallback.h) */
    void (*service_env)(void *ctx, const char *ns, struct env *e); /* may be NULL */
    void (*status)(void *ctx, struct pod *p, yyjson_val *status);  /* it changed */
    /* container NULL: about the pod. */
    void (*event)(void *ctx, struct pod *p, const char *container, bool warning, const char *reason,
                  const char *message);
    void (*ended)(void *ctx, struct pod *p); /* everything is gone; the host may free it later */
    void *ctx;
};

enum ctr_phase { CTR_WAITING, CTR_STARTING, CTR_RUNNING, CTR_EXITED };

/* How a run ended. */
struct ctr_end {
    bool set;
    int attempt, code, signal;
    char reason[32];
    char *message; /* NULL: none */
    char started[TIME_TEXT], finished[TIME_TEXT];
};

struct ctr {
    struct pod *pod;
    yyjson_val *spec;
    const char *name;
    bool init;    /* an init container, sidecars included */
    bool sidecar; /* an init container that restarts always */
    enum ctr_phase phase;
    int attempt; /* of the run that is, or was last; -1: it never ran */
    char started_at[TIME_TEXT];
    struct ctr_end end, before; /* of the last run, of the one before */
    char wait_reason[48], wait_message[512];
    char *image_path; /* the environment, once there */
    char image_version[32];
    bool image_told;            /* the event about it was emitted for this run */
    bool pull_waited;           /* for this run */
    unsigned pull_failures;     /* of the image that were told already */
    int64_t pull_failed_ns;     /* when the last of them was told (monotonic) */
    int64_t end_ns, backoff_ns; /* when it ended (monotonic); how long to wait after that */
    unsigned streak;            /* ends in a row, each after less than ten minutes */
    int64_t start_ns;           /* monotonic */
    struct shim_call *starting;
    struct probe *probes[PROBE_KINDS];
    bool started, ready;
    /* While being ended: */
    bool killing, term_sent, kill_sent;
    int64_t kill_at; /* when SIGKILL is due (monotonic) */
    struct shim_call *prestop;
};

enum pod_stage { POD_NEW, POD_UP, POD_ENDING, POD_STOPPING, POD_ENDED };

struct pod {
    const struct pod_host *host;
    struct json *object;
    char *uid, *dir;
    char ip[16];
    enum pod_stage stage;
    VEC(struct ctr *) ctrs; /* init containers first */
    struct shim_watch *watch;
    struct shim_call *stopping;
    uv_timer_t timer;
    bool deleting; /* the object is deleted, or gone from the API */
    bool orphan;   /* the object is gone: no status, no events */
    bool failed;   /* cannot run at all: phase Failed with the reason below */
    char reason[64], message[512];
    int64_t grace_ns, deadline; /* of the deletion (monotonic); 0: none yet */
    char start_time[TIME_TEXT];
    struct json *status; /* as last reported */
    char told[512];      /* the last problem of the sandbox that was told in an event */
    int64_t retry_ns;    /* the sandbox is tried again then (monotonic); 0: when poked */
    bool syncing;
    void *user; /* the host's */
};

/* Takes the object's pod: a living shim in its directory is taken back. ip: "" to leave the choice.
 */
struct pod *pod_new(const struct pod_host *host, struct json *object, const char *ip);
void pod_free(struct pod *p);                        /* its processes go on */
void pod_update(struct pod *p, struct json *object); /* a new version of the object */
void pod_removed(struct pod *p); /* the object is gone from the API: end it without grace */
void pod_poke(struct pod *p);    /* something may have changed */
void pod_refresh(struct pod *p); /* rewrites the contents of its volumes: tokens grow old */

yyjson_val *pod_spec(const struct pod *p);
const char *pod_ns(const struct pod *p);
const char *pod_name(const struct pod *p);
bool pod_is_over(const struct pod *p); /* nothing runs and nothing will */

/* pod_start.c */
bool pod_dir_alive(const char *dir);             /* a shim serves there */
int pod_sandbox(struct pod *p, struct err *err); /* files, volumes, shim; ERR_UNAVAILABLE: wait */
void pod_recover(struct pod *p);                 /* records → containers */
int pod_write_spec(struct pod *p, struct ctr *c, struct err *err);

/* pod_ctr.c */
void ctr_try_start(struct ctr *c);
void ctr_shim_state(struct ctr *c, yyjson_val *state);
void ctr_lost(struct ctr *c);                                        /* its shim died */
void ctr_kill(struct ctr *c, int64_t grace_ns, const char *message); /* idempotent; event Killing */
void ctr_kill_step(struct ctr *c);        /* TERM and KILL when they are due */
int64_t ctr_next_ns(const struct ctr *c); /* when it needs a look (monotonic); 0: never */
bool ctr_restarts(const struct ctr *c);   /* after its end, by the restart policy */
bool ctr_done(const struct ctr *c);       /* ended and will not run again */
void ctr_wait(struct ctr *c, const char *reason, const char *fmt, ...) printf_like(3, 4);
void ctr_event(struct ctr *c, bool warning, const char *reason, const char *fmt, ...)
    printf_like(4, 5);
void ctr_probed(struct ctr *c, enum probe_kind kind, bool ok, const char *output);

/* pod_status.c */
const char *pod_phase(const struct pod *p);
struct json *pod_status_build(const struct pod *p);

#endif
